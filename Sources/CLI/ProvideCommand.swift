import ArgumentParser
import HTTPAPI
import PeerNode

struct ProvideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provide", abstract: "Telling the network what this node has: stat.", subcommands: [Stat.self])

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Say how far telling the network is, and when it will be done.",
            discussion: "EXAMPLES\n  peernode provide stat\n  peernode provide stat --json")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value("provide/stat")
            let sweep = value["Sweep"]
            let past = sweep?["operations"]?["past"]
            let queued = sweep?["queues"]?["pending_key_provides"]?.integer ?? 0
            let keys = sweep?["schedule"]?["keys"]?.integer ?? 0
            let failures = past?["keys_failed"]?.integer ?? 0
            let rate = Int((value["RatePerHour"]?.number ?? 0).rounded())
            if common.json {
                Output.line([
                    "strategy": value["Strategy"] ?? .null, "queued": .int(queued), "keys": .int(keys),
                    "provided": past?["keys_provided"] ?? .null, "failed": .int(failures), "rate_per_hour": .int(rate),
                    "last_cycle_ns": value["LastCycle"] ?? .null, "cycle_ends_ns": value["CycleEnds"] ?? .null,
                    "summary": value["Summary"] ?? .null,
                ])
                return
            }
            Output.line(value["Summary"]?.text ?? "")
            Output.line("")
            Output.line("Strategy:    \(value["Strategy"]?.text ?? "")")
            Output.line("Waiting:     \(queued) of \(keys)")
            Output.line("Told so far: \(past?["keys_provided"]?.integer ?? 0), \(failures) failed")
            Output.line("Rate:        \(rate) an hour")
            Output.line("Last cycle:  \(Self.time(value["LastCycle"]).map { "took \($0)" } ?? "none is complete yet")")
            Output.line("This cycle:  \(Self.time(value["CycleEnds"]).map { "ends in \($0)" } ?? "nothing waits")")
        }

        private static func time(_ value: JSON?) -> String? {
            guard let nanoseconds = value?.integer else { return nil }
            let seconds = Duration.seconds((Double(nanoseconds) / 1e9).rounded())
            return seconds == .zero ? "less than a second" : Quantity.describe(seconds)
        }
    }
}
