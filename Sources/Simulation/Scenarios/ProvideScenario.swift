import DHT
import Multiformats
import SansIO

extension Scenario {
    /// 50 ms from each node to each other: how soon is what was provided found?
    func provide(_ report: inout Report) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        plan.links.latency = 50...50
        let simulator = plan.build(seed: report.seed)
        // A few nodes are gone, but not from all tables: dead addresses may not serialise the work.
        for node in simulator.nodes.dropFirst(5).prefix(report.nodes / 20) { simulator.stop(node) }
        var soonest = Distribution()
        var seconds = Distribution()
        var stored = Distribution()
        var messages = Distribution()
        for _ in 0..<40 {
            let (key, provider) = (simulator.randomKey(), simulator.randomNode())
            final class Tally { var soonest: Duration? }
            let tally = Tally()
            let begin = simulator.now
            let watch = simulator.start(.provide(key: key), at: provider)
            for step in 0..<30 {
                simulator.after(.milliseconds(100) * step) { simulator in
                    var node = simulator.randomNode()
                    while node === provider { node = simulator.randomNode() }
                    simulator.start(.findProviders(key: key, limit: 1), at: node) { find, _ in
                        guard find.providers.contains(where: { $0.id == provider.peer }) else { return }
                        tally.soonest = min(tally.soonest ?? .seconds(3600), find.started - begin)
                    }
                }
            }
            simulator.run(for: .seconds(4))
            simulator.runUntilQuiet(limit: Simulator.queryLimit)
            soonest.add(tally.soonest?.inSeconds ?? 60)
            seconds.add(watch.duration.inSeconds)
            stored.add(Double(watch.stored))
            messages.add(Double(2 * watch.asked))
        }
        report.add("findable by lookups that begin after", soonest, "s", median: .atMost(1), p99: .atMost(1))
        report.add("time of a provide", seconds, "s")
        report.add("peers that took the record", stored)
        report.add("messages of its lookup", messages)
        sweep(simulator, &report)
        report.add(simulator)
    }

    /// Thousands of keys of one node: the sweep takes a lookup for many of them.
    private func sweep(_ simulator: Simulator, _ report: inout Report) {
        let count = 5000
        let node = simulator.randomNode()
        let keys = (0..<count).map { _ in simulator.randomKey() }
        let multihashes = keys.compactMap { try? Multihash($0) }
        let began = simulator.now
        let calls = simulator.callCount
        simulator.provide(multihashes, at: node)
        var ended: Duration?
        for _ in 0..<360 {
            simulator.run(for: .seconds(10))
            guard let status = node.reprovider?.status(now: simulator.now) else { break }
            if status.queued == 0, status.failing == 0 {
                ended = simulator.now - began
                break
            }
        }
        let status = node.reprovider?.status(now: simulator.now)
        var found = Share()
        simulator.runUntilQuiet(limit: Simulator.queryLimit)
        for index in stride(from: 0, to: count, by: 25) {
            var asker = simulator.randomNode()
            while asker === node { asker = simulator.randomNode() }
            let watch = simulator.start(.findProviders(key: keys[index], limit: 1), at: asker)
            simulator.runUntilQuiet(limit: Simulator.queryLimit)
            found.add(watch.providers.contains { $0.id == node.peer })
        }
        report.add("sweep of \(count) keys", ended?.inSeconds ?? 3600, "s", goal: .atMost(1800))
        report.add(
            "sweep: keys for each lookup", Double(count) / Double(max(1, status?.cycle.lookups ?? 0)), "",
            goal: .atLeast(10))
        report.add(
            "sweep: requests a key, upkeep of all nodes included", Double(simulator.callCount - calls) / Double(count))
        report.add("sweep: keys found", found, goal: .atLeast(99))
    }
}
