package import Catalog

/// What the catalog could not do for this node's user.
package enum CatalogServiceError: Error, Sendable, Hashable {
    /// No author is in use, and none was named.
    case noAuthor
    /// The author's key is locked, and no passphrase was given.
    case locked(AuthorID)
    /// The recovery words are not, or no longer, this author's.
    case wrongWords(AuthorID)
    /// No update of this author with this id is here.
    case notTheirs(UpdateID, AuthorID)
    /// This node's clock differs from its peers', in milliseconds (positive: ahead). Times cannot be taken back.
    case clock(Int64)
    /// The file is no export of a catalog.
    case notAnExport(String)
    /// The export ends too early or was changed; so many updates before that were taken.
    case damagedExport(String, imported: Int)
    case cannotWrite(String)
    case cannotRead(String)
    /// Nobody who is connected speaks the catalog's protocol.
    case noPeers
    /// The peer gives no session now.
    case refused(seconds: UInt64)
}

extension CatalogServiceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noAuthor: "No author is in use: make one with `peernode author new NAME`."
        case .locked(let author):
            "The key of \(author) is locked: name the file of its passphrase with --passphrase-file, "
                + "or open it for as long as the node runs with `peernode author unlock`."
        case .wrongWords(let author):
            "These are not the recovery words of \(author), or no longer: each rotation makes new ones."
        case .notTheirs(let update, let author):
            "\(author) has no update \(update.cid) here: see `peernode updates log`."
        case .clock(let offset):
            "This machine's clock is \(offset.magnitude / 1_000) seconds \(offset > 0 ? "ahead of" : "behind") its "
                + "peers: set it right, since the time of an update cannot be taken back."
        case .notAnExport(let path): "\(path) is no export of a catalog."
        case .damagedExport(let path, let count):
            "\(path) ends too early or was changed; the \(count) updates before that were taken."
        case .cannotRead(let path): "\(path) cannot be read."
        case .cannotWrite(let path): "\(path) cannot be written."
        case .noPeers: "No connected peer keeps a catalog: see `peernode swarm peers`."
        case .refused(let seconds): "The peer wants no session for \(seconds) seconds: try again then."
        }
    }
}
