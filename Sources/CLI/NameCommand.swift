import ArgumentParser
import HTTPAPI
import PeerNode

struct NameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "name", abstract: "Names that you can point elsewhere later: publish, resolve, inspect.",
        discussion: """
            A CID names one content for ever. A name (k51...) belongs to a key, and its owner says what it points
            to at present. `peernode key` keeps the keys; the node's own is called self.
            """,
        subcommands: [Publish.self, Resolve.self, Inspect.self])

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "publish", abstract: "Point a name to a content.",
            discussion: """
                The running node publishes it again every few hours, so that it does not lapse.

                EXAMPLES
                  peernode name publish bafy...
                  peernode name publish /ipfs/bafy.../photos --key photos
                """)

        @Argument(help: ArgumentHelp("A CID, or a path that begins with /ipfs/ or /ipns/.", valueName: "path"))
        var path: String
        @Option(name: .shortAndLong, help: ArgumentHelp("The key whose name it is.", valueName: "key"))
        var key = "self"
        @Option(
            name: .customLong("lifetime"),
            help: ArgumentHelp("How long it holds if it is not published again.", valueName: "time"))
        var lifetime: String?
        @Option(name: .customLong("ttl"), help: ArgumentHelp("How long others may remember it.", valueName: "time"))
        var timeToLive: String?
        @Flag(name: .customLong("resolve"), inversion: .prefixedNo, help: "Look first whether the content is there.")
        var resolves = true
        @Flag(name: [.customShort("Q"), .long], help: "Print only the name.")
        var quieter = false
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func validate() throws {
            for time in [lifetime, timeToLive].compactMap({ $0 }) where Quantity.duration(time) == nil {
                throw ValidationError("'\(time)' is no time: write one like 30m or 48h")
            }
        }

        func run() async throws {
            var options = fetch.parameters.merging(["key": key, "resolve": String(resolves)]) { $1 }
            if let lifetime { options["lifetime"] = lifetime }
            if let timeToLive { options["ttl"] = timeToLive }
            let answer = try await common.value("name/publish", [path], options)
            let name = answer["Name"]?.text ?? ""
            if common.json {
                Output.line(["name": .string(name), "value": answer["Value"] ?? .null])
            } else {
                Output.line(quieter ? name : "Published to \(name): \(answer["Value"]?.text ?? "")")
            }
        }
    }

    struct Resolve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resolve", abstract: "Say what a name points to.",
            discussion: """
                EXAMPLES
                  peernode name resolve k51...
                  peernode name resolve --nocache /ipns/k51...
                """)

        @Argument(help: ArgumentHelp("The name; the node's own if none is given.", valueName: "name"))
        var name: String?
        @Flag(help: "Ask the network even if the answer is remembered.")
        var nocache = false
        @Flag(
            name: .shortAndLong, inversion: .prefixedNo,
            help: "Follow a name that points to another name, until a content is reached.")
        var recursive = true
        @OptionGroup var fetch: FetchOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let options = fetch.parameters.merging(["nocache": String(nocache), "recursive": String(recursive)]) { $1 }
            let path = try await common.value("name/resolve", name.map { [$0] } ?? [], options)["Path"] ?? .null
            Output.line(common.json ? JSON.object([.init("path", path)]).description : path.text ?? "")
        }
    }

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect", abstract: "Show what stands in a record of a name.",
            discussion: """
                Works without a network. With --verify the exit code is 1 unless the record counts.

                EXAMPLES
                  peernode routing get /ipns/k51... > record
                  peernode name inspect record --verify k51...
                  peernode name inspect - < record
                """)

        @Argument(help: ArgumentHelp("The record; - is standard input.", valueName: "file"))
        var file: String
        @Option(
            help: ArgumentHelp(
                "Check that the key of this name signed it, and that it has not lapsed.", valueName: "name"))
        var verify: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let files = LocalFiles([file == "-" ? .standardInput : .path(Paths.absolute(file))])
            let options = (verify.map { ["verify": $0] } ?? [:]).merging(["dump": "false"]) { $1 }
            let answer = try await common.withNode { try await $0.value("name/inspect", [], options, files: files) }
            let validation = answer["Validation"]
            let isValid = validation?["Valid"]?.boolean
            if common.json {
                Output.line([
                    "value": answer["Entry"]?["Value"] ?? .null, "validity": answer["Entry"]?["Validity"] ?? .null,
                    "sequence": answer["Entry"]?["Sequence"] ?? .null, "ttl_ns": answer["Entry"]?["TTL"] ?? .null,
                    "size": answer["PbSize"] ?? .null, "signatures": answer["SignatureType"] ?? .null,
                    "valid": isValid.map { .bool($0) } ?? .null, "reason": validation?["Reason"] ?? .null,
                ])
            } else {
                show(answer)
            }
            if isValid == false { throw SilentExit(.failure) }
        }

        private func show(_ answer: JSON) {
            let entry = answer["Entry"]
            let time = Duration.nanoseconds(Int64(entry?["TTL"]?.integer ?? 0))
            Output.line("Value:          \(entry?["Value"]?.text ?? "")")
            Output.line("Valid until:    \(entry?["Validity"]?.text ?? "")")
            Output.line("Sequence:       \(entry?["Sequence"]?.integer ?? 0)")
            Output.line("TTL:            \(Quantity.describe(time))")
            Output.line("Signature type: \(answer["SignatureType"]?.text ?? "")")
            Output.line("Size:           \(answer["PbSize"]?.integer ?? 0) bytes")
            guard let validation = answer["Validation"], let isValid = validation["Valid"]?.boolean else {
                return Messages.write("not checked: name its owner with --verify k51...")
            }
            Output.line(isValid ? "Valid:          yes" : "Valid:          no, \(validation["Reason"]?.text ?? "")")
        }
    }
}
