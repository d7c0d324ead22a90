import DHT
import Multiformats
import SansIO
import Testing

@Suite("The routing table") struct RoutingTableTests {
    /// A core whose peers answer at once, so that its table can be filled by hand.
    struct Desk {
        var core: Kademlia
        var now = Instant(nanoseconds: 1_000_000_000)
        var entered: [PeerID] = []
        var left: [PeerID] = []
        /// Peers that answer; the others time out.
        var alive: Set<PeerID> = []
        var silent: [CallID] = []
        var probed: [PeerID] = []

        init(_ configuration: KademliaConfiguration = KademliaConfiguration(), seed: UInt64 = 1) {
            var generator = SeededGenerator(seed: seed &+ 1000)
            core = Kademlia(
                configuration, peer: TestSwarm.peer(&generator), epoch: TestSwarm.epoch, start: now, seed: seed)
        }

        mutating func feed(_ input: Kademlia.Input) {
            var effects: [Kademlia.Effect] = []
            core.handle(input, now: now, into: &effects)
            settle(effects)
        }

        mutating func tick(after time: Duration) {
            let end = now + time
            while let deadline = core.deadline, deadline <= end {
                now = max(deadline, now)
                var effects: [Kademlia.Effect] = []
                core.tick(now: now, into: &effects)
                settle(effects)
            }
            now = end
        }

        private mutating func settle(_ first: [Kademlia.Effect]) {
            var effects = first
            while !effects.isEmpty {
                var more: [Kademlia.Effect] = []
                for effect in effects {
                    switch effect {
                    case .call(let id, let message, let target, _):
                        if message.key == target.id.bytes { probed.append(target.id) }
                        guard alive.contains(target.id) else {
                            silent.append(id)
                            continue
                        }
                        let answer = KadMessage(message.kind, key: message.key)
                        let report = CallReport(transport: .datagram, roundTrip: .milliseconds(20))
                        core.handle(.answered(id, answer, report), now: now, into: &more)
                    case .entered(let peer): entered.append(peer.id)
                    case .left(let peer): left.append(peer)
                    default: break
                    }
                }
                effects = more
            }
        }

        mutating func meet(_ peer: PeerID, at address: String) {
            alive.insert(peer)
            feed(.found(peer, addresses: [try! Multiaddr(address)]))
        }

        /// A peer that shares `bits` bits with us, no more.
        func peer(sharing bits: Int, _ generator: inout SeededGenerator) -> PeerID {
            while true {
                let peer = TestSwarm.peer(&generator)
                if KadKey(peer).commonPrefixLength(with: core.key) == bits { return peer }
            }
        }
    }

    @Test("closest agrees with sorting everything", arguments: [1, 2, 3, 4] as [UInt64])
    func closest(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var configuration = KademliaConfiguration()
        configuration.ipDiversity = nil
        configuration.k = [3, 8, 20, 50][Int(seed % 4)]
        var desk = Desk(configuration, seed: seed)
        var expected: [PeerID] = []
        for step in 0..<400 {
            if step % 7 == 6, let peer = expected.randomElement(using: &generator) {
                desk.feed(.stoppedServing(peer))
                expected.removeAll { $0 == peer }
            } else {
                let peer = TestSwarm.peer(&generator)
                desk.meet(peer, at: TestSwarm.publicAddress(step))
                let bits = KadKey(peer).commonPrefixLength(with: desk.core.key)
                let inBucket = expected.count { KadKey($0).commonPrefixLength(with: desk.core.key) == bits }
                // A place that became free goes to one that waited, so the core is asked who came in.
                if inBucket < configuration.k { expected.append(peer) }
            }
            let members = Set(desk.core.table.entries.map(\.peer))
            expected = members.sorted()
            #expect(desk.core.table.count == members.count)
            guard step % 9 == 0 else { continue }
            let target = step % 2 == 0 ? KadKey(hashing: [UInt8(step & 255)]) : KadKey(expected.first ?? peerOf(desk))
            for count in [1, 3, 20, 1000] {
                let naive = members.sorted { (KadKey($0) ^ target) < (KadKey($1) ^ target) }.prefix(count)
                let found = desk.core.table.closest(to: target, count: count).map(\.peer)
                #expect(found == Array(naive), "seed \(seed) step \(step)")
            }
        }
        for (prefix, peers) in desk.core.table.buckets {
            #expect(peers.count <= configuration.k)
            #expect(peers.allSatisfy { $0.key.commonPrefixLength(with: desk.core.key) == prefix })
        }
    }

    private func peerOf(_ desk: Desk) -> PeerID { desk.core.peer }

