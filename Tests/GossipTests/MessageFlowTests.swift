import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

@Suite("The way of a message") struct MessageFlowTests {
    private let topic = TestCore.topic
    private let signed = Topic("signed")

    @Test("Accepted messages are delivered once and go to the mesh, but not back")
    func forwarding() {
        var test = TestCore()
        let peers = (0..<4).map { _ in test.join() }
        test.subscribe()
        test.forget()
        let message = test.message()
        test.receive(from: peers[0]) { $0.messages = [message] }
        #expect(test.validations.count == 1 && test.delivered.isEmpty)
        // While the validator works the same comes again, from somebody who thus has it.
        test.receive(from: peers[1]) { $0.messages = [message] }
        #expect(test.validations.count == 1)
        test.answer(.accept)
        #expect(test.delivered == [TestCore.id(message)])
        #expect(test.sent(to: peers[0]).messages.isEmpty && test.sent(to: peers[1]).messages.isEmpty)
        #expect(test.sent(to: peers[2]).messages == [message] && test.sent(to: peers[3]).messages == [message])
        test.receive(from: peers[2]) { $0.messages = [message] }
        test.answer(.accept)
        #expect(test.delivered.count == 1 && test.core.statistics.duplicates == 2)
        // Two minutes after it was last seen it would be new.
        test.wait(.seconds(100))
        test.receive(from: peers[2]) { $0.messages = [message] }
        test.wait(.seconds(100))
        test.receive(from: peers[2]) { $0.messages = [message] }
        #expect(test.validations.count == 1)
        test.wait(.seconds(125))
        test.receive(from: peers[2]) { $0.messages = [message] }
        #expect(test.validations.count == 2)
    }

    @Test("All receivers of a message are given the same bytes")
    func sharing() throws {
        var test = TestCore()
        let peers = (0..<5).map { _ in test.join() }
        test.subscribe()
        test.forget()
        test.bring(peers[0], size: 1000)
        var storages: Set<UnsafeRawPointer> = []
        for case .send(let frame, _) in test.effects where frame.kind == .message {
            frame.bytes.withUnsafeReadableBytes { bytes in
                if let start = bytes.baseAddress { storages.insert(start) }
            }
        }
        #expect(test.effects.count { if case .send(let frame, _) = $0 { frame.kind == .message } else { false } } == 4)
        #expect(storages.count == 1)
    }

    @Test("What was added to a message on its way is not forwarded")
    func additions() throws {
        var test = TestCore()
        let peers = (0..<2).map { _ in test.join() }
        test.subscribe()
        let message = test.message()
        var longer = message.encoded
        longer.writeBytes([0x3a, 0x03, 1, 2, 3])
        let odd = try GossipMessage(decoding: longer)
        test.receive(from: peers[0]) { $0.messages = [odd] }
        test.answer(.accept)
        #expect(test.sent(to: peers[1]).messages == [message])
    }

    @Test("Messages in topics that we are not in are dropped, and so is what waits when we leave")
    func foreign() {
        var test = TestCore()
        let peers = (0..<2).map { _ in test.join() }
        let message = test.message()
        test.receive(from: peers[0]) { $0.messages = [message] }
        #expect(test.validations.isEmpty)
        test.subscribe()
        test.receive(from: peers[0]) { $0.messages = [message] }
        test.handle(.unsubscribe(topic))
        test.forget()
        test.handle(.validated(ValidationID(1), .accept))
        #expect(test.delivered.isEmpty && test.sent(to: peers[1]).messages.isEmpty)
        test.handle(.validated(ValidationID(1), .accept))
        test.handle(.validated(ValidationID(77), .accept))
        #expect(test.core.statistics.delivered == 0)
    }

    @Test("Messages against the policy or too long are not even validated, and count as invalid")
    func policy() {
        var test = TestCore.scored()
        let peer = test.join()
        test.subscribe()
        let key = TestCore.key(50)
        let named = GossipMessage(ByteBuffer(string: "x"), in: topic, sequence: 1, signedBy: key)
        let long = GossipMessage(ByteBuffer(repeating: 1, count: (64 << 10) + 1), in: topic)
        test.receive(from: peer) { $0.messages = [named, long] }
        #expect(test.validations.isEmpty && test.core.statistics.malformed == 2)
        #expect(test.score(peer) == -40)
    }

