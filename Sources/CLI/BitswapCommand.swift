import ArgumentParser
import HTTPAPI

struct BitswapCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bitswap", abstract: "The exchange of blocks: stat, wantlist, ledger.",
        subcommands: [Stat.self, WantList.self, Ledger.self])

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Count what was exchanged.", discussion: "EXAMPLES\n  peernode bitswap stat")

        @OptionGroup var common: CommonOptions

        func run() async throws { Fields.show(try await common.value("bitswap/stat"), common) }
    }

    struct WantList: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "wantlist", abstract: "List the blocks that are wanted.",
            discussion: "EXAMPLES\n  peernode bitswap wantlist\n  peernode bitswap wantlist --peer 12D3KooW...")

        @Option(name: .shortAndLong, help: "What this peer wants from us.")
        var peer: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value("bitswap/wantlist", [], peer.map { ["peer": $0] } ?? [:])
            for key in value["Keys"]?.elements ?? [] {
                let cid = key["/"] ?? .null
                Output.line(common.json ? JSON.object([.init("cid", cid)]).description : cid.text ?? "")
            }
        }
    }

    struct Ledger: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ledger", abstract: "Say what was exchanged with a peer.",
            discussion: "EXAMPLES\n  peernode bitswap ledger 12D3KooW...")

        @Argument(help: ArgumentHelp("The peer.", valueName: "peer"))
        var peer: String
        @OptionGroup var common: CommonOptions

        func run() async throws { Fields.show(try await common.value("bitswap/ledger", [peer]), common) }
    }
}

struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Counters: bw, dht, repo.",
        subcommands: [Bandwidth.self, Tables.self, RepoCommand.Stat.self])

    struct Bandwidth: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "bw", abstract: "Say how many bytes went in and out.",
            discussion: "EXAMPLES\n  peernode stats bw")

        @OptionGroup var common: CommonOptions

        func run() async throws { Fields.show(try await common.value("stats/bw"), common) }
    }
}

/// Prints an object whose fields speak for themselves.
enum Fields {
    static func show(_ value: JSON, _ common: CommonOptions) {
        if common.json {
            Output.line(.object(value.members.map { JSON.Member(snake($0.name), $0.value) }))
        } else {
            for member in value.members {
                Output.line("\(member.name): \(member.value.text ?? member.value.description)")
            }
        }
    }

    /// `TotalIn` becomes `total_in`.
    private static func snake(_ name: String) -> String {
        var result = ""
        var previousIsSmall = false
        for character in name {
            if character.isUppercase, previousIsSmall { result += "_" }
            previousIsSmall = character.isLowercase
            result += character.lowercased()
        }
        return result
    }
}
