import Foundation
import TestSupport
import Testing

@Suite("Bootstrap peers and the DHT without a swarm", .serialized)
struct OfflineRoutingTests {
    private static let peer = "12D3KooWRNciW9maTQuZNCwEePPWRgP2bKvY2P7hpgDQZFDtJvjU"
    private static let address = "/ip4/192.0.2.7/tcp/4101/p2p/" + peer
    private static let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"

    @Test("Bootstrap peers are kept without a running node")
    func bootstrap() async throws {
        try await withProgram { program, _ in
            #expect(try program.run("bootstrap", "ls").output.isEmpty)
            #expect(try program.run("bootstrap", "add", Self.address).output == "added \(Self.address)\n")
            #expect(try program.run("bootstrap", "ls").output == Self.address + "\n")
            #expect(try program.run("bootstrap", "ls", "--json").json.first?["address"] as? String == Self.address)
            #expect(try program.run("config", "get", "network.bootstrap").output == Self.address + "\n")
            #expect(try program.run("bootstrap", "rm", Self.address).output == "removed \(Self.address)\n")
            #expect(try program.run("bootstrap", "rm", Self.address).status == 3)
            #expect(try program.run("bootstrap", "add", Self.address).status == 0)
            #expect(try program.run("bootstrap", "rm", "--all").output == "removed \(Self.address)\n")
            #expect(try program.run("bootstrap", "ls").output.isEmpty)
            for wrong in [
                ["add"], ["add", "nonsense"], ["add", "/ip4/192.0.2.7/tcp/4101"], ["rm"], ["rm", "--all", "x"],
            ] {
                let outcome = try program.run(["bootstrap"] + wrong)
                #expect(outcome.status == 2, "\(wrong): \(outcome.messages)")
                #expect(outcome.output.isEmpty && !outcome.messages.isEmpty)
            }
            // Only the public network has a list of its own.
            let foreign = try program.run("bootstrap", "add", "default")
            #expect(foreign.status == 2 && foreign.messages.contains("ipfs"), "\(foreign.messages)")
        }
    }

    @Test(
        "What needs a running node says so in one line",
        arguments: [
            ["routing", "findprovs", cid], ["routing", "findpeer", peer], ["routing", "provide", cid],
            ["routing", "reprovide"], ["routing", "get", "/ipns/" + peer], ["provide", "stat"], ["stats", "dht"],
            ["name", "publish", "--no-resolve", cid],
        ])
    func needsNode(arguments: [String]) async throws {
        try await withProgram { program, _ in
            let outcome = try program.run(arguments)
            #expect(outcome.status == 69, "\(outcome.messages)")
            #expect(outcome.output.isEmpty)
            #expect(outcome.messages.contains("peernode run"))
            #expect(outcome.messages.filter { $0 == "\n" }.count == 1)
        }
    }

    @Test(
        "Wrong usage is told apart",
        arguments: [
            ["routing", "findprovs", "notacid"], ["routing", "findprovs", cid, "-n", "0"],
            ["routing", "findprovs", cid, "--timeout", "soon"], ["routing", "get", "/else/x"],
            ["routing", "findpeer", "x"],
            ["name", "resolve", "example.com"], ["name", "publish", cid, "--lifetime", "soon"],
            ["get", "/ipns/nobody"],
        ])
    func usage(arguments: [String]) async throws {
        try await withProgram { program, _ in
            let outcome = try program.run(arguments)
            #expect(outcome.status == 2, "\(outcome.messages)")
            #expect(outcome.output.isEmpty && !outcome.messages.isEmpty)
        }
    }

    @Test("A node that knows nobody says what to do")
    func alone() async throws {
        try await withProgram { program, _ in
            let node = try RunningNode(program)
            let outcome = try program.run("routing", "findprovs", Self.cid)
            #expect(outcome.status == 1, "\(outcome.messages)")
            #expect(outcome.messages.contains("peernode bootstrap add"))
            let table = try program.run("stats", "dht")
            #expect(table.status == 0 && table.output.contains("0 peers, server"), "\(table.output)")
            #expect(table.messages.contains("peernode bootstrap add"))
            #expect(node.stop().status == 0)
        }
    }
}

@Suite("A swarm that knows one bootstrap peer", .serialized)
struct SwarmTests {
    /// Four nodes; all know the first.
    private static func withSwarm(_ body: ([Program], [RunningNode], URL) async throws -> Void) async throws {
        try await withProgram { first, folder in
            var programs = [first]
            var nodes = [try RunningNode(first)]
            defer { for node in nodes where node.process.isRunning { _ = node.stop() } }
            let found = try first.run("swarm", "addrs", "local").output.split(separator: "\n").map(String.init)
                .first { $0.contains("/tcp/") }
            let address = try #require(found)
            for index in 1..<4 {
                let program = Program(repository: folder.appendingPathComponent("repo\(index)").path)
                _ = try program.run("init", "--network", "test")
                #expect(try program.run("bootstrap", "add", address).status == 0)
                programs.append(program)
                nodes.append(try RunningNode(program))
            }
            try await body(programs, nodes, folder)
        }
    }