    @Test("Own messages that come back are dropped, and publishing is refused where it cannot be")
    func own() {
        var test = TestCore()
        test.subscribe(signed)
        let peer = test.join([signed, topic])
        test.handle(.publish(PublishID(1), signed, ByteBuffer(string: "a")))
        let sent = test.sent(to: peer).messages
        #expect(sent.count == 1 && sent[0].sequence == 1_001 && sent[0].author == TestCore.key.peerID)
        test.receive(from: peer) { $0.messages = sent }
        let forged = GossipMessage(ByteBuffer(string: "b"), in: signed, sequence: 5_000, signedBy: TestCore.key)
        test.receive(from: peer) { $0.messages = [forged] }
        #expect(test.validations.isEmpty && test.core.statistics.own == 2)

        func refusal(_ topic: Topic, _ data: ByteBuffer) -> PublishFailure? {
            test.forget()
            test.handle(.publish(PublishID(2), topic, data))
            for case .refused(PublishID(2), let failure) in test.effects { return failure }
            return nil
        }
        #expect(refusal(topic, ByteBuffer(repeating: 0, count: 70_000)) == .tooLarge(70_000))
        #expect(refusal(signed, ByteBuffer(repeating: 0, count: 1 << 20)) == .tooLarge(1 << 20))
        #expect(refusal(Topic(""), ByteBuffer()) == .invalidTopic)
        #expect(refusal(topic, ByteBuffer(string: "once")) == nil)
        #expect(refusal(topic, ByteBuffer(string: "once")) == .duplicate)
        // The same words signed anew are another message.
        #expect(refusal(signed, ByteBuffer(string: "a")) == nil)
        #expect(test.sent(to: peer).messages.first?.sequence == 1_002)
    }

    @Test("A forgery under the same id does not keep the true message away")
    func rivals() throws {
        var test = TestCore()
        test.subscribe(signed)
        let peers = (0..<12).map { _ in test.join([signed]) }
        let author = TestCore.key(77)
        let message = GossipMessage(ByteBuffer(string: "true"), in: signed, sequence: 9, signedBy: author)
        // Everything of the true one but the text: the id is the same.
        var forgeries: [GossipMessage] = []
        for number in 0..<10 {
            let bytes = Array(message.encoded.readableBytesView)
            let text = Array("true".utf8)
            let place = (0..<bytes.count).first { bytes[$0...].starts(with: text) } ?? 0
            var forged = bytes
            forged[place] = UInt8(number)
            forgeries.append(try GossipMessage(decoding: ByteBuffer(bytes: forged)))
        }
        for (peer, forgery) in zip(peers, forgeries[..<5]) { test.receive(from: peer) { $0.messages = [forgery] } }
        // One peer has one try.
        test.receive(from: peers[0]) { $0.messages = [forgeries[7]] }
        #expect(test.validations.count == 5)
        test.receive(from: peers[10]) { $0.messages = [message] }
        #expect(test.validations.count == 6)
        for case .validate(let id, let message, _, _) in test.effects {
            test.handle(.validated(id, GossipVerdict(checking: message)))
        }
        #expect(test.delivered == [MessageID(author.peerID.bytes + [0, 0, 0, 0, 0, 0, 0, 9])])
        #expect(test.core.statistics.invalidSignatures == 5 && test.core.load.waiting == 0)
        // Afterwards the id is known, and forgeries are duplicates.
        test.receive(from: peers[11]) { $0.messages = [forgeries[9]] }
        #expect(test.validations.count == 6)
    }

    @Test("Forgeries that wait are bounded, and leave with the true message")
    func manyRivals() throws {
        var test = TestCore { $0.waitingRivals = 3 }
        test.subscribe(signed)
        let author = TestCore.key(77)
        let message = GossipMessage(ByteBuffer(string: "true"), in: signed, sequence: 9, signedBy: author)
        let true0 = Array(message.encoded.readableBytesView)
        for number in 0..<6 {
            let peer = test.join([signed])
            var bytes = true0
            if number > 0 { bytes[bytes.count - 1] &+= UInt8(number) }
            let odd = try GossipMessage(decoding: ByteBuffer(bytes: bytes))
            test.receive(from: peer) { $0.messages = [odd] }
        }
        #expect(test.validations.count == 3 && test.core.load.waiting == 3)
        test.handle(.validated(test.validations[0], .accept))
        #expect(test.core.load.waiting == 0 && test.delivered.count == 1)
        test.handle(.validated(test.validations[1], .accept))
        #expect(test.delivered.count == 1)
    }

