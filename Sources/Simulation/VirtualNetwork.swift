package import SansIO

/// What the links between simulated nodes are like.
package struct LinkSettings: Sendable {
    /// One way, in milliseconds; each pair of nodes has its own, drawn evenly from here.
    package var latency: ClosedRange<Double> = 10...200
    /// The largest delay added to a packet, as a share of its pair's latency.
    package var jitter = 0.1
    /// Shares of datagrams; a stream pays for loss in time only.
    package var loss = 0.0
    package var duplication = 0.0
    /// The share of datagrams that are held back by up to two latencies, so that later ones overtake them.
    package var reordering = 0.0
    /// What a node can send, in bytes a second; nil for no limit.
    package var uplink: Int?

    package init() {}
}

/// Who cannot reach whom.
package enum Partition: Sendable {
    /// Nodes of different sides do not reach each other.
    case full
    /// Nodes of a lower side do not reach those of a higher one; the other way works.
    case oneWay
}

/// The links between all pairs of nodes, in virtual time: when, how often and whether a packet arrives.
///
/// Times are nanoseconds. The same seed gives the same latencies, whatever else is drawn.
package struct VirtualNetwork: Sendable {
    package var settings: LinkSettings
    private let latencySeed: UInt64
    private var generator: SeededGenerator
    private var partition: Partition?
    private var sides: [UInt8] = []
    private var cuts: Set<UInt64> = []
    private var uplinkFree: [UInt64] = []

    package init(_ settings: LinkSettings, seed: UInt64) {
        self.settings = settings
        generator = SeededGenerator(seed: seed)
        latencySeed = generator.next()
    }

    /// The latency of a pair without jitter, one way.
    package func latency(_ one: Int, _ other: Int) -> UInt64 {
        var mixer = SeededGenerator(seed: latencySeed ^ VirtualNetwork.pair(min(one, other), max(one, other)))
        let share = Double(mixer.next() >> 11) / Double(1 << 53)
        let range = settings.latency
        return UInt64((range.lowerBound + share * (range.upperBound - range.lowerBound)) * 1e6)
    }

    /// When copies of a datagram arrive, counted from now: none, one or two.
    package mutating func datagram(
        from: Int, to: Int, bytes: Int, now: Instant
    ) -> (first: UInt64?, second: UInt64?) {
        let queued = queue(from, bytes, now)
        guard isOpen(from: from, to: to), !happens(settings.loss) else { return (nil, nil) }
        let first = queued + travel(from, to)
        let second = happens(settings.duplication) ? queued + travel(from, to) : nil
        return (first, second)
    }

    /// How long `trips` messages one after the other take on a stream, loss repaired; nil when nothing arrives.
    package mutating func stream(from: Int, to: Int, trips: Int, bytes: Int, now: Instant) -> UInt64? {
        guard isOpen(from: from, to: to), trips == 1 || isOpen(from: to, to: from) else { return nil }
        var total = queue(from, bytes, now)
        let base = latency(from, to)
        for _ in 0..<trips {
            total += travel(from, to)
            var wait = max(200_000_000, 3 * base)
            var losses = 0
            // RFC 6298: the retransmission timer doubles.
            while losses < 6, happens(settings.loss) {
                total += wait
                wait *= 2
                losses += 1
            }
        }
        return total
    }

    /// Splits the nodes: `side` of each, 0 for those that come later; nil heals.
    package mutating func split(_ partition: Partition?, sides: [UInt8] = []) {
        self.partition = partition
        self.sides = sides
    }

    /// Cuts or mends one direction between two nodes.
    package mutating func cut(from: Int, to: Int, _ isCut: Bool) {
        if isCut { cuts.insert(VirtualNetwork.pair(from, to)) } else { cuts.remove(VirtualNetwork.pair(from, to)) }
    }

    /// Whether packets pass from one node to the other.
    package func isOpen(from: Int, to: Int) -> Bool {
        if !cuts.isEmpty, cuts.contains(VirtualNetwork.pair(from, to)) { return false }
        guard let partition else { return true }
        let (here, there) = (side(from), side(to))
        switch partition {
        case .full: return here == there
        case .oneWay: return here >= there
        }
    }

    private func side(_ node: Int) -> UInt8 { node < sides.count ? sides[node] : 0 }

    private static func pair(_ one: Int, _ other: Int) -> UInt64 {
        UInt64(UInt32(truncatingIfNeeded: one)) << 32 | UInt64(UInt32(truncatingIfNeeded: other))
    }

    private mutating func travel(_ from: Int, _ to: Int) -> UInt64 {
        let base = latency(from, to)
        var time = base
        if settings.jitter > 0 { time += UInt64(Double(base) * settings.jitter * fraction()) }
        if happens(settings.reordering) { time += UInt64(Double(2 * base) * fraction()) }
        return time
    }

    /// How long a packet waits behind what its sender sent before.
    private mutating func queue(_ from: Int, _ bytes: Int, _ now: Instant) -> UInt64 {
        guard let uplink = settings.uplink, uplink > 0 else { return 0 }
        while uplinkFree.count <= from { uplinkFree.append(0) }
        let start = max(uplinkFree[from], now.nanoseconds)
        uplinkFree[from] = start + UInt64(bytes) * 1_000_000_000 / UInt64(uplink)
        return uplinkFree[from] - now.nanoseconds
    }

    private mutating func happens(_ share: Double) -> Bool { share > 0 && fraction() < share }

    private mutating func fraction() -> Double { Double(generator.next() >> 11) / Double(1 << 53) }
}
