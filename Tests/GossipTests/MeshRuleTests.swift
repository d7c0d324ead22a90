import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

@Suite("Rules of the mesh") struct MeshRuleTests {
    private let topic = TestCore.topic

    @Test("The first frame says which topics we are in, and changes are told to everybody")
    func hello() {
        var test = TestCore()
        test.subscribe(Topic("b"))
        test.subscribe(Topic("a"))
        let peer = test.join([])
        #expect(test.sent(to: peer).subscriptions.map(\.topic) == [Topic("b"), Topic("a")])
        test.forget()
        test.subscribe()
        test.handle(.unsubscribe(Topic("a")))
        #expect(
            test.sent(to: peer).subscriptions == [
                .init(topic, isSubscribed: true), .init(Topic("a"), isSubscribed: false),
            ])
        #expect(test.core.subscriptions == [Topic("b"), topic])
        // A stream that was opened anew is greeted again, as what it was.
        test.forget()
        test.handle(.connected(peer, .v1_1, isOutbound: true, ipGroup: nil))
        #expect(test.sent(to: peer).subscriptions.count == 2)
        #expect(test.core.status(of: peer)?.version == .v1_1 && test.core.status(of: peer)?.isOutbound == true)
        #expect(test.core.load.peers == 1)
    }

    @Test("Subscribing and heartbeats graft members up to six, and nobody else")
    func filling() {
        var test = TestCore()
        let members = (0..<4).map { _ in test.join() }
        let others = (0..<10).map { _ in test.join([Topic("other")]) }
        let flooding = test.join(version: .floodsub)
        test.subscribe()
        #expect(test.mesh == members.sorted())
        for peer in members { #expect(test.sent(to: peer).graft == [topic]) }
        let late = (0..<10).map { _ in test.join() }
        test.beat()
        #expect(test.mesh.count == 6 && Set(members).isSubset(of: test.mesh))
        let grafted = late.filter { test.sent(to: $0).graft == [topic] }
        #expect(Set(grafted) == Set(test.mesh).subtracting(members))
        for peer in others + [flooding] { #expect(test.sent(to: peer).graft.isEmpty) }
        // Five are enough.
        test.handle(.disconnected(members[0]))
        test.beat()
        #expect(test.mesh.count == 5)
    }

    @Test("Grafts are accepted up to twelve, then only of peers that we dialled")
    func grafts() {
        var test = TestCore()
        test.subscribe()
        let peers = (0..<14).map { _ in test.join() }
        for peer in peers { test.receive(from: peer) { $0.graft = [topic] } }
        #expect(Set(test.mesh) == Set(peers[..<12]))
        #expect(test.sent(to: peers[11]).prune.isEmpty)
        for peer in peers[12...] {
            #expect(test.sent(to: peer).prune == [.init(topic, backoff: 60)])
        }
        let outbound = test.join(isOutbound: true)
        test.receive(from: outbound) { $0.graft = [topic] }
        #expect(test.mesh.contains(outbound) && test.mesh.count == 13)
        // Twice is once.
        test.forget()
        test.receive(from: outbound) { $0.graft = [topic, topic] }
        #expect(test.sent(to: outbound).isEmpty)
        // A graft without a subscription before it makes the peer a member.
        let early = test.join([], isOutbound: true)
        test.receive(from: early) { $0.graft = [topic] }
        #expect(test.mesh.contains(early) && test.core.members(of: topic).contains(early))
        test.handle(.disconnected(early))
        #expect(!test.mesh.contains(early) && !test.core.members(of: topic).contains(early))
    }

    @Test("1.0 is told of no backoff")
    func oldPrune() {
        var test = TestCore()
        let old = test.join(version: .v1_0)
        test.subscribe()
        test.handle(.unsubscribe(topic))
        #expect(test.sent(to: old).prune == [.init(topic)])
    }

    @Test(
        "Too many peers are cut to six: the four best and two that we dialled stay",
        arguments: 1...8 as ClosedRange<UInt64>)
    func trimming(_ seed: UInt64) {
        var test = TestCore.scored(seed: seed)
        test.subscribe()
        var peers: [PeerID] = []
        for index in 0..<20 {
            // Inbound first, so that they fill the mesh; the outbound ones are the worst.
            let peer = test.join(isOutbound: index >= 12)
            peers.append(peer)
            test.handle(.applicationScore(peer, Double(20 - index)))
            test.receive(from: peer) { $0.graft = [topic] }
        }
        #expect(test.mesh.count == 20)
        test.forget()
        test.beat()
        let mesh = Set(test.mesh)
        #expect(mesh.count == 6)
        #expect(mesh.isSuperset(of: peers[..<4]), "seed \(seed)")
        #expect(mesh.intersection(peers[12...]).count >= 2, "seed \(seed)")
        for peer in peers where !mesh.contains(peer) {
            #expect(test.sent(to: peer).prune == [.init(topic, backoff: 60)])
        }
        // Whom we pruned we do not graft for a minute either.
        test.forget()
        for peer in mesh { test.handle(.disconnected(peer)) }
        test.wait(.seconds(50))
        #expect(test.mesh.isEmpty)
        test.wait(.seconds(30))
        // Six, and up to two more that we dialled.
        #expect((6...8).contains(test.mesh.count))
    }

    @Test("A mesh without peers that we dialled takes two of them")
    func outbound() {
        var test = TestCore()
        test.subscribe()
        for _ in 0..<6 {
            let peer = test.join()
            test.receive(from: peer) { $0.graft = [topic] }
        }
        let dialled = (0..<4).map { _ in test.join(isOutbound: true) }
        test.beat()
        #expect(test.mesh.count == 8 && Set(test.mesh).intersection(dialled).count == 2)
        test.beat(3)
        #expect(test.mesh.count == 8)
    }

    @Test("A prune is obeyed for as long as it says, and two heartbeats more")
    func prunes() {
        for (asked, seconds) in [(nil, 60), (0, 60), (30, 30), (UInt64.max, 3600), (90, 90)] as [(UInt64?, Int64)] {
            var test = TestCore()
            let peer = test.join()
            test.subscribe()
            #expect(test.mesh == [peer])
            test.receive(from: peer) { $0.prune = [.init(topic, backoff: asked)] }
            #expect(test.mesh.isEmpty)
            test.wait(.seconds(seconds + 1))
            #expect(test.mesh.isEmpty, "\(seconds) s and no slack")
            test.wait(.seconds(20))
            #expect(test.mesh == [peer], "\(seconds) s")
        }
    }

    @Test("A backoff outlives the connection")
    func reconnect() {
        var test = TestCore()
        let peer = test.join()
        test.subscribe()
        test.receive(from: peer) { $0.prune = [.init(topic, backoff: 60)] }
        test.handle(.disconnected(peer))
        test.connect(peer)
        test.beat(20)
        #expect(test.mesh.isEmpty)
        test.receive(from: peer) { $0.graft = [topic] }
        #expect(test.mesh.isEmpty && test.sent(to: peer).prune.count == 1)
    }

    @Test("Whoever grafts while it is to stay away is penalised, and twice if it is soon")
    func graftFlood() {
        var test = TestCore.scored()
        let peer = test.join()
        test.subscribe()
        test.receive(from: peer) { $0.prune = [.init(topic, backoff: 60)] }
        test.receive(from: peer) { $0.graft = [topic] }
        // Two misdeeds, squared, times ten.
        #expect(test.score(peer) == -40)
        #expect(test.sent(to: peer).prune == [.init(topic, backoff: 60)])
        test.wait(.seconds(20))
        test.receive(from: peer) { $0.graft = [topic] }
        #expect(test.score(peer) == -90)
        #expect(test.mesh.isEmpty)
    }

    @Test("Leaving a topic prunes for ten seconds, and coming back waits that long")
    func leaving() {
        var test = TestCore()
        let peer = test.join()
        test.subscribe()
        test.forget()
        test.handle(.unsubscribe(topic))
        #expect(test.sent(to: peer).prune == [.init(topic, backoff: 10)])
        #expect(test.mesh.isEmpty)
        test.subscribe()
        #expect(test.mesh.isEmpty)
        test.wait(.seconds(8))
        #expect(test.mesh.isEmpty)
        test.wait(.seconds(20))
        #expect(test.mesh == [peer])
        // A peer that leaves the topic leaves the mesh.
        test.receive(from: peer) { $0.subscriptions = [.init(topic, isSubscribed: false)] }
        #expect(test.mesh.isEmpty && test.core.members(of: topic).isEmpty)
    }

    @Test("Peers below zero leave the mesh without hints, and do not come back in")
    func badPeers() {
        var test = TestCore.scored { $0.exchangesPeers = true }
        let peers = (0..<6).map { _ in test.join() }
        for peer in peers { test.handle(.peerRecord(peer, ByteBuffer(bytes: [1]))) }
        test.subscribe()
        test.handle(.applicationScore(peers[2], -1))
        test.forget()
        test.beat()
        #expect(test.mesh == (peers[..<2] + peers[3...]).sorted())
        #expect(test.sent(to: peers[2]).prune == [.init(topic, backoff: 60)])
        test.forget()
        test.wait(.seconds(100))
        test.receive(from: peers[2]) { $0.graft = [topic] }
        #expect(!test.mesh.contains(peers[2]))
        #expect(test.sent(to: peers[2]).prune.first?.peers.isEmpty == true)
    }

    @Test("A mesh with a low median tries two better peers once a minute")
    func opportunistic() {
        var test = TestCore.scored { $0.scoring?.thresholds.opportunisticGraft = 5 }
        let poor = (0..<6).map { _ in test.join() }
        test.subscribe()
        #expect(test.mesh == poor.sorted())
        let rich = (0..<4).map { _ in test.join() }
        for peer in rich { test.handle(.applicationScore(peer, 6)) }
        test.beat(59)
        #expect(test.mesh.count == 6)
        test.beat()
        #expect(test.mesh.count == 8 && Set(test.mesh).intersection(rich).count == 2)
        // Not when the mesh is good enough.
        for peer in poor { test.handle(.applicationScore(peer, 5)) }
        test.beat(60)
        #expect(test.mesh.count == 8)
    }

    @Test("Direct peers are never in the mesh, always served, and dialled when they are gone")
    func direct() {
        var test = TestCore()
        let friend = test.join()
        test.subscribe()
        #expect(test.mesh == [friend])
        let absent = TestCore.key(99).peerID
        test.handle(.directPeers([friend, absent]))
        #expect(test.mesh.isEmpty)
        test.receive(from: friend) { $0.graft = [topic] }
        #expect(test.mesh.isEmpty && test.sent(to: friend).prune.count == 1)
        let other = test.join()
        test.forget()
        test.bring(other)
        #expect(test.sent(to: friend).messages.count == 1)
        test.beat(301)
        let dialled = test.effects.compactMap { if case .dial(let peer) = $0 { peer } else { nil } }
        #expect(dialled == [absent, absent])
    }
}
