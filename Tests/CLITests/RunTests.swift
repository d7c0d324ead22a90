import Foundation
import TestSupport
import Testing

@Suite("Running the node", .serialized)
struct RunTests {
    @Test("It says when it is ready and when it stops, and leaves no api file")
    func life() async throws {
        try await withProgram { program, _ in
            let node = try RunningNode(program)
            let file = program.repository + "/api"
            #expect(try String(contentsOfFile: file, encoding: .utf8) == node.url + "\n")
            #expect(node.url.hasPrefix("http://127.0.0.1:"))
            let attributes = try FileManager.default.attributesOfItem(atPath: program.repository + "/api-token")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try program.run("id", "--json").json.first?["peer_id"] as? String == node.peerID)
            let second = try program.run("run", "--api", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0")
            #expect(second.status == 6)
            // The second one, which did not get in, took nothing away.
            #expect(FileManager.default.fileExists(atPath: file))
            let (status, output) = node.stop()
            #expect(status == 0)
            #expect(output == "{\"event\":\"stopping\"}\n")
            #expect(!FileManager.default.fileExists(atPath: file))
        }
    }

    @Test("Ctrl-C ends it in order, with 130; `shutdown` ends it with 0")
    func stopping() async throws {
        try await withProgram { program, _ in
            let interrupted = try RunningNode(program).stop(SIGINT)
            #expect(interrupted.status == 130)
            #expect(interrupted.output == "{\"event\":\"stopping\"}\n")
            let node = try RunningNode(program)
            #expect(try program.run("shutdown", "--json").status == 0)
            #expect(node.wait().status == 0)
            #expect(try program.run("repo", "verify").status == 0)
        }
    }

    @Test("A node that was killed leaves a stale api file, which counts as no node")
    func stale() async throws {
        try await withProgram { program, _ in
            let node = try RunningNode(program)
            let cid = try program.run("add", "-q", "-", input: Data("survives".utf8)).lastWord
            #expect(node.stop(SIGKILL).status == SIGKILL)
            #expect(FileManager.default.fileExists(atPath: program.repository + "/api"))
            let outcome = try program.run("cat", cid)
            #expect(outcome.output == "survives", "\(outcome.messages)")
            let again = try RunningNode(program)
            #expect(try program.run("cat", cid).output == "survives")
            #expect(again.stop().status == 0)
        }
    }

    @Test("A wrong token is told apart from everything else")
    func wrongToken() async throws {
        try await withProgram { program, _ in
            let node = try RunningNode(program)
            let file = URL(fileURLWithPath: program.repository + "/api-token")
            let token = try Data(contentsOf: file)
            try Data(String(repeating: "x", count: 64).utf8).write(to: file)
            #expect(try program.run("id").status == 4)
            try token.write(to: file)
            #expect(try program.run("id").status == 0)
            #expect(node.stop().status == 0)
        }
    }

    @Test("Two nodes find content in each other, and say what they exchanged")
    func twoNodes() async throws {
        try await withProgram { one, folder in
            let other = Program(repository: folder.appendingPathComponent("other").path)
            _ = try other.run("init", "--network", "test")
            let first = try RunningNode(one)
            let second = try RunningNode(other)
            let data = noise(3_000_000)
            let cid = try one.run("add", "-q", "-", input: data).lastWord
            let absent = try other.run("cat", cid, "--timeout", "100ms")
            #expect(absent.status == 3, "\(absent.messages)")
            let address = try one.run("swarm", "addrs", "local").lastWord
            let connected = try other.run("swarm", "connect", address)
            #expect(connected.output == "connect \(first.peerID) success\n", "\(connected.messages)")
            #expect(try one.run("swarm", "peers", "--json").json.first?["peer_id"] as? String == second.peerID)
            #expect(try other.run("ping", first.peerID, "-n", "1").status == 0)
            let target = folder.appendingPathComponent("got").path
            #expect(try other.run("get", cid, "-o", target).status == 0)
            #expect(FileManager.default.contents(atPath: target) == data)
            // The sender counts a block when its last byte has left, which the receiver may not wait for.
            var sent = 0
            for _ in 0..<100 where sent < data.count {
                sent = try one.run("bitswap", "ledger", second.peerID, "--json").json.first?["sent"] as? Int ?? 0
            }
            #expect(sent >= data.count)
            #expect(try other.run("swarm", "disconnect", address).status == 0)
            #expect(try other.run("swarm", "peers").output.isEmpty)
            #expect(first.stop().status == 0)
            #expect(second.stop().status == 0)
        }
    }

    @Test("A log level can be changed while the node runs")
    func logLevel() async throws {
        try await withProgram { program, _ in
            let node = try RunningNode(program)
            #expect(try program.run("log", "level", "debug").status == 0)
            #expect(try program.run("log", "level", "loud").status == 2)
            #expect(node.stop().status == 0)
        }
    }
}

@Suite("Talking to a running node", .serialized)
struct RemoteTests {
    @Test("Much content goes in and out whole; what cannot be read is told at once and adds nothing")
    func large() async throws {
        try await withProgram { program, folder in
            let node = try RunningNode(program)
            let data = noise(64 << 20)
            let source = folder.appendingPathComponent("large")
            try data.write(to: source)
            let added = try program.run("add", "-q", source.path)
            #expect(added.status == 0, "\(added.messages)")
            for name in ["one", "two"] {
                let target = folder.appendingPathComponent(name)
                let got = try program.run("get", added.lastWord, "-o", target.path)
                #expect(got.status == 0, "\(got.messages)")
                #expect(FileManager.default.contents(atPath: target.path) == data)
            }
            let car = folder.appendingPathComponent("large.car").path
            #expect(try program.run("dag", "export", added.lastWord, "-o", car).status == 0)
            let imported = try program.run("dag", "import", car)
            #expect(imported.output == "pinned root \(added.lastWord)\n", "\(imported.messages)")

            let before = try program.run("pin", "ls").output
            let missing = try program.run("add", folder.appendingPathComponent("nowhere").path)
            #expect(missing.status == 3, "\(missing.messages)")
            #expect(missing.messages.contains("nowhere"))
            #expect(try program.run("dag", "import", folder.path + "/nowhere.car").status == 3)
            #expect(try program.run("pin", "ls").output == before)
            #expect(node.stop().status == 0)
        }
    }

    @Test("A reader that stops early ends the program quietly")
    func brokenPipe() async throws {
        try await withProgram { program, folder in
            let node = try RunningNode(program)
            let cid = try program.run("add", "-q", "-", input: noise(8 << 20)).lastWord
            let shell = Process()
            shell.executableURL = URL(fileURLWithPath: "/bin/sh")
            shell.arguments = [
                "-c", "\"\(Program.path)\" --repo \"\(program.repository)\" cat \(cid) | head -c 10 | wc -c",
            ]
            let stdout = Pipe(), stderr = Pipe()
            shell.standardOutput = stdout
            shell.standardError = stderr
            try shell.run()
            let output = Collector(stdout), messages = Collector(stderr)
            shell.waitUntilExit()
            #expect(output.text.trimmingCharacters(in: .whitespacesAndNewlines) == "10")
            #expect(messages.text.isEmpty)
            #expect(node.stop().status == 0)
        }
    }
}
