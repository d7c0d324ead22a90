import ArgumentParser
import HTTPAPI
import PeerNode

struct CatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Write a file's content to standard output.",
        discussion: """
            EXAMPLES
              peernode cat bafy.../song.flac | ffplay -
              peernode cat bafy... --offset 1000 --length 500
              peernode cat /ipns/k51.../notes.txt
            """)

    @Argument(help: ArgumentHelp("A CID, a path below one, or a path that begins with /ipns/NAME.", valueName: "path"))
    var path: String

    @Option(name: .shortAndLong, help: ArgumentHelp("Bytes to skip.", valueName: "bytes"))
    var offset: Int?

    @Option(name: .shortAndLong, help: ArgumentHelp("Bytes to write at most.", valueName: "bytes"))
    var length: Int?

    @OptionGroup var fetch: FetchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        if let offset, offset < 0 { throw ValidationError("--offset must not be negative") }
        if let length, length < 0 { throw ValidationError("--length must not be negative") }
    }

    func run() async throws {
        var options = fetch.parameters
        if let offset { options["offset"] = String(offset) }
        if let length { options["length"] = String(length) }
        try await common.withNode { node in
            try await node.bytes("cat", [path], options) { Output.write($0) }
        }
    }
}

struct LsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List a folder.",
        discussion: """
            EXAMPLES
              peernode ls bafy...
              peernode ls bafy.../photos --json
              peernode ls /ipns/k51...
            """)

    @Argument(help: ArgumentHelp("A CID, a path below one, or a path that begins with /ipns/NAME.", valueName: "path"))
    var path: String

    @OptionGroup var fetch: FetchOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
        let options = fetch.parameters.merging(["stream": "true"]) { $1 }
        try await common.withNode { node in
            try await node.events("ls", [path], options) { event in
                for object in event["Objects"]?.elements ?? [] {
                    for link in object["Links"]?.elements ?? [] { show(link) }
                }
            }
        }
    }

    private func show(_ link: JSON) {
        let cid = link["Hash"]?.text ?? ""
        let name = link["Name"]?.text ?? ""
        let size = link["Size"]?.integer ?? 0
        // Types as UnixFS numbers them; sharded folders are folders.
        let type = [1: "folder", 5: "folder", 4: "symlink"][link["Type"]?.integer ?? 2] ?? "file"
        if common.json {
            Output.line(["cid": .string(cid), "name": .string(name), "type": .string(type), "size": .int(size)])
        } else {
            Output.line("\(cid) \(type == "folder" ? "-" : String(size)) \(name)\(type == "folder" ? "/" : "")")
        }
    }
}
