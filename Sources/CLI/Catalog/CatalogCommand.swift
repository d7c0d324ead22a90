import ArgumentParser
import HTTPAPI

struct CatalogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalog", abstract: "Everybody's profiles, content and lists: stat, sync, export, import, block.",
        subcommands: [Stat.self, Sync.self, Export.self, Import.self, Block.self, Unblock.self, Labels.self])

    struct Stat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stat", abstract: "Show how much is in the catalog, and how it came here.",
            discussion: """
                Two nodes with the same digest know of the same updates.

                EXAMPLES
                  peernode catalog stat
                  peernode catalog stat --json
                """)

        @OptionGroup var common: CommonOptions

        func run() async throws { CatalogOutput.details(try await common.value("catalog/stat"), common) }
    }

    struct Sync: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sync", abstract: "Compare the catalog with a peer's now, and fetch what is missing.",
            discussion: "EXAMPLES\n  peernode catalog sync\n  peernode catalog sync 12D3Koo...")

        @Argument(help: ArgumentHelp("A connected peer; a random one if not given.", valueName: "peer"))
        var peer: String?
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("catalog/sync", peer.map { [$0] } ?? [])
            let result = answer["result"]?.text ?? ""
            if common.json {
                Output.line(answer)
            } else {
                let reason = answer["reason"]?.text.map { " (\($0))" } ?? ""
                let (new, sent) = (answer["accepted"]?.integer ?? 0, answer["sent"]?.integer ?? 0)
                Output.line("\(result)\(reason): \(new) new updates, \(sent) sent")
            }
            if result == "failed" { throw SilentExit(.failure) }
            if result == "refused" { throw SilentExit(.retryLater) }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write all updates to a file.",
            discussion: "EXAMPLES\n  peernode catalog export catalog.updates")

        @Argument(help: ArgumentHelp("The file.", valueName: "file"))
        var file: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            let answer = try await common.value("catalog/export", [Paths.absolute(file)])
            if common.json { return Output.line(answer) }
            Messages.write("wrote \(file), \(answer["bytes"]?.integer ?? 0) bytes")
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Take in the updates of a file, each verified.",
            discussion: "EXAMPLES\n  peernode catalog import catalog.updates")

        @Argument(help: ArgumentHelp("The file.", valueName: "file"))
        var file: String
        @OptionGroup var common: CommonOptions

        func run() async throws {
            CatalogOutput.details(try await common.value("catalog/import", [Paths.absolute(file)]), common)
        }
    }
}
