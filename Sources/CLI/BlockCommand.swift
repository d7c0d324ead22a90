import ArgumentParser
import HTTPAPI

struct BlockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "block", abstract: "Single blocks: get, put, stat, rm.",
        subcommands: [Get.self, Put.self, Stat.self, Remove.self])

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get", abstract: "Write a block's bytes to standard output.",
            discussion: "EXAMPLES\n  peernode block get bafkrei... > block.bin")

        @Argument(help: ArgumentHelp("The block.", valueName: "cid"))
        var cid: String
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.withNode { try await $0.bytes("block/get", [cid], fetch.parameters) { Output.write($0) } }
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "put", abstract: "Store a file, of 2 MiB at most, as one block.",
            discussion: "EXAMPLES\n  peernode block put block.bin\n  echo hello | peernode block put -")

        @Argument(help: ArgumentHelp("The file; - is standard input.", valueName: "file"))
        var path: String
        @Option(help: "The codec of its CID: raw, dag-pb, dag-cbor, dag-json.")
        var codec = "raw"
        @Flag(help: "Keep the block.")
        var pin = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let files = LocalFiles([path == "-" ? .standardInput : .path(Paths.absolute(path))])
            let value = try await common.withNode {
                try await $0.value("block/put", [], ["cid-codec": codec, "pin": String(pin)], files: files)
            }
            let cid = value["Key"]?.text ?? ""
            Output.line(
                common.json
                    ? JSON.object([.init("cid", .string(cid)), .init("size", value["Size"] ?? 0)]).description : cid)
        }
    }

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Say how long a block is.",
            discussion: "EXAMPLES\n  peernode block stat bafkrei...")

        @Argument(help: ArgumentHelp("The block.", valueName: "cid"))
        var cid: String
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value("block/stat", [cid], fetch.parameters)
            if common.json {
                Output.line(["cid": value["Key"] ?? .null, "size": value["Size"] ?? .null])
            } else {
                Output.line("Key: \(value["Key"]?.text ?? "")\nSize: \(value["Size"]?.integer ?? 0)")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Delete blocks that no pin keeps.",
            discussion: "EXAMPLES\n  peernode block rm bafkrei...\n  peernode block rm --force bafkrei...")

        @Argument(help: ArgumentHelp("The blocks.", valueName: "cid"))
        var cids: [String]
        @Flag(name: .shortAndLong, help: "Say nothing about blocks that are not here.")
        var force = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var failed = false
            try await common.withNode { node in
                try await node.events("block/rm", cids, ["force": String(force)]) { event in
                    let cid = event["Hash"]?.text ?? ""
                    let error = event["Error"]?.text ?? ""
                    if common.json {
                        Output.line(["cid": .string(cid), "removed": .bool(error.isEmpty), "error": .string(error)])
                    } else if error.isEmpty {
                        Output.line("removed \(cid)")
                    } else {
                        Messages.write("cannot remove \(cid): \(error)")
                    }
                    failed = failed || !error.isEmpty
                }
            }
            if failed { throw SilentExit(.failure) }
        }
    }
}
