package import Catalog
import Multiformats
import PeerCrypto
package import Storage

// Saying that this node is there and what it has room for: only when the operator wants it and an author answers for it.
extension CatalogService {
    /// The least time between two announcements, in milliseconds.
    static let announcementInterval: UInt64 = 3_600_000

    /// Announces this node by the author in use, unless that was done within the hour; gives the update.
    ///
    /// Throws when the author's key is locked and was not unlocked.
    @discardableResult
    package func announce(_ space: StoreStatistics) async throws -> Update? {
        guard configuration.announce, let author = try currentAuthor() else { return nil }
        let (store, peer) = (store, identity.peerID)
        let now = store.now()
        // The latest of a few hundred: who publishes more than that within the hour announces a little more often.
        let last = try await plane.blocking {
            try store.log.entries(of: author, limit: 500).first { entry in
                guard case .node(let body) = entry.update.body else { return false }
                return body.peer == peer
            }
        }
        if let last, last.update.time + Self.announcementInterval > now { return nil }
        let free = max(0, space.freeOnDisk ?? 0)
        let used = Int64(clamping: space.bytes)
        let capacity = space.quota ?? (used + free)
        let unsigned = NodeBody(
            peer: peer, roles: configuration.roles,
            endpoint: configuration.endpoint.isEmpty ? nil : configuration.endpoint,
            capacity: Self.number(capacity), free: Self.number(min(free, capacity - used)),
            isAccepting: false, version: Self.version)
        let identity = identity
        return try await publish(as: author) { (time) throws(UpdateError) in
            var body = unsigned
            try body.sign(with: identity, author: author, time: time)
            return .node(body)
        }
    }

    /// What this software is called in announcements.
    private static let version = "peernode/0.1.0"

    private static func number(_ bytes: Int64) -> UInt64 { min(UInt64(max(0, bytes)), UpdateLimits.number) }
}
