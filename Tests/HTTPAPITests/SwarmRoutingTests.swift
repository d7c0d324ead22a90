import Foundation
import HTTPAPI
import Multiformats
import NIOCore
import NIOPosix
import PeerNode
import TestSupport
import Testing

/// A server whose node met others through one bootstrap peer.
private func withSwarm<R>(_ body: (TestServer, [Node]) async throws -> R) async throws -> R {
    try await withServer { server in
        try await withTemporaryFolder { folder in
            var others: [Node] = []
            do {
                for index in 0..<3 {
                    let other = try await openNode(folder, "other\(index)", online: true)
                    others.append(other)
                    try await other.connect(try #require(server.node.addresses.first { $0.tcp != nil }))
                }
                try await until("every node is in the table") {
                    let tables = try await server.node.dhtStatus()
                    return tables.reduce(0) { $0 + $1.peerCount } >= others.count
                }
                let result = try await body(server, others)
                for other in others { await other.stop() }
                return result
            } catch {
                for other in others { await other.stop() }
                throw error
            }
        }
    }
}

/// Asks `condition` again and again, for ten seconds at most.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    let deadline = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NeverHappened(what: what) }
        try await loop.scheduleTask(in: .milliseconds(20)) {}.futureResult.get()
    }
}

struct NeverHappened: Error {
    let what: String
}

@Suite("Routing commands in a swarm", .serialized)
struct SwarmRoutingTests {
    /// Adds a few bytes to a node; gives the CID.
    private static func add(_ text: String, _ server: TestServer) async throws -> String {
        let answer = try await server.post(
            "add?cid-version=1", headers: "Content-Type: multipart/form-data; boundary=B\r\n",
            body: "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\(text)\r\n--B--\r\n")
        return try #require(answer.lines.last?["Hash"]?.text)
    }

    /// The four fields, in Kubo's order.
    private static func expectEvents(_ answer: RawAnswer) {
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.headers["x-chunked-output"] == "1")
        for line in answer.lines {
            #expect(line.members.map(\.name) == ["Extra", "ID", "Responses", "Type"])
            #expect((0...7).contains(line["Type"]?.integer ?? -1))
        }
    }

    @Test("What is provided is found, by both names of the command, and told in Kubo's words")
    func provideAndFind() async throws {
        try await withSwarm { server, _ in
            let cid = try await Self.add("found by its CID alone", server)
            let provided = try await server.post("routing/provide?arg=\(cid)")
            #expect(provided.status == 200 && provided.lines.isEmpty, "\(provided.text)")
            let verbose = try await server.post("routing/provide?arg=\(cid)&hops=true")
            #expect((verbose.lines.last?["Stored"]?.integer ?? 0) > 0, "\(verbose.text)")
            for command in ["routing/findprovs", "dht/findprovs"] {
                let answer = try await server.post("\(command)?arg=\(cid)&num-providers=1")
                Self.expectEvents(answer)
                let providers = answer.lines.filter { $0["Type"]?.integer == 4 }
                #expect(providers.count == 1)
                let info = try #require(providers.first?["Responses"]?.elements.first)
                #expect(info["ID"]?.text == server.node.peerID.description)
                #expect(info["Addrs"]?.elements.isEmpty == false)
                #expect(info["Addrs"]?.elements.allSatisfy { $0.text?.contains("/p2p/") == false } == true)
            }
        }
    }

    @Test("Asked for hops, an answer says how long it took and over what")
    func hops() async throws {
        try await withSwarm { server, others in
            let missing = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
            let answer = try await server.post("routing/findprovs?arg=\(missing)&hops=true")
            let answered = answer.lines.filter { $0["Type"]?.integer == 1 }
            #expect(!answered.isEmpty && answered.count <= others.count, "\(answer.text)")
            for line in answered {
                #expect(["tcp", "udp"].contains(line["Transport"]?.text))
                #expect(line["RoundTrip"] != nil)
            }
            #expect(!answer.lines.contains { $0["Type"]?.integer == 4 })
        }
    }

    @Test("A peer is found with its addresses; nobody is an event and an error at the end")
    func findPeer() async throws {
        try await withSwarm { server, others in
            let wanted = others[1].peerID
            let answer = try await server.post("routing/findpeer?arg=\(wanted)")
            Self.expectEvents(answer)
            let final = try #require(answer.lines.first { $0["Type"]?.integer == 2 })
            #expect(final["ID"]?.text == "" && final["Responses"]?.elements.first?["ID"]?.text == wanted.description)
            let nobody = try await server.post(
                "routing/findpeer?arg=12D3KooWRNciW9maTQuZNCwEePPWRgP2bKvY2P7hpgDQZFDtJvjU")
            #expect(nobody.lines.last?["Type"]?.integer == 3)
            #expect(nobody.lines.last?["Extra"]?.text == "routing: not found")
            #expect(nobody.trailers["x-error-kind"] == "not-found")
            let query = try await server.post("dht/query?arg=\(wanted)")
            Self.expectEvents(query)
            let closest = query.lines.filter { $0["Type"]?.integer == 2 }.compactMap { $0["ID"]?.text }
            #expect(closest.contains(wanted.description))
        }
    }

    @Test("The tables are told in Kubo's form, and what is provided in figures and in words")
    func statistics() async throws {
        try await withSwarm { server, others in
            let tables = try await server.post("stats/dht")
            #expect(tables.status == 200)
            let peers = tables.lines.flatMap { $0["Buckets"]?.elements ?? [] }.flatMap { $0["Peers"]?.elements ?? [] }
            #expect(Set(peers.compactMap { $0["ID"]?.text }) == Set(others.map(\.peerID.description)))
            #expect(peers.allSatisfy { $0["Connected"]?.boolean != nil })
            #expect(tables.lines.first?["Mode"]?.text == "server")
            #expect(try await server.post("stats/dht?arg=nothing").status == 400)
            let stat = try await server.post("provide/stat")
            #expect(stat.json?["Sweep"]?["queues"]?["pending_key_provides"]?.integer != nil, "\(stat.text)")
            #expect(stat.json?["Summary"]?.text?.isEmpty == false)
            let legacy = try await server.post("stats/provide")
            #expect(legacy.json?["ReprovideInterval"]?.integer == 22 * 3600 * 1_000_000_000)
        }
    }

    @Test("A block that is not here is not provided")
    func provideMissing() async throws {
        try await withSwarm { server, _ in
            let missing = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
            let answer = try await server.post("routing/provide?arg=\(missing)")
            #expect(answer.status == 500)
            #expect(answer.json?["Message"]?.text == "block \(missing) not found locally, cannot provide")
        }
    }

    @Test("A query ends when its time is over")
    func timeout() async throws {
        try await withSwarm { server, _ in
            let answer = try await server.post("routing/get?arg=/ipns/\(server.node.peerID)&timeout=0")
            #expect(
                answer.headers["x-error-kind"] == "timeout" || answer.trailers["x-error-kind"] == "timeout",
                "\(answer.text)")
        }
    }
}
