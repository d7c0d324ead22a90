import DHT
import SansIO

/// A story about a swarm that ends in figures, some of them with goals.
package enum Scenario: String, CaseIterable, Sendable {
    case lookup
    case durability
    case hostile
    case eclipse
    case censor
    case provide
    case loss20
    case partition
    case mixed
    case gossip
    case catalog
    case gossipChurn = "gossip-churn"
    case gossipAttacks = "gossip-attacks"

    /// What it shows, in a line.
    package var summary: String {
        switch self {
        case .lookup: "lookups find the true closest, soon and with few messages"
        case .durability: "provider records stay findable for 22 hours while half of the nodes come and go"
        case .hostile: "lookups succeed with 20 % and 33 % of hostile nodes"
        case .eclipse: "an attacker with few addresses gets few places in tables, also over a restart"
        case .censor: "content is found though attackers sit closest to its key"
        case .provide: "what is provided is found within a second"
        case .loss20: "a fifth of all datagrams lost changes no result"
        case .partition: "a swarm that was split finds everything again"
        case .mixed: "everything at once, small: loss, crashes, a partition, hostile nodes"
        case .catalog: "push and pull bring every update everywhere, whatever is lost and whoever comes and goes"
        case .gossip: "every update reaches every node in a few hundred milliseconds, at a few times its bytes"
        case .gossipChurn: "updates by push alone while links lose and nodes come and go"
        case .gossipAttacks: "spam, sybils, eclipses, turncoats, censors: updates arrive all the same"
        }
    }

    /// How many nodes take part unless told otherwise.
    package var defaultNodes: Int {
        switch self {
        case .lookup: 1000
        case .durability: 150
        case .hostile: 300
        case .eclipse: 200
        case .censor: 300
        case .provide: 200
        case .loss20: 300
        case .partition: 100
        case .mixed: 30
        case .gossip: 1000
        case .catalog: 60
        case .gossipChurn: 200
        case .gossipAttacks: 100
        }
    }

    /// Runs it; the same seed and number of nodes give the same report.
    package func run(seed: UInt64, nodes: Int? = nil) -> Report {
        let count = max(10, nodes ?? defaultNodes)
        var report = Report(scenario: rawValue, seed: seed, nodes: count)
        switch self {
        case .lookup: lookup(&report)
        case .durability: durability(&report)
        case .hostile: hostile(&report)
        case .eclipse: eclipse(&report)
        case .censor: censor(&report)
        case .provide: provide(&report)
        case .loss20: loss(&report)
        case .partition: partition(&report)
        case .mixed: mixed(&report)
        case .gossip: gossip(&report)
        case .catalog: catalog(&report)
        case .gossipChurn: gossipChurn(&report)
        case .gossipAttacks: gossipAttacks(&report)
        }
        return report
    }
}

extension Simulator {
    /// The median round trip between two nodes, from a sample of pairs.
    package func medianRoundTrip() -> Duration {
        var times = Distribution()
        let count = nodes.count
        for step in 1...min(500, count * count) {
            let (one, other) = (step % count, (step * 7 + step / count) % count)
            if one != other { times.add(2 * Double(network.latency(one, other))) }
        }
        return .nanoseconds(Int64(times.median))
    }

    /// Starts `count` queries one after the other, `gap` apart, and lets them all end.
    func runQueries(
        _ count: Int, gap: Duration = .milliseconds(100), _ begin: @escaping (Simulator, Int) -> Void
    ) {
        for index in 0..<count { after(gap * index) { begin($0, index) } }
        run(for: gap * count + .milliseconds(1))
        runUntilQuiet(limit: Simulator.queryLimit)
    }

    /// Lets `count` honest nodes provide a key each; who provides which.
    func provideKeys(_ count: Int, gap: Duration = .milliseconds(200)) -> [(key: [UInt8], provider: SimulatedNode)] {
        let all = (0..<count).map { _ in (key: randomKey(), provider: randomNode()) }
        runQueries(count, gap: gap) { simulator, index in
            simulator.start(.provide(key: all[index].key), at: all[index].provider)
        }
        return all
    }
}
