import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

/// What strangers try, and how far they get.
@Suite("Attacks on gossip") struct AttackTests {
    private let topic = TestCore.topic

    /// CVE-2020-12821: invalid messages without end, for which everybody else pays.
    @Test(
        "Who spams with invalid messages is graylisted within a second of them",
        arguments: [GossipVerdict.reject, .invalidSignature])
    func invalidSpam(_ verdict: GossipVerdict) {
        for preset in [
            (ScoreParameters.smallSwarm, TopicScoreParameters.smallSwarm),
            (.largeSwarm, .largeSwarm),
        ] {
            var test = TestCore { configuration in
                configuration.scoring = preset.0
                configuration.topicSettings[TestCore.topic]?.scoring = preset.1
            }
            let spammer = test.join()
            let honest = test.join()
            test.subscribe()
            // It earned what can be earned before.
            for _ in 0..<200 { test.bring(spammer) }
            test.forget()
            for _ in 0..<100 { test.bring(spammer, verdict) }
            let validated = test.validations.count
            #expect(validated < 20, "\(validated) messages cost us a validation")
            let graylisted = test.effects.compactMap { if case .graylisted(let peer, _) = $0 { peer } else { nil } }
            #expect(graylisted == [spammer])
            test.beat()
            #expect(test.mesh == [honest])
            // Nothing from it counts now, not even good messages; others go on.
            test.forget()
            test.bring(spammer)
            #expect(test.validations.isEmpty)
            test.bring(honest)
            #expect(test.delivered.count == 1)
            // Coming back is no new start.
            test.handle(.disconnected(spammer))
            test.wait(.seconds(60))
            test.connect(spammer)
            #expect(test.score(spammer) < preset.0.thresholds.graylist)
        }
    }

    @Test("A known invalid message costs no second validation, and its senders all the same")
    func invalidAgain() {
        var test = TestCore.scored()
        let peers = (0..<3).map { _ in test.join() }
        test.subscribe()
        let message = test.message()
        for peer in peers[..<2] { test.receive(from: peer) { $0.messages = [message] } }
        test.answer(.reject)
        test.receive(from: peers[2]) { $0.messages = [message] }
        #expect(test.validations.count == 1)
        #expect(peers.map(test.score) == [-10, -10, -10])
    }

    @Test("Who leaves before its message was looked at is still blamed for it")
    func hitAndRun() {
        var test = TestCore.scored()
        let peer = test.join()
        test.subscribe()
        let message = test.message()
        test.receive(from: peer) { $0.messages = [message] }
        test.handle(.disconnected(peer))
        // Somebody else gets its place meanwhile.
        let other = test.join()
        test.answer(.reject)
        test.connect(peer)
        #expect(test.score(peer) == -10 && test.score(other) == 0)
    }

    @Test("A graft a frame leads below the graylist soon")
    func graftFlood() {
        var test = TestCore {
            $0.scoring = .smallSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .smallSwarm
        }
        let peer = test.join()
        test.subscribe()
        test.receive(from: peer) { $0.prune = [.init(topic, backoff: 60)] }
        for _ in 0..<100 { test.receive(from: peer) { $0.graft = [topic] } }
        #expect(test.sent(to: peer).prune.count < 10)
        #expect(test.score(peer) < -40)
        #expect(test.core.statistics.framesRefused > 90)
    }

    /// CVE-2026-95859: a graft for a topic that nobody has heard of grew a map.
    @Test("A million grafts and prunes for unknown topics leave nothing behind")
    func unknownTopics() {
        var test = TestCore()
        test.subscribe()
        let peer = test.join()
        let before = test.core.load
        for frame in 0..<250 {
            let topics = (0..<4_000).map { Topic("t\(frame)-\($0)") }
            test.receive(from: peer) {
                $0.graft = topics
                $0.prune = topics.prefix(500).map { .init($0, backoff: 1 << 40) }
                $0.ihave = topics.prefix(500).map { .init($0, [MessageID([1])]) }
            }
        }
        #expect(test.core.load == before)
        #expect(test.sent(to: peer).prune.isEmpty && test.sent(to: peer).iwant.isEmpty)
    }

    /// CVE-2026-46679: subscriptions to endless unique topics stayed after the peer had gone.
    @Test("A million topics over a hundred connections are forgotten, and few at any time")
    func topicFlood() {
        var test = TestCore()
        test.subscribe()
        let peer = TestCore.key(90).peerID
        let before = test.core.load
        for round in 0..<100 {
            test.connect(peer, [])
            for part in 0..<5 {
                test.receive(from: peer) { rpc in
                    rpc.subscriptions = (0..<2_000).map {
                        .init(Topic("\(round)/\(part)/\($0)"), isSubscribed: true)
                    }
                }
            }
            #expect(test.core.load.topics == 1 + 64)
            // Ours is always taken note of.
            test.receive(from: peer) { $0.subscriptions = [.init(topic, isSubscribed: true)] }
            #expect(test.core.members(of: topic) == [peer])
            test.handle(.disconnected(peer))
            #expect(test.core.load == before)
        }
        #expect(test.core.knownTopics == [topic])
    }

