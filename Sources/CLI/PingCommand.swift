import ArgumentParser
import HTTPAPI

struct PingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping", abstract: "Measure the round trip to a peer.",
        discussion: "EXAMPLES\n  peernode ping 12D3KooW... -n 3")

    @Argument(help: ArgumentHelp("A PeerID, or an address that ends in one.", valueName: "peer"))
    var peer: String
    @Option(name: [.customShort("n"), .long], help: "How many pings.")
    var count = 10
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count must be 1 to 1000") }
    }

    func run() async throws {
        var answered = false
        try await common.withNode { node in
            try await node.events("ping", [peer], ["count": String(count)]) { event in
                let text = event["Text"]?.text ?? ""
                let success = event["Success"]?.boolean ?? false
                let time = event["Time"]?.integer ?? 0
                if text.isEmpty, success { answered = true }
                if common.json {
                    if text.isEmpty { Output.line(["ok": .bool(success), "time_ns": .int(time)]) }
                } else if text.isEmpty {
                    Output.line(success ? "pong received: time=\(Double(time / 10_000) / 100) ms" : "no answer")
                } else {
                    Output.line(text)
                }
                Output.flush()
            }
        }
        if !answered { throw SilentExit(.timeout) }
    }
}
