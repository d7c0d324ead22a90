import Gossip
import Multiformats
import SansIO
import Testing

@Suite("Idle mesh peers") struct IdlePeerTests {
    private let topic = TestCore.topic

    @Test("Mesh peers that bring nothing make room, and after many of them strangers find none")
    func idlePeers() {
        var test = TestCore {
            $0.scoring = .largeSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .largeSwarm
        }
        test.subscribe()
        let honest = (0..<6).map { _ in test.join() }
        test.beat()
        #expect(test.mesh == honest.sorted())
        // Each brings as much as the others.
        func talk(_ seconds: Int) {
            for _ in 0..<seconds {
                for peer in honest + honest { test.bring(peer) }
                test.beat()
            }
        }
        talk(20)
        var silent: [PeerID] = []
        for _ in 0..<6 {
            silent.append(test.join())
            test.receive(from: silent[silent.count - 1]) { $0.graft = [topic] }
        }
        #expect(test.mesh.count == 12)
        talk(14)
        #expect(test.mesh.count == 12)
        test.forget()
        talk(3)
        #expect(test.mesh == honest.sorted())
        for peer in silent {
            #expect(test.sent(to: peer).prune == [.init(topic, backoff: 60)])
            // It is not their fault.
            #expect(test.score(peer) >= 0)
        }
        // Two more waves, and the door is shut but for those that brought something.
        var refused = 0
        for _ in 0..<2 {
            let wave = (0..<4).map { _ in test.join() }
            for peer in wave { test.receive(from: peer) { $0.graft = [topic] } }
            refused = wave.count { !test.mesh.contains($0) }
            talk(17)
        }
        #expect(refused == 4 && test.mesh == honest.sorted())
        let useful = test.join()
        test.bring(useful)
        test.receive(from: useful) { $0.graft = [topic] }
        #expect(test.mesh.contains(useful))
    }

    @Test("In a topic with few messages nobody is idle")
    func quietTopic() {
        var test = TestCore {
            $0.scoring = .largeSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .largeSwarm
        }
        test.subscribe()
        let peers = (0..<10).map { _ in test.join() }
        for peer in peers { test.receive(from: peer) { $0.graft = [topic] } }
        for _ in 0..<200 {
            for _ in 0..<3 { test.bring(peers[0]) }
            test.beat()
        }
        #expect(test.mesh.count == 10)
    }

    @Test("Under attack a peer that fell silent is not taken back, even if we dialled it, until it brings something")
    func turncoat() {
        var test = TestCore {
            $0.scoring = .largeSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .largeSwarm
        }
        test.subscribe()
        let honest = (0..<6).map { _ in test.join() }
        let turncoats = (0..<5).map { _ in test.join(isOutbound: true) }
        for peer in honest + turncoats { test.receive(from: peer) { $0.graft = [topic] } }
        func talk(_ seconds: Int, _ speakers: [PeerID]) {
            for _ in 0..<seconds {
                for peer in speakers + speakers { test.bring(peer) }
                test.beat()
            }
        }
        talk(20, honest + turncoats)
        #expect(test.mesh.count == 11)
        // As many as are beyond the degree go at once; they had earned much.
        talk(40, honest)
        #expect(test.mesh == honest.sorted())
        talk(65, honest)
        // Their backoffs are over.
        test.forget()
        for peer in turncoats { test.receive(from: peer) { $0.graft = [topic] } }
        #expect(test.mesh == honest.sorted())
        #expect(turncoats.allSatisfy { test.sent(to: $0).prune.count == 1 && test.score($0) >= 0 })
        // One that we dialled and that was not tried yet finds a place.
        let fresh = test.join(isOutbound: true)
        test.receive(from: fresh) { $0.graft = [topic] }
        #expect(test.mesh.contains(fresh))
        // So does one that brings something again.
        talk(70, honest)
        test.bring(turncoats[0])
        test.receive(from: turncoats[0]) { $0.graft = [topic] }
        #expect(test.mesh.contains(turncoats[0]))
    }

    @Test("After many idle peers a mesh that is too small grafts those that brought something, then those it dialled")
    func fillsUnderAttack() {
        var test = TestCore {
            $0.scoring = .largeSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .largeSwarm
            $0.topicSettings[TestCore.topic]?.scoring?.idleAlarm = 0
        }
        test.subscribe()
        let strangers = (0..<20).map { _ in test.join() }
        let dialled = (0..<3).map { _ in test.join(isOutbound: true) }
        let useful = (0..<2).map { _ in test.join() }
        for peer in useful { test.bring(peer) }
        test.beat()
        #expect(test.mesh.count == 6)
        #expect(Set(test.mesh).isSuperset(of: useful + dialled))
        #expect(test.mesh.count(where: strangers.contains) == 1)
    }

    @Test("A useful peer gets into a mesh whose places silent peers hold, and the best stay")
    func fullOfSilence() {
        var test = TestCore {
            $0.scoring = .largeSwarm
            $0.topicSettings[TestCore.topic]?.scoring = .largeSwarm
        }
        test.subscribe()
        let silent = (0..<12).map { _ in test.join() }
        for peer in silent { test.receive(from: peer) { $0.graft = [topic] } }
        let stranger = test.join(), useful = (0..<3).map { _ in test.join() }
        for peer in useful { test.bring(peer) }
        for peer in useful + [stranger] { test.receive(from: peer) { $0.graft = [topic] } }
        // Two more than a mesh has.
        #expect(test.mesh.count == 14)
        #expect(test.mesh.filter(useful.contains).count == 2 && !test.mesh.contains(stranger))
        test.beat()
        #expect(test.mesh.count == 6 && test.mesh.filter(useful.contains).count == 2)
    }
}
