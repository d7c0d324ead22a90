import DHT
import SansIO

extension Scenario {
    /// Twelve kinds of hostile nodes, as many of each; with disjoint paths and, beside it, without.
    func hostile(_ report: inout Report) {
        for (share, goal) in [(0.2, 99.0), (0.33, 90.0)] {
            for paths in [8, 1] {
                var plan = SwarmPlan()
                plan.nodes = report.nodes
                plan.links.loss = 0.01
                plan.hostileShare = share
                plan.configuration.paths = paths
                let simulator = plan.build(seed: report.seed)
                let label = "\(Report.number(share * 100)) % hostile, \(paths) path\(paths == 1 ? "" : "s"): "
                hostileLookups(simulator, &report, label, goal: paths == 8 ? .atLeast(goal) : nil)
                report.add(simulator)
            }
        }
    }

    private func hostileLookups(
        _ simulator: Simulator, _ report: inout Report, _ label: String, goal: Report.Goal?
    ) {
        final class Tally {
            var found = Share()
            var peers = Share()
            var closest = Share()
            var messages = Distribution()
            var seconds = Distribution()
        }
        let tally = Tally()
        let provided = simulator.provideKeys(60)
        simulator.runQueries(300) { simulator, index in
            let target = provided[index % provided.count]
            var node = simulator.randomNode()
            while node === target.provider { node = simulator.randomNode() }
            simulator.start(.findProviders(key: target.key, limit: 0), at: node) { watch, _ in
                tally.found.add(watch.providers.contains { $0.id == target.provider.peer })
                tally.messages.add(Double(2 * watch.asked))
                tally.seconds.add(watch.duration.inSeconds)
            }
        }
        simulator.runQueries(200) { simulator, _ in
            let (node, target) = (simulator.randomNode(), simulator.randomNode())
            guard node !== target else { return }
            simulator.start(.findPeer(target.peer), at: node) { watch, _ in
                guard case .peer(let peer) = watch.result else { return tally.peers.add(false) }
                tally.peers.add(peer?.addresses.contains(target.identity.endpoint.datagramAddress) ?? false)
            }
        }
        simulator.runQueries(200) { simulator, _ in
            let node = simulator.randomNode()
            let key = simulator.randomKey()
            simulator.start(.closestPeers(key: key), at: node) { watch, simulator in
                let truth = simulator.closest(to: KadKey(hashing: key), count: 1, honestOnly: true, except: node.index)
                tally.closest.add(truth.allSatisfy(watch.peers.contains))
            }
        }
        report.add(label + "provider found", tally.found, goal: goal)
        report.add(label + "peer found", tally.peers)
        report.add(label + "closest honest found", tally.closest)
        report.add(label + "messages", tally.messages)
        report.add(label + "time", tally.seconds, "s")
    }
}
