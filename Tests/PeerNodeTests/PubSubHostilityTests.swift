import Foundation
import Gossip
import Multiformats
import NIOCore
import PeerNode
import Synchronization
import TestSupport
import Testing

@Suite("Gossip with peers that do not keep to the rules")
struct PubSubHostilityTests {
    private let topic = Topic("news")

    /// Runs `body` with two honest nodes that read `topic`, and a raw peer connected to the first.
    private func withHonest(
        _ raw: RawGossipPeer, _ body: (Node, Node, RawGossipPeer) async throws -> Void
    ) async throws {
        try await withNodes("a", "b") { nodes, _ in
            try await withRawPeer(raw) { raw in
                try await nodes[1].connect(nodes[0].addresses[0])
                try await body(nodes[0], nodes[1], raw)
            }
        }
    }

    @Test("Nonsense and frames that are too long end the stream, and nothing else")
    func nonsense() async throws {
        try await withHonest(RawGossipPeer("vandal")) { a, b, raw in
            let atB = try await b.inbox(topic)
            try await a.sees(b.peerID, in: topic)
            let garbage: [[UInt8]] = [
                // A length of two megabytes; one that never ends; a field beyond the end; wire types of no meaning.
                [0x80, 0x80, 0x80, 0x01], Array(repeating: 0xff, count: 11), [3, 0x0a, 0x7f, 0x00], [2, 0x0f, 0x00],
                [4, 0x12, 0x02, 0x0a, 0x05],
            ]
            for bytes in garbage {
                let stream = try await raw.open(to: a)
                stream.write(ByteBuffer(bytes: bytes))
                try await eventually { stream.hasEnded }
            }
            // Empty frames are allowed and mean nothing.
            let stream = try await raw.open(to: a)
            stream.write(ByteBuffer(repeating: 0, count: 10_000))
            stream.subscribe(topic)
            try await a.sees(b.peerID, raw.peerID, in: topic)
            #expect(!stream.hasEnded)
            try await a.publish("still here", to: topic)
            try await eventually { atB.texts == ["still here"] }
        }
    }

    @Test("A second stream replaces the first; what still comes on the first is not read")
    func secondStream() async throws {
        try await withHonest(RawGossipPeer("twice")) { a, _, raw in
            let atA = try await a.inbox(topic)
            let first = try await raw.open(to: a)
            first.subscribe(topic)
            try await eventually { try await a.pubsubPeers(of: topic).contains(raw.peerID) }
            let second = try await raw.open(to: a)
            try await eventually { first.hasEnded }
            second.publish(raw.message("on the second", in: topic, number: 7))
            try await eventually { atA.texts == ["on the second"] }
            #expect(!second.hasEnded)
        }
    }

    @Test("A forged message is not delivered and does not keep the true one away")
    func forged() async throws {
        try await withHonest(RawGossipPeer("forger")) { a, b, raw in
            let (atA, atB) = (try await a.inbox(topic), try await b.inbox(topic))
            try await eventually { try await a.mesh(of: topic) == [b.peerID] }
            let stream = try await raw.open(to: a)
            stream.subscribe(topic)
            let honest = raw.message("true", in: topic, number: 5)
            var writer = ProtobufWriter()
            writer.bytes(1, raw.peerID.bytes)
            writer.bytes(2, Array("false".utf8))
            writer.bytes(3, Array(ByteBuffer(integer: UInt64(5)).readableBytesView))
            writer.bytes(4, Array("news".utf8))
            writer.bytes(5, honest.signature.map { Array($0.readableBytesView) } ?? [])
            let forged = try GossipMessage(decoding: ByteBuffer(bytes: writer.bytes))
            #expect(forged.author == honest.author && forged.sequence == honest.sequence)
            stream.publish(forged)
            try await eventually { try await a.pubsubStatus().statistics.invalidSignatures == 1 }
            stream.publish(honest)
            try await eventually { atA.texts == ["true"] && atB.texts == ["true"] }
        }
    }

    @Test("For a peer that reads nothing only so much is kept, and the others get everything")
    func slowReader() async throws {
        try await withHonest(RawGossipPeer("idler", reads: false)) { a, b, raw in
            let atB = try await b.inbox(topic)
            let stream = try await raw.open(to: a)
            stream.subscribe(topic)
            try await a.sees(b.peerID, raw.peerID, in: topic)
            let message = noise(512 << 10, seed: 9)
            for round in 0..<24 {
                try await a.publish(message, to: topic)
                // As fast as the honest peer reads.
                try await eventually { atB.all.count == round + 1 }
            }
            let losses = try await a.pubsubStatus().losses
            #expect(losses.messages > 0 && losses.messages <= 24)
            #expect(losses.control == 0)
        }
    }

    @Test("A peer of floodsub gets every message, and its own are passed on")
    func floodsub() async throws {
        try await withHonest(RawGossipPeer("flood", protocolID: "/floodsub/1.0.0")) { a, b, raw in
            let (atA, atB) = (try await a.inbox(topic), try await b.inbox(topic))
            try await eventually { try await a.mesh(of: topic) == [b.peerID] }
            let stream = try await raw.open(to: a)
            stream.subscribe(topic)
            try await a.sees(b.peerID, raw.peerID, in: topic)
            #expect(try await a.mesh(of: topic) == [b.peerID])
            stream.publish(raw.message("from the flood", in: topic, number: 1))
            try await eventually { atA.texts == ["from the flood"] && atB.texts == ["from the flood"] }
            try await b.publish("to the flood", to: topic)
            try await eventually {
                raw.heard.withLock { $0.flatMap(\.messages) }.contains { String(buffer: $0.data) == "to the flood" }
            }
            let control = raw.heard.withLock { $0.contains { !$0.graft.isEmpty || !$0.ihave.isEmpty } }
            #expect(!control)
        }
    }

    @Test("A peer hears our topics first, and is grafted and pruned by the rules of its version")
    func greeting() async throws {
        try await withHonest(RawGossipPeer("listener")) { a, _, raw in
            let inbox = try await a.inbox(topic)
            let stream = try await raw.open(to: a)
            stream.subscribe(topic)
            try await eventually { raw.heard.withLock { $0.contains { $0.graft.contains(topic) } } }
            let first = raw.heard.withLock { $0.first }
            #expect(first?.subscriptions.contains(.init(topic, isSubscribed: true)) == true)
            inbox.stop()
            try await eventually {
                raw.heard.withLock { $0.flatMap(\.prune) }.contains { $0.topic == topic && $0.backoff == 10 }
            }
            let farewell = raw.heard.withLock { $0.flatMap(\.subscriptions).last }
            #expect(farewell == .init(topic, isSubscribed: false))
        }
    }

    @Test("A burst that is faster than signatures are checked arrives whole and in order")
    func burst() async throws {
        try await withHonest(RawGossipPeer("hasty")) { a, _, raw in
            let atA = try await a.inbox(topic)
            let stream = try await raw.open(to: a)
            stream.subscribe(topic)
            // Frames of one message and of many; three times what may wait for a check at once.
            var number: UInt64 = 0
            var frame = GossipRPC()
            for round in 0..<100 {
                frame.messages = (0..<(round % 2 == 0 ? 1 : 29)).map { _ in
                    number += 1
                    return raw.message("\(number)", in: topic, number: number)
                }
                stream.write(frame)
            }
            let last = number
            try await eventually { atA.all.count >= Int(last) }
            #expect(atA.texts == (1...last).map { String($0) })
            let statistics = try await a.pubsubStatus().statistics
            #expect(statistics.throttled == 0 && statistics.replays == 0)
        }
    }
}
