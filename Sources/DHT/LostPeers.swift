import Multiformats
import SansIO

/// Peers that were in the table and stopped answering, to be tried again now and then: after a partition both
/// halves have tables full of their own side only, and nobody but these could bring them together again.
///
/// Bounded; those that had been in the table the longest stay, so that a stream of short-lived newcomers pushes
/// out nobody.
struct LostPeers: Sendable {
    private struct Lost: Sendable {
        var peer: KadPeer
        var key: KadKey
        var lost: Instant
        /// How long it had been in the table.
        var stay: Duration
    }

    static let capacity = 128
    /// Whoever is away for longer has to come by itself.
    static let lifetime = Duration.seconds(24 * 3600)

    private var list: [Lost] = []
    private var turn = 0

    var isEmpty: Bool { list.isEmpty }

    mutating func add(_ entry: TableEntry, now: Instant) {
        list.removeAll { $0.key == entry.key }
        let new = Lost(peer: entry.kadPeer, key: entry.key, lost: now, stay: entry.heard - entry.added)
        list.append(new)
        guard list.count > LostPeers.capacity else { return }
        if let shortest = list.indices.min(by: { list[$0].stay < list[$1].stay }) { list.remove(at: shortest) }
    }

    mutating func remove(_ key: KadKey) { list.removeAll { $0.key == key } }

    /// The next `count` of those that are `wanted`, in turn.
    mutating func next(_ count: Int, now: Instant, wanted: (KadKey, KadPeer) -> Bool) -> [(key: KadKey, peer: KadPeer)]
    {
        list.removeAll { $0.lost + LostPeers.lifetime <= now }
        var result: [(key: KadKey, peer: KadPeer)] = []
        for _ in list.indices where result.count < count {
            turn = (turn + 1) % list.count
            if wanted(list[turn].key, list[turn].peer) { result.append((list[turn].key, list[turn].peer)) }
        }
        return result
    }
}
