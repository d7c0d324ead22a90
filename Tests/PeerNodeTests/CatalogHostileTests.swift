import Catalog
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import SansIO
import TestSupport
import Testing
import Transport

/// Peers that break the rules of catalog sync, and updates that gossip brings in whatever state.
@Suite struct CatalogHostileTests {
    private static let protocolID = "/test/catalog/1.0.0"
    private static let askID = "/test/catalog/ask/1.0.0"

    /// A node with one author, one that means no good, and a connection between them.
    private func withVictim(_ body: (Node, Node) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let victim = try await makeNode(folder, "victim")
            let attacker = try await makeNode(folder, "attacker")
            var problem: (any Error)?
            do {
                _ = try await victim.catalog.createAuthor(name: "ann")
                try await attacker.connect(to: victim)
                try await body(victim, attacker)
            } catch {
                problem = error
            }
            await attacker.stop()
            await victim.stop()
            if let problem { throw problem }
        }
    }

    @Test(
        "Bytes that are no session end it and the connection; the catalog stays",
        arguments: [
            [0xff, 0xff, 0xff, 0xff, 0x7f],  // a frame that is too long
            [1, 77],  // of an unknown type
            [2, 1, 1, 1, 3],  // a hello that is too short
            [2, 7, 0],  // an end without a beginning
        ] as [[UInt8]])
    func garbage(_ bytes: [UInt8]) async throws {
        try await withVictim { victim, attacker in
            let before = try await victim.catalog.digest()
            let (gone, continuation) = AsyncStream<PeerID>.makeStream()
            try victim.host(for: "test").observe { event in
                if case .disconnected(let connection, _) = event { continuation.yield(connection.remotePeer) }
            }
            let stream = try await attacker.host(for: "test").openStream(
                to: victim.peerID, protocols: [Self.protocolID])
            try await stream.send(ByteBuffer(bytes: bytes))
            let end = try? await stream.readToEnd(maximum: 1 << 20)
            #expect(end?.readableBytes ?? 0 < 64)
            try await eventually { try await victim.catalog.status().pulls.hostile == 1 }
            // It may dial again at once.
            for await peer in gone where peer == attacker.peerID { break }
            let after = try await victim.catalog.digest()
            #expect(after == before)
        }
    }

    @Test("A peer has one session a minute, and hears how long to wait")
    func tooMany() async throws {
        try await withVictim { victim, attacker in
            let host = try attacker.host(for: "test")
            var answers: [[UInt8]] = []
            var streams: [PeerStream] = []
            for _ in 0..<2 {
                let stream = try await host.openStream(to: victim.peerID, protocols: [Self.protocolID])
                streams.append(stream)
                // An empty hello and nothing more.
                var hello = ByteBuffer(bytes: [10, 1])
                hello.writeInteger(UInt64(5))
                hello.writeInteger(UInt8(0))
                try await stream.send(hello)
                answers.append(Array((try await stream.read() ?? ByteBuffer()).readableBytesView))
            }
            #expect(answers[0].prefix(2) == [2, 1])
            #expect(answers[1].prefix(2) == [2, 8])
            for stream in streams { stream.reset() }
            try await eventually { try await victim.catalog.status().pulls.refusedOthers == 1 }
        }
    }

    @Test("Single updates are given to whoever asks for them by name")
    func asking() async throws {
        try await withVictim { victim, attacker in
            let known = try await victim.publish(name: "Ann")
            let unknown = UpdateID(words: (1, 2, 3, 4))
            let names = [known.id, unknown].sorted()
            let stream = try await attacker.host(for: "test").openStream(
                to: victim.peerID, protocols: [Self.askID])
            var ask = ByteBuffer(bytes: [9, 2])
            for name in names { ask.writeBytes(name.bytes) }
            var frame = ByteBuffer()
            frame.writeVarint(UInt64(ask.readableBytes))
            frame.writeImmutableBuffer(ask)
            try await stream.send(frame)
            let answer = Array(try await stream.readToEnd(maximum: 1 << 20).readableBytesView)
            // A plan of two, one update, done.
            #expect(answer.starts(with: [2, 4, 2]) && answer.suffix(3) == [2, 7, 0])
            #expect(Data(answer).range(of: Data(known.block)) != nil)
        }
    }

    @Test("Of gossip, what is valid is taken and passed on, what is not is rejected, what is known ignored")
    func gossiped() async throws {
        try await withTemporaryFolder { folder in
            let source = try await makeNode(folder, "source", online: false)
            let (author, _) = try await source.catalog.createAuthor(name: "ann")
            for number in 0..<5 { try await source.publish(name: "\(number)") }
            let updates = try await source.catalog.updates(of: author).map(\.update)
            let node = try await makeNode(folder, "node", online: false)
            let peer = KeyPair(seed: [UInt8](repeating: 4, count: 32)).peerID
            func verdicts(_ blocks: [[UInt8]]) async -> [UpdateVerdict] {
                let (stream, continuation) = AsyncStream<(Int, UpdateVerdict)>.makeStream()
                node.catalog.validate(
                    blocks.enumerated().map { place, block in
                        GossipedUpdate(block: block, peer: peer) { continuation.yield((place, $0)) }
                    })
                var found: [Int: UpdateVerdict] = [:]
                for await (place, verdict) in stream {
                    #expect(found[place] == nil)
                    found[place] = verdict
                    if found.count == blocks.count { break }
                }
                return blocks.indices.compactMap { found[$0] }
            }
            var broken = updates[1].block
            broken[broken.count / 2] ^= 1
            let first = await verdicts([updates[0].block, broken, updates[1].block, updates[0].block, []])
            #expect(first == [.accept, .reject, .accept, .ignore, .reject])
            // What waits for an ancestor is answered when that comes.
            let late = await verdicts([updates[5].block, updates[3].block, updates[4].block, updates[2].block])
            #expect(late == [.accept, .accept, .accept, .accept])
            #expect(try node.name(of: author) == "4")
            let digests = [try await source.catalog.digest(), try await node.catalog.digest()]
            #expect(digests[0] == digests[1])
            let counts = try await node.catalog.status().gossip
            #expect(counts.received == 9 && counts.accepted == 6 && counts.rejected == 2 && counts.ignored == 1)
            #expect(counts.waiting == 0)
            await node.stop()
            await source.stop()
        }
    }

    @Test("What gossip misses is asked for from who sent what continues it")
    func ancestors() async throws {
        try await withTemporaryFolder { folder in
            // Nothing is gossiped but what this test says.
            let source = try await makeNode(folder, "source") { $0.pubsub.enabled = false }
            let node = try await makeNode(folder, "node") { $0.pubsub.enabled = false }
            try await node.connect(to: source)
            let (author, _) = try await source.catalog.createAuthor(name: "ann")
            // A session takes place first, so that the next is a minute away: what comes now comes by asking.
            _ = try await node.catalog.sync(with: source.peerID)
            for number in 0..<40 { try await source.publish(name: "\(number)") }
            let last = try await source.publish(name: "last")
            let (answers, continuation) = AsyncStream<UpdateVerdict>.makeStream()
            node.catalog.validate([
                GossipedUpdate(block: last.block, peer: source.peerID) { continuation.yield($0) }
            ])
            for await verdict in answers {
                #expect(verdict == .accept)
                break
            }
            #expect(try node.name(of: author) == "last")
            try await node.reaches(try await source.catalog.digest())
            let asks = try await node.catalog.status().pulls.asksMade
            #expect(asks >= 1)
            await node.stop()
            await source.stop()
        }
    }

    @Test("What is published goes to gossip at once, in order")
    func spread() async throws {
        final class Mesh: UpdateGossip {
            let sent: AsyncStream<[UInt8]>
            private let continuation: AsyncStream<[UInt8]>.Continuation
            init() { (sent, continuation) = AsyncStream.makeStream() }
            func publish(_ block: [UInt8]) { continuation.yield(block) }
        }
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "node", online: false)
            let mesh = Mesh()
            node.catalog.attach(mesh)
            _ = try await node.catalog.createAuthor(name: "ann")
            var published = [try await node.publish(name: "1"), try await node.publish(name: "2")]
            published.insert(contentsOf: try await node.catalog.updates(limit: 1).map(\.update), at: 0)
            var iterator = mesh.sent.makeAsyncIterator()
            for update in published {
                let block = await iterator.next()
                #expect(block == update.block)
            }
            let status = try await node.catalog.status()
            #expect(status.gossip.published == 3)
            await node.stop()
        }
    }
}
