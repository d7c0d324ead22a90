import Gossip
import Multiformats
import NIOCore
import SansIO
import Testing

@Suite("Lazy gossip and saved duplicates") struct LazyGossipTests {
    private let topic = TestCore.topic

    @Test("Members outside of the mesh are told of new messages, three heartbeats long")
    func telling() {
        var test = TestCore()
        test.subscribe()
        let peers = (0..<40).map { _ in test.join() }
        test.beat()
        let id = test.publish()
        var told: [Int] = []
        for _ in 0..<5 {
            test.forget()
            test.beat()
            let hearers = peers.filter { !test.sent(to: $0).ihave.isEmpty }
            for peer in hearers {
                #expect(test.sent(to: peer).ihave == [.init(topic, id.map { [$0] } ?? [])])
                #expect(!test.mesh.contains(peer))
            }
            told.append(hearers.count)
        }
        // A quarter of the 34 that are not in the mesh.
        #expect(told == [8, 8, 8, 0, 0])
    }

    @Test("What is not known is asked for, once, and within limits")
    func asking() {
        var test = TestCore()
        test.subscribe()
        let peer = test.join()
        let known = TestCore.id(test.bring(peer))
        test.forget()
        let new = MessageID([1])
        test.receive(from: peer) {
            $0.ihave = [.init(topic, [known, new, new]), .init(Topic("other"), [MessageID([2])])]
        }
        #expect(test.sent(to: peer).iwant == [new])
        // What waits for its validation is not asked for.
        test.forget()
        let waiting = test.message()
        test.receive(from: peer) { $0.messages = [waiting] }
        test.receive(from: peer) { $0.ihave = [.init(topic, [TestCore.id(waiting)])] }
        #expect(test.sent(to: peer).iwant.isEmpty)
        // Ten frames and five thousand ids a heartbeat.
        test.beat()
        test.forget()
        func ids(_ frame: Int) -> [MessageID] {
            (0..<900).map { MessageID([9, UInt8(frame), UInt8($0 >> 8), UInt8($0 & 255)]) }
        }
        for frame in 0..<8 { test.receive(from: peer) { $0.ihave = [.init(topic, ids(frame))] } }
        #expect(test.sent(to: peer).iwant.count == 5_000)
        test.beat()
        test.forget()
        for frame in 0..<12 { test.receive(from: peer) { $0.ihave = [.init(topic, [MessageID([8, UInt8(frame)])])] } }
        #expect(test.sent(to: peer).iwant.count == 10)
        #expect(test.core.statistics.ihavesIgnored == 4)
    }

    @Test("Peers that ask get a message three times, as long as it is there")
    func serving() {
        var test = TestCore()
        test.subscribe()
        let peers = (0..<3).map { _ in test.join() }
        let message = test.bring(peers[0])
        let id = TestCore.id(message)
        test.forget()
        test.receive(from: peers[1]) { $0.iwant = [id, id, id, id, id, MessageID([7])] }
        #expect(test.sent(to: peers[1]).messages == [message, message, message])
        test.beat(5)
        test.forget()
        test.receive(from: peers[2]) { $0.iwant = [id] }
        #expect(test.sent(to: peers[2]).messages.isEmpty)
        // Up to the end of the fifth heartbeat.
        let late = TestCore.id(test.bring(peers[0]))
        test.beat(4)
        test.forget()
        test.receive(from: peers[2]) { $0.iwant = [late] }
        #expect(test.sent(to: peers[2]).messages.count == 1)
    }

    @Test("Whoever tells of messages and does not send them is penalised")
    func promises() {
        var test = TestCore.scored()
        test.subscribe()
        let (liar, honest, slow) = (test.join(), test.join(), test.join())
        let message = test.message()
        let id = TestCore.id(message)
        test.receive(from: liar) { $0.ihave = [.init(topic, (1...5).map { MessageID([UInt8($0)]) })] }
        test.receive(from: honest) { $0.ihave = [.init(topic, [id])] }
        test.receive(from: slow) { $0.ihave = [.init(topic, [id])] }
        test.receive(from: honest) { $0.messages = [message] }
        test.wait(.seconds(2))
        #expect(test.score(liar) == 0)
        test.wait(.seconds(3))
        // One promise a request, whoever kept it. Nobody has answered the validator, and that is not their fault.
        #expect(test.score(liar) == -10 && test.score(honest) == 0 && test.score(slow) == 0)
        #expect(test.core.statistics.brokenPromises == 1 && test.core.load.promises == 0)
    }

