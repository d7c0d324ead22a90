/// One file to publish, with what its tags and its name say.
package struct AlbumTrack: Hashable, Sendable {
    package let path: String
    package let kind: MediaKind
    /// The file's length in bytes, when it was looked at.
    package let size: Int
    /// `nil` for a file that is published as a file.
    package let tags: AudioTags?

    /// Of its tags, else the file's name without its ending and its number.
    package var title: String {
        if let title = tags?.title { return title }
        let stem = PathText.stem(PathText.name(path))
        let name = tags == nil ? stem : Self.withoutNumber(stem)
        return TagText.clean(name, limit: TagText.titleLimit) ?? "Untitled"
    }

    /// The disc in the tags, else in the name of the folder ("CD 2").
    var disc: Int { tags?.disc ?? Self.disc(folder: PathText.name(PathText.folder(path))) ?? 1 }

    /// Whether this one comes first: by disc, folder, number and name.
    static func isBefore(_ left: AlbumTrack, _ right: AlbumTrack) -> Bool {
        let (a, b) = (left.disc, right.disc)
        if a != b { return a < b }
        let (x, y) = (PathText.folder(left.path), PathText.folder(right.path))
        if x != y { return NaturalOrder.isBefore(x, y) }
        let (p, q) = (left.tags?.track ?? Int.max, right.tags?.track ?? Int.max)
        if p != q { return p < q }
        return NaturalOrder.isBefore(PathText.name(left.path), PathText.name(right.path))
    }

    /// "01 - Name", "1. Name" and "01_Name" without the number; a name that is all number stays.
    private static func withoutNumber(_ stem: String) -> String {
        let digits = stem.prefix { $0.isASCII && $0.isNumber }
        guard (1...3).contains(digits.count) else { return stem }
        let rest = stem.dropFirst(digits.count)
        let name = rest.drop { " -._)".contains($0) }
        return rest.count == name.count || name.isEmpty ? stem : String(name)
    }

    /// The number in "CD2", "Disc 2" and "disk_02".
    private static func disc(folder: String) -> Int? {
        let name = folder.lowercased()
        guard let word = ["cd", "disc", "disk"].first(where: { name.hasPrefix($0) }) else { return nil }
        let number = name.dropFirst(word.count).drop { " -_.".contains($0) }.prefix { $0.isASCII && $0.isNumber }
        return Int(number).flatMap { (1...999).contains($0) ? $0 : nil }
    }
}
