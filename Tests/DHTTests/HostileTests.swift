import DHT
import Multiformats
import SansIO
import Testing

/// Attackers in a small swarm, and what they may reach at most.
@Suite("Hostile peers") struct HostileTests {
    /// A PeerID whose place shares `bits` bits with that of `key`.
    private func mined(near key: [UInt8], bits: Int, _ generator: inout SeededGenerator) -> PeerID {
        let place = KadKey(hashing: key)
        while true {
            let peer = TestSwarm.peer(&generator)
            if KadKey(peer).commonPrefixLength(with: place) >= bits { return peer }
        }
    }

    /// The members' own peers for an answer, those closest to the key.
    private static func friends(_ all: [TestSwarm.Member], _ key: [UInt8]) -> [KadPeer] {
        let place = KadKey(hashing: key)
        return all.sorted { ($0.key ^ place) < ($1.key ^ place) }.prefix(20).map(\.kadPeer)
    }

    @Test("A key whose closest peers are all an attacker's is found all the same", arguments: [false, true])
    func contentEclipse(isActive: Bool) {
        let seed: UInt64 = isActive ? 31 : 30
        var generator = SeededGenerator(seed: seed &+ 1000)
        let swarm = TestSwarm(180, seed: seed)
        swarm.bootstrap()
        let key = swarm.multihash()
        var sybils: [TestSwarm.Member] = []
        for index in 0..<30 {
            let peer = mined(near: key, bits: 10, &generator)
            let member = swarm.add(peer: peer) { _ in "/ip4/60.\(index % 8).0.\(index + 1)/udp/1" }
            sybils.append(member)
        }
        let fakes = (0..<10).map { KadPeer(TestSwarm.peer(&generator), [TestSwarm.address(900 + $0)]) }
        for sybil in sybils {
            sybil.hostile = { [unowned swarm] request, honest in
                _ = swarm
                guard request.key == key else { return honest }
                var answer = honest
                // They take records and keep none; actively, they name only each other and make providers up.
                answer?.providerPeers = isActive && request.kind == .getProviders ? fakes : []
                if isActive, request.kind != .addProvider { answer?.closerPeers = Self.friends(sybils, key) }
                return answer
            }
            swarm.meet(sybil, swarm.members[0])
            swarm.run(for: .milliseconds(500))
        }
        swarm.run(for: .seconds(700))
        let provider = swarm.members[20]
        guard case .stored? = swarm.ask(provider, .provide(key: key)) else {
            Issue.record("seed \(seed): not provided")
            return
        }
        var found = 0
        for asker in 40..<70 {
            guard case .providers(let named)? = swarm.ask(swarm.members[asker], .findProviders(key: key, limit: 5))
            else {
                continue
            }
            if let rank = named.firstIndex(where: { $0.id == provider.peer }), rank < 30 { found += 1 }
        }
        let nearest = Set(swarm.closest(to: KadKey(hashing: key), count: 20, besides: provider))
        #expect(nearest.isSubset(of: sybils.map(\.peer)), "the attack is as strong as it means to be")
        #expect(found == 30, "seed \(seed): \(found) of 30")
    }

    @Test("A fifth of the swarm that names only itself hides no provider")
    func colluders() {
        let seed: UInt64 = 33
        var generator = SeededGenerator(seed: seed &+ 1000)
        let swarm = TestSwarm(200, seed: seed)
        swarm.bootstrap()
        let hostile = swarm.members.filter { $0.index > 0 && generator.next() % 5 == 0 }
        for member in hostile {
            member.hostile = { request, honest in
                guard request.kind != .addProvider, request.kind != .ping else { return honest }
                return KadMessage(request.kind, key: request.key, closerPeers: Self.friends(hostile, request.key))
            }
        }
        let honest = swarm.members.filter { $0.hostile == nil }
        var found = 0
        for turn in 0..<40 {
            let key = swarm.multihash()
            let provider = honest[(turn * 3 + 1) % honest.count]
            _ = swarm.ask(provider, .provide(key: key))
            let asker = honest[(turn * 7 + 50) % honest.count]
            if case .providers(let named)? = swarm.ask(asker, .findProviders(key: key, limit: 1)),
                named.contains(where: { $0.id == provider.peer })
            {
                found += 1
            }
        }
        #expect(found == 40, "seed \(seed): \(found) of 40")
    }

