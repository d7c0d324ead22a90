import Gossip
import SansIO

extension Scenario {
    /// The attacks of the gossipsub evaluation, each at a fifth of its size: for every honest node four attackers
    /// and twenty times as many of their connections. Beside each figure stands what the evaluation has.
    ///
    /// Source: Vyzovitis et al., "GossipSub: Attack-Resilient Message Propagation in the Filecoin and ETH2.0
    /// Networks" (arXiv 2007.02754).
    func gossipAttacks(_ report: inout Report) {
        let base = baseline(&report)
        spam(&report, base)
        sybils(&report, base)
        eclipseOne(&report)
        coldBoot(&report)
        turncoats(&report)
        degrade(&report, base)
        censorOne(&report)
    }

    private struct Baseline {
        let p99: Double
        /// Messages validated by a node for each published.
        let validations: Double
    }

    /// Adds `attackers` that each connect to `links` of the honest.
    private func attack(
        _ swarm: GossipSwarm, _ honest: Int, attackers: Int, links: Int, role: GossipRole
    ) -> [GossipNode] {
        (0..<attackers).map { _ in
            let node = swarm.add(Self.gossipConfiguration, role: role)
            swarm.dial(min(links, honest), from: node, among: honest)
            return node
        }
    }

    /// The share of mesh places of honest nodes that attackers hold, in percent.
    private func hostileShare(_ swarm: GossipSwarm, of nodes: [GossipNode]? = nil) -> Double {
        let bad = Set(swarm.nodes.filter { !$0.isHonest }.map(\.peer))
        var share = Share()
        for node in nodes ?? swarm.nodes where node.isHonest {
            for peer in node.core?.meshPeers(of: GossipSwarm.topic) ?? [] { share.add(bad.contains(peer)) }
        }
        return share.percent
    }

    /// The figures of every attack; `share` and `delay` are the anchor's.
    private func add(
        _ label: String, _ swarm: GossipSwarm, to report: inout Report, p99: Double, share: String, delay: String
    ) {
        report.add("\(label): delivered (anchor: \(share))", swarm.tally.share, "%", goal: .atLeast(100))
        report.add("\(label): delay, p99 (anchor: \(delay))", swarm.tally.delays.p99, "ms", goal: .atMost(p99))
        report.add("\(label): delay, largest", swarm.tally.delays.largest, "ms", goal: .atMost(6_000))
        report.add(swarm)
    }

    private func baseline(_ report: inout Report) -> Baseline {
        let swarm = Self.gossipSwarm(report.nodes, seed: report.seed)
        swarm.run(for: .seconds(10))
        swarm.beginMeasuring()
        swarm.publish(300, perSecond: 10)
        swarm.run(for: .seconds(5))
        add("G10 nobody attacks", swarm, to: &report, p99: 400, share: "60,000 of 60,000", delay: "205 ms")
        let validations = swarm.nodes.reduce(0) { $0 + $1.validations }
        return Baseline(
            p99: swarm.tally.delays.p99, validations: Double(validations) / Double(swarm.tally.deliveries))
    }

    /// A tenth of all nodes sends invalid messages, a hundred a second, to everybody it is connected to.
    private func spam(_ report: inout Report, _ base: Baseline) {
        let swarm = Self.gossipSwarm(report.nodes, seed: report.seed)
        swarm.run(for: .seconds(10))
        let spammers = attack(
            swarm, report.nodes, attackers: report.nodes / 10, links: 20, role: .spammer(perSecond: 100))
        swarm.beginMeasuring()
        for node in spammers { swarm.spam(node, perSecond: 100) }
        swarm.publish(100, perSecond: 10)
        // Ten seconds have passed: who still heeds one of them?
        var heeded = Share()
        for node in swarm.nodes where node.isHonest {
            for spammer in spammers {
                guard let score = node.core?.score(of: spammer.peer) else { continue }
                heeded.add(score < ScoreParameters.largeSwarm.thresholds.graylist)
            }
        }
        report.add("G10b spam: links to spammers graylisted within 10 s", heeded, goal: .atLeast(100))
        swarm.publish(100, perSecond: 10)
        swarm.run(for: .seconds(5))
        add("G10b spam", swarm, to: &report, p99: 1.2 * base.p99, share: "none", delay: "none, CVE-2020-12821")
        let validations = swarm.nodes.reduce(0) { $0 + ($1.isHonest ? $1.validations : 0) }
        report.add(
            "G10b spam: validations for one without",
            Double(validations) / Double(swarm.tally.deliveries)
                / base.validations, goal: .atMost(1.5))
    }

