import ArgumentParser
import HTTPAPI

struct BootstrapCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bootstrap", abstract: "The peers that lead into the network: ls, add, rm.",
        discussion: """
            One peer that answers is enough: through it the node finds the others, and remembers them. Only name
            peers that you trust. Works without a running node.
            """,
        subcommands: [List.self, Add.self, Remove.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the bootstrap peers.",
            discussion: "EXAMPLES\n  peernode bootstrap ls", aliases: ["list"])

        @OptionGroup var common: CommonOptions

        func run() async throws { BootstrapCommand.show(try await common.value("bootstrap/list"), "", common) }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Add bootstrap peers.",
            discussion: """
                `default` stands for the public list of the network ipfs; other networks have none.

                EXAMPLES
                  peernode bootstrap add /ip4/203.0.113.7/tcp/4101/p2p/12D3KooW...
                  peernode bootstrap add default
                """)

        @Argument(help: ArgumentHelp("Addresses that end in /p2p/ and a PeerID, or: default.", valueName: "multiaddr"))
        var peers: [String]
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value =
                peers == ["default"]
                ? try await common.value("bootstrap/add/default") : try await common.value("bootstrap/add", peers)
            BootstrapCommand.show(value, "added ", common)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove bootstrap peers.",
            discussion: """
                EXAMPLES
                  peernode bootstrap rm /ip4/203.0.113.7/tcp/4101/p2p/12D3KooW...
                  peernode bootstrap rm --all
                """)

        @Argument(help: ArgumentHelp("Addresses as `bootstrap ls` shows them.", valueName: "multiaddr"))
        var peers: [String] = []
        @Flag(help: "Remove every one.")
        var all = false
        @OptionGroup var common: CommonOptions

        func validate() throws {
            if all, !peers.isEmpty { throw ValidationError("name peers, or --all, not both") }
            if !all, peers.isEmpty { throw ValidationError("name the peers to remove, or --all") }
        }

        func run() async throws {
            let value =
                all ? try await common.value("bootstrap/rm/all") : try await common.value("bootstrap/rm", peers)
            let removed = value["Peers"]?.elements.count ?? 0
            BootstrapCommand.show(value, "removed ", common)
            if !all, removed == 0 {
                throw CommandFailure(.notFound, "none of these is a bootstrap peer: see `peernode bootstrap ls`")
            }
        }
    }

    private static func show(_ value: JSON, _ prefix: String, _ common: CommonOptions) {
        for peer in value["Peers"]?.elements ?? [] {
            Output.line(common.json ? JSON.object([.init("address", peer)]).description : prefix + (peer.text ?? ""))
        }
    }
}
