import ArgumentParser
import HTTPAPI
import NIOCore
import PeerCrypto

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "The keys of names: ls, gen, rename, rm, import, export.",
        discussion: """
            Each key owns one name (k51...), which `peernode name publish --key NAME` points somewhere. The key self
            is the node's identity. Works without a running node.
            """,
        subcommands: [List.self, Generate.self, Rename.self, Remove.self, Import.self, Export.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the keys; with -l, the names that they own.",
            discussion: "EXAMPLES\n  peernode key ls -l", aliases: ["list"])

        @Flag(name: .short, help: "Show each name, too.")
        var long = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            for key in try await common.value("key/list")["Keys"]?.elements ?? [] {
                KeyCommand.show(key, common) { long ? "\($0.id) \($0.name)" : $0.name }
            }
        }
    }

    struct Generate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "gen", abstract: "Make a new key; prints the name that it owns.",
            discussion: "EXAMPLES\n  peernode key gen albums")

        @Argument(help: ArgumentHelp("What you call it; only you see this.", valueName: "key"))
        var name: String
        @OptionGroup var common: CommonOptions

        func run() async throws { KeyCommand.show(try await common.value("key/gen", [name]), common) { $0.id } }
    }

    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rename", abstract: "Call a key otherwise; the name that it owns stays.",
            discussion: "EXAMPLES\n  peernode key rename albums records")

        @Argument(help: ArgumentHelp("The key.", valueName: "key"))
        var name: String
        @Argument(help: ArgumentHelp("What it shall be called.", valueName: "new"))
        var newName: String
        @Flag(name: .shortAndLong, help: "Replace a key that is called so; that one is lost.")
        var force = false
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("key/rename", [name, newName], ["force": String(force)])
            let id = answer["Id"] ?? .null
            if common.json {
                Output.line([
                    "name": .string(newName), "id": id, "was": .string(name), "overwrote": answer["Overwrite"] ?? false,
                ])
            } else {
                let replaced = answer["Overwrite"]?.boolean == true ? " with overwriting" : ""
                Output.line("Key \(id.text ?? "") renamed to \(newName)\(replaced)")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove keys for good; nobody can publish their names any more.",
            discussion: "EXAMPLES\n  peernode key rm albums")

        @Argument(help: ArgumentHelp("The keys.", valueName: "key"))
        var names: [String]
        @OptionGroup var common: CommonOptions

        func run() async throws {
            for key in try await common.value("key/rm", names)["Keys"]?.elements ?? [] {
                KeyCommand.show(key, common) { $0.name }
            }
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Keep a key from elsewhere; prints the name that it owns.",
            discussion: """
                Reads what `key export` and Kubo's `ipfs key export` write: libp2p's protobuf, or PEM.

                EXAMPLES
                  peernode key import albums albums.key
                  peernode key import albums - < albums.pem
                """)

        @Argument(help: ArgumentHelp("What you call it.", valueName: "key"))
        var name: String
        @Argument(help: ArgumentHelp("The file; - is standard input.", valueName: "file"))
        var file: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let files = LocalFiles([file == "-" ? .standardInput : .path(Paths.absolute(file))])
            let key = try await common.withNode { try await $0.value("key/import", [name], files: files) }
            KeyCommand.show(key, common) { $0.id }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write a key to a file that only you can read.",
            discussion: """
                Whoever has the file can publish the key's name. Without --output it is called KEY.key, or KEY.pem.

                EXAMPLES
                  peernode key export albums
                  peernode key export albums --format pem-pkcs8-cleartext -o albums.pem
                """)

        @Argument(help: ArgumentHelp("The key.", valueName: "key"))
        var name: String
        @Option(name: .shortAndLong, help: ArgumentHelp("Where to write it; - is standard output.", valueName: "file"))
        var output: String?
        @Option(help: "libp2p-protobuf-cleartext or pem-pkcs8-cleartext.")
        var format = "libp2p-protobuf-cleartext"
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var key = ByteBuffer()
            try await common.withNode { node in
                try await node.bytes("key/export", [name], ["format": format]) { key.writeImmutableBuffer($0) }
            }
            if output == "-" { return Output.write(key) }
            let path = output ?? name + (format == "pem-pkcs8-cleartext" ? ".pem" : ".key")
            do throws(KeyFileError) {
                try PrivateFile.store(Array(key.readableBytesView), at: Paths.absolute(path), replacing: false)
            } catch {
                guard case .alreadyExists = error else { throw error }
                throw CommandFailure(.conflict, "\(path) exists already: name another file with --output")
            }
            if common.json {
                Output.line(["name": .string(name), "path": .string(Paths.absolute(path))])
            } else {
                Messages.write("wrote \(path); keep it secret")
            }
        }
    }

    /// Shows a key as `{"name","id"}`, or as `words` says.
    private static func show(_ key: JSON, _ common: CommonOptions, _ words: ((name: String, id: String)) -> String) {
        if common.json {
            Output.line(["name": key["Name"] ?? .null, "id": key["Id"] ?? .null])
        } else {
            Output.line(words((key["Name"]?.text ?? "", key["Id"]?.text ?? "")))
        }
    }
}
