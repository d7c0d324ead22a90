import DHT
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Storage
import TestSupport
import Testing
import Transport

@Suite("Content is found by its CID alone", .timeLimit(.minutes(3)))
struct RoutingTests {
    @Test("A stranger finds, fetches and provides, and outlives the first holder", arguments: Ways.allCases)
    func findFetchProvide(ways: Ways) async throws {
        try await withSwarm(ways) { swarm in
            let hub = try await swarm.start("hub")
            let holder = try await swarm.start("holder", bootstrap: hub)
            let reader = try await swarm.start("reader", bootstrap: hub)
            try await holder.knows(hub)
            try await reader.knows(hub)
            let content = noise(600_000, seed: 1)
            let cid = try await holder.add(content)
            try await reader.learns(that: holder, has: cid)
            #expect(try await reader.content(cid) == content)

            // What was asked for and is complete is provided by the reader, too.
            try await reader.pin(cid, recursive: true)
            let late = try await swarm.start("late", bootstrap: hub)
            try await late.learns(that: reader, has: cid)
            await swarm.stop("holder")
            #expect(try await late.content(cid) == content)
        }
    }

    @Test("Nodes that one introduced to each other connect, and stay together when it is gone")
    func neighbours() async throws {
        try await withSwarm(.datagrams) { swarm in
            let hub = try await swarm.start("hub")
            let first = try await swarm.start("first", bootstrap: hub)
            let second = try await swarm.start("second", bootstrap: hub)
            try await first.knows(second)
            try await second.knows(first)
            await swarm.stop("hub")
            // Lookups left no connection behind, and the only bootstrap peer is no more.
            let host = try first.host(for: "test")
            let id = second.peerID
            try await eventually { host.isConnected(to: id) }
        }
    }

    @Test("A restart needs no bootstrap peer")
    func restartWithoutBootstrap() async throws {
        try await withSwarm(.datagrams) { swarm in
            let hub = try await swarm.start("hub")
            let node = try await swarm.start("node", bootstrap: hub)
            try await node.knows(hub)
            await swarm.stop("node")
            let again = try await swarm.start("node")
            #expect(again.bootstrapPeers().isEmpty)
            try await again.knows(hub)
        }
    }

    @Test("Provider records survive the restart of who keeps them")
    func recordsSurvive() async throws {
        try await withSwarm(.streams) { swarm in
            var hub = try await swarm.start("hub")
            let holder = try await swarm.start("holder", bootstrap: hub)
            try await holder.knows(hub)
            let cid = try await holder.add(noise(5_000, seed: 2))
            try await hub.learns(that: holder, has: cid)
            let id = holder.peerID
            // Nobody else can tell it again.
            await swarm.stop("holder")
            await swarm.stop("hub")
            hub = try await swarm.start("hub")
            let reader = try await swarm.start("reader", bootstrap: hub)
            try await eventually { (try? await reader.providers(of: cid).contains(id)) == true }
        }
    }

