/// A checked picture to publish beside audio.
package struct CoverImage: Hashable, Sendable {
    /// Where a cover came from.
    package enum Origin: Hashable, Sendable {
        case file(path: String)
        /// In the tags of an audio file.
        case embedded(path: String)
    }

    package let origin: Origin
    /// Type and size.
    package let image: ImageCheck.Image
    /// The picture alone, without camera data, comments and what stood behind its end.
    package let bytes: [UInt8]

    /// The cover of the audio file at `path`: `cover.*` or `folder.*` beside it (case aside; jpg, jpeg, png, webp),
    /// else a picture in its tags; `nil` when there is none, with what was refused on the way.
    package static func find(beside path: String) -> (cover: CoverImage?, refused: [AlbumFolder.Skipped]) {
        var refused: [AlbumFolder.Skipped] = []
        let cover = find(in: PathText.folder(path), refused: &refused) ?? embedded(in: path, refused: &refused)
        return (cover, refused)
    }

    /// The picture in the file at `path`, which the user named as a cover.
    package static func read(path: String) throws(MediaError) -> CoverImage {
        switch load(try MediaSource(opening: path)) {
        case .success(let cover): return cover
        case .failure(let refusal): throw .badPicture(path: path, refusal)
        }
    }

    /// The first sound picture in a folder of those whose names say that they are its cover.
    static func find(in folder: String, refused: inout [AlbumFolder.Skipped]) -> CoverImage? {
        guard let entries = try? FolderEntries.list(folder, limit: AlbumFolder.maximumEntries) else { return nil }
        let candidates = entries.filter { $0.isNamable && $0.kind == .file }
            .compactMap { entry in rank(entry.name).map { (rank: $0, name: entry.name) } }
            .sorted { $0.rank != $1.rank ? $0.rank < $1.rank : NaturalOrder.isBefore($0.name, $1.name) }
        for candidate in candidates {
            let path = PathText.join(folder, candidate.name)
            guard let source = try? MediaSource(opening: path) else { continue }
            switch load(source) {
            case .success(let cover): return cover
            case .failure(let refusal): refused.append(AlbumFolder.Skipped(path: path, reason: .badPicture(refusal)))
            }
        }
        return nil
    }

    /// A sound picture in the tags of an audio file.
    static func embedded(in path: String, refused: inout [AlbumFolder.Skipped]) -> CoverImage? {
        guard let source = try? MediaSource(opening: path) else { return nil }
        guard let picture = EmbeddedPicture.read(source, kind: MediaKind(source)) else { return nil }
        switch check(picture.bytes, .embedded(path: path)) {
        case .success(let cover): return cover
        case .failure(let refusal):
            refused.append(AlbumFolder.Skipped(path: path, reason: .badPicture(refusal)))
            return nil
        }
    }

    /// How well a name says "cover": the lower the better, `nil` when it does not.
    static func rank(_ name: String) -> Int? {
        let lower = name.lowercased()
        guard let stem = ["cover", "folder"].firstIndex(of: PathText.stem(lower)),
            let ending = ["jpg", "jpeg", "png", "webp"].firstIndex(where: { lower.hasSuffix("." + $0) })
        else { return nil }
        return stem * 4 + ending
    }

    private static func load(_ source: MediaSource) -> Result<CoverImage, ImageRefusal> {
        guard source.count <= ImageCheck.maximumLength else { return .failure(.tooLong(bytes: source.count)) }
        return check(source.bytes(at: 0, upTo: source.count), .file(path: source.path))
    }

    private static func check(_ bytes: [UInt8], _ origin: Origin) -> Result<CoverImage, ImageRefusal> {
        do throws(ImageRefusal) {
            let (image, clean) = try ImageCheck.publishable(bytes)
            return .success(CoverImage(origin: origin, image: image, bytes: clean))
        } catch {
            return .failure(error)
        }
    }
}