    @Test("Hundreds of PeerIDs in eight networks get three places each at most, and nobody loses his")
    func tableEclipse() {
        let seed: UInt64 = 34
        var generator = SeededGenerator(seed: seed &+ 1000)
        let swarm = TestSwarm(60, seed: seed)
        swarm.bootstrap()
        let before = swarm.members[..<60].map { Set($0.core.table.entries.map(\.peer)) }
        var sybils: [PeerID: Int] = [:]
        for index in 0..<200 {
            let member = swarm.add(peer: TestSwarm.peer(&generator)) { _ in "/ip4/60.\(index % 8).0.\(index + 1)/udp/1"
            }
            sybils[member.peer] = index % 8
            for turn in 0..<10 { swarm.meet(member, swarm.members[(index + turn * 6) % 60]) }
        }
        swarm.run(for: .seconds(900))
        for (index, member) in swarm.members[..<60].enumerated() {
            let entries = member.core.table.entries.map(\.peer)
            #expect(before[index].isSubset(of: entries))
            var groups: [Int: Int] = [:]
            for group in entries.compactMap({ sybils[$0] }) { groups[group, default: 0] += 1 }
            #expect(groups.values.allSatisfy { $0 <= 3 }, "seed \(seed)")
        }
    }

    @Test("Nonsense in answers is a failure, and lies about addresses lead nowhere for long")
    func nonsense() {
        let seed: UInt64 = 35
        var generator = SeededGenerator(seed: seed &+ 1000)
        let swarm = TestSwarm(100, seed: seed)
        swarm.bootstrap()
        for (index, member) in swarm.members.enumerated() where index % 5 == 2 {
            let other = TestSwarm.peer(&generator)
            let own = member.addresses
            let invented = (0..<500).map { KadPeer(TestSwarm.peer(&generator), [TestSwarm.address(2000 + $0)]) }
            let behaviours: [(KadMessage, KadMessage?) -> KadMessage?] = [
                { _, _ in KadMessage(.putValue, key: [9]) },
                { request, _ in KadMessage(request.kind, key: [9], closerPeers: invented) },
                { request, _ in KadMessage(request.kind, key: request.key, closerPeers: invented + invented) },
                { request, honest in
                    // Honest names at its own address.
                    KadMessage(
                        request.kind, key: request.key,
                        closerPeers: (honest?.closerPeers ?? []).map { KadPeer($0.id, own) })
                },
                { request, _ in
                    KadMessage(
                        request.kind, key: request.key, closerPeers: Array(repeating: KadPeer(other, own), count: 200))
                },
            ]
            member.hostile = behaviours[index / 5 % 5]
        }
        var found = 0
        for turn in 0..<20 {
            let key = swarm.multihash()
            let provider = swarm.members[turn * 5]
            _ = swarm.ask(provider, .provide(key: key))
            let start = swarm.now
            if case .providers(let named)? = swarm.ask(
                swarm.members[(turn * 5 + 51) % 100], .findProviders(key: key, limit: 1)),
                named.contains(where: { $0.id == provider.peer && $0.addresses == provider.addresses })
            {
                found += 1
            }
            #expect(swarm.now - start < .seconds(15))
        }
        #expect(found == 20, "seed \(seed): \(found) of 20")
    }

    @Test("Loopback and private addresses from a stranger on the Internet are not tried")
    func innerAddresses() {
        var generator = SeededGenerator(seed: 1036)
        let swarm = TestSwarm(20, seed: 36)
        swarm.bootstrap()
        let victims = ["/ip4/127.0.0.1/tcp/5001", "/ip4/192.168.1.1/tcp/80", "/ip6/::1/tcp/5001"]
            .map { KadPeer(TestSwarm.peer(&generator), [try! Multiaddr($0)]) }
        for member in swarm.members.dropFirst() {
            member.hostile = { request, honest in
                KadMessage(
                    request.kind, key: request.key, closerPeers: victims + (honest?.closerPeers ?? []),
                    providerPeers: request.kind == .getProviders ? victims : [])
            }
        }
        let asker = swarm.members[0]
        guard case .providers(let named)? = swarm.ask(asker, .findProviders(key: swarm.multihash(), limit: 0)) else {
            Issue.record("no answer")
            return
        }
        #expect(named.count == 3 && named.allSatisfy(\.addresses.isEmpty))
        for case .asking(let peer) in asker.progress.values.joined() { #expect(!victims.map(\.id).contains(peer)) }
    }
}
