import ArgumentParser
import Foundation
import HTTPAPI
import NIOCore
import PeerCrypto

struct AuthorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "author",
        abstract: "Who you are in the catalog: new, ls, use, unlock, passphrase, rotate, export, import.",
        discussion: """
            An author is a person, not a node: what an author publishes is signed with a key of its own, and one node
            can keep the keys of several. Works without a running node.
            """,
        subcommands: [
            New.self, List.self, Use.self, Unlock.self, Passphrase.self, Rotate.self, Export.self, Import.self,
        ])

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new", abstract: "Make an author, who is then in use; prints the author's id.",
            discussion: """
                On a terminal it asks for a passphrase to lock the key with (none is allowed), and shows the recovery
                words: 33 words that can give the author a new key when this one is lost or stolen. Write them down:
                they are shown once, on standard error, and kept nowhere. With --json they are in the answer.

                EXAMPLES
                  peernode author new "Ada Lovelace"
                  peernode author new ada --json
                """)

        @Argument(help: ArgumentHelp("What you call the author; only you see this.", valueName: "name"))
        var name: String
        @OptionGroup var passphrase: PassphraseOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options = try passphrase.parameters()
            if options.isEmpty, !common.json { options.put("passphrase", try passphrase.askForNew()) }
            let answer = try await common.value("author/new", [name], options)
            if common.json { return Output.line(answer) }
            Output.line(answer["id"]?.text ?? "")
            RecoveryWords.show(answer)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the authors whose keys are here; * marks the one in use.",
            discussion: "EXAMPLES\n  peernode author ls", aliases: ["list"])

        @OptionGroup var common: CommonOptions

        func run() async throws {
            let authors = try await common.value("author/ls")["authors"]?.elements ?? []
            var columns = Columns(flexible: 1)
            for author in authors {
                if common.json {
                    Output.line(author)
                    continue
                }
                let mark = author["current"]?.boolean == true ? "*" : " "
                let locked = author["locked"]?.boolean == true ? "locked" : ""
                columns.add([mark, author["name"]?.text ?? "", author["id"]?.text ?? "", locked])
            }
            columns.write()
        }
    }

    struct Use: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "use", abstract: "Say who publishes from now on.",
            discussion: "EXAMPLES\n  peernode author use ada")

        @Argument(help: ArgumentHelp("A name or an id.", valueName: "author"))
        var author: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("author/use", [author])
            if common.json { Output.line(answer) } else { Output.line(answer["id"]?.text ?? "") }
        }
    }

    struct Unlock: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "unlock", abstract: "Keep a locked key at hand until the node stops.",
            discussion: """
                Needs a running node: without one, each command takes the passphrase anew.

                EXAMPLES
                  peernode author unlock ada
                  peernode author unlock --passphrase-file /run/secrets/ada
                """)

        @Argument(help: ArgumentHelp("A name or an id; the author in use if not given.", valueName: "author"))
        var author: String?
        @OptionGroup var passphrase: PassphraseOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            guard let given = try passphrase.given() ?? passphrase.ask("Passphrase: ") else {
                throw CommandFailure(.usage, "give the passphrase: --passphrase-file FILE, or $PEERNODE_PASSPHRASE")
            }
            let answer = try await common.value("author/unlock", author.map { [$0] } ?? [], ["passphrase": given])
            if common.json { Output.line(answer) } else { Messages.write("unlocked until the node stops") }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write an author's key to a file that only you can read.",
            discussion: """
                Whoever has the file can publish as the author, unless a passphrase locks it. Without --output it is
                called NAME.author.

                EXAMPLES
                  peernode author export ada -o ada.author
                """)

        @Argument(help: ArgumentHelp("A name or an id.", valueName: "author"))
        var author: String
        @Option(name: .shortAndLong, help: ArgumentHelp("Where to write it; - is standard output.", valueName: "file"))
        var output: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var key = ByteBuffer()
            try await common.withNode { node in
                try await node.bytes("author/export", [author]) { key.writeImmutableBuffer($0) }
            }
            if output == "-" { return Output.write(key) }
            let path = output ?? author.replacing("/", with: "_") + ".author"
            do throws(KeyFileError) {
                try PrivateFile.store(Array(key.readableBytesView), at: Paths.absolute(path), replacing: false)
            } catch {
                guard case .alreadyExists = error else { throw error }
                throw CommandFailure(.conflict, "\(path) exists already: name another file with --output")
            }
            if common.json {
                Output.line(["author": .string(author), "path": .string(Paths.absolute(path))])
            } else {
                Messages.write("wrote \(path); keep it secret")
            }
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Keep an author's key from elsewhere; prints the author's id.",
            discussion: """
                EXAMPLES
                  peernode author import ada.author
                  peernode author import ada.author --name countess
                """)

        @Argument(help: ArgumentHelp("The file; - is standard input.", valueName: "file"))
        var file: String
        @Option(help: ArgumentHelp("What you call the author.", valueName: "name"))
        var name: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let files = LocalFiles([file == "-" ? .standardInput : .path(Paths.absolute(file))])
            let names = name.map { [$0] } ?? []
            let answer = try await common.withNode { try await $0.value("author/import", names, files: files) }
            if common.json { Output.line(answer) } else { Output.line(answer["id"]?.text ?? "") }
        }
    }
}