    /// Runs a command again and again until its outcome is `wanted`, for twenty seconds at most.
    private static func run(
        _ program: Program, _ arguments: String..., until wanted: (Program.Outcome) -> Bool
    ) throws -> Program.Outcome {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let outcome = try program.run(arguments)
            if wanted(outcome) || ContinuousClock.now > deadline { return outcome }
        }
    }

    @Test("Content is found by its CID alone, fetched, and found again when its first holder is gone")
    func content() async throws {
        try await Self.withSwarm { programs, nodes, folder in
            let data = noise(400_000)
            let cid = try programs[1].run("add", "-q", "-", input: data).lastWord

            let found = try Self.run(programs[3], "routing", "findprovs", cid, "-n", "1") { $0.status == 0 }
            #expect(found.output == nodes[1].peerID + "\n", "\(found.messages)")
            let verbose = try programs[3].run("routing", "findprovs", cid, "--verbose")
            #expect(verbose.output.contains("provider \(nodes[1].peerID)"), "\(verbose.output)")
            let events = try programs[3].run("routing", "findprovs", cid, "--verbose", "--json").json
            let provider = events.first { $0["event"] as? String == "provider" }
            #expect(provider?["peer_id"] as? String == nodes[1].peerID)
            #expect((provider?["addresses"] as? [String])?.isEmpty == false)
            for event in events where event["event"] as? String == "answered" {
                #expect(event["rtt_ms"] is Double || event["rtt_ms"] is Int || event["rtt_ms"] is NSNull)
                #expect(["tcp", "udp"].contains(event["transport"] as? String))
            }

            let target = folder.appendingPathComponent("got").path
            let got = try programs[3].run("get", cid, "-o", target)
            #expect(got.status == 0, "\(got.messages)")
            #expect(FileManager.default.contents(atPath: target) == data)
            #expect(try programs[3].run("pin", "add", cid).status == 0)
            let second = try Self.run(programs[2], "routing", "findprovs", cid) { $0.output.contains(nodes[3].peerID) }
            #expect(second.output.contains(nodes[3].peerID), "\(second.messages)")

            #expect(nodes[1].stop(SIGKILL).status == SIGKILL)
            let again = folder.appendingPathComponent("again").path
            let later = try programs[2].run("get", cid, "-o", again)
            #expect(later.status == 0, "\(later.messages)")
            #expect(FileManager.default.contents(atPath: again) == data)
        }
    }

    @Test("Peers are found, tables shown, and the state of providing said in words")
    func statistics() async throws {
        try await Self.withSwarm { programs, nodes, _ in
            let table = try Self.run(programs[3], "stats", "dht", "--json") {
                ($0.json.first?["peers"] as? Int ?? 0) >= 3
            }
            #expect(table.json.first?["peers"] as? Int == 3, "\(table.output)")
            #expect(table.json.first?["mode"] as? String == "server")
            let text = try programs[3].run("stats", "dht").output
            #expect(text.contains("bucket ") && text.contains(nodes[0].peerID) && text.contains("/kad/1.0.0"))
            let place = try programs[3].run("routing", "findpeer", nodes[2].peerID)
            #expect(place.status == 0 && place.output.contains("/ip4/127.0.0.1/"), "\(place.messages)")
            let nobody = try programs[3].run(
                "routing", "findpeer", "12D3KooWRNciW9maTQuZNCwEePPWRgP2bKvY2P7hpgDQZFDtJvjU")
            #expect(nobody.status == 3 && nobody.output.isEmpty, "\(nobody.messages)")
            let absent = try programs[3].run(
                "routing", "findprovs", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
            #expect(absent.status == 3 && absent.output.isEmpty, "\(absent.messages)")

            let cid = try programs[2].run("add", "-q", "-", input: Data("provided".utf8)).lastWord
            let provided = try programs[2].run("routing", "provide", cid)
            #expect(provided.output.hasPrefix("provided \(cid) to "), "\(provided.messages)")
            let state = try programs[2].run("provide", "stat")
            #expect(state.output.contains("Waiting:") && state.output.contains("Rate:"), "\(state.messages)")
            #expect(try programs[2].run("provide", "stat", "--json").json.first?["summary"] is String)
            #expect(try programs[2].run("routing", "reprovide").status == 0)
        }
    }
}