    @Test("All peers together cannot fill the table of topics, and leaving one makes room for another")
    func manyTopics() {
        var test = TestCore { $0.topics = 200 }
        var peers: [PeerID] = []
        for round in 0..<10 { peers.append(test.join((0..<60).map { Topic("\(round)/\($0)") })) }
        #expect(test.core.load.topics == 200)
        test.subscribe()
        #expect(test.core.load.topics == 201)
        test.handle(.disconnected(peers[0]))
        #expect(test.core.load.topics == 141)
        // The same peer again and again.
        for number in 0..<1_000 {
            test.receive(from: peers[1]) {
                $0.subscriptions = [
                    .init(Topic("x\(number)"), isSubscribed: true), .init(Topic("x\(number)"), isSubscribed: false),
                ]
            }
        }
        #expect(test.core.load.topics == 141)
    }

    @Test("Whoever asks for everything again and again is served within bounds")
    func iwantFlood() {
        var test = TestCore { $0.iwantBytes = 100_000 }
        test.subscribe()
        let source = test.join()
        let peer = test.join()
        let ids = (0..<50).map { _ in TestCore.id(test.bring(source, size: 10_000)) }
        test.forget()
        for _ in 0..<100 { test.receive(from: peer) { $0.iwant = ids } }
        let bytes = test.sent(to: peer).messages.reduce(0) { $0 + $1.encoded.readableBytes }
        #expect(bytes > 90_000 && bytes < 120_000)
        // Three times each at most, however long it asks.
        for _ in 0..<4 {
            test.beat()
            for _ in 0..<100 { test.receive(from: peer) { $0.iwant = ids } }
        }
        #expect(test.sent(to: peer).messages.count <= 150)
        // What nobody has costs no memory.
        let before = test.core.load
        for round in 0..<100 {
            test.receive(from: peer) { rpc in
                rpc.iwant = (0..<1_000).map { MessageID([UInt8(round), UInt8($0 >> 8), UInt8($0 & 255)]) }
            }
        }
        #expect(test.core.load == before)
    }

    @Test("IDONTWANT without end fills little and ends")
    func idontwantFlood() {
        var test = TestCore()
        test.subscribe()
        let peer = test.join()
        for round in 0..<3_000 {
            test.receive(from: peer) { rpc in
                rpc.idontwant = (0..<100).map { MessageID([UInt8(round >> 8), UInt8(round & 255), UInt8($0)]) }
            }
        }
        #expect(test.core.load.unwanted == 1_024)
        #expect(test.core.statistics.idontwantsIgnored >= 2_000)
        test.handle(.disconnected(peer))
        #expect(test.core.load.unwanted == 0)
    }

    @Test("Broken promises lead out of the mesh and to the graylist")
    func brokenPromises() {
        var test = TestCore {
            $0.scoring = .smallSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .smallSwarm
        }
        let liar = test.join()
        test.subscribe()
        for round in 0..<30 {
            test.receive(from: liar) { $0.ihave = [.init(topic, [MessageID([1, UInt8(round)])])] }
            test.beat()
        }
        #expect(test.mesh.isEmpty && test.score(liar) < -40)
        #expect(test.effects.contains { if case .graylisted(liar, _) = $0 { true } else { false } })
    }

    @Test("Peers of one address lose when there are too many of them")
    func colocation() {
        var test = TestCore.scored {
            $0.scoring?.colocationWeight = -1
            $0.scoring?.colocationThreshold = 3
        }
        let many = (0..<6).map { _ in test.join(group: 7) }
        let other = test.join(group: 8)
        let local = (0..<6).map { _ in test.join() }
        #expect(many.allSatisfy { test.score($0) == -9 })
        #expect(test.score(other) == 0 && local.allSatisfy { test.score($0) == 0 })
        for peer in many[..<3] { test.handle(.disconnected(peer)) }
        #expect(many[3...].allSatisfy { test.score($0) == 0 })
        // Moving house.
        for peer in many[3...] { test.handle(.connected(peer, .v1_2, isOutbound: false, ipGroup: 8)) }
        #expect(test.score(other) == -1)
    }

