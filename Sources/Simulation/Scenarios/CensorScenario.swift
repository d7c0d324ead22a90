import DHT
import Multiformats
import SansIO

extension Scenario {
    /// Attackers mined names next to a content's key before it was provided.
    func censor(_ report: inout Report) {
        let cases: [(String, Hostility, Int)] = [
            ("passive, 20 sybils", .hides, 20), ("passive, 45 sybils", .hides, 45), ("active, 20 sybils", .censors, 20),
            ("active, 45 sybils", .censors, 45),
        ]
        for (label, hostility, count) in cases { censor(&report, label, hostility, sybils: count) }
        fakeProviders(&report)
    }

    private func censor(_ report: inout Report, _ label: String, _ hostility: Hostility, sybils: Int) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        let simulator = plan.build(seed: report.seed)
        let honest = simulator.nodes.count
        var prefix = 4
        while 1 << (prefix - 3) < honest { prefix += 1 }
        let keys = (0..<4).map { _ in simulator.randomKey() }
        for key in keys {
            simulator.conspiracy.targets.insert(key)
            let mined = PeerID.mined(sybils, near: KadKey(hashing: key), prefix: prefix, &simulator.generator)
            for peer in mined {
                let endpoint = Endpoint(spread: simulator.nodes.count)
                let node = simulator.add(
                    plan.configuration, identity: SimulatedIdentity(peer: peer, endpoint: endpoint))
                node.hostility = hostility
                simulator.conspiracy.join(node.identity)
                simulator.start(node, bootstrapping: true)
            }
        }
        simulator.run(for: plan.settling)
        let providers = keys.map { _ in simulator.randomNode() }
        for (key, node) in zip(keys, providers) { simulator.start(.provide(key: key), at: node) }
        simulator.runUntilQuiet(limit: Simulator.queryLimit)
        final class Tally {
            var found = Share()
            var messages = Distribution()
        }
        let tally = Tally()
        simulator.runQueries(200) { simulator, index in
            let (key, provider) = (keys[index % keys.count], providers[index % keys.count])
            var node = simulator.randomNode()
            while node === provider { node = simulator.randomNode() }
            simulator.start(.findProviders(key: key, limit: 1), at: node) { watch, _ in
                tally.found.add(watch.providers.contains { $0.id == provider.peer })
                tally.messages.add(Double(2 * watch.asked))
            }
        }
        report.add(label + ": found", tally.found, goal: .atLeast(99))
        report.add(label + ": messages", tally.messages)
        report.add(simulator)
    }

    /// Ten of the nodes name ten providers each that have nothing; ten are tried at a time, 3 s each while ten wait.
    private func fakeProviders(_ report: inout Report) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        plan.hostileShare = 0.1
        plan.hostilities = [.fakesProviders]
        let simulator = plan.build(seed: report.seed)
        let provided = simulator.provideKeys(20)
        final class Tally {
            var found = Share()
            var seconds = Distribution()
        }
        let tally = Tally()
        simulator.runQueries(200) { simulator, index in
            let target = provided[index % provided.count]
            var node = simulator.randomNode()
            while node === target.provider { node = simulator.randomNode() }
            simulator.start(.findProviders(key: target.key, limit: 0), at: node) { watch, _ in
                let place = watch.providers.firstIndex { $0.id == target.provider.peer }
                tally.found.add(place != nil)
                if let place { tally.seconds.add(Double(place / 10) * 3 + watch.duration.inSeconds) }
            }
        }
        report.add("fake providers: honest one named", tally.found, goal: .atLeast(99))
        report.add("fake providers: until the honest one is tried", tally.seconds, "s", p99: .atMost(15))
        report.add(simulator)
    }
}
