import ArgumentParser
import HTTPAPI

struct PinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "What the repo keeps: add, ls, rm, verify.",
        subcommands: [Add.self, List.self, Remove.self, Verify.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Keep content, fetching what is missing.",
            discussion: "EXAMPLES\n  peernode pin add bafy...\n  peernode pin add bafy... --name holiday")

        @Argument(help: ArgumentHelp("What to keep.", valueName: "cid[/path]"))
        var paths: [String]
        @Flag(inversion: .prefixedNo, help: "Keep everything below, too.")
        var recursive = true
        @Option(help: "A name for the pin.")
        var name: String?
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options = fetch.parameters
            options["recursive"] = String(recursive)
            options["progress"] = "true"
            if let name { options["name"] = name }
            let progress = ProgressLine("pinning")
            defer { progress.finish() }
            var bytes = 0
            try await common.withNode { node in
                try await node.events("pin/add", paths, options) { event in
                    if let now = event["Bytes"]?.integer {
                        progress.advance(by: now - bytes)
                        bytes = now
                    }
                    for pin in event["Pins"]?.elements ?? [] {
                        progress.finish()
                        Output.line(
                            common.json
                                ? JSON.object([.init("cid", pin), .init("recursive", .bool(recursive))]).description
                                : "pinned \(pin.text ?? "")")
                    }
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List what is kept.",
            discussion: "EXAMPLES\n  peernode pin ls\n  peernode pin ls --type all")

        @Argument(help: ArgumentHelp("Only these.", valueName: "cid"))
        var cids: [String] = []
        @Option(name: .shortAndLong, help: "recursive, direct, indirect or all.")
        var type = "recursive"
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let type = cids.isEmpty ? type : "all"
            try await common.withNode { node in
                let options = ["type": type, "stream": "true", "names": "true"]
                try await node.events("pin/ls", cids, options) { event in
                    let cid = event["Cid"]?.text ?? ""
                    let kind = event["Type"]?.text ?? ""
                    let name = event["Name"]?.text ?? ""
                    if common.json {
                        Output.line(["cid": .string(cid), "type": .string(kind), "name": .string(name)])
                    } else {
                        Output.line("\(cid) \(kind)\(name.isEmpty ? "" : " " + name)")
                    }
                }
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Keep content no longer; `repo gc` deletes it.",
            discussion: "EXAMPLES\n  peernode pin rm bafy...")

        @Argument(help: ArgumentHelp("The pins.", valueName: "cid"))
        var cids: [String]
        @Flag(inversion: .prefixedNo, help: "Remove recursive pins, or direct ones.")
        var recursive = true
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value("pin/rm", cids, ["recursive": String(recursive)])
            for pin in value["Pins"]?.elements ?? [] {
                Output.line(
                    common.json ? JSON.object([.init("cid", pin)]).description : "unpinned \(pin.text ?? "")")
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check that every recursive pin is whole; exits 1 if one is not.",
            discussion: "EXAMPLES\n  peernode pin verify --verbose")

        @Flag(help: "Name the pins that are whole, too.")
        var verbose = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var broken = false
            try await common.withNode { node in
                try await node.events("pin/verify", [], ["verbose": String(verbose)]) { event in
                    let cid = event["Cid"]?.text ?? ""
                    let isWhole = event["Ok"]?.boolean ?? false
                    broken = broken || !isWhole
                    if common.json {
                        Output.line(["cid": .string(cid), "ok": .bool(isWhole), "error": event["Err"] ?? .null])
                    } else if isWhole {
                        Output.line("\(cid) ok")
                    } else {
                        let nodes = event["BadNodes"]?.elements.map {
                            "\($0["Cid"]?.text ?? ""): \($0["Err"]?.text ?? "")"
                        }
                        Output.line("\(cid) broken \(nodes?.joined(separator: ", ") ?? event["Err"]?.text ?? "")")
                    }
                }
            }
            if broken { throw SilentExit(.failure) }
        }
    }
}
