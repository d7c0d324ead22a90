import ArgumentParser
import HTTPAPI

struct UpdatesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "updates", abstract: "The signed updates that the catalog is made of: log, show, verify.",
        subcommands: [Log.self, Show.self, Verify.self])

    struct Log: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "log", abstract: "List updates in the order in which they came to this node.",
            discussion: """
                EXAMPLES
                  peernode updates log ada
                  peernode updates log --follow --json
                """)

        @Argument(help: ArgumentHelp("Only of this author: a handle or an id.", valueName: "author"))
        var author: String?
        @Option(help: ArgumentHelp("Begin behind the event of this number.", valueName: "event"))
        var after: Int?
        @Option(name: .shortAndLong, help: ArgumentHelp("How many are shown.", valueName: "count"))
        var limit: Int?
        @Flag(name: .shortAndLong, help: "Go on with what comes.")
        var follow = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options = ["follow": String(follow)]
            options.put("after", after.map { String($0) })
            options.put("limit", limit.map { String($0) })
            let wish = options
            try await common.withNode { node in
                try await node.events("updates/log", author.map { [$0] } ?? [], wish) { event in
                    if common.json { Output.line(event) } else { Output.line(Self.line(event)) }
                    if follow { Output.flush() }
                }
            }
        }

        private static func line(_ event: JSON) -> String {
            let undone = event["counts"]?.boolean == false ? " (undone)" : ""
            let author = (event["author"]?.text ?? "").prefix(12)
            return "\(event["event"]?.integer ?? 0) \(event["time"]?.text ?? "") \(author) "
                + Columns.clean("\(event["kind"]?.text ?? "") \(event["cid"]?.text ?? "")\(undone)")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show one update with what it says, in dag-json.",
            discussion: "EXAMPLES\n  peernode updates show bafy...")

        @Argument(help: ArgumentHelp("Its CID, or the hex digits of its digest.", valueName: "cid"))
        var cid: String
        @OptionGroup var common: CommonOptions

        func run() async throws { Output.line(try await common.value("updates/show", [cid])) }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check every signature again, and the catalog that was made of them.",
            discussion: "EXAMPLES\n  peernode updates verify")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let progress = ProgressLine("verifying")
            defer { progress.finish() }
            var result: JSON = .null
            try await common.withNode { node in
                try await node.events("updates/verify") { event in
                    if event["clean"] != nil { result = event }
                }
            }
            progress.finish()
            let isClean = result["clean"]?.boolean == true
            if common.json {
                Output.line(result)
            } else {
                Output.line("\(result["updates"]?.integer ?? 0) updates: \(isClean ? "all is well" : "DAMAGED")")
                for cid in result["damaged"]?.elements ?? [] { Output.line("damaged: \(cid.text ?? "")") }
                if result["set"]?.boolean == false { Output.line("the set of ids is wrong") }
                if result["view"]?.boolean == false { Output.line("the view differs from one made anew") }
            }
            if !isClean { throw SilentExit(.failure) }
        }
    }
}