    @Test("Mesh peers that know it are told not to send what has just come, before it is validated")
    func idontwant() {
        var test = TestCore()
        let old = test.join(version: .v1_1)
        let peers = (0..<3).map { _ in test.join() }
        test.subscribe()
        let outsider = test.join()
        test.forget()
        let message = test.message(size: 1024)
        test.receive(from: peers[0]) { $0.messages = [message] }
        for peer in peers[1...] { #expect(test.sent(to: peer).idontwant == [TestCore.id(message)]) }
        for peer in [peers[0], old, outsider] { #expect(test.sent(to: peer).isEmpty) }
        // Small ones are not worth it, known ones have been told of; many go ten to a frame.
        test.forget()
        let small = test.message(size: 1023)
        test.receive(from: peers[0]) { $0.messages = [small, message] }
        #expect(test.sent(to: peers[1]).idontwant.isEmpty)
        let many = (0..<25).map { _ in test.message(size: 2000) }
        test.receive(from: peers[0]) { $0.messages = many }
        #expect(test.sent(to: peers[1]).idontwant == many.map(TestCore.id))
        let frames = test.effects.count { if case .send(_, peers[1]) = $0 { true } else { false } }
        #expect(frames == 3)
    }

    @Test("Whoever has a message is not sent it, for three heartbeats")
    func unwanted() {
        var test = TestCore()
        let peers = (0..<3).map { _ in test.join() }
        test.subscribe()
        let message = test.message(size: 2000)
        test.receive(from: peers[1]) { $0.idontwant = [TestCore.id(message)] }
        test.forget()
        test.receive(from: peers[0]) { $0.messages = [message] }
        test.answer(.accept)
        #expect(test.sent(to: peers[1]).messages.isEmpty && test.sent(to: peers[2]).messages.count == 1)
        #expect(test.core.statistics.saved == 1)
        // Nor when it asks for it.
        test.receive(from: peers[1]) { $0.iwant = [TestCore.id(message)] }
        #expect(test.sent(to: peers[1]).messages.isEmpty)
        test.beat(2)
        #expect(test.core.load.unwanted == 1)
        test.beat()
        #expect(test.core.load.unwanted == 0)
    }

    @Test("Large messages go to three of the mesh at once, and later to those that did not say they have them")
    func pause() {
        var test = TestCore()
        let old = test.join(version: .v1_1)
        let peers = (0..<5).map { _ in test.join() }
        test.subscribe()
        let source = test.join()
        test.forget()
        let message = test.message(size: 2_000)
        test.receive(from: source) { $0.messages = [message] }
        test.answer(.accept)
        func reached() -> [PeerID] { peers.filter { !test.sent(to: $0).messages.isEmpty } }
        #expect(reached().count == 3 && test.sent(to: old).messages.count == 1)
        let late = peers.filter { !reached().contains($0) }
        test.receive(from: late[0]) { $0.messages = [message] }
        test.wait(.milliseconds(59))
        #expect(reached().count == 3)
        test.wait(.milliseconds(2))
        #expect(test.sent(to: late[0]).messages.isEmpty && test.sent(to: late[1]).messages == [message])
    }

    @Test("Only so many messages pause; others go to the whole mesh at once")
    func pausesAreBounded() {
        var test = TestCore { $0.pausing = 2 }
        test.subscribe()
        let peers = (0..<7).map { _ in test.join() }
        for peer in peers { test.receive(from: peer) { $0.graft = [TestCore.topic] } }
        func sentAtOnce() -> Int {
            test.forget()
            let message = test.bring(peers[0], size: 2_000)
            return peers.count { test.sent(to: $0).messages == [message] }
        }
        #expect([sentAtOnce(), sentAtOnce(), sentAtOnce()] == [3, 3, 6])
        test.forget()
        test.wait(.milliseconds(61))
        #expect(peers.reduce(0) { $0 + test.sent(to: $1).messages.count } == 6)
        #expect(sentAtOnce() == 3)
    }

    @Test("Each topic is told of its own messages")
    func newsOfTwoTopics() {
        let other = Topic("others")
        var test = TestCore { $0.topicSettings[other] = .anonymous(dataBytes: 64 << 10) }
        test.subscribe()
        test.subscribe(other)
        // Floodsub peers bring messages; the others are in no mesh, as they are to be left alone for now.
        let source = test.join([TestCore.topic, other], version: .floodsub)
        let inOne = test.join(), inOther = test.join([other]), inBoth = test.join([TestCore.topic, other])
        for peer in [inOne, inOther, inBoth] {
            test.receive(from: peer) { $0.prune = [.init(TestCore.topic), .init(other)] }
        }
        let one = test.bring(source)
        let second = test.message(in: other)
        test.receive(from: source) { $0.messages = [second] }
        test.answer(.accept)
        test.forget()
        test.beat()
        let news = [
            GossipRPC.IHave(TestCore.topic, [TestCore.id(one)]), GossipRPC.IHave(other, [TestCore.id(second)]),
        ]
        #expect(test.sent(to: inOne).ihave == [news[0]])
        #expect(test.sent(to: inOther).ihave == [news[1]])
        #expect(test.sent(to: inBoth).ihave == news)
        #expect(test.sent(to: source).ihave.isEmpty)
    }

    @Test("Half of those who are told of messages we dialled ourselves, however many others there are")
    func tellsThoseItDialled() {
        var test = TestCore()
        test.subscribe()
        let dialled = (0..<5).map { _ in test.join(isOutbound: true) }
        let others = (0..<200).map { _ in test.join() }
        for peer in dialled + others { test.receive(from: peer) { $0.prune = [.init(TestCore.topic)] } }
        #expect(test.mesh.isEmpty)
        test.bring(test.join(version: .floodsub))
        test.forget()
        test.beat()
        #expect(dialled.allSatisfy { test.sent(to: $0).ihave.count == 1 })
        #expect(others.count { test.sent(to: $0).ihave.count == 1 } == 51 - 5)
    }
}
