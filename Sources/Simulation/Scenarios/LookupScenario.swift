import DHT
import SansIO

extension Scenario {
    /// 10 to 200 ms between any two nodes, one way, and one datagram in twenty lost.
    func lookup(_ report: inout Report) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        plan.links.loss = 0.05
        let simulator = plan.build(seed: report.seed)
        let tables = simulator.nodes.map { Double($0.core?.table.count ?? 0) }
        report.add("peers in a table, mean", tables.reduce(0, +) / Double(max(1, tables.count)))
        findClosest(simulator, &report)
        findProviders(simulator, &report)
        report.add(simulator)
    }

    private func findClosest(_ simulator: Simulator, _ report: inout Report) {
        let count = 500
        final class Tally {
            var exact = Share()
            var recall = Share()
            var first = Share()
            var hops = Distribution()
            var messages = Distribution()
            var seconds = Distribution()
        }
        let tally = Tally()
        simulator.runQueries(count) { simulator, _ in
            let node = simulator.randomNode()
            let key = simulator.randomKey()
            simulator.start(.closestPeers(key: key), at: node) { watch, simulator in
                let truth = simulator.closest(to: KadKey(hashing: key), except: node.index)
                let found = Set(watch.peers)
                tally.exact.add(truth.allSatisfy(found.contains))
                tally.first.add(truth.first.map { $0 == watch.peers.first } ?? false)
                for peer in truth { tally.recall.add(found.contains(peer)) }
                tally.messages.add(Double(2 * watch.asked))
                tally.seconds.add(watch.duration.inSeconds)
                if let closest = watch.peers.first { tally.hops.add(Double(watch.hops(to: closest))) }
            }
        }
        report.add("lookups that find the true 20 closest", tally.exact, goal: .atLeast(99))
        report.add("of the true closest, found", tally.recall)
        report.add("lookups that find the closest", tally.first)
        report.add("hops to the closest", tally.hops)
        report.add("messages a lookup", tally.messages)
        report.add("time of a lookup", tally.seconds, "s")
        if tally.exact.count != count { simulator.violate("\(count - tally.exact.count) lookups never ended") }
    }

    private func findProviders(_ simulator: Simulator, _ report: inout Report) {
        let roundTrip = simulator.medianRoundTrip()
        let provided = simulator.provideKeys(100)
        final class Tally {
            var found = Share()
            var units = Distribution()
        }
        let tally = Tally()
        simulator.runQueries(400) { simulator, index in
            let target = provided[index % provided.count]
            var node = simulator.randomNode()
            while node === target.provider { node = simulator.randomNode() }
            simulator.start(.findProviders(key: target.key, limit: 1), at: node) { watch, _ in
                tally.found.add(watch.providers.contains { $0.id == target.provider.peer })
                if let first = watch.firstProvider {
                    tally.units.add((first - watch.started).inSeconds / roundTrip.inSeconds)
                }
            }
        }
        report.add("median round trip", roundTrip.milliseconds, "ms")
        report.add("providers found", tally.found, goal: .atLeast(99))
        report.add("time to a provider", tally.units, "RTT", median: .atMost(4), p99: .atMost(10))
    }
}
