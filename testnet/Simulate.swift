import ArgumentParser
import Foundation
import Simulation
import Swarm

/// `testnet sim`: a swarm in virtual time, the same for the same seed.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sim",
        abstract: "Run a swarm in virtual time and measure it.",
        discussion: """
            Nothing touches the network: real Kademlia cores on a simulated one. The same seed gives the same run,
            which the trace at its end shows. The exit code is 1 when a goal was missed; the command that repeats
            the run is printed then.

            SCENARIOS
            \(Scenario.allCases.map { "  \($0.rawValue): \($0.summary)" }.joined(separator: "\n"))
              all: every one of them

            EXAMPLES
              testnet sim --scenario lookup --seed 42
              testnet sim --scenario mixed --seed 1 --seeds 50
              testnet sim --scenario all --json
            """)

    @Option(help: "The same seed gives the same run.") var seed: UInt64 = 1
    @Option(help: "Which story, or all.") var scenario = "mixed"
    @Option(help: "How many nodes; each scenario has its own default.") var nodes: Int?
    @Option(help: "How many seeds, from --seed upwards.") var seeds: UInt64 = 1
    @Flag(help: "One JSON line a run on stdout.") var json = false

    func validate() throws {
        guard scenario == "all" || Scenario(rawValue: scenario) != nil else {
            let names = Scenario.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("There is no scenario '\(scenario)'; there are \(names) and all.")
        }
        guard nodes.map({ (10...20_000).contains($0) }) ?? true else {
            throw ValidationError("A simulated swarm has 10 to 20000 nodes.")
        }
        guard seeds >= 1, seeds <= 1_000_000 else { throw ValidationError("--seeds wants 1 to 1000000.") }
    }

    func run() throws {
        let chosen = Scenario(rawValue: scenario).map { [$0] } ?? Scenario.allCases
        var isGood = true
        for scenario in chosen {
            for seed in seed..<(seed &+ seeds) {
                let clock = ContinuousClock()
                let start = clock.now
                let report = scenario.run(seed: seed, nodes: nodes)
                let seconds = (clock.now - start) / .seconds(1)
                isGood = isGood && report.passes
                show(report, seconds: seconds)
            }
        }
        if !isGood { throw ExitCode(1) }
    }

    private func show(_ report: Report, seconds: Double) {
        let events = Double(report.events) / max(seconds, 1e-9)
        let lookups = Double(report.lookups) / max(seconds, 1e-9)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let line = SimulationLine(report, seconds: seconds)
            if let data = try? encoder.encode(line) { Output.line(String(decoding: data, as: UTF8.self)) }
        } else {
            Output.line(report.text)
            Output.line(
                "  bench: \(Report.number(seconds)) s, \(report.events) events (\(Int(events)) a second), "
                    + "\(report.lookups) queries (\(Int(lookups)) a second)")
        }
    }
}

/// A run as a JSON line.
private struct SimulationLine: Encodable {
    struct Figure: Encodable {
        var name: String
        var value: Double
        var unit: String
        var goal: String?
        var passes: Bool
    }

    var scenario: String
    var seed: UInt64
    var nodes: Int
    var trace: String
    var passes: Bool
    var violations: [String]
    var figures: [Figure]
    var command: String
    var seconds: Double
    var events: Int
    var queries: Int

    init(_ report: Report, seconds: Double) {
        scenario = report.scenario
        seed = report.seed
        nodes = report.nodes
        trace = report.trace.description
        passes = report.passes
        violations = report.violations
        figures = report.lines.map { line in
            let goal =
                switch line.goal {
                case .atLeast(let limit): ">= \(Report.number(limit))"
                case .atMost(let limit): "<= \(Report.number(limit))"
                case nil: String?.none
                }
            return Figure(name: line.name, value: line.value, unit: line.unit, goal: goal, passes: line.passes)
        }
        command = report.command
        self.seconds = seconds
        events = report.events
        queries = report.lookups
    }
}
