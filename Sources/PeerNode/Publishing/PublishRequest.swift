package import Catalog
package import Media

/// What is to be published, and what the user says about it. What is not said comes from the files' tags.
package struct PublishRequest: Sendable {
    /// Files and folders of this machine, absolute.
    package var paths: [String]
    package var form: AlbumFolder.Form = .audio
    /// Of the one track, or of the album.
    package var title: String?
    package var artist: String?
    package var description: String?
    package var genre: String?
    package var mood: String?
    /// At most 30.
    package var tags: [String] = []
    package var license: String?
    package var releaseDate: String?
    /// A picture of this machine, absolute.
    package var cover: String?
    /// Left out of lists and searches, but not secret.
    package var isUnlisted = false
    /// How many nodes should hold the media.
    package var replicas: UInt64?
    /// The name of one of the author's lists that everything is added to; it is made when there is none.
    package var list: String?
    /// Who publishes; the author in use when `nil`.
    package var author: AuthorID?
    /// For an author whose key is locked.
    package var passphrase: String?
    /// How files become blocks, by name; the configured way when `nil`.
    package var profile: String?

    package init(_ paths: [String]) { self.paths = paths }
}

extension PublishRequest {
    /// Throws `PublishError` for what no update could say, so that it is known before anything is stored.
    func check() throws(PublishError) {
        try Self.check("title", title, UpdateLimits.title, mayBeEmpty: false)
        try Self.check("name of the list", list, UpdateLimits.title, mayBeEmpty: false)
        try Self.check("artist", artist, UpdateLimits.title)
        try Self.check("description", description, UpdateLimits.description)
        try Self.check("genre", genre, UpdateLimits.word)
        try Self.check("mood", mood, UpdateLimits.word)
        try Self.check("license", license, UpdateLimits.word)
        try Self.check("release date", releaseDate, UpdateLimits.word)
        for tag in tags { try Self.check("tag '\(tag)'", tag, UpdateLimits.word, mayBeEmpty: false) }
        guard tags.count <= UpdateLimits.tags else {
            throw .badWish("tags", most: UpdateLimits.tags, given: tags.count)
        }
    }

    private static func check(
        _ what: String, _ text: String?, _ most: Int, mayBeEmpty: Bool = true
    ) throws(PublishError) {
        guard let text else { return }
        guard mayBeEmpty || !text.isEmpty else { throw .emptyWish(what) }
        let count = text.unicodeScalars.count
        guard count <= most else { throw .badWish(what, most: most, given: count) }
    }
}