    /// Four attackers for each honest node connect to all of them, take places in meshes and send nothing.
    private func sybils(_ report: inout Report, _ base: Baseline) {
        let swarm = Self.gossipSwarm(report.nodes, seed: report.seed)
        swarm.run(for: .seconds(10))
        swarm.publish(100, perSecond: 10)
        _ = attack(swarm, report.nodes, attackers: 4 * report.nodes, links: report.nodes / 2, role: .silent)
        swarm.run(for: .seconds(2))
        report.add("G11 sybils: mesh places held at once", hostileShare(swarm), "%")
        swarm.beginMeasuring()
        swarm.publish(600, perSecond: 10)
        swarm.run(for: .seconds(5))
        add("G11 sybils", swarm, to: &report, p99: 1.2 * base.p99, share: "no effect", delay: "no effect")
        report.add("G11 sybils: mesh places held after 60 s (anchor: none)", hostileShare(swarm), "%", goal: .atMost(5))
    }

    /// A thousand at a fifth, all on one node.
    private func eclipseOne(_ report: inout Report) {
        let swarm = Self.gossipSwarm(report.nodes, seed: report.seed)
        swarm.run(for: .seconds(10))
        let target = swarm.nodes[0]
        for _ in 0..<report.nodes {
            swarm.connect(swarm.add(Self.gossipConfiguration, role: .silent), target)
        }
        swarm.beginMeasuring()
        swarm.publish(300, perSecond: 10, by: Array(swarm.nodes[1..<report.nodes]))
        swarm.run(for: .seconds(6))
        add("G11b eclipse of one", swarm, to: &report, p99: 6_000, share: "recovers", delay: "recovers")
        let honest = (target.core?.meshPeers(of: GossipSwarm.topic) ?? []).count { peer in
            swarm.nodes.contains { $0.peer == peer && $0.isHonest && target.links[$0.index] == true }
        }
        report.add(
            "G11b eclipse of one: honest mesh peers that it dialled (anchor: 2)", Double(honest), goal: .atLeast(2))
    }

    /// The attackers are there first.
    private func coldBoot(_ report: inout Report) {
        let swarm = GossipSwarm(seed: report.seed, links: Self.gossipLinks)
        for _ in 0..<report.nodes { swarm.add(Self.gossipConfiguration) }
        _ = attack(swarm, report.nodes, attackers: 4 * report.nodes, links: report.nodes / 2, role: .silent)
        swarm.run(for: .seconds(3))
        for node in swarm.nodes[..<report.nodes] { swarm.dial(10, from: node, among: report.nodes) }
        swarm.run(for: .seconds(1))
        swarm.beginMeasuring()
        swarm.publish(300, perSecond: 10)
        swarm.run(for: .seconds(6))
        add("G12 cold boot", swarm, to: &report, p99: 1_500, share: "100 %, plain 96 %", delay: "1,180 ms, plain 10 s")
    }

    /// A third of the nodes are good for a while, then send nothing any more.
    private func turncoats(_ report: inout Report) {
        let count = report.nodes * 3 / 2
        let roles = Dictionary(
            uniqueKeysWithValues: (report.nodes..<count).map { ($0, GossipRole.turncoat(second: 30)) })
        let swarm = Self.gossipSwarm(count, seed: report.seed, roles: roles)
        swarm.run(for: .seconds(10))
        swarm.publish(200, perSecond: 10)
        swarm.beginMeasuring()
        swarm.publish(600, perSecond: 10)
        swarm.run(for: .seconds(6))
        add(
            "G12b turncoats", swarm, to: &report, p99: 6_000, share: "100 %, plain less",
            delay: "below 6 s, plain above 15 s")
        swarm.publish(600, perSecond: 10)
        report.add(
            "G12b turncoats: honest mesh places after 120 s (anchor: healed in less)", 100 - hostileShare(swarm), "%",
            goal: .atLeast(90))
    }

    /// A third of the nodes forward half of the messages.
    private func degrade(_ report: inout Report, _ base: Baseline) {
        let count = report.nodes * 3 / 2
        let roles = Dictionary(uniqueKeysWithValues: (report.nodes..<count).map { ($0, GossipRole.lossy(percent: 50)) })
        let swarm = Self.gossipSwarm(count, seed: report.seed, roles: roles)
        swarm.run(for: .seconds(10))
        swarm.beginMeasuring()
        swarm.publish(300, perSecond: 10)
        swarm.run(for: .seconds(6))
        add("G12c degrade", swarm, to: &report, p99: 2 * base.p99, share: "handled", delay: "handled")
    }

    /// A third of the nodes forward everything but one publisher's messages.
    private func censorOne(_ report: inout Report) {
        let count = report.nodes * 3 / 2
        let roles = Dictionary(
            uniqueKeysWithValues: (report.nodes..<count).map { ($0, GossipRole.censor(publisher: 0)) })
        let swarm = Self.gossipSwarm(count, seed: report.seed, roles: roles)
        swarm.run(for: .seconds(10))
        swarm.beginMeasuring()
        swarm.publish(100, perSecond: 5, by: [swarm.nodes[0]])
        swarm.run(for: .seconds(6))
        add("G13 censor", swarm, to: &report, p99: 6_000, share: "hard to detect", delay: "none")
    }
}
