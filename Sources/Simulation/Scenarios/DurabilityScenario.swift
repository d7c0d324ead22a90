import DHT
import SansIO

extension Scenario {
    /// Announced once; then, for 22 hours, half of the nodes go offline in every two.
    func durability(_ report: inout Report) {
        var plan = SwarmPlan()
        plan.nodes = report.nodes
        plan.links.loss = 0.02
        let simulator = plan.build(seed: report.seed)
        let provided = simulator.provideKeys(200)
        let length = Duration.seconds(22 * 3600)
        let end = simulator.now + length
        Churn().begin(simulator, until: end)
        final class Tally {
            var found = Share()
            var worst = 100.0
            var round = Share()
        }
        let tally = Tally()
        let rounds = 132
        let gap = length / rounds
        for _ in 0..<rounds {
            tally.round = Share()
            simulator.run(for: gap - .seconds(60))
            for _ in 0..<40 {
                let target = provided[Int(simulator.generator.next() % UInt64(provided.count))]
                let node = simulator.randomNode()
                if node === target.provider { continue }
                let incarnation = node.incarnation
                simulator.start(.findProviders(key: target.key, limit: 1), at: node) { watch, _ in
                    guard node.incarnation == incarnation else { return }
                    let isFound = watch.providers.contains { $0.id == target.provider.peer }
                    tally.found.add(isFound)
                    tally.round.add(isFound)
                }
            }
            simulator.run(for: .seconds(60))
            if tally.round.count > 0 { tally.worst = min(tally.worst, tally.round.percent) }
        }
        report.add("records findable over 22 h", tally.found, goal: .atLeast(99.9))
        report.add("in the worst ten minutes", tally.worst, "%")
        report.add("nodes up at the end", Double(simulator.nodes.count { $0.isUp }))
        // Everybody who can come back does: nothing may stay lost.
        for node in simulator.nodes where !node.isUp { simulator.start(node, bootstrapping: true) }
        simulator.run(for: .seconds(600))
        var after = Share()
        let watches = provided.map { target in
            var node = simulator.randomNode()
            while node === target.provider { node = simulator.randomNode() }
            return simulator.start(.findProviders(key: target.key, limit: 1), at: node)
        }
        simulator.runUntilQuiet(limit: Simulator.queryLimit)
        for watch in watches { after.add(!watch.providers.isEmpty) }
        report.add("findable when all are back", after, goal: .atLeast(100))
        report.add(simulator)
    }
}