    @Test("Of each author only growing numbers count, also after a restart")
    func sequences() {
        var test = TestCore()
        test.subscribe(signed)
        let peer = test.join([signed])
        let author = TestCore.key(60)
        func bring(_ number: UInt64, _ text: String = "x") {
            let message = GossipMessage(
                ByteBuffer(string: text + "\(number)"), in: signed, sequence: number, signedBy: author)
            test.receive(from: peer) { $0.messages = [message] }
            test.answer(.accept)
        }
        for number in [5, 7, 6, 7, 8, 1] as [UInt64] { bring(number) }
        #expect(test.core.statistics.delivered == 3)
        let stored = test.effects.compactMap { effect -> UInt64? in
            if case .storeSequence(author.peerID, let number) = effect { number } else { nil }
        }
        #expect(stored == [5, 7, 8])
        test = TestCore()
        test.subscribe(signed)
        test.connect(peer, [signed])
        test.handle(.restoreSequences([(author: author.peerID, number: UInt64(8))]))
        for number in [3, 8, 9] as [UInt64] { bring(number, "later") }
        #expect(test.core.statistics.delivered == 1 && test.core.statistics.replays == 2)
        // Two that wait at once: the greater is accepted first, so the other is old.
        let older = GossipMessage(ByteBuffer(string: "o"), in: signed, sequence: 20, signedBy: author)
        let newer = GossipMessage(ByteBuffer(string: "n"), in: signed, sequence: 21, signedBy: author)
        test.forget()
        test.receive(from: peer) { $0.messages = [older, newer] }
        let waiting = test.validations
        #expect(waiting.count == 2)
        test.handle(.validated(waiting[1], .accept))
        test.handle(.validated(waiting[0], .accept))
        #expect(test.delivered.count == 1 && test.core.statistics.replays == 3)
    }

    @Test("Own messages go to everybody above the threshold; without flooding, to the mesh")
    func publishing() {
        var test = TestCore.scored { $0.scoring?.thresholds.publish = -5 }
        test.subscribe()
        let peers = (0..<20).map { _ in test.join() }
        test.handle(.applicationScore(peers[0], -6))
        test.handle(.applicationScore(peers[1], -5))
        test.publish()
        for peer in peers { #expect(test.sent(to: peer).messages.count == (peer == peers[0] ? 0 : 1)) }

        var quiet = TestCore { $0.floodPublish = false }
        quiet.subscribe()
        let members = (0..<20).map { _ in quiet.join() }
        let flooding = quiet.join(version: .floodsub)
        quiet.beat()
        quiet.forget()
        quiet.publish()
        let reached = members.filter { quiet.sent(to: $0).messages.count == 1 }
        #expect(reached.sorted() == quiet.mesh && reached.count == 6)
        #expect(quiet.sent(to: flooding).messages.count == 1)
    }

    @Test("Who publishes without being in the topic keeps the same peers for a minute")
    func fanout() {
        var test = TestCore { $0.floodPublish = false }
        let peers = (0..<20).map { _ in test.join() }
        test.publish()
        let first = test.core.fanoutPeers(of: topic)
        #expect(first.count == 6)
        test.forget()
        test.publish()
        #expect(peers.filter { test.sent(to: $0).messages.count == 1 }.sorted() == first)
        // One that leaves is replaced.
        test.handle(.disconnected(first[0]))
        test.beat()
        #expect(test.core.fanoutPeers(of: topic).count == 6)
        test.wait(.seconds(62))
        #expect(test.core.fanoutPeers(of: topic).isEmpty)
        // They are the first in the mesh.
        test.publish()
        let second = test.core.fanoutPeers(of: topic)
        test.subscribe()
        #expect(test.mesh == second && test.core.fanoutPeers(of: topic).isEmpty)
    }
}
