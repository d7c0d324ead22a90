import DHT
import Multiformats
import SansIO
import Testing

@Suite("Queries and how they end") struct QueryTests {
    @Test("What was announced to peers found before is found under every key")
    func announce() {
        let swarm = TestSwarm(80, seed: 41)
        swarm.bootstrap()
        let provider = swarm.members[5]
        let keys = (0..<30).map { _ in swarm.multihash() }
        guard case .peers(let peers)? = swarm.ask(provider, .closestPeers(key: keys[0])) else {
            Issue.record("no peers")
            return
        }
        swarm.members[swarm.byPeer[peers[3].id]!].isDead = true
        guard case .stored(let count, let told)? = swarm.ask(provider, .announce(keys: keys, to: peers)) else {
            Issue.record("not announced")
            return
        }
        #expect(told == peers.count && count == peers.count - 1)
        for index in [0, 15, 29] {
            let kept = peers.filter { peer in
                swarm.members[swarm.byPeer[peer.id]!].stored.contains {
                    if case .provider(let key, let id, _, _) = $0 {
                        key == keys[index] && id == provider.peer
                    } else {
                        false
                    }
                }
            }
            #expect(kept.count == peers.count - 1)
        }
        guard case .providers(let named)? = swarm.ask(provider, .findProviders(key: keys[2], limit: 1)) else { return }
        #expect(named.map(\.id) == [provider.peer])
    }

    @Test("A provider that is named without addresses is looked up")
    func resolves() {
        let swarm = TestSwarm(80, seed: 42)
        swarm.bootstrap()
        let key = swarm.multihash()
        let provider = swarm.members[7]
        _ = swarm.ask(provider, .provide(key: key))
        for member in swarm.members {
            member.hostile = { request, honest in
                guard request.kind == .getProviders, var answer = honest else { return honest }
                answer.providerPeers = answer.providerPeers.map { KadPeer($0.id, []) }
                return answer
            }
        }
        let asker = swarm.members.first { $0.index > 10 && !$0.core.table.contains(provider.peer) } ?? swarm.members[60]
        guard case .providers(let named)? = swarm.ask(asker, .findProviders(key: key, limit: 0)) else {
            Issue.record("no answer")
            return
        }
        #expect(named == [provider.kadPeer])
    }

    @Test("Queries end once, also when they cannot begin, are cancelled or are too many")
    func ends() {
        var configuration = KademliaConfiguration()
        configuration.maximumQueries = 2
        let swarm = TestSwarm(1, seed: 43, configuration: configuration)
        let alone = swarm.members[0]
        for query in [
            Query.closestPeers(key: [1]), .findProviders(key: [1], limit: 1), .provide(key: [1]),
            .findPeer(TestSwarm(1, seed: 44).members[0].peer),
        ] {
            guard case .failed(.noPeers)? = swarm.ask(alone, query) else {
                Issue.record("\(query) did not fail for want of peers")
                continue
            }
        }
        guard case .failed(.invalid)? = swarm.ask(alone, .findProviders(key: .init(repeating: 1, count: 81), limit: 1))
        else {
            Issue.record("a long key was taken")
            return
        }
        let other = swarm.add()
        swarm.meet(alone, other)
        swarm.run(for: .seconds(5))
        other.delay = .seconds(5)
        let ids = (0..<3).map { swarm.start(alone, .closestPeers(key: [UInt8($0)])) }
        guard case .failed(.tooMany)? = alone.results[ids[2]] else {
            Issue.record("a third query began")
            return
        }
        swarm.feed(alone, .cancel(ids[0]))
        guard case .failed(.cancelled)? = alone.results[ids[0]] else {
            Issue.record("not cancelled")
            return
        }
        swarm.run(for: .seconds(30))
        #expect(alone.results[ids[1]] != nil)
        #expect(alone.core.load.queries == 0)
        guard case .pong(let report)? = swarm.ask(alone, .ping(other.kadPeer)) else {
            Issue.record("no pong")
            return
        }
        #expect(report.roundTrip != nil)
    }
}
