import ArgumentParser
import HTTPAPI
import Multiformats
import NIOCore

struct PubSubCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pubsub", abstract: "Messages of topics: ls, peers, pub, sub, stat.",
        subcommands: [List.self, Peers.self, Publish.self, Subscribe.self, Stat.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the topics that the node is in.",
            discussion: "EXAMPLES\n  peernode pubsub ls")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            for topic in try await common.value("pubsub/ls")["Strings"]?.elements ?? [] {
                let name = PubSubCommand.name(topic)
                if common.json { Output.line(["topic": .string(name)]) } else { Output.line(name) }
            }
        }
    }

    struct Peers: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "peers", abstract: "List the connected peers that are in a topic, or that publish at all.",
            discussion: "EXAMPLES\n  peernode pubsub peers\n  peernode pubsub peers news")

        @Argument(help: ArgumentHelp("The topic.", valueName: "topic"))
        var topic: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let topics = topic.map { [PubSubCommand.encoded($0)] } ?? []
            for peer in try await common.value("pubsub/peers", topics)["Strings"]?.elements ?? [] {
                if common.json { Output.line(["peer_id": peer]) } else { Output.line(peer.text ?? "") }
            }
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pub", abstract: "Publish standard input, or a file, as one message.",
            discussion: """
                The message carries the node's PeerID and signature. It has at most about a megabyte: publish the
                CID of what is larger.

                EXAMPLES
                  echo hello | peernode pubsub pub news
                  peernode pubsub pub news message.bin
                """)

        @Argument(help: ArgumentHelp("The topic.", valueName: "topic"))
        var topic: String
        @Argument(help: ArgumentHelp("The message; - is standard input.", valueName: "file"))
        var file = "-"
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let files = LocalFiles([file == "-" ? .standardInput : .path(Paths.absolute(file))])
            try await common.withNode {
                try await $0.events("pubsub/pub", [PubSubCommand.encoded(topic)], files: files) { _ in }
            }
            if common.json { Output.line(["topic": .string(topic), "published": true]) }
        }
    }

    struct Subscribe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sub", abstract: "Write the messages of a topic to standard output, as they come.",
            discussion: """
                Payloads are written as they are, with nothing between them; --json gives one object a line, with
                author and number, bytes in multibase (u and base64url).

                EXAMPLES
                  peernode pubsub sub news
                  peernode pubsub sub news --json
                """)

        @Argument(help: ArgumentHelp("The topic.", valueName: "topic"))
        var topic: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.withNode { node in
                try await node.events("pubsub/sub", [PubSubCommand.encoded(topic)]) { message in
                    if common.json {
                        Output.line([
                            "topic": .string(topic), "from": message["from"] ?? .null,
                            "seqno": message["seqno"] ?? .null, "data": message["data"] ?? "u",
                        ])
                        Output.flush()
                    } else if let bytes = message["data"]?.text.flatMap({ try? Multibase.decode($0).bytes }) {
                        Output.write(ByteBuffer(bytes: bytes))
                    }
                }
            }
        }
    }

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Show topics, meshes, peers and counters.",
            discussion: "EXAMPLES\n  peernode pubsub stat\n  peernode pubsub stat --json")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value("pubsub/stat")
            if common.json {
                Output.line([
                    "topics": .array((value["Topics"]?.elements ?? []).map(Self.topic)),
                    "peers": .array((value["Peers"]?.elements ?? []).map(Self.peer)),
                    "counters": value["Counters"] ?? .null, "load": value["Load"] ?? .null,
                ])
                return
            }
            for topic in value["Topics"]?.elements ?? [] {
                let (peers, mesh) = (topic["Peers"]?.elements.count ?? 0, topic["Mesh"]?.elements.count ?? 0)
                Output.line("topic \(PubSubCommand.name(topic["Topic"] ?? .null)): \(peers) peers, \(mesh) in the mesh")
            }
            for peer in value["Peers"]?.elements ?? [] {
                let score = ((peer["Score"]?.number ?? 0) * 10).rounded() / 10
                Output.line("peer \(peer["ID"]?.text ?? "") \(peer["Protocol"]?.text ?? ""), score \(score)")
            }
            for counter in value["Counters"]?.members ?? [] where counter.value.integer != 0 {
                Output.line("\(counter.name): \(counter.value)")
            }
        }

        private static func topic(_ value: JSON) -> JSON {
            [
                "topic": .string(PubSubCommand.name(value["Topic"] ?? .null)), "peers": value["Peers"] ?? [],
                "mesh": value["Mesh"] ?? [],
            ]
        }

        private static func peer(_ value: JSON) -> JSON {
            [
                "peer_id": value["ID"] ?? .null, "protocol": value["Protocol"] ?? .null,
                "score": value["Score"] ?? .null,
                "topics": .array((value["Topics"]?.elements ?? []).map { .string(PubSubCommand.name($0)) }),
            ]
        }
    }

    /// A topic as the API wants it.
    fileprivate static func encoded(_ topic: String) -> String { Multibase.encode(Array(topic.utf8), as: .base64url) }

    /// A topic of the API for people; one that is no text stays as it is.
    fileprivate static func name(_ topic: JSON) -> String {
        let text = topic.text ?? ""
        guard let bytes = try? Multibase.decode(text).bytes else { return text }
        return String(validating: bytes, as: UTF8.self) ?? text
    }
}
