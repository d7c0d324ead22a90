import Foundation
import Gossip
import Multiformats
import NIOCore
import PeerNode
import Storage
import TestSupport
import Testing
import Transport

@Suite("Publishing and subscribing between nodes")
struct PubSubTests {
    private let topic = Topic("news")

    @Test("Two nodes hear each other and themselves, with author and number")
    func two() async throws {
        try await withNodes("a", "b") { nodes, _ in
            let (a, b) = (nodes[0], nodes[1])
            let (atA, atB) = (try await a.inbox(topic), try await b.inbox(topic))
            #expect(try await a.pubsubTopics().contains(topic))
            try await b.connect(a.addresses[0])
            try await a.sees(b.peerID, in: topic)
            try await b.sees(a.peerID, in: topic)
            #expect(try await a.pubsubPeers(of: nil) == [b.peerID])
            for round in 1...3 {
                #expect(try await a.publish(ByteBuffer(string: "a\(round)"), to: topic) == 1)
                #expect(try await b.publish(ByteBuffer(string: "b\(round)"), to: topic) == 1)
            }
            for inbox in [atA, atB] {
                try await eventually { inbox.all.count >= 6 }
                #expect(inbox.texts.sorted() == ["a1", "a2", "a3", "b1", "b2", "b3"])
                for (name, node) in [("a", a), ("b", b)] {
                    let own = inbox.all.filter { String(buffer: $0.data).hasPrefix(name) }
                    #expect(own.allSatisfy { $0.from == node.peerID && $0.topic == topic })
                    let numbers = own.compactMap(\.number)
                    #expect(numbers.count == 3 && numbers == numbers.sorted())
                }
            }
        }
    }

    @Test("Of five nodes that were introduced in a line everybody gets everything once")
    func line() async throws {
        try await withNodes("a", "b", "c", "d", "e") { nodes, _ in
            var inboxes: [Inbox] = []
            for node in nodes { inboxes.append(try await node.inbox(topic)) }
            for (node, next) in zip(nodes, nodes.dropFirst()) { try await next.connect(node.addresses[0]) }
            // In so small a swarm everybody is in the mesh with all whom it is connected to, which are more than its
            // neighbours once the DHT has introduced them.
            for (index, node) in nodes.enumerated() {
                let neighbours = Set([index - 1, index + 1].filter(nodes.indices.contains).map { nodes[$0].peerID })
                try await eventually { try await node.mesh(of: topic).isSuperset(of: neighbours) }
            }
            var expected: [String] = []
            for round in 0..<20 {
                for index in [0, 2, 4] {
                    expected.append("\(index)-\(round)")
                    try await nodes[index].publish("\(index)-\(round)", to: topic)
                }
            }
            for inbox in inboxes {
                try await eventually { inbox.all.count >= expected.count }
                #expect(inbox.texts.sorted() == expected.sorted())
            }
        }
    }

    @Test("Who subscribes late hears what comes then; who leaves hears nothing more")
    func joinAndLeave() async throws {
        try await withNodes("a", "b") { nodes, _ in
            let (a, b) = (nodes[0], nodes[1])
            try await b.connect(a.addresses[0])
            let other = Topic("other")
            let atA = try await a.inbox(topic)
            // Without anybody in the topic it goes to nobody, and not wrong.
            #expect(try await a.publish(ByteBuffer(string: "early"), to: other) == 0)
            let atB = try await b.inbox(topic)
            try await a.sees(b.peerID, in: topic)
            try await a.publish("now", to: topic)
            try await eventually { atB.texts.contains("now") }
            // A second reader of the same topic in the same node.
            let second = try await b.inbox(topic)
            atB.stop()
            try await a.publish("for the second", to: topic)
            try await eventually { second.texts.contains("for the second") }
            #expect(!atB.texts.contains("for the second"))
            second.stop()
            try await a.sees(in: topic)
            #expect(try await !b.pubsubTopics().contains(topic))
            #expect(try await a.publish(ByteBuffer(string: "late"), to: topic) == 0)
            #expect(atA.texts.contains("late"))
            #expect(second.texts.contains("late") == false)
        }
    }

