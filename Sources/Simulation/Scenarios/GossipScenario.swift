package import Gossip
import SansIO

extension Scenario {
    /// The links of all gossip scenarios.
    package static var gossipLinks: LinkSettings {
        var links = LinkSettings()
        links.latency = 25...50
        return links
    }

    /// What nodes run with that may meet attackers.
    package static var gossipConfiguration: GossipConfiguration {
        var configuration = GossipConfiguration()
        configuration.scoring = .largeSwarm
        configuration.topicSettings[GossipSwarm.topic] = .anonymous(dataBytes: 64 << 10, scoring: .largeSwarm)
        return configuration
    }

    /// Honest nodes, each of which has dialled ten others, warmed up.
    package static func gossipSwarm(
        _ count: Int, seed: UInt64, links: LinkSettings = gossipLinks, roles: [Int: GossipRole] = [:]
    ) -> GossipSwarm {
        let swarm = GossipSwarm(seed: seed, links: links)
        for index in 0..<count { swarm.add(gossipConfiguration, role: roles[index] ?? .honest) }
        for node in swarm.nodes { swarm.dial(10, from: node, among: count) }
        return swarm
    }

    /// Everybody is told of everything, soon and with few bytes.
    func gossip(_ report: inout Report) {
        let swarm = Self.gossipSwarm(report.nodes, seed: report.seed)
        swarm.run(for: .seconds(10))
        swarm.beginMeasuring()
        swarm.publish(100, perSecond: 10)
        swarm.run(for: .seconds(5))
        report.add("delivered (anchor: 60,000 of 60,000)", swarm.tally.share, "%", goal: .atLeast(100))
        report.add("delivered twice", Double(swarm.tally.doubles), goal: .atMost(0))
        report.add("delay, median", swarm.tally.delays.median, "ms")
        report.add("delay, p99 (anchor: 205 or 269 ms)", swarm.tally.delays.p99, "ms", goal: .atMost(400))
        report.add("delay, largest (anchor: below 400 ms)", swarm.tally.delays.largest, "ms")
        report.add("bytes sent for a byte delivered", swarm.amplification, goal: .atMost(7))
        var degrees = Distribution()
        for node in swarm.nodes { degrees.add(Double(node.core?.meshPeers(of: GossipSwarm.topic).count ?? 0)) }
        report.add("mesh peers", degrees)
        let idlers = swarm.nodes.reduce(0) { $0 + Double($1.core?.statistics.idlers ?? 0) }
        report.add(
            "mesh peers taken for idle, though nobody is", 100 * idlers / max(1, degrees.mean * Double(degrees.count)),
            "%", goal: .atMost(1))
        report.add(swarm)
    }

    /// A fifth of all frames lost (and sent again, as streams do), half of the nodes gone and back within two hours
    /// brought down to minutes: what push alone does. Whatever is missing is pull's to bring.
    func gossipChurn(_ report: inout Report) {
        var links = Self.gossipLinks
        links.loss = 0.2
        let swarm = Self.gossipSwarm(report.nodes, seed: report.seed, links: links)
        swarm.run(for: .seconds(10))
        swarm.beginMeasuring()
        for node in swarm.nodes.dropFirst(5) where swarm.generator.next() % 2 == 0 {
            let leaves = Duration.milliseconds(Int64(swarm.generator.next() % 60_000))
            swarm.after(leaves) { $0.stop(node) }
            swarm.after(leaves + .seconds(20)) { swarm in
                swarm.start(node)
                swarm.dial(10, from: node, among: swarm.nodes.count)
            }
        }
        swarm.publish(300, perSecond: 5)
        swarm.run(for: .seconds(10))
        report.add("delivered by push alone", swarm.tally.share, "%", goal: .atLeast(95))
        report.add("delay, median", swarm.tally.delays.median, "ms")
        report.add("delay, p95", swarm.tally.delays.quantile(0.95), "ms", goal: .atMost(6_000))
        report.add("delivered twice", Double(swarm.tally.doubles))
        report.add("bytes sent for a byte delivered", swarm.amplification)
        report.add(swarm)
    }
}

extension GossipSwarm {
    /// Connects a node with so many others among the first `count`, by lot.
    package func dial(_ degree: Int, from node: GossipNode, among count: Int) {
        for _ in 0..<degree {
            for _ in 0..<10 where connect(node, nodes[Int(generator.next() % UInt64(count))]) { break }
        }
    }

    /// Random honest nodes publish, one after the other; returns when the last has.
    package func publish(_ count: Int, perSecond: Int, by publishers: [GossipNode]? = nil) {
        let candidates = publishers ?? nodes.filter(\.isHonest)
        for _ in 0..<count {
            let up = candidates.filter(\.isUp)
            if !up.isEmpty { publish(up[Int(generator.next() % UInt64(up.count))]) }
            run(for: .seconds(1) / perSecond)
        }
    }
}
