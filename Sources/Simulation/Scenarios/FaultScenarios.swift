import DHT
import Multiformats
import SansIO

extension Scenario {
    /// The same lookups by the same nodes, without loss and with a fifth of all datagrams lost.
    func loss(_ report: inout Report) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        let simulator = plan.build(seed: report.seed)
        let provided = simulator.provideKeys(50)
        let keys = (0..<200).map { _ in simulator.randomKey() }
        let askers = (0..<200).map { _ in simulator.randomNode() }
        func run(_ label: String) -> (peers: [Set<PeerID>], found: [Bool]) {
            var seconds = Distribution()
            let closest = zip(keys, askers).map { simulator.start(.closestPeers(key: $0), at: $1) }
            simulator.runUntilQuiet(limit: Simulator.queryLimit)
            let finds = askers.enumerated().map { index, node in
                simulator.start(.findProviders(key: provided[index % provided.count].key, limit: 1), at: node)
            }
            simulator.runUntilQuiet(limit: Simulator.queryLimit)
            for watch in closest { seconds.add(watch.duration.inSeconds) }
            report.add("time of a lookup " + label, seconds, "s")
            return (closest.map { Set($0.peers.prefix(20)) }, finds.map { !$0.providers.isEmpty })
        }
        let clean = run("without loss")
        simulator.network.settings.loss = 0.2
        let lossy = run("with 20 % loss")
        var samePeers = Share()
        var sameFinds = Share()
        for (one, other) in zip(clean.peers, lossy.peers) { samePeers.add(one == other) }
        for (one, other) in zip(clean.found, lossy.found) { sameFinds.add(other || !one) }
        report.add("the same 20 closest with loss", samePeers, goal: .atLeast(99))
        report.add("providers found with loss that are found without", sameFinds, goal: .atLeast(99.5))
        report.add(simulator)
    }

    /// Two halves that do not see each other for an hour, then one direction only, then all is well.
    func partition(_ report: inout Report) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        let simulator = plan.build(seed: report.seed)
        let sides = simulator.nodes.map { UInt8($0.index % 2) }
        let early = simulator.provideKeys(30)
        simulator.network.split(.full, sides: sides)
        simulator.run(for: .seconds(1800))
        let late = simulator.provideKeys(30)
        simulator.run(for: .seconds(1800))
        var within = Share()
        for target in late {
            var node = simulator.randomNode()
            while node === target.provider || sides[node.index] != sides[target.provider.index] {
                node = simulator.randomNode()
            }
            let watch = simulator.start(.findProviders(key: target.key, limit: 1), at: node)
            simulator.runUntilQuiet(limit: Simulator.queryLimit)
            within.add(!watch.providers.isEmpty)
        }
        report.add("found on the same side while split", within, goal: .atLeast(95))
        simulator.network.split(.oneWay, sides: sides)
        simulator.run(for: .seconds(600))
        simulator.network.split(nil)
        let healed = simulator.now
        var whole: Duration?
        var last = Share()
        for _ in 0..<24 {
            simulator.run(for: .seconds(300))
            last = Share()
            for target in early + late {
                var node = simulator.randomNode()
                while node === target.provider { node = simulator.randomNode() }
                let watch = simulator.start(.findProviders(key: target.key, limit: 1), at: node)
                simulator.runUntilQuiet(limit: Simulator.queryLimit)
                last.add(!watch.providers.isEmpty)
            }
            if last.hits == last.count {
                whole = simulator.now - healed
                break
            }
        }
        report.add("found after healing, at the last look", last, goal: .atLeast(100))
        report.add(
            "minutes until everything is found", (whole ?? .seconds(99 * 60)).inSeconds / 60, "min", goal: .atMost(30))
        report.add(simulator)
    }

    /// A small swarm that suffers everything; what it is about is that no rule is broken and that it recovers.
    func mixed(_ report: inout Report) {
        var draw = SeededGenerator(seed: report.seed)
        func upTo(_ limit: Double) -> Double { limit * Double(draw.next() % 1000) / 1000 }
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        plan.usesDatagrams = draw.next() % 4 != 0
        plan.links.latency = 1...(10 + upTo(300))
        plan.links.jitter = upTo(1)
        plan.links.loss = upTo(0.2)
        plan.links.duplication = upTo(0.1)
        plan.links.reordering = upTo(0.3)
        plan.links.uplink = draw.next() % 3 == 0 ? 100_000 : nil
        plan.hostileShare = upTo(0.2)
        plan.joining = .seconds(30)
        plan.settling = .seconds(120)
        let simulator = plan.build(seed: report.seed)
        let provided = simulator.provideKeys(8)
        for node in simulator.nodes.dropFirst(5) where draw.next() % 3 == 0 {
            node.clockSkew = .seconds(Int64(draw.next() % 1200) - 600)
            node.isBehindNAT = draw.next() % 4 == 0
            let isRefusing = draw.next() % 2 == 0
            simulator.after(.milliseconds(Int64(draw.next() % 60_000))) {
                $0.stop(node, as: isRefusing ? .refusing : .silent)
            }
            simulator.after(.milliseconds(60_000 + Int64(draw.next() % 60_000))) {
                $0.start(node, bootstrapping: true)
            }
        }
        simulator.runQueries(30, gap: .seconds(2)) { simulator, index in
            let node = simulator.randomNode()
            let key = provided[index % provided.count].key
            switch index % 5 {
            case 0: simulator.start(.findProviders(key: key, limit: 0), at: node)
            case 1: simulator.start(.closestPeers(key: key), at: node)
            case 2: simulator.start(.findPeer(simulator.randomNode().peer), at: node)
            case 3: simulator.start(.provide(key: key), at: node)
            default:
                // Public keys of their owners; the digest of such a PeerID is the key itself.
                let owner = provided[index % provided.count].provider.peer
                let name = Array("/pk/".utf8) + owner.bytes
                if index % 2 == 0 {
                    simulator.start(.putValue(key: name, value: owner.multihash.digest), at: node)
                } else {
                    simulator.start(.getValue(key: name, quorum: 0), at: node)
                }
            }
        }
        simulator.network.split(
            draw.next() % 2 == 0 ? .full : .oneWay, sides: simulator.nodes.map { UInt8($0.index % 2) })
        simulator.run(for: .seconds(120))
        recover(simulator, provided, &report)
    }

    /// Everything is mended; now the swarm must find what honest nodes provide.
    private func recover(
        _ simulator: Simulator, _ provided: [(key: [UInt8], provider: SimulatedNode)], _ report: inout Report
    ) {
        simulator.network.split(nil)
        simulator.network.settings.loss = 0
        for node in simulator.nodes {
            node.isBehindNAT = false
            simulator.start(node, bootstrapping: true)
        }
        simulator.run(for: .seconds(1200))
        for target in provided { simulator.start(.provide(key: target.key), at: target.provider) }
        simulator.runUntilQuiet(limit: Simulator.queryLimit)
        var found = Share()
        for target in provided {
            var node = simulator.randomNode()
            while node === target.provider { node = simulator.randomNode() }
            let watch = simulator.start(.findProviders(key: target.key, limit: 0), at: node)
            simulator.runUntilQuiet(limit: Simulator.queryLimit)
            found.add(watch.providers.contains { $0.id == target.provider.peer })
        }
        report.add("found after recovery", found, goal: .atLeast(100))
        report.add(simulator)
    }
}
