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
