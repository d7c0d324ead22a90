package import Catalog
package import Media
package import Multiformats

/// How far a publish is.
package enum PublishEvent: Sendable {
    /// What was found: so many files of so many bytes, and what is left out.
    case found(files: Int, bytes: Int, skipped: [AlbumFolder.Skipped])
    /// So many more bytes of a file are taken in.
    case bytes(path: String, count: Int)
    /// All blocks of a file are here.
    case stored(path: String, CID, size: UInt64)
    /// Every block of everything was read back from the disk; nothing is public before this.
    case verified(blocks: Int)
    /// A piece of content is public; `isNew` is false for one that was published before.
    case published(EntityID, title: String, media: CID, isNew: Bool)
    /// All of them are in a list; `added` of them are new there.
    case listed(EntityID, name: String, added: Int, isNew: Bool)
}

/// Why something is not published. What was published before it stays, and a second try goes on behind it.
package enum PublishError: Error, Hashable, Sendable {
    /// The file was written to meanwhile.
    case changed(path: String)
    /// A block that was just stored cannot be read back.
    case lost(CID, path: String)
    /// The list has no more room.
    case listFull(String)
    case badProfile(String)
    /// What the user says of it is too long or too much: of what, the most that is allowed, and what was given.
    case badWish(String, most: Int, given: Int)
    /// It may not be empty.
    case emptyWish(String)
}

extension PublishError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .changed(let path): "'\(path)' was changed while it was read: publish it again when it is finished"
        case .lost(let cid, let path):
            "block \(cid) of '\(path)' cannot be read back from the disk, so that nothing was published: "
                + "see `peernode repo verify`"
        case .listFull(let name): "the list '\(name)' has no room left"
        case .badWish("tags", let most, let given): "content has at most \(most) tags, not \(given)"
        case .badWish(let what, let most, let given): "the \(what) has at most \(most) characters, not \(given)"
        case .emptyWish(let what): "the \(what) must not be empty"
        case .badProfile(let name): "unknown profile '\(name)': it is unixfs-v1-2025 or unixfs-v0-2015"
        }
    }
}
