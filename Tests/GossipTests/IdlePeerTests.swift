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
}
