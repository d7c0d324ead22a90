import Foundation
import SansIO
import Simulation
import Testing

/// Push and pull together, small; the scenario `catalog` has the figures.
@Suite("Updates in a simulated swarm") struct CatalogSwarmTests {
    private static func plan() -> CatalogSwarmPlan {
        var plan = CatalogSwarmPlan()
        plan.nodes = 24
        plan.dials = 5
        plan.links.latency = 25...50
        plan.updatesPerMinute = 60
        plan.publishing = .seconds(120)
        return plan
    }

    @Test("Without loss everything comes at once, and pulls have nothing to bring", arguments: [1, 2] as [UInt64])
    func quiet(seed: UInt64) {
        let result = CatalogSwarm(CatalogSwarmTests.plan(), seed: seed).run()
        #expect(result.delivered.percent == 100 && result.delivered.count == 24 * 120, "seed \(seed)")
        #expect(result.delays.largest < 600 && result.sets == 1, "seed \(seed): \(result.delays.largest)")
        #expect(result.pulls > 24 * 3 && result.failedPulls < result.pulls / 3, "seed \(seed)")
    }

    @Test(
        "With loss, broken pulls and nodes that come and go every update is everywhere within a minute",
        arguments: 3...6 as ClosedRange<UInt64>)
    func loss(seed: UInt64) {
        var plan = CatalogSwarmTests.plan()
        plan.links.loss = 0.2
        plan.dropped = 0.2
        plan.broken = 0.05
        plan.churn = 0.5
        plan.churnPeriod = .seconds(60)
        plan.absence = .seconds(20)
        let result = CatalogSwarm(plan, seed: seed).run()
        #expect(result.absences > 10, "seed \(seed)")
        #expect(result.inTime.percent == 100, "seed \(seed): \(result.inTime.percent) %, \(result.delays.largest) ms")
        #expect(result.sets == 1 && result.delivered.percent == 100, "seed \(seed): \(result.sets) sets")
        #expect(result.byPull.percent > 0 && result.byPull.percent < 50, "seed \(seed): \(result.byPull.percent)")
    }

    @Test("Pulls alone bring everything too") func pullAlone() {
        var plan = CatalogSwarmTests.plan()
        plan.isPushing = false
        plan.healing = .seconds(600)
        let result = CatalogSwarm(plan, seed: 7).run()
        #expect(result.sets == 1 && result.byPull.percent == 100 && result.gossipBytes == 0)
    }

    @Test("The same seed is the same run, another seed another") func repeats() {
        var plan = CatalogSwarmTests.plan()
        plan.links.loss = 0.2
        plan.churn = 0.5
        plan.churnPeriod = .seconds(60)
        plan.publishing = .seconds(40)
        let one = CatalogSwarm(plan, seed: 9).run()
        let two = CatalogSwarm(plan, seed: 9).run()
        let other = CatalogSwarm(plan, seed: 10).run()
        #expect(one.trace == two.trace && one.events == two.events)
        #expect(one.trace != other.trace)
    }

    @Test(
        "The scenario meets its goals at full size",
        .enabled(if: ProcessInfo.processInfo.environment["CATALOG_LARGE"] != nil, "set CATALOG_LARGE=1"),
        arguments: [1, 2] as [UInt64])
    func scenario(seed: UInt64) {
        let report = Scenario.catalog.run(seed: seed)
        print(report.text)
        #expect(report.passes)
    }
}
