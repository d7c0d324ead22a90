import ArgumentParser
import Foundation
import HTTPAPI
import PeerNode

struct AddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add files and folders; print the CID of each.",
        discussion: """
            A folder is added whole, without names that start with a dot unless --hidden is given. What is added
            is kept (pinned) until `peernode pin rm`. The last word of the last line is the root's CID.

            EXAMPLES
              peernode add song.flac
              peernode add photos --quiet
              tar c album | peernode add -
            """)

    @Argument(help: ArgumentHelp("Files or folders; - is standard input.", valueName: "path"))
    var paths: [String]

    @Option(help: "How files become blocks: unixfs-v1-2025 or unixfs-v0-2015.")
    var profile: String?

    @Option(help: ArgumentHelp("The length of a file's blocks, such as 1MiB.", valueName: "size"))
    var chunkSize: String?

    @Flag(name: .shortAndLong, help: "Accepted for habit; folders are always added whole.")
    var recursive = false

    @Flag(name: .shortAndLong, help: "Print only the CID of each path.")
    var quiet = false

    @Flag(help: "Add names that start with a dot, too.")
    var hidden = false

    @Flag(inversion: .prefixedNo, help: "Keep what is added.")
    var pin = true

    @Flag(help: "Only compute the CIDs; store nothing.")
    var onlyHash = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if let chunkSize, Quantity.bytes(chunkSize) == nil {
            throw ValidationError("'\(chunkSize)' is no size: write one like 256KiB or 1MiB")
        }
        if paths.isEmpty { throw ValidationError("name a file or folder to add") }
    }

    func run() async throws {
        var options = ["recursive": "true", "pin": String(pin), "progress": "true"]
        if let profile { options["profile"] = profile }
        if let chunkSize, let bytes = Quantity.bytes(chunkSize) { options["chunker"] = "size-\(bytes)" }
        if onlyHash { options["only-hash"] = "true" }
        if hidden { options["hidden"] = "true" }
        try await common.withNode { node in
            for path in paths { try await add(path, options, to: node) }
        }
    }

    private func add(_ path: String, _ options: [String: String], to node: any NodeClient) async throws {
        let source: LocalFiles.Source = path == "-" ? .standardInput : .path(Paths.absolute(path))
        let progress = ProgressLine("adding", total: FileSize.of(path))
        defer { progress.finish() }
        var root: (cid: String, name: String, size: Int)?
        var seen: [String: Int] = [:]
        try await node.events("add", [], options, files: LocalFiles([source], includesHidden: hidden)) { event in
            let name = event["Name"]?.text ?? ""
            if let bytes = event["Bytes"]?.integer {
                progress.advance(by: bytes - (seen[name] ?? 0))
                seen[name] = bytes
            } else if let cid = event["Hash"]?.text {
                seen[name] = nil
                let size = event["Size"]?.text.flatMap { Int($0) } ?? 0
                root = (cid, name, size)
                if common.json, !quiet {
                    Output.line(["cid": .string(cid), "name": .string(name), "size": .int(size)])
                }
            }
        }
        guard let root else { throw RPCError(.failure, "nothing was added") }
        progress.finish()
        if common.json {
            if quiet {
                Output.line(["cid": .string(root.cid), "name": .string(root.name), "size": .int(root.size)])
            }
        } else if quiet {
            Output.line(root.cid)
        } else {
            Output.line("added \(root.name == root.cid ? "-" : root.name) \(root.cid)")
        }
    }
}

/// How large what lies at a path is, for progress.
enum FileSize {
    /// The bytes of the files at `path`; nil for standard input and for more than 100,000 files.
    static func of(_ path: String) -> Int? {
        guard Messages.isTerminal, path != "-" else { return nil }
        let url = URL(fileURLWithPath: path)
        let keys: Set<URLResourceKey> = [.fileSizeKey, .isRegularFileKey]
        guard let walk = FileManager.default.enumerator(at: url, includingPropertiesForKeys: Array(keys)) else {
            return nil
        }
        var total = (try? url.resourceValues(forKeys: keys))?.fileSize ?? 0
        var count = 0
        for case let file as URL in walk {
            count += 1
            guard count <= 100_000 else { return nil }
            if let values = try? file.resourceValues(forKeys: keys), values.isRegularFile == true {
                total += values.fileSize ?? 0
            }
        }
        return total
    }
}
