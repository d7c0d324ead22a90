import ArgumentParser
import Foundation
import HTTPAPI
import NIOCore

struct RoutingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "routing", abstract: "Ask the DHT: findprovs, findpeer, provide, reprovide, get, put.",
        subcommands: [
            FindProviders.self, FindPeer.self, Provide.self, Reprovide.self, GetValue.self, PutValue.self,
        ])

    struct FindProviders: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "findprovs", abstract: "Find who has a content; one PeerID a line, as they are found.",
            discussion: """
                Exits with 3 when nobody is known to have it.

                EXAMPLES
                  peernode routing findprovs bafy...
                  peernode routing findprovs bafy... -n 1 --verbose
                  peernode routing findprovs bafy... --json
                """)

        @Argument(help: ArgumentHelp("The content.", valueName: "cid"))
        var cid: String
        @Option(name: [.customShort("n"), .long], help: "How many providers are enough.")
        var numProviders = 20
        @OptionGroup var query: QueryOptions
        @OptionGroup var common: CommonOptions

        func validate() throws {
            guard numProviders > 0 else { throw ValidationError("--num-providers must be at least 1") }
        }

        func run() async throws {
            let options = query.parameters.merging(["num-providers": String(numProviders)]) { $1 }
            let printer = QueryPrinter(common, verbose: query.verbose)
            var found = 0
            try await common.withNode { node in
                try await node.events("routing/findprovs", [cid], options) { event in
                    guard !printer.take(event) else { return }
                    for provider in event["Responses"]?.elements ?? [] {
                        found += 1
                        show(provider, printer)
                    }
                }
            }
            if found == 0 { throw CommandFailure(.notFound, "nobody is known to have \(cid)") }
        }

        private func show(_ provider: JSON, _ printer: QueryPrinter) {
            let id = provider["ID"]?.text ?? ""
            let addresses = provider["Addrs"] ?? []
            if common.json {
                Output.line([
                    "event": "provider", "peer_id": .string(id), "addresses": addresses,
                    "hops": .int(printer.hops), "time_ms": .double(printer.elapsed),
                ])
            } else if query.verbose {
                Output.line("provider \(id)  after \(printer.hops) hops, \(printer.elapsed) ms")
                for address in addresses.elements { Output.line("           \(address.text ?? "")") }
            } else {
                Output.line(id)
            }
            Output.flush()
        }
    }

    struct FindPeer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "findpeer", abstract: "Find where a peer is; one address a line.",
            discussion: "EXAMPLES\n  peernode routing findpeer 12D3KooW...\n  peernode routing findpeer 12D3KooW... -v")

        @Argument(help: ArgumentHelp("The peer.", valueName: "peer"))
        var peer: String
        @OptionGroup var query: QueryOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let printer = QueryPrinter(common, verbose: query.verbose)
            try await common.withNode { node in
                try await node.events("routing/findpeer", [peer], query.parameters) { event in
                    guard !printer.take(event) else { return }
                    for found in event["Responses"]?.elements ?? [] {
                        if common.json {
                            Output.line([
                                "event": "peer", "peer_id": found["ID"] ?? .null, "addresses": found["Addrs"] ?? [],
                                "hops": .int(printer.hops), "time_ms": .double(printer.elapsed),
                            ])
                        } else {
                            for address in found["Addrs"]?.elements ?? [] { Output.line(address.text ?? "") }
                        }
                    }
                }
            }
        }
    }

    struct Provide: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "provide", abstract: "Tell the network now that this node has a content.",
            discussion: """
                What is added is told to the network by itself; this does it at once and waits.

                EXAMPLES
                  peernode routing provide bafy...
                  peernode routing provide --recursive bafy... --verbose
                """)

        @Argument(help: ArgumentHelp("The contents, which must be in the repo.", valueName: "cid"))
        var cids: [String]
        @Flag(name: .shortAndLong, help: "Also tell every block below them.")
        var recursive = false
        @OptionGroup var query: QueryOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let options = query.parameters.merging(["recursive": String(recursive)]) { $1 }
            let printer = QueryPrinter(common, verbose: query.verbose)
            try await common.withNode { node in
                try await node.events("routing/provide", cids, options) { event in
                    guard !printer.take(event), let cid = event["Cid"], let told = event["Stored"] else { return }
                    if common.json {
                        Output.line(["event": "provided", "cid": cid, "peers": told, "of": event["Of"] ?? .null])
                    } else {
                        Output.line("provided \(cid.text ?? "") to \(told) peers")
                    }
                    Output.flush()
                }
            }
        }
    }

    struct Reprovide: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reprovide", abstract: "Tell the network everything again, without waiting for its turn.",
            discussion: "EXAMPLES\n  peernode routing reprovide\n  peernode provide stat")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.withNode { try await $0.events("routing/reprovide") { _ in } }
            if common.json { Output.line(["started": true]) }
        }
    }

    struct GetValue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get", abstract: "Write the best record of a key to standard output.",
            discussion: """
                EXAMPLES
                  peernode routing get /ipns/k51... > record
                  peernode name inspect record
                """)

        @Argument(help: ArgumentHelp("/ipns/NAME or /pk/PEER.", valueName: "key"))
        var key: String
        @OptionGroup var query: QueryOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let printer = QueryPrinter(common, verbose: query.verbose)
            try await common.withNode { node in
                try await node.events("routing/get", [key], query.parameters) { event in
                    guard !printer.take(event), event["Type"]?.integer == 5 else { return }
                    let peer = event["ID"]?.text ?? ""
                    let text = event["Extra"]?.text ?? ""
                    if !peer.isEmpty {
                        guard query.verbose else { return }
                        let size = Data(base64Encoded: text)?.count ?? 0
                        Output.line(
                            common.json
                                ? JSON.object([
                                    .init("event", "record"), .init("peer_id", .string(peer)),
                                    .init("size", .int(size)),
                                ]).description : "record   \(peer)  \(size) bytes")
                    } else if common.json {
                        Output.line(["event": "value", "key": .string(key), "value_base64": .string(text)])
                    } else if let value = Data(base64Encoded: text) {
                        Output.write(ByteBuffer(bytes: value))
                    }
                }
            }
        }
    }

    struct PutValue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "put", abstract: "Store a record with the peers closest to its key.",
            discussion: """
                The peers take only what the key's owner has signed: a record that `routing get` gave, or that
                another program made. To publish a name of your own use `peernode name publish`.

                EXAMPLES
                  peernode routing put /ipns/k51... record
                  peernode routing put /ipns/k51... - < record
                """)

        @Argument(help: ArgumentHelp("/ipns/NAME or /pk/PEER.", valueName: "key"))
        var key: String
        @Argument(help: ArgumentHelp("The record; - is standard input.", valueName: "file"))
        var file: String
        @OptionGroup var query: QueryOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let printer = QueryPrinter(common, verbose: query.verbose)
            let files = LocalFiles([file == "-" ? .standardInput : .path(Paths.absolute(file))])
            try await common.withNode { node in
                try await node.events("routing/put", [key], query.parameters, files: files) { event in
                    guard !printer.take(event), let told = event["Stored"] else { return }
                    if common.json {
                        Output.line(["event": "stored", "key": .string(key), "peers": told, "of": event["Of"] ?? .null])
                    } else {
                        Output.line("stored \(key) with \(told) peers")
                    }
                }
            }
        }
    }
}
