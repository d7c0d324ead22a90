/// What a scenario found out, figure by figure.
package struct Report: Sendable {
    /// A figure and, where there is one, the goal that it was measured against.
    package struct Line: Sendable {
        package var name: String
        package var value: Double
        package var unit: String
        package var goal: Goal?

        package var passes: Bool {
            switch goal {
            case .atLeast(let limit): value >= limit
            case .atMost(let limit): value <= limit
            case nil: true
            }
        }
    }

    package enum Goal: Sendable {
        case atLeast(Double)
        case atMost(Double)
    }

    package let scenario: String
    package let seed: UInt64
    package let nodes: Int
    package private(set) var lines: [Line] = []
    /// What must never happen and did.
    package private(set) var violations: [String] = []
    /// Of the whole run: equal for equal runs.
    package var trace = TraceHash()
    package var events = 0
    package var lookups = 0

    package init(scenario: String, seed: UInt64, nodes: Int) {
        self.scenario = scenario
        self.seed = seed
        self.nodes = nodes
    }

    package var passes: Bool { violations.isEmpty && lines.allSatisfy(\.passes) }

    /// What repeats this run exactly.
    package var command: String { "make sim SCENARIO=\(scenario) SEED=\(seed) NODES=\(nodes)" }

    package mutating func add(_ name: String, _ value: Double, _ unit: String = "", goal: Goal? = nil) {
        lines.append(Line(name: name, value: value, unit: unit, goal: goal))
    }

    package mutating func add(_ name: String, _ share: Share, goal: Goal? = nil) {
        add(name + " (of \(share.count))", share.percent, "%", goal: goal)
    }

    /// Median and 99th percentile, each with its goal.
    package mutating func add(
        _ name: String, _ all: Distribution, _ unit: String = "", median: Goal? = nil, p99: Goal? = nil
    ) {
        add(name + ", median", all.median, unit, goal: median)
        add(name + ", p99", all.p99, unit, goal: p99)
    }

    /// Takes over what a gossip swarm counted.
    package mutating func add(_ swarm: GossipSwarm) {
        trace.mix(swarm.trace.value)
        events += swarm.eventCount
        violations += swarm.violations
    }

    /// Takes over what a simulator counted, whose run is over.
    package mutating func add(_ simulator: Simulator) {
        simulator.checkAll()
        trace.mix(simulator.trace.value)
        events += simulator.eventCount
        lookups += simulator.queryCount
        violations += simulator.violations
    }
}

extension Report {
    /// For people: a line a figure, goals beside them, and how to repeat a failure.
    package var text: String {
        var rows = ["\(scenario): seed \(seed), \(nodes) nodes"]
        let width = lines.map(\.name.count).max() ?? 0
        for line in lines {
            let name = line.name + String(repeating: " ", count: width - line.name.count)
            let value = Report.number(line.value) + (line.unit.isEmpty ? "" : " " + line.unit)
            let verdict = line.passes ? "ok" : "MISSED"
            switch line.goal {
            case .atLeast(let limit):
                rows.append("  \(name)  \(value)  (goal: at least \(Report.number(limit)), \(verdict))")
            case .atMost(let limit):
                rows.append("  \(name)  \(value)  (goal: at most \(Report.number(limit)), \(verdict))")
            case nil: rows.append("  \(name)  \(value)")
            }
        }
        rows += violations.prefix(10).map { "  VIOLATED: \($0)" }
        rows.append("  trace \(trace)")
        if !passes { rows.append("  repeat it with: \(command)") }
        return rows.joined(separator: "\n")
    }

    /// Three digits behind the point at most.
    package static func number(_ value: Double) -> String {
        let thousandths = (abs(value) * 1000).rounded()
        guard thousandths < 9e15 else { return "\(value)" }
        let whole = UInt64(thousandths)
        var fraction = String(whole % 1000)
        fraction = String(repeating: "0", count: 3 - fraction.count) + fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        let sign = value < 0 && whole > 0 ? "-" : ""
        return sign + "\(whole / 1000)" + (fraction.isEmpty ? "" : "." + fraction)
    }
}
