import ArgumentParser
import HTTPAPI
import NIOCore

struct DagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dag", abstract: "Graphs of blocks: get, put, import, export, stat.",
        subcommands: [Get.self, Put.self, Import.self, Export.self, Stat.self])

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get", abstract: "Write a node of a graph as JSON.",
            discussion: "EXAMPLES\n  peernode dag get bafyrei.../author/name")

        @Argument(help: ArgumentHelp("A CID, or a path below one.", valueName: "cid[/path]"))
        var path: String
        @Option(help: "The codec to write: dag-json, dag-cbor.")
        var outputCodec = "dag-json"
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let options = fetch.parameters.merging(["output-codec": outputCodec]) { $1 }
            try await common.withNode { try await $0.bytes("dag/get", [path], options) { Output.write($0) } }
            if outputCodec == "dag-json" { Output.line("") }
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "put", abstract: "Store a JSON document as a node of a graph.",
            discussion: "EXAMPLES\n  echo '{\"name\":\"x\"}' | peernode dag put -")

        @Argument(help: ArgumentHelp("The document; - is standard input.", valueName: "file"))
        var path: String
        @Option(help: "The codec of the document: dag-json, dag-cbor, raw, dag-pb.")
        var inputCodec = "dag-json"
        @Option(help: "The codec to store: dag-cbor, dag-json, raw, dag-pb.")
        var storeCodec = "dag-cbor"
        @Flag(help: "Keep the node and what it links to.")
        var pin = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let options = ["input-codec": inputCodec, "store-codec": storeCodec, "pin": String(pin)]
            let files = LocalFiles([path == "-" ? .standardInput : .path(Paths.absolute(path))])
            let value = try await common.withNode { try await $0.value("dag/put", [], options, files: files) }
            let cid = value["Cid"]?["/"]?.text ?? ""
            Output.line(common.json ? JSON.object([.init("cid", .string(cid))]).description : cid)
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Store the blocks of CAR files, and keep their roots.",
            discussion: "EXAMPLES\n  peernode dag import album.car")

        @Argument(help: ArgumentHelp("The files; - is standard input.", valueName: "file"))
        var paths: [String]
        @Flag(inversion: .prefixedNo, help: "Keep the roots.")
        var pinRoots = true
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let files = LocalFiles(paths.map { $0 == "-" ? .standardInput : .path(Paths.absolute($0)) })
            var failed = false
            try await common.withNode { node in
                let options = ["pin-roots": String(pinRoots), "stats": "true"]
                try await node.events("dag/import", [], options, files: files) { event in
                    if let root = event["Root"], let cid = root["Cid"]?["/"]?.text {
                        let error = root["PinErrorMsg"]?.text ?? ""
                        failed = failed || !error.isEmpty
                        if common.json {
                            Output.line(["root": .string(cid), "error": .string(error)])
                        } else if error.isEmpty {
                            Output.line(pinRoots ? "pinned root \(cid)" : "root \(cid)")
                        } else {
                            Messages.write("cannot pin \(cid): \(error)")
                        }
                    } else if let stats = event["Stats"] {
                        let blocks = stats["BlockCount"]?.integer ?? 0
                        let bytes = stats["BlockBytesCount"]?.integer ?? 0
                        if common.json {
                            Output.line(["blocks": .int(blocks), "bytes": .int(bytes)])
                        } else {
                            Messages.write("imported \(blocks) blocks (\(bytes) bytes)")
                        }
                    }
                }
            }
            if failed { throw SilentExit(.failure) }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write a graph as a CAR file.",
            discussion:
                "EXAMPLES\n  peernode dag export bafy... > album.car\n  peernode dag export bafy... -o album.car")

        @Argument(help: ArgumentHelp("The root.", valueName: "cid"))
        var cid: String
        @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
        var output: String?
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let file = try output.map { try OutputFile($0) }
            let progress = ProgressLine("exporting")
            defer { progress.finish() }
            try await common.withNode { node in
                try await node.bytes("dag/export", [cid], fetch.parameters) { bytes in
                    progress.advance(by: bytes.readableBytes)
                    if let file { try file.write(bytes) } else { Output.write(bytes) }
                }
            }
            try file?.finish()
        }
    }

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Count the blocks and bytes of graphs.",
            discussion: "EXAMPLES\n  peernode dag stat bafy...")

        @Argument(help: ArgumentHelp("The roots.", valueName: "cid"))
        var cids: [String]
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let options = fetch.parameters.merging(["progress": "false"]) { $1 }
            var last: JSON = .null
            try await common.withNode { try await $0.events("dag/stat", cids, options) { last = $0 } }
            if common.json {
                let stats = last["DagStats"]?.elements.map {
                    JSON.object([
                        .init("cid", $0["Cid"] ?? .null), .init("size", $0["Size"] ?? .null),
                        .init("blocks", $0["NumBlocks"] ?? .null),
                    ])
                }
                Output.line([
                    "unique_blocks": last["UniqueBlocks"] ?? .null, "total_size": last["TotalSize"] ?? .null,
                    "dags": .array(stats ?? []),
                ])
            } else {
                for stat in last["DagStats"]?.elements ?? [] {
                    Output.line(
                        "\(stat["Cid"]?.text ?? "") \(stat["Size"]?.integer ?? 0) bytes, "
                            + "\(stat["NumBlocks"]?.integer ?? 0) blocks")
                }
                Output.line(
                    "total \(last["TotalSize"]?.integer ?? 0) bytes, \(last["UniqueBlocks"]?.integer ?? 0) blocks")
            }
        }
    }
}
