import Gossip
import Multiformats
import NIOCore
import SansIO
import Testing

/// Whole swarms of cores: what must hold for all of them, whatever happens.
@Suite("Gossip swarms") struct SwarmTests {
    private func checkMeshes(_ swarm: TestMesh, _ seed: UInt64) {
        for member in swarm.members where member.isUp {
            let mesh = Set(member.core.meshPeers(of: TestMesh.topic))
            #expect(mesh.count <= 12, "seed \(seed)")
            let neighbours = member.links.count { swarm.members[$0].isUp }
            if neighbours >= 12 { #expect(mesh.count >= 5, "seed \(seed): member \(member.index) has \(mesh.count)") }
            // A mesh is mutual.
            for other in swarm.members where mesh.contains(other.peer) {
                #expect(other.core.meshPeers(of: TestMesh.topic).contains(member.peer), "seed \(seed)")
            }
        }
    }

    @Test("Every message reaches everybody once, and meshes have the right size", arguments: [1, 2, 3] as [UInt64])
    func delivery(_ seed: UInt64) {
        let swarm = TestMesh(60, seed: seed)
        swarm.subscribeAll()
        swarm.connectAll(degree: 8)
        swarm.run(for: .seconds(5))
        checkMeshes(swarm, seed)
        var ids: [MessageID] = []
        for index in 0..<100 {
            if let id = swarm.publish(swarm.members[index * 7 % 60]) { ids.append(id) }
            swarm.run(for: .milliseconds(100))
        }
        swarm.run(for: .seconds(2))
        #expect(ids.count == 100 && Set(ids).count == 100)
        for member in swarm.members {
            #expect(ids.allSatisfy { member.delivered[$0] == 1 }, "seed \(seed): member \(member.index)")
            #expect(member.delivered.count == 100)
            #expect(member.core.load.waiting == 0)
        }
        checkMeshes(swarm, seed)
    }

    @Test("The same seed is the same run, another seed another")
    func determinism() {
        func trace(_ seed: UInt64) -> UInt64 {
            let swarm = TestMesh(30, seed: seed)
            swarm.subscribeAll()
            swarm.connectAll(degree: 6)
            for index in 0..<20 {
                swarm.publish(swarm.members[index])
                swarm.run(for: .milliseconds(250))
            }
            return swarm.trace
        }
        let first = trace(7)
        #expect(first == trace(7))
        #expect(first != trace(8))
    }

    @Test(
        "With random histories of links, subscriptions and slow validators nothing is lost or doubled",
        arguments: 20..<26)
    func histories(_ seed: UInt64) {
        var configuration = TestMesh.anonymous
        if seed % 2 == 0 {
            configuration.scoring = .smallSwarm
            configuration.topicSettings[TestMesh.topic]?.scoring = .smallSwarm
        }
        let swarm = TestMesh(24, seed: seed, configuration: configuration)
        swarm.validation = .milliseconds(seed % 3 == 0 ? 300 : 0)
        for index in swarm.members.indices { for other in 0..<index { swarm.connect(index, other) } }
        swarm.subscribeAll()
        func number(_ below: Int) -> Int { Int(swarm.generator.next() % UInt64(below)) }
        var published: [(id: MessageID, listeners: [Int])] = []
        var steady = Set(swarm.members.indices)
        for _ in 0..<200 {
            let index = number(24)
            switch number(10) {
            case 0:
                let other = number(24)
                swarm.disconnect(index, other)
                swarm.after(.seconds(2)) { swarm.connect(index, other) }
            case 1 where index > 12:
                steady.remove(index)
                swarm.feed(swarm.members[index], .unsubscribe(TestMesh.topic))
                swarm.after(.seconds(number(20))) { swarm.feed(swarm.members[index], .subscribe(TestMesh.topic)) }
            default:
                if let id = swarm.publish(swarm.members[index], size: 64 + number(3000)) {
                    published.append((id, Array(steady)))
                }
            }
            swarm.run(for: .milliseconds(Int64(number(300))))
        }
        swarm.run(for: .seconds(10))
        for member in swarm.members {
            #expect(member.delivered.values.allSatisfy { $0 == 1 }, "seed \(seed): something came twice")
        }
        for (id, _) in published {
            for index in steady { #expect(swarm.members[index].delivered[id] == 1, "seed \(seed): member \(index)") }
        }
        if configuration.scoring != nil {
            for member in swarm.members {
                for peer in member.core.connectedPeers {
                    #expect((member.core.score(of: peer) ?? 0) >= 0, "seed \(seed): an honest peer below zero")
                }
            }
        }
    }

    @Test("Who is pushed nothing gets everything by asking")
    func lazy() {
        // A message in a frame to it is dropped unless it has heard of that message before.
        let swarm = TestMesh(20, seed: 5)
        swarm.subscribeAll()
        swarm.connectAll(degree: 12)
        swarm.run(for: .seconds(3))
        let deaf = swarm.members[3]
        var heard = Set<MessageID>()
        deaf.filter = { rpc, _ in
            var rpc = rpc
            rpc.messages.removeAll { !heard.contains(MessageID(sha256: $0.dataHash)) }
            for ihave in rpc.ihave { heard.formUnion(ihave.ids) }
            return rpc
        }
        var ids: [MessageID] = []
        for index in 0..<10 where index != 3 {
            if let id = swarm.publish(swarm.members[index]) { ids.append(id) }
        }
        swarm.run(for: .seconds(4))
        #expect(ids.count == 9 && ids.allSatisfy { deaf.delivered[$0] == 1 && heard.contains($0) })
    }

    @Test("Floodsub peers, old and new ones understand each other")
    func versions() {
        let swarm = TestMesh(16, seed: 9)
        swarm.subscribeAll()
        for one in 0..<16 {
            for other in 0..<one {
                let version = GossipVersion(rawValue: UInt8(min(one % 4, other % 4))) ?? .v1_2
                swarm.connect(one, other, version: version)
            }
        }
        swarm.run(for: .seconds(3))
        let ids = (0..<16).compactMap { swarm.publish(swarm.members[$0]) }
        swarm.run(for: .seconds(3))
        for member in swarm.members { #expect(ids.allSatisfy { member.delivered[$0] == 1 }) }
        for member in swarm.members {
            for peer in member.core.meshPeers(of: TestMesh.topic) {
                #expect(member.core.status(of: peer)?.version != .floodsub)
            }
        }
    }

    @Test("Signed messages travel by the network's rules")
    func signed() {
        let swarm = TestMesh(12, seed: 3)
        swarm.verdict = { GossipVerdict(checking: $0) }
        let topic = Topic("signed")
        swarm.subscribeAll(topic)
        swarm.connectAll(degree: 5)
        swarm.run(for: .seconds(2))
        var ids: [MessageID] = []
        for round in 0..<10 {
            if let id = swarm.publish(swarm.members[round], topic: topic) {
                ids.append(id)
                let number = UInt64(round) << 32 | 1
                #expect(
                    id.bytes == swarm.members[round].peer.bytes
                        + (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) })
            }
        }
        swarm.run(for: .seconds(2))
        for member in swarm.members { #expect(ids.allSatisfy { member.delivered[$0] == 1 }) }
    }
}
