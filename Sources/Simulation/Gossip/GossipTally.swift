import SansIO

/// What became of the messages of a gossip swarm.
package struct GossipTally: Sendable {
    private struct Publication: Sendable {
        let at: Instant
        /// The honest nodes that were up.
        let audience: Int
        var deliveries = 0
    }

    private var publications: [Publication] = []
    /// From publishing to delivery, in milliseconds.
    package private(set) var delays = Distribution()
    package private(set) var payloadBytes = 0
    package private(set) var deliveries = 0
    /// Deliveries of one message to one node beyond the first.
    package private(set) var doubles = 0
    private var delivered: Set<UInt64> = []
    package private(set) var slowest = 0.0

    /// The number of the first message that counts.
    package let first: UInt64

    /// Counts messages with that number and above.
    package init(from first: UInt64 = 0) { self.first = first }

    package var count: Int { publications.count }

    /// Deliveries, of how many there should be.
    package var share: Double {
        let all = publications.reduce(0) { $0 + $1.audience }
        return all == 0
            ? 0 : 100 * Double(publications.reduce(0) { $0 + min($1.deliveries, $1.audience) }) / Double(all)
    }

    mutating func published(audience: Int, at now: Instant) -> UInt64 {
        publications.append(Publication(at: now, audience: audience))
        return first + UInt64(publications.count - 1)
    }

    mutating func delivered(_ number: UInt64, to node: Int, bytes: Int, at now: Instant) {
        guard number >= first, number - first < UInt64(publications.count) else { return }
        guard delivered.insert(number << 20 | UInt64(node)).inserted else {
            doubles += 1
            return
        }
        let place = Int(number - first)
        publications[place].deliveries += 1
        payloadBytes += bytes
        deliveries += 1
        let delay = (now - publications[place].at).milliseconds
        slowest = max(slowest, delay)
        delays.add(delay)
    }

    /// Whether a node has a message.
    package func has(_ number: UInt64, node: Int) -> Bool { delivered.contains(number << 20 | UInt64(node)) }
}
