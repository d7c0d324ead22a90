import ArgumentParser
import Foundation
import HTTPAPI
import MerkleDAG
import PeerNode

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Fetch a file or folder and write it to disk.",
        discussion: """
            EXAMPLES
              peernode get bafy...
              peernode get bafy.../photos -o holiday
              peernode get /ipns/k51.../photos
            """)

    @Argument(help: ArgumentHelp("A CID, a path below one, or a path that begins with /ipns/NAME.", valueName: "path"))
    var path: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to write it; the last name of the path otherwise.", valueName: "path"))
    var output: String?

    @Flag(help: "Replace files that exist.")
    var force = false

    @OptionGroup var fetch: FetchOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
        let name = try API.lastName(of: path)
        let target = Paths.absolute(output ?? EntryName.text(name))
        let progress = ProgressLine("fetching")
        defer { progress.finish() }
        var written = 0
        let unpacker = Unpacker(to: target, rootName: name, options: .init(replaces: force)) {
            if case .bytes(let count) = $0 { progress.advance(by: count) }
        }
        var tar = TarReader()
        do {
            try await common.withNode { node in
                try await node.bytes("get", [path], fetch.parameters, length: { progress.expect($0) }) { bytes in
                    tar.append(bytes)
                    while let event = try tar.next() {
                        if case .file(_, let size, _, _) = event { written += Int(clamping: size) }
                        try unpacker.apply(event)
                    }
                }
            }
            try tar.finish()
            try unpacker.finish()
        } catch {
            unpacker.abandon()
            throw error
        }
        progress.finish()
        if common.json {
            Output.line(["path": .string(target), "size": .int(written)])
        } else {
            Messages.write("wrote \(output ?? EntryName.text(name)) (\(Quantity.describe(bytes: written)))")
        }
    }
}
