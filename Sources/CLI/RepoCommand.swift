import ArgumentParser
import HTTPAPI

struct RepoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repo", abstract: "The repo: stat, verify, gc, version.",
        subcommands: [Stat.self, Verify.self, Collect.self, Version.self])

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Count the blocks and bytes of the repo.",
            discussion: "EXAMPLES\n  peernode repo stat\n  peernode repo stat --json")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let value = try await common.value("repo/stat")
            if common.json {
                Output.line([
                    "blocks": value["NumObjects"] ?? .null, "size": value["RepoSize"] ?? .null,
                    "quota": value["StorageMax"] ?? .null, "path": value["RepoPath"] ?? .null,
                    "version": value["Version"] ?? .null,
                ])
            } else {
                for member in value.members {
                    Output.line("\(member.name): \(member.value.text ?? member.value.description)")
                }
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Read and hash every block; exits 1 if one is damaged and stays so.",
            discussion: "EXAMPLES\n  peernode repo verify")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            var last = ""
            var count = 0
            var failure: RPCError?
            do {
                try await common.withNode { node in
                    try await node.events("repo/verify") { event in
                        let message = event["Msg"]?.text ?? ""
                        if !message.isEmpty {
                            if !common.json { Output.line(message) }
                            last = message
                        } else {
                            count = event["Progress"]?.integer ?? count
                        }
                    }
                }
            } catch let error as RPCError where error.message.hasPrefix("verify complete") {
                failure = error
            }
            if common.json {
                Output.line([
                    "clean": .bool(failure == nil), "blocks": .int(count), "message": .string(failure?.message ?? last),
                ])
            } else if let failure {
                Messages.write(failure.message)
            }
            if failure != nil { throw SilentExit(.failure) }
        }
    }

    struct Collect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "gc", abstract: "Delete every block that no pin keeps.",
            discussion: "EXAMPLES\n  peernode repo gc --quiet")

        @Flag(name: .shortAndLong, help: "Print only the CIDs.")
        var quiet = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.withNode { node in
                try await node.events("repo/gc") { event in
                    guard let cid = event["Key"]?["/"]?.text else { return }
                    if common.json {
                        Output.line(["cid": .string(cid)])
                    } else {
                        Output.line(quiet ? cid : "removed \(cid)")
                    }
                }
            }
        }
    }

    struct Version: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "version", abstract: "Say which version the repo's files have.",
            discussion: "EXAMPLES\n  peernode repo version")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let version = try await common.value("repo/version")["Version"] ?? .null
            Output.line(common.json ? JSON.object([.init("version", version)]).description : version.text ?? "")
        }
    }
}

struct RefsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refs", abstract: "CIDs of blocks: local.", subcommands: [Local.self])

    struct Local: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "local", abstract: "List every block of the repo.",
            discussion: "EXAMPLES\n  peernode refs local | wc -l")

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.withNode { node in
                try await node.events("refs/local") { event in
                    let cid = event["Ref"] ?? .null
                    Output.line(common.json ? JSON.object([.init("cid", cid)]).description : cid.text ?? "")
                }
            }
        }
    }
}