    @Test("A client asks, serves nobody and is in no table", arguments: Ways.allCases)
    func client(ways: Ways) async throws {
        try await withSwarm(ways) { swarm in
            let hub = try await swarm.start("hub")
            let client = try await swarm.start("client", bootstrap: hub) { $0.dht.mode = "client" }
            let server = try await swarm.start("server", bootstrap: hub)
            try await client.knows(hub)
            try await server.knows(hub)
            #expect(try await client.dhtStatus().map(\.mode) == [.client])
            let cid = try await server.add(noise(2_000, seed: 3))
            try await client.learns(that: server, has: cid)

            try await server.connect(client.addresses[0])
            let host = try server.host(for: "a stream")
            await #expect(throws: StreamError.self) {
                _ = try await host.openStream(to: client.peerID, protocols: ["/test/kad/1.0.0"])
            }
            #expect(host.peerStore.protocols(of: client.peerID)?.contains("/test/kad/1.0.0") == false)
            #expect(try await !server.tablePeers().contains(client.peerID))
            #expect(try await !hub.tablePeers().contains(client.peerID))
        }
    }

    @Test("Names are published and resolved by others, the newest wins", arguments: Ways.allCases)
    func names(ways: Ways) async throws {
        try await withSwarm(ways) { swarm in
            let hub = try await swarm.start("hub")
            let author = try await swarm.start("author", bootstrap: hub)
            let reader = try await swarm.start("reader", bootstrap: hub)
            try await author.knows(hub)
            try await reader.knows(hub)
            var last: PublishedName?
            for text in ["one", "two"] {
                let path =
                    "/ipfs/" + CID(codec: .raw, multihash: ContentHash.sha256(ByteBuffer(string: text))).description
                let published = try await author.publishName(
                    path, as: "self", lifetime: .seconds(3600), ttl: .seconds(60))
                #expect(published.value == path)
                if let last { #expect(published.sequence == last.sequence + 1) }
                last = published
                #expect(try await reader.resolveName(published.name, depth: 8, noCache: true) == path)
            }
            let key = Array("/ipns/".utf8) + author.peerID.bytes
            var values = 0
            for try await event in try reader.getValue(key) { if case .value = event { values += 1 } }
            #expect(values > 0)
        }
    }

    @Test("What was accepted for providing is there after a crash, and goes out")
    func crashWhileProviding() async throws {
        try await withSwarm(.streams) { swarm in
            // Alone, so that nothing can be announced yet.
            let node = try await swarm.start("node")
            let content = noise(40_000, seed: 4)
            let cid = try await node.add(content)
            #expect(try await node.provideStatus().queued == 1)
            // The folder as a kill leaves it, under another name; the running node goes on untouched.
            try FileManager.default.copyItem(
                at: swarm.folder.appendingPathComponent("node"), to: swarm.folder.appendingPathComponent("crashed"))
            await swarm.stop("node")
            let hub = try await swarm.start("hub")
            let crashed = try await swarm.start("crashed", bootstrap: hub)
            #expect(try await crashed.provideStatus().keys == 1)
            try await hub.learns(that: crashed, has: cid)
            try await eventually { try await crashed.provideStatus().queued == 0 }
        }
    }

    @Test("A peer is found, and the closest peers, with every step told")
    func peers() async throws {
        try await withSwarm(.datagrams) { swarm in
            let hub = try await swarm.start("hub")
            var others: [Node] = []
            for index in 0..<4 { others.append(try await swarm.start("other\(index)", bootstrap: hub)) }
            for other in others { try await hub.knows(other) }
            let target = others[3].peerID
            var steps = 0
            var found: KadPeer?
            for try await event in try others[0].findPeer(target) {
                switch event {
                case .asking, .answered, .failed: steps += 1
                case .peer(let peer): found = peer
                default: break
                }
            }
            #expect(found?.id == target)
            #expect(found?.addresses.isEmpty == false)
            #expect(steps > 0)
            let ids = Set(([hub] + others).map(\.peerID))
            try await eventually {
                var closest: Set<PeerID> = []
                for try await event in try others[0].closestPeers(to: Array("anything".utf8)) {
                    if case .peer(let peer) = event { closest.insert(peer.id) }
                }
                return closest.isSubset(of: ids) && closest.count >= 4
            }
        }
    }

    @Test("Nobody to ask is an error that says what to do; offline, too")
    func nobody() async throws {
        try await withSwarm(.streams) { swarm in
            let alone = try await swarm.start("alone")
            let cid = CID(codec: .raw, multihash: ContentHash.sha256(ByteBuffer(string: "nothing")))
            await #expect(throws: NodeError.self) {
                for try await _ in try alone.closestPeers(to: cid.multihash.bytes) {}
            }
            let offline = try await makeNode(swarm.folder, "offline", online: false)
            #expect(throws: NodeError.self) { _ = try offline.findProviders(of: cid, limit: 0) }
            await #expect(throws: NodeError.self) { _ = try await offline.dhtStatus() }
            await offline.stop()
        }
    }
}
