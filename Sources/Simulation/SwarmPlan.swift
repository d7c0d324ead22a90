package import DHT
import SansIO

/// A swarm as a scenario wants it: who is in it, what the links are like, and how it came together.
package struct SwarmPlan: Sendable {
    package var nodes = 100
    package var links = LinkSettings()
    package var usesDatagrams = true
    package var configuration = KademliaConfiguration()
    /// The share of nodes that are hostile; what they do goes round `hostilities`. The first five are honest.
    package var hostileShare = 0.0
    package var hostilities = Hostility.allCases
    /// All join within this time, each through one of the first five nodes.
    package var joining = Duration.seconds(120)
    /// How long the swarm settles before anything is measured.
    package var settling = Duration.seconds(900)

    package init() {
        configuration.addressPolicy = .publicOnly
    }

    /// Brings the swarm up; when this returns it has settled.
    package func build(seed: UInt64) -> Simulator {
        let simulator = Simulator(seed: seed, links: links)
        simulator.usesDatagrams = usesDatagrams
        if hostileShare > 0 { simulator.conspiracy.invent(1000, &simulator.generator) }
        var owed = 0.0
        var kind = 0
        for index in 0..<nodes {
            let node = simulator.add(configuration)
            if index >= 5 { owed += hostileShare * Double(nodes) / Double(max(1, nodes - 5)) }
            if owed >= 1, !hostilities.isEmpty {
                owed -= 1
                node.hostility = hostilities[kind % hostilities.count]
                kind += 1
                simulator.conspiracy.join(node.identity)
            }
        }
        for node in simulator.nodes { join(node, simulator) }
        simulator.run(for: joining + settling)
        return simulator
    }

    private func join(_ node: SimulatedNode, _ simulator: Simulator) {
        let span = max(1, UInt64(clamping: joining.wholeNanoseconds))
        let delay: Duration = node.index < 5 ? .zero : .nanoseconds(Int64(simulator.generator.next() % span))
        simulator.after(delay) { simulator in
            simulator.start(node)
            simulator.bootstrap(node)
        }
    }
}

extension Simulator {
    /// Connects `node` to its bootstrap peer, and again as long as it knows fewer than four peers, as the node's
    /// shell does. The peer is one of the first five nodes, and the first one for those, so that nobody starts a
    /// swarm of his own.
    package func bootstrap(_ node: SimulatedNode) {
        guard node.isUp, (node.core?.table.count ?? 0) < min(4, nodes.count - 1) else { return }
        let founders = UInt64(min(5, nodes.count))
        let draw = nodes[Int(generator.next() % founders)]
        let chosen = node.index > 0 && node.index < 5 && nodes[0].isUp ? nodes[0] : draw
        if chosen.isUp, chosen.index != node.index { connect(node, chosen) }
        let incarnation = node.incarnation
        after(.seconds(5)) { simulator in
            if node.incarnation == incarnation { simulator.bootstrap(node) }
        }
    }

    /// One of the nodes that are up and honest.
    package func randomNode() -> SimulatedNode {
        while true {
            let node = nodes[Int(generator.next() % UInt64(nodes.count))]
            if node.isUp, node.hostility == nil { return node }
        }
    }

    /// A key as contents have: a multihash that nobody else has.
    package func randomKey() -> [UInt8] {
        [0x12, 0x20]
            + (0..<4).flatMap { _ in
                let word = generator.next()
                return (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
            }
    }

    /// A time with the given mean, distributed exponentially.
    package func randomTime(mean: Duration) -> Duration {
        let uniform = Double(generator.next() >> 11 | 1) / Double(1 << 53)
        return .nanoseconds(Int64(mean.inSeconds * 1e9 * -logarithm(uniform)))
    }

    /// The natural logarithm, without a C library whose last digits differ between machines.
    private func logarithm(_ value: Double) -> Double {
        var exponent = 0.0
        var mantissa = value
        while mantissa < 0.5 {
            mantissa *= 2
            exponent -= 1
        }
        // ln((1 + y) / (1 - y)) = 2 (y + y^3/3 + y^5/5 + ...)
        let ratio = (mantissa - 1) / (mantissa + 1)
        var power = ratio
        var sum = 0.0
        for odd in stride(from: 1.0, through: 25, by: 2) {
            sum += power / odd
            power *= ratio * ratio
        }
        return 2 * sum + exponent * 0.693_147_180_559_945_3
    }
}
