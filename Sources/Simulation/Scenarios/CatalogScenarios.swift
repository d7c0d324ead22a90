import SansIO

extension Scenario {
    /// A fifth of everything lost, a fifth of gossip on top of it, one pull in twenty broken off, and half of the nodes
    /// come and go within two hours: push and pull together, and each alone.
    func catalog(_ report: inout Report) {
        for (label, isPushing, isPulling) in [
            ("push and pull", true, true), ("push alone", true, false), ("pull alone", false, true),
        ] {
            var plan = CatalogSwarmPlan()
            plan.nodes = report.nodes
            plan.links.latency = 25...50
            plan.links.loss = 0.2
            plan.dropped = 0.2
            plan.broken = 0.05
            plan.churn = 0.5
            plan.updatesPerMinute = 12
            plan.publishing = .seconds(7_200)
            (plan.isPushing, plan.isPulling) = (isPushing, isPulling)
            let result = CatalogSwarm(plan, seed: report.seed).run()
            let isWhole = isPushing && isPulling
            report.add("\(label): everywhere within 60 s", result.inTime, goal: isWhole ? .atLeast(100) : nil)
            report.add("\(label): delay", result.delays, "ms", p99: isWhole ? .atMost(6_000) : nil)
            report.add("\(label): longest delay", result.delays.largest, "ms")
            report.add("\(label): different sets in the end", Double(result.sets), goal: isWhole ? .atMost(1) : nil)
            report.add("\(label): came by pull", result.byPull)
            if isPulling {
                report.add("\(label): bytes of a pull", Double(result.pullBytes) / Double(max(1, result.pulls)))
                report.add("\(label): pulls that failed", Double(result.failedPulls) * 100 / Double(result.pulls), "%")
            }
            report.add(result)
        }
        hostileCatalog(&report)
    }

    /// G13b: a third of all nodes hostile, almost a third of everything lost, and churn.
    private func hostileCatalog(_ report: inout Report) {
        var plan = CatalogSwarmPlan()
        plan.nodes = report.nodes
        plan.links.latency = 25...50
        plan.links.loss = 0.3
        plan.hostile = 1.0 / 3
        plan.churn = 0.5
        plan.updatesPerMinute = 12
        plan.publishing = .seconds(7_200)
        let result = CatalogSwarm(plan, seed: report.seed).run()
        let label = "G13b a third hostile, 30 % lost"
        report.add("\(label): everywhere within 60 s (anchor: none)", result.inTime, goal: .atLeast(100))
        report.add("\(label): delay, p95", result.delays.quantile(0.95), "ms", goal: .atMost(6_000))
        report.add("\(label): longest delay", result.delays.largest, "ms")
        report.add("\(label): different sets in the end", Double(result.sets), goal: .atMost(1))
        report.add("\(label): came by pull", result.byPull)
        report.add(result)
    }
}

extension Report {
    /// Takes over the run of a swarm that exchanges updates.
    mutating func add(_ result: CatalogSwarmResult) {
        trace.mix(result.trace.value)
        events += result.events
    }
}
