import ArgumentParser
import HTTPAPI

struct SwarmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swarm", abstract: "Connections to other nodes: connect, disconnect, peers, addrs.",
        subcommands: [Connect.self, Disconnect.self, Peers.self, Addresses.self])

    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "connect", abstract: "Connect to peers.",
            discussion: "EXAMPLES\n  peernode swarm connect /ip4/192.0.2.1/tcp/4101/p2p/12D3KooW...")

        @Argument(help: ArgumentHelp("Addresses that end in /p2p/ and a PeerID.", valueName: "multiaddr"))
        var addresses: [String]
        @OptionGroup var common: CommonOptions

        func run() async throws { try await SwarmCommand.say("swarm/connect", addresses, common) }
    }

    struct Disconnect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "disconnect", abstract: "Close the connections to peers.",
            discussion: "EXAMPLES\n  peernode swarm disconnect /p2p/12D3KooW...")

        @Argument(help: ArgumentHelp("Addresses that end in /p2p/ and a PeerID.", valueName: "multiaddr"))
        var addresses: [String]
        @OptionGroup var common: CommonOptions

        func run() async throws { try await SwarmCommand.say("swarm/disconnect", addresses, common) }
    }

    struct Peers: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "peers", abstract: "List connected peers.",
            discussion: "EXAMPLES\n  peernode swarm peers")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value(
                "swarm/peers", [], ["direction": "true", "latency": "true", "streams": "true", "identify": "true"])
            for peer in value["Peers"]?.elements ?? [] {
                let id = peer["Peer"]?.text ?? ""
                let address = peer["Addr"]?.text ?? ""
                if common.json {
                    Output.line([
                        "peer_id": .string(id), "address": .string(address),
                        "direction": peer["Direction"] ?? .null, "latency": peer["Latency"] ?? .null,
                        "agent": peer["Identify"]?["AgentVersion"] ?? .null,
                    ])
                } else {
                    Output.line("\(address)/p2p/\(id)")
                }
            }
        }
    }

    struct Addresses: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "addrs", abstract: "List known addresses of peers, or the node's own.",
            discussion: "EXAMPLES\n  peernode swarm addrs\n  peernode swarm addrs local",
            subcommands: [Known.self, Local.self, Listen.self], defaultSubcommand: Known.self)

        struct Known: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "known", abstract: "List known addresses of peers.",
                discussion: "EXAMPLES\n  peernode swarm addrs known")

            @OptionGroup var common: CommonOptions

            func run() async throws {
                for peer in try await common.value("swarm/addrs")["Addrs"]?.members ?? [] {
                    if common.json {
                        Output.line(["peer_id": .string(peer.name), "addresses": peer.value])
                    } else {
                        Output.line("\(peer.name) (\(peer.value.elements.count))")
                        for address in peer.value.elements { Output.line("  \(address.text ?? "")") }
                    }
                }
            }
        }

        struct Local: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "local", abstract: "List the addresses that others can dial.",
                discussion: "EXAMPLES\n  peernode swarm addrs local")

            @OptionGroup var common: CommonOptions

            func run() async throws { try await SwarmCommand.list("swarm/addrs/local", ["id": "true"], common) }
        }

        struct Listen: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "listen", abstract: "List the addresses that the node listens on.",
                discussion: "EXAMPLES\n  peernode swarm addrs listen")

            @OptionGroup var common: CommonOptions

            func run() async throws { try await SwarmCommand.list("swarm/addrs/listen", [:], common) }
        }
    }

    private static func say(_ command: String, _ addresses: [String], _ common: CommonOptions) async throws {
        let value = try await common.value(command, addresses)
        for line in value["Strings"]?.elements ?? [] {
            if common.json {
                let words = (line.text ?? "").split(separator: " ").map(String.init)
                Output.line(["peer_id": .string(words.count > 1 ? words[1] : ""), "ok": true])
            } else {
                Output.line(line.text ?? "")
            }
        }
    }

    private static func list(_ command: String, _ options: [String: String], _ common: CommonOptions) async throws {
        for address in try await common.value(command, [], options)["Strings"]?.elements ?? [] {
            Output.line(common.json ? JSON.object([.init("address", address)]).description : address.text ?? "")
        }
    }
}