    @Test("A message of 900 KiB arrives; one that fits no frame, and a topic without a name, are refused")
    func sizes() async throws {
        try await withNodes("a", "b") { nodes, _ in
            let (a, b) = (nodes[0], nodes[1])
            let atB = try await b.inbox(topic)
            try await a.connect(b.addresses[0])
            try await a.sees(b.peerID, in: topic)
            let large = noise(900 << 10, seed: 3)
            #expect(try await a.publish(large, to: topic) == 1)
            try await eventually { atB.all.count == 1 }
            #expect(atB.all.first?.data == large)
            await #expect(throws: PubSubError.tooLarge(1 << 20)) {
                try await a.publish(noise(1 << 20, seed: 4), to: topic)
            }
            await #expect(throws: PubSubError.badTopic) { try await a.publish("", to: Topic("")) }
            await #expect(throws: PubSubError.badTopic) {
                _ = try await a.subscribe(to: Topic(String(repeating: "x", count: 1_025)))
            }
            // The refused ones used up no number and broke nothing.
            try await a.publish("small", to: topic)
            try await eventually { atB.all.count == 2 }
        }
    }

    @Test("After a restart numbers go on, even when the clock was set back")
    func restart() async throws {
        try await withTemporaryFolder { folder in
            let b = try await makeNode(folder, "b")
            do {
                let atB = try await b.inbox(topic)
                // As if the node had last run in the year 2116, by its clock.
                let future = UInt64(1) << 62
                var node = try await makeNode(folder, "a", online: false)
                try node.repository.records.set(
                    Array(ByteBuffer(integer: future).readableBytesView), for: Array("sequence".utf8),
                    in: "gossip.own", durable: true)
                await node.stop()
                for round in 0..<3 {
                    node = try await makeNode(folder, "a")
                    try await node.connect(b.addresses[0])
                    try await node.sees(b.peerID, in: topic)
                    try await node.publish("\(round)", to: topic)
                    try await eventually { atB.all.count == round + 1 }
                    await node.stop()
                }
                let numbers = atB.all.compactMap(\.number)
                #expect(numbers.count == 3 && numbers == numbers.sorted() && numbers.allSatisfy { $0 > future })
                await b.stop()
            } catch {
                await b.stop()
                throw error
            }
        }
    }

    @Test("After a restart old messages of others stay old")
    func replay() async throws {
        try await withTemporaryFolder { folder in
            try await withRawPeer(RawGossipPeer("author")) { author in
                for round in 0..<2 {
                    let node = try await makeNode(folder, "a")
                    do {
                        let inbox = try await node.inbox(topic)
                        let stream = try await author.open(to: node)
                        stream.subscribe(topic)
                        try await node.sees(author.peerID, in: topic)
                        stream.publish(author.message("old", in: topic, number: 100))
                        stream.publish(author.message("new \(round)", in: topic, number: 101 + UInt64(round)))
                        try await eventually { inbox.texts.contains("new \(round)") }
                        #expect(inbox.texts == (round == 0 ? ["old", "new 0"] : ["new 1"]))
                        #expect(try await node.pubsubStatus().statistics.replays == UInt64(round))
                        await node.stop()
                    } catch {
                        await node.stop()
                        throw error
                    }
                }
            }
        }
    }

    @Test("Switched off, nothing is offered and everything says so; offline, a running node is asked for")
    func off() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a") { $0.pubsub.enabled = false }
            await #expect(throws: PubSubError.disabled) { try await node.publish("x", to: topic) }
            let protocols = try node.host(for: "a look").registry.protocols
            #expect(!protocols.contains { $0.contains("meshsub") || $0.contains("floodsub") })
            await node.stop()
            let offline = try await makeNode(folder, "b", online: false)
            await #expect(throws: NodeError.self) { _ = try await offline.subscribe(to: topic) }
            await offline.stop()
        }
    }

    @Test("A node that stops ends its subscriptions")
    func stop() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a")
            let messages = try await node.subscribe(to: topic)
            try await node.publish("last", to: topic)
            await node.stop()
            var texts: [String] = []
            for await message in messages { texts.append(String(buffer: message.data)) }
            #expect(texts == ["last"])
        }
    }
}
