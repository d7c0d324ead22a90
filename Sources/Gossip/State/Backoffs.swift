import Multiformats
import SansIO

/// Until when peers are not to be grafted in a topic. It outlives their connections.
struct Backoffs: Sendable {
    private let capacity: Int
    private var ends: [PeerID: Instant] = [:]

    init(capacity: Int) { self.capacity = capacity }

    var isEmpty: Bool { ends.isEmpty }
    var count: Int { ends.count }

    /// The end of a peer's backoff, which may be past while the slack runs.
    func end(of peer: PeerID) -> Instant? { ends.isEmpty ? nil : ends[peer] }

    /// Sets a backoff, unless the peer has one that ends later.
    mutating func set(_ peer: PeerID, until end: Instant) {
        if let current = ends[peer] {
            if current < end { ends[peer] = end }
        } else if ends.count < capacity {
            ends[peer] = end
        }
    }

    /// Forgets those that ended before `instant`.
    mutating func expire(before instant: Instant) {
        guard !ends.isEmpty else { return }
        ends = ends.filter { $0.value >= instant }
    }
}
