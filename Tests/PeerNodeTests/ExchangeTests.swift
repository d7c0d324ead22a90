import BlockExchange
import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import TestSupport
import Testing
import Transport

@Suite("Nodes exchange content", .timeLimit(.minutes(2)))
struct ExchangeTests {
    @Test("A file goes from node to node, and outlives the first")
    func relayOfCopies() async throws {
        try await withNodes("a", "b", "c") { nodes, _ in
            let (a, b, c) = (nodes[0], nodes[1], nodes[2])
            let content = noise(3_000_000, seed: 1)
            let cid = try await a.add(content)

            try await b.connect(a.addresses[0])
            try await b.pin(cid, recursive: true)
            #expect(try await b.content(cid) == content)

            try await c.connect(b.addresses[0])
            await a.stop()
            #expect(try await c.content(cid) == content)
        }
    }

    @Test("One small block takes one exchange and is counted on both sides")
    func ledgers() async throws {
        try await withNodes("a", "b") { nodes, _ in
            let (a, b) = (nodes[0], nodes[1])
            let content = noise(700, seed: 2)
            let cid = try await a.add(content)
            try await b.connect(a.addresses[0])
            #expect(try await b.fetchSession().get(cid) == content)
            let received = try await b.exchange(for: "test").ledger(of: a.peerID)
            #expect(received.bytesReceived == 700)
            #expect(received.blocksReceived == 1)
            #expect(received.unsolicited == 0)
        }
    }

    @Test("A want that nobody can answer yet is answered when the block arrives")
    func lateArrival() async throws {
        try await withNodes("a", "b") { nodes, _ in
            let (a, b) = (nodes[0], nodes[1])
            try await b.connect(a.addresses[0])
            let content = noise(5_000, seed: 3)
            let cid = CID(codec: .raw, multihash: ContentHash.sha256(content))
            async let fetched = b.fetchSession().get(cid)
            // The want is open on a's side before a has the block.
            try await eventually { try await a.exchange(for: "test").wantlist(of: b.peerID).contains(cid) }
            #expect(try await a.add(content) == cid)
            #expect(try await fetched == content)
        }
    }

    @Test("Content that nobody has ends in notFound, and pins nothing")
    func notFound() async throws {
        try await withNodes("a", "b") { nodes, _ in
            let (a, b) = (nodes[0], nodes[1])
            try await b.connect(a.addresses[0])
            let missing = CID(codec: .raw, multihash: ContentHash.sha256(noise(100, seed: 4)))
            await #expect(throws: NodeError.self) {
                try await b.pin(missing, recursive: true, timeout: .milliseconds(300))
            }
            #expect(try await b.pins().isEmpty)
        }
    }

    @Test("An offline node says that it is offline")
    func offline() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a", online: false)
            let missing = CID(codec: .raw, multihash: ContentHash.sha256(noise(100, seed: 5)))
            await #expect {
                try await node.fetchSession().get(missing)
            } throws: {
                if case NodeError.offline(missing)? = $0 as? NodeError { true } else { false }
            }
            await node.stop()
        }
    }

    @Test("A dropped connection resumes: no block is fetched twice")
    func resume() async throws {
        try await withTemporaryFolder { folder in
            let b = try await makeNode(folder, "b")
            var a = try await makeNode(folder, "a")
            let content = noise(24_000_000, seed: 6)
            let cid = try await a.add(content, chunk: 64 << 10)
            try await b.connect(a.addresses[0])

            async let pinned = b.pin(cid, recursive: true)
            let id = a.peerID
            try await eventually { try await b.exchange(for: "test").ledger(of: id).blocksReceived > 20 }
            await a.stop()
            let host = try b.host(for: "test")
            try await eventually { !host.isConnected(to: id) }
            a = try await makeNode(folder, "a")
            try await b.connect(a.addresses[0])

            let seen = try await pinned
            let ledger = try await b.exchange(for: "test").ledger(of: id)
            #expect(Int(ledger.blocksReceived) - seen.blocks <= Int(ledger.duplicates))
            #expect(ledger.duplicates == 0)
            #expect(try await b.content(cid) == content)
            await a.stop()
            await b.stop()
        }
    }

    @Test("Two holders both serve")
    func twoHolders() async throws {
        try await withNodes("a", "b", "c") { nodes, _ in
            let (a, b, c) = (nodes[0], nodes[1], nodes[2])
            let content = noise(32_000_000, seed: 7)
            let cid = try await a.add(content)
            #expect(try await b.add(content) == cid)
            try await c.connect(a.addresses[0])
            try await c.connect(b.addresses[0])
            try await c.pin(cid, recursive: true)
            let exchange = try c.exchange(for: "test")
            let fromA = await exchange.ledger(of: a.peerID).blocksReceived
            let fromB = await exchange.ledger(of: b.peerID).blocksReceived
            #expect(fromA > 0 && fromB > 0)
            #expect(try await c.content(cid) == content)
        }
    }
}

/// Waits until `condition` holds, asking again and again, and gives up after ten seconds.
func eventually(_ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < end else { throw Waited.timedOut }
        await Task.yield()
    }
}

enum Waited: Error { case timedOut }
