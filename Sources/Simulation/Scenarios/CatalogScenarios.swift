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
    }
}

extension Report {
    /// Takes over the run of a swarm that exchanges updates.
    mutating func add(_ result: CatalogSwarmResult) {
        trace.mix(result.trace.value)
        events += result.events
    }
}