    @Test("Only who answers its probe enters, and it is asked for its own id")
    func probe() throws {
        var generator = SeededGenerator(seed: 5)
        var desk = Desk()
        let (good, bad) = (TestSwarm.peer(&generator), TestSwarm.peer(&generator))
        desk.meet(good, at: "/ip4/80.1.0.1/udp/1")
        desk.feed(.found(bad, addresses: [try Multiaddr("/ip4/80.2.0.1/udp/1")]))
        desk.feed(.found(desk.core.peer, addresses: [try Multiaddr("/ip4/80.3.0.1/udp/1")]))
        #expect(desk.entered == [good])
        #expect(desk.probed.contains(good) && desk.probed.contains(bad) && !desk.probed.contains(desk.core.peer))
        desk.tick(after: .seconds(30))
        #expect(desk.entered == [good] && desk.core.table.count == 1)
    }

    @Test("Old peers that live are never replaced; the place of one that fails goes to a newer one")
    func oldPeersStay() {
        var generator = SeededGenerator(seed: 6)
        var desk = Desk()
        let old = (0..<20).map { _ in desk.peer(sharing: 0, &generator) }
        for (index, peer) in old.enumerated() { desk.meet(peer, at: TestSwarm.publicAddress(index)) }
        #expect(desk.core.table.count == 20)
        let new = (0..<300).map { _ in desk.peer(sharing: 0, &generator) }
        for (index, peer) in new.enumerated() {
            desk.meet(peer, at: TestSwarm.publicAddress(100 + index))
            desk.tick(after: .seconds(20))
        }
        #expect(Set(desk.core.table.entries.map(\.peer)) == Set(old))
        #expect(desk.left.isEmpty)
        desk.alive.remove(old[4])
        desk.tick(after: .seconds(900))
        let now = Set(desk.core.table.entries.map(\.peer))
        #expect(desk.left == [old[4]])
        #expect(now.count == 20 && now.subtracting(old).count == 1 && now.subtracting(old).isSubset(of: new))
    }

    @Test("One network gets three places in the table and two in a bucket, when its addresses are public")
    func diversity() {
        var generator = SeededGenerator(seed: 7)
        var desk = Desk()
        for index in 0..<200 { desk.meet(TestSwarm.peer(&generator), at: "/ip4/80.7.\(index).1/udp/1") }
        #expect(desk.core.table.count <= 3)
        for (_, peers) in desk.core.table.buckets { #expect(peers.count <= 2) }
        let before = desk.core.table.count
        // An old class A network is one group, other /8 networks are not.
        for index in 0..<200 { desk.meet(TestSwarm.peer(&generator), at: "/ip4/17.\(index).1.1/udp/1") }
        #expect(desk.core.table.count <= before + 3)
        for index in 0..<50 { desk.meet(TestSwarm.peer(&generator), at: "/ip6/2a01:4f8:\(index)::1/udp/1") }
        #expect(desk.core.table.count <= before + 6)
        let public1 = desk.core.table.count
        for index in 0..<50 { desk.meet(TestSwarm.peer(&generator), at: "/ip4/192.168.0.\(index)/udp/1") }
        #expect(desk.core.table.count > public1 + 30)
    }

    @Test("When nobody answers, nobody leaves: we may be cut off ourselves")
    func cutOff() {
        var generator = SeededGenerator(seed: 8)
        var desk = Desk()
        for index in 0..<30 { desk.meet(TestSwarm.peer(&generator), at: TestSwarm.publicAddress(index)) }
        let count = desk.core.table.count
        let before = desk.alive
        desk.alive = []
        desk.tick(after: .seconds(1800))
        #expect(desk.core.table.count == count && desk.left.isEmpty)
        desk.alive = Set(before.dropFirst(10))
        desk.tick(after: .seconds(1200))
        #expect(Set(desk.core.table.entries.map(\.peer)).isSubset(of: desk.alive))
        #expect(desk.core.table.count >= count - 10)
    }

    @Test("The saved peers are the oldest, anchors of different networks first, and come back after a restart")
    func saved() {
        var generator = SeededGenerator(seed: 9)
        var desk = Desk()
        var order: [PeerID] = []
        for index in 0..<40 {
            let peer = TestSwarm.peer(&generator)
            desk.meet(peer, at: "/ip4/81.\(index / 2).0.\(index % 2 + 1)/udp/1")
            order.append(peer)
            desk.tick(after: .seconds(1))
        }
        let saved = desk.core.savedPeers()
        #expect(saved.count == desk.core.table.count)
        let networks = saved.prefix(8).map { $0.addresses[0].ipAddress.map { Array($0.prefix(2)) } }
        #expect(Set(networks).count == 8)
        #expect(saved.first?.id == order.first)
        var again = Desk(seed: 1)
        again.alive = desk.alive
        again.feed(.restorePeers(saved))
        #expect(again.core.table.count == saved.count)
    }

    @Test("A flood of candidates is bounded")
    func flood() {
        var generator = SeededGenerator(seed: 10)
        var desk = Desk()
        for index in 0..<3000 {
            desk.feed(
                .found(TestSwarm.peer(&generator), addresses: [try! Multiaddr(TestSwarm.publicAddress(index))]))
        }
        #expect(desk.probed.count <= 16)
        #expect(desk.core.load.calls <= 16)
    }
}
