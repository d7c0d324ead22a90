import Foundation
import TestSupport
import Testing

@Suite("Keys and names with the program", .serialized)
struct NameTests {
    @Test("Keys are kept without a running node, and moved between repos as files")
    func keys() async throws {
        try await withProgram { program, folder in
            let id = try program.run("key", "gen", "albums").lastWord
            #expect(id.hasPrefix("k51"))
            #expect(try program.run("key", "ls").output == "self\nalbums\n")
            #expect(try program.run("key", "ls", "-l").output.hasSuffix("\(id) albums\n"))
            #expect(try program.run("key", "ls", "--json").json.last?["id"] as? String == id)
            #expect(try program.run("key", "rename", "albums", "records").output == "Key \(id) renamed to records\n")
            let file = folder.appendingPathComponent("records.key").path
            #expect(try program.run("key", "export", "records", "-o", file).status == 0)
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try program.run("key", "export", "records", "-o", file).status == 6)
            let pem = try program.run("key", "export", "records", "--format", "pem-pkcs8-cleartext", "-o", "-").output
            #expect(pem.hasPrefix("-----BEGIN PRIVATE KEY-----"))
            #expect(try program.run("key", "rm", "records").output == "records\n")
            #expect(try program.run("key", "import", "again", file).output == id + "\n")
            #expect(try program.run("key", "import", "pem", "-", input: Data(pem.utf8)).output == id + "\n")

            #expect(try program.run("key", "gen", "again").status == 6)
            #expect(try program.run("key", "rm", "nobody").status == 3)
            #expect(try program.run("key", "gen", "self").status == 2)
            #expect(try program.run("key", "import", "x", "/etc/hostname").status == 2)
            #expect(try program.run("key", "import", "x", "/nowhere/at/all").status == 3)
            // The same through a running node.
            let node = try RunningNode(program)
            #expect(try program.run("key", "ls").output == "self\nagain\npem\n")
            #expect(try program.run("key", "rm", "again", "pem").output == "again\npem\n")
            #expect(node.stop().status == 0)
        }
    }

    @Test("A name is published, resolved by another node, and leads to the content")
    func publish() async throws {
        try await withProgram { one, folder in
            let other = Program(repository: folder.appendingPathComponent("other").path)
            _ = try other.run("init", "--network", "test")
            let first = try RunningNode(one)
            defer { _ = first.stop() }
            let found = try one.run("swarm", "addrs", "local").output.split(separator: "\n").map(String.init)
                .first { $0.contains("/tcp/") }
            let address = try #require(found)
            #expect(try other.run("bootstrap", "add", address).status == 0)
            let second = try RunningNode(other)
            defer { _ = second.stop() }

            let cid = try one.run("add", "-q", "-", input: Data("the first edition".utf8)).lastWord
            let published = try eventually { try one.run("name", "publish", cid) }
            #expect(published.status == 0, "\(published.messages)")
            #expect(published.output.hasPrefix("Published to k51") && published.output.hasSuffix(": /ipfs/\(cid)\n"))
            let name = try #require(published.output.split(separator: " ").dropFirst(2).first?.dropLast()).description
            let resolved = try other.run("name", "resolve", name)
            #expect(resolved.output == "/ipfs/\(cid)\n", "\(resolved.messages)")
            #expect(try one.run("name", "resolve").output == "/ipfs/\(cid)\n")
            #expect(try other.run("cat", "/ipns/" + name).output == "the first edition")
            let target = folder.appendingPathComponent("edition").path
            #expect(try other.run("get", "/ipns/" + name, "-o", target).status == 0)
            #expect(FileManager.default.contents(atPath: target) == Data("the first edition".utf8))

            let next = try one.run("add", "-q", "-", input: Data("the second edition".utf8)).lastWord
            #expect(try one.run("name", "publish", "-Q", "/ipfs/" + next).output == name + "\n")
            #expect(try other.run("name", "resolve", "--nocache", name).output == "/ipfs/\(next)\n")

            let record = folder.appendingPathComponent("record").path
            let bytes = try other.run("routing", "get", "/ipns/" + name, "--json").json.last?["value_base64"] as? String
            let encoded = try #require(bytes)
            try #require(Data(base64Encoded: encoded)).write(to: URL(fileURLWithPath: record))
            let inspected = try other.run("name", "inspect", record, "--verify", name)
            #expect(inspected.status == 0, "\(inspected.messages)")
            #expect(inspected.output.contains("/ipfs/\(next)") && inspected.output.contains("Valid:          yes"))
            #expect(try other.run("name", "inspect", record, "--verify", first.peerID).status == 0)
            #expect(try other.run("name", "inspect", record, "--verify", second.peerID).status == 1)
            let put = try other.run("routing", "put", "/ipns/" + name, record)
            #expect(put.status == 0 && put.output.hasPrefix("stored /ipns/\(name) with "), "\(put.messages)")
        }
    }

    /// Runs a command again and again until it succeeds, for twenty seconds at most.
    private func eventually(_ body: () throws -> Program.Outcome) throws -> Program.Outcome {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let outcome = try body()
            if outcome.status == 0 || ContinuousClock.now > deadline { return outcome }
        }
    }
}
