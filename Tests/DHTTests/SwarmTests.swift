import DHT
import Multiformats
import SansIO
import Testing

@Suite("A small swarm of Kademlia cores") struct SwarmTests {
    @Test("Lookups find the true closest peers", arguments: [1, 2, 3] as [UInt64])
    func closest(seed: UInt64) {
        let swarm = TestSwarm(150, seed: seed)
        swarm.bootstrap()
        var found = 0
        let wanted = 20 * 20
        for turn in 0..<20 {
            let member = swarm.members[(turn * 7 + 3) % 150]
            let key = swarm.multihash()
            guard case .peers(let peers) = swarm.ask(member, .closestPeers(key: key)) else { continue }
            let truth = swarm.closest(to: KadKey(hashing: key), count: 20, besides: member)
            found += Set(peers.map(\.id)).intersection(truth).count
        }
        #expect(found >= wanted * 99 / 100, "seed \(seed): \(found) of \(wanted)")
    }

    @Test("What one provides others find, and again after most of its keepers are gone", arguments: [4, 5] as [UInt64])
    func providers(seed: UInt64) {
        let swarm = TestSwarm(120, seed: seed)
        swarm.bootstrap()
        let provider = swarm.members[17]
        let key = swarm.multihash()
        guard case .stored(let count, let told) = swarm.ask(provider, .provide(key: key)) else {
            Issue.record("seed \(seed): not provided")
            return
        }
        #expect(count >= 20 && told >= 20)
        for asker in [3, 60, 119] {
            guard case .providers(let found) = swarm.ask(swarm.members[asker], .findProviders(key: key, limit: 1))
            else {
                Issue.record("seed \(seed): not found by \(asker)")
                continue
            }
            #expect(found.map(\.id) == [provider.peer])
            #expect(found.first?.addresses == provider.addresses)
        }
        for peer in swarm.closest(to: KadKey(hashing: key), count: 15, besides: provider) {
            swarm.members[swarm.byPeer[peer]!].isDead = true
        }
        let asker = swarm.members.first { !$0.isDead && $0.index != 17 }!
        guard case .providers(let found) = swarm.ask(asker, .findProviders(key: key, limit: 1)) else {
            Issue.record("seed \(seed): not found after deaths")
            return
        }
        #expect(found.map(\.id) == [provider.peer])
    }

    @Test("The same seed gives the same run")
    func repeats() {
        func run() -> (UInt64, Int) {
            let swarm = TestSwarm(60, seed: 9)
            swarm.bootstrap()
            _ = swarm.ask(swarm.members[5], .provide(key: swarm.multihash()))
            swarm.members[7].isDead = true
            _ = swarm.ask(swarm.members[8], .closestPeers(key: swarm.multihash()))
            return (swarm.trace, swarm.messages)
        }
        let (first, second) = (run(), run())
        #expect(first == second)
    }

    @Test("A peer is found by its name, and one that is not there is not")
    func findPeer() {
        let swarm = TestSwarm(100, seed: 11)
        swarm.bootstrap()
        var missed = 0
        for turn in 1..<20 {
            let wanted = swarm.members[turn * 5]
            guard case .peer(let found?) = swarm.ask(swarm.members[turn], .findPeer(wanted.peer)) else {
                missed += 1
                continue
            }
            #expect(found.id == wanted.peer && found.addresses == wanted.addresses)
        }
        #expect(missed == 0)
        var generator = SeededGenerator(seed: 99)
        guard case .peer(nil) = swarm.ask(swarm.members[3], .findPeer(TestSwarm.peer(&generator))) else {
            Issue.record("found nobody's peer")
            return
        }
    }

    @Test("Slow and dead peers hold no lookup up")
    func slowPeers() {
        let swarm = TestSwarm(100, seed: 12)
        swarm.bootstrap()
        let key = swarm.multihash()
        _ = swarm.ask(swarm.members[1], .provide(key: key))
        for index in stride(from: 2, to: 100, by: 4) { swarm.members[index].delay = .seconds(8) }
        for index in stride(from: 4, to: 100, by: 4) { swarm.members[index].isDead = true }
        let asker = swarm.members[3]
        let start = swarm.now
        let id = swarm.start(asker, .findProviders(key: key, limit: 1))
        swarm.run(for: .seconds(60)) { asker.results[id] != nil }
        guard case .providers(let found)? = asker.results[id] else {
            Issue.record("no result")
            return
        }
        #expect(found.map(\.id) == [swarm.members[1].peer])
        #expect(swarm.now - start < .seconds(4))
    }

    @Test("Dead peers leave the tables, and live ones stay")
    func deaths() {
        let swarm = TestSwarm(40, seed: 13)
        swarm.bootstrap()
        for index in 20..<40 { swarm.members[index].isDead = true }
        let dead = Set(swarm.members[20...].map(\.peer))
        let before = swarm.members[0].core.table.entries.map(\.peer).filter { !dead.contains($0) }
        swarm.run(for: .seconds(1200))
        for member in swarm.members[..<20] {
            #expect(member.core.table.entries.allSatisfy { !dead.contains($0.peer) })
            #expect(member.entered == Set(member.core.table.entries.map(\.peer)))
        }
        let after = Set(swarm.members[0].core.table.entries.map(\.peer))
        #expect(before.allSatisfy(after.contains))
    }
}
