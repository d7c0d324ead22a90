/// What is published together: files and folders that the user named, as an ordered list of tracks, with a name, an
/// artist and a cover.
package struct AlbumFolder: Sendable {
    /// How many entries all folders together may have.
    package static let maximumEntries = 10_000
    private static let maximumDepth = 16

    /// What the named files are to be.
    package enum Form: Sendable {
        /// Audio; a named file that is none is refused, one in a folder is left out.
        case audio
        /// Whatever they are; nothing but hidden files is left out of a folder, and audio keeps its tags.
        case file
    }

    /// Something that is not published, and why.
    package struct Skipped: Hashable, Sendable {
        package enum Reason: Hashable, Sendable, CustomStringConvertible {
            case hidden
            case symlink
            /// What it is, with its article.
            case notAudio(String)
            /// A pipe, a socket, a device: with its article.
            case notAFile(String)
            case badPicture(ImageRefusal)
            /// A name that is no UTF-8 text.
            case unnamable
            /// The errno value.
            case unreadable(Int32)

            /// To follow a file's name: "is hidden".
            package var description: String {
                switch self {
                case .hidden: "is hidden"
                case .symlink: "is a symlink"
                case .notAudio(let what), .notAFile(let what): "is \(what)"
                case .badPicture(let refusal): "is no usable cover: it \(refusal)"
                case .unnamable: "has a name that is not UTF-8"
                case .unreadable: "cannot be read"
                }
            }
        }

        package let path: String
        package let reason: Reason

        package init(path: String, reason: Reason) {
            self.path = path
            self.reason = reason
        }
    }

    /// By disc, folder, number and name.
    package private(set) var tracks: [AlbumTrack] = []
    /// In the order in which they were met.
    package private(set) var skipped: [Skipped] = []
    /// The album's name that most tracks have, else the folder's; `nil` for loose files without one.
    package private(set) var name: String?
    /// The one artist of the album or of all tracks; "Various Artists" for an album of several; `nil` when no tag says.
    package private(set) var artist: String?
    /// Of the folder, else the first in the tracks' tags.
    package private(set) var cover: CoverImage?

    /// Whether it is published as a list: a folder, or several tracks.
    package var isAlbum: Bool { tracks.count > 1 || hasFolder }

    private var hasFolder = false
    private var entries = 0
    private var helper: TagHelper?
    private var seen: Set<String> = []

    /// Reads what the user named.
    ///
    /// Blocks for as long as the disk takes. Throws `.notAudio` for a named file that is none (unless `form` is
    /// `.file`), `.nothingToPublish` when no track is left, `.tooLarge` past the limits, `.fileSystem` for what cannot
    /// be opened. With a `helper`, TagLib runs in a process of its own.
    package static func read(_ paths: [String], as form: Form = .audio, helper: TagHelper? = nil) throws(MediaError)
        -> AlbumFolder
    {
        var album = AlbumFolder()
        album.helper = helper
        var folders: [String] = []
        for path in paths.map(PathText.trimmed) {
            switch try FolderEntries.kind(of: path) {
            case .folder:
                folders.append(path)
                album.hasFolder = true
                try album.walk(path, form, depth: 0)
            case .file, .symlink: try album.add(named: path, form)
            case .other: throw .notAFile(path: path)
            }
        }
        guard !album.tracks.isEmpty else {
            throw .nothingToPublish(path: paths.first ?? "", skipped: album.skipped)
        }
        album.tracks.sort(by: AlbumTrack.isBefore)
        album.describe(folders: folders)
        album.findCover(folders: folders)
        return album
    }

    // MARK: Files

    /// A file that the user named.
    private mutating func add(named path: String, _ form: Form) throws(MediaError) {
        guard seen.insert(path).inserted else { return }
        let source = try MediaSource(opening: path)
        if form == .audio || MediaKind(source).isAudio {
            let tags = try AudioTags.read(source, helper: helper)
            tracks.append(AlbumTrack(path: path, kind: tags.kind, size: source.count, tags: tags))
        } else {
            tracks.append(AlbumTrack(path: path, kind: MediaKind(source), size: source.count, tags: nil))
        }
    }

    private mutating func walk(_ folder: String, _ form: Form, depth: Int) throws(MediaError) {
        guard depth < Self.maximumDepth else { throw .tooLarge(path: folder, limit: "folders nested too deeply") }
        let list = try FolderEntries.list(folder, limit: Self.maximumEntries - entries)
        entries += list.count
        for entry in list {
            let path = PathText.join(folder, entry.name)
            if entry.name.hasPrefix(".") {
                skip(path, .hidden)
            } else if !entry.isNamable {
                skip(path, .unnamable)
            } else {
                switch entry.kind {
                case .file: add(found: path, form)
                case .folder: try walk(path, form, depth: depth + 1)
                case .symlink: skip(path, .symlink)
                case .other(let what): skip(path, .notAFile(what))
                }
            }
        }
    }

    /// A file in a folder: what cannot be published is left out.
    private mutating func add(found path: String, _ form: Form) {
        do throws(MediaError) {
            try add(named: path, form)
        } catch .notAudio(let refusal) {
            // Covers are looked at later, and are not left out.
            if CoverImage.rank(PathText.name(path)) == nil { skip(path, .notAudio(refusal.what)) }
        } catch .fileSystem(_, _, let code) {
            skip(path, .unreadable(code))
        } catch {
            skip(path, .notAFile("not a file any more"))
        }
    }

    private mutating func skip(_ path: String, _ reason: Skipped.Reason) {
        skipped.append(Skipped(path: path, reason: reason))
    }

    // MARK: What they are together

    private mutating func describe(folders: [String]) {
        let tags = tracks.compactMap(\.tags)
        name = Self.most(tags.map(\.album))
        if name == nil, folders.count == 1 {
            // "." is called by the name that it has where it lies; whoever asks for it can say so.
            let folder = PathText.name(folders[0])
            if folder != ".", folder != "..", folder != "/" { name = TagText.clean(folder, limit: TagText.titleLimit) }
        }
        artist = Self.most(tags.map(\.albumArtist))
        guard artist == nil else { return }
        let artists = Set(tags.compactMap { $0.artist?.lowercased() })
        artist = artists.count > 1 ? "Various Artists" : tags.lazy.compactMap(\.artist).first
    }

    /// The value that most have, when at least half have it: case aside, in the spelling that comes first.
    private static func most(_ values: [String?]) -> String? {
        var counts: [String: Int] = [:]
        for value in values { if let value { counts[value.lowercased(), default: 0] += 1 } }
        // In the order of the tracks, so that a tie is always settled the same way.
        var best: (value: String, count: Int)?
        for case let value? in values {
            let count = counts[value.lowercased()] ?? 0
            if count > best?.count ?? 0 { best = (value, count) }
        }
        return best.flatMap { $0.count * 2 >= values.count ? $0.value : nil }
    }

    private mutating func findCover(folders: [String]) {
        var places = folders
        for track in tracks where !places.contains(PathText.folder(track.path)) {
            places.append(PathText.folder(track.path))
        }
        for place in places {
            cover = CoverImage.find(in: place, refused: &skipped)
            if cover != nil { return }
        }
        for track in tracks where track.tags != nil {
            cover = CoverImage.embedded(in: track.path, refused: &skipped)
            if cover != nil { return }
        }
    }
}