    @Test("Messages that wait are bounded in number and bytes, for each peer and for all")
    func waiting() {
        var test = TestCore { configuration in
            configuration.waiting = 30
            configuration.waitingPerPeer = 20
            configuration.waitingBytes = 40_000
        }
        test.subscribe()
        let (one, other) = (test.join(), test.join())
        let messages = (0..<50).map { _ in test.message() }
        test.receive(from: one) { $0.messages = messages }
        #expect(test.core.load.waiting == 20)
        test.receive(from: other) { $0.messages = messages }
        #expect(test.core.load.waiting == 30 && test.core.statistics.throttled == 50)
        // What was dropped can come again, when there is room.
        for id in test.validations { test.handle(.validated(id, .accept)) }
        test.receive(from: one) { $0.messages = [messages[45]] }
        test.answer(.accept)
        #expect(test.core.statistics.delivered == 31)
        let large = (0..<10).map { _ in test.message(size: 15_000) }
        test.receive(from: one) { $0.messages = large }
        #expect(test.core.load.waiting == 3 && test.core.load.waitingBytes < 60_000)
        // Nobody answers: they are given up after a minute.
        test.wait(.seconds(59))
        #expect(test.core.load.waiting == 3)
        test.wait(.seconds(3))
        #expect(test.core.load.waiting == 0 && test.core.load.waitingBytes == 0)
        #expect(test.core.statistics.unanswered == 3)
        test.bring(one)
        #expect(test.core.statistics.delivered == 32)
    }

    @Test("What is remembered has bounds: seen ids, cached bytes, authors, backoffs")
    func bounds() {
        var test = TestCore { configuration in
            configuration.seenCapacity = 100
            configuration.historyBytes = 20_000
            configuration.authors = 10
            configuration.backoffs = 5
            configuration.topicSettings[TestCore.topic] = TopicSettings()
        }
        test.subscribe()
        let peer = test.join()
        for number in 1...250 as ClosedRange<UInt8> {
            let message = GossipMessage(
                ByteBuffer(repeating: 1, count: 900), in: topic, sequence: 1, signedBy: TestCore.key(number))
            test.receive(from: peer) { $0.messages = [message] }
            test.answer(.accept)
        }
        // One of the keys is our own.
        #expect(test.core.statistics.delivered == 249)
        #expect(test.core.load.seen == 100 && test.core.load.authors == 10)
        #expect(test.core.load.cachedBytes <= 20_000 && test.core.load.cached > 5)
        for number in 100...120 as ClosedRange<UInt8> {
            let guest = TestCore.key(number).peerID
            test.connect(guest)
            test.receive(from: guest) { $0.prune = [.init(topic, backoff: 60)] }
            test.handle(.disconnected(guest))
        }
        #expect(test.core.load.backoffs == 5)
        test.wait(.seconds(90))
        #expect(test.core.load.backoffs == 0)
        test.wait(.seconds(60))
        #expect(test.core.load.seen == 0 && test.core.load.cached == 0)
    }

    @Test("Hints of other peers are followed only from the trusted, and only with a record")
    func exchange() {
        var test = TestCore.scored { $0.exchangesPeers = true }
        test.subscribe()
        let (trusted, stranger) = (test.join(), test.join())
        test.handle(.applicationScore(trusted, 50))
        let record = ByteBuffer(bytes: [1, 2, 3])
        let hints = (0..<40).map { PeerHint(ByteBuffer(bytes: TestCore.key(UInt8($0)).peerID.bytes), record: record) }
        let bare = PeerHint(ByteBuffer(bytes: TestCore.key(99).peerID.bytes))
        let ourselves = PeerHint(ByteBuffer(bytes: TestCore.key.peerID.bytes), record: record)
        test.receive(from: stranger) { $0.prune = [.init(topic, peers: hints, backoff: 60)] }
        #expect(!test.effects.contains { if case .exchange = $0 { true } else { false } })
        test.receive(from: trusted) { $0.prune = [.init(topic, peers: [bare, ourselves] + hints, backoff: 60)] }
        var followed: [PeerHint] = []
        for case .exchange(let hints, topic, trusted) in test.effects { followed = hints }
        #expect(followed == Array(hints[..<14]))
        // And ours, to those that find no room, name members with records.
        var full = TestCore.scored { $0.exchangesPeers = true }
        full.subscribe()
        for number in 0..<13 {
            let peer = full.join()
            if number % 2 == 0 { full.handle(.peerRecord(peer, ByteBuffer(bytes: [UInt8(number)]))) }
            full.receive(from: peer) { $0.graft = [topic] }
            let refusal = full.sent(to: peer).prune
            #expect(refusal.count == (number == 12 ? 1 : 0))
            if number == 12 {
                #expect(refusal[0].peers.count == 6 && refusal[0].peers.allSatisfy { $0.record != nil })
            }
        }
    }
}
