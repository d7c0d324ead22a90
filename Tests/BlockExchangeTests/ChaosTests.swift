import BlockExchange
import Multiformats
import SansIO
import Testing

/// Everything at once: many nodes that fetch from one another while lines break and some of them cheat.
@Suite struct ChaosTests {
    private static let behaviours: [SimulatedNetwork.Behaviour] = [
        .stallsAfter(15), .liar, .contradicts, .garbage, .silent,
    ]

    /// Whatever happens, every honest node has every block in the end, each delivered once, and nothing is left
    /// behind on either side.
    @Test(arguments: 1...24 as ClosedRange<UInt64>)
    func everythingArrives(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let honest = Int.random(in: 3...5, using: &generator)
        let cheats = Int.random(in: 0...2, using: &generator)
        let blocks = makeBlocks(Int.random(in: 50...250, using: &generator), size: 8 << 10, seed: seed)
        let network = SimulatedNetwork(nodes: honest + cheats, seed: seed)
        for one in 0..<honest + cheats {
            for other in 0..<one {
                network.link(
                    one, other,
                    .init(
                        latency: .milliseconds(Int.random(in: 1...60, using: &generator)),
                        bandwidth: Double.random(in: 1e6...40e6, using: &generator)))
                network.connect(one, other)
            }
        }
        for cheat in honest..<honest + cheats {
            network.nodes[cheat].behaviour = Self.behaviours.randomElement(using: &generator) ?? .silent
            network.add(blocks, to: cheat)
        }
        // Each block starts at one honest node; everybody else has to get it there, or from who got it.
        for block in blocks { network.add([block], to: Int.random(in: 0..<honest, using: &generator)) }
        let cids = blocks.map(\.cid)
        var missing: [Set<CID>] = []
        for node in 0..<honest {
            let wanted = cids.filter { network.nodes[node].store[$0.multihash] == nil }
            missing.append(Set(wanted))
            let session = network.session(node)
            network.input(.want(session, wanted, priority: 1), to: network.nodes[node])
        }
        func isDone() -> Bool { (0..<honest).allSatisfy { network.nodes[$0].delivered.count >= missing[$0].count } }
        for _ in 0..<20 {
            network.run(for: .milliseconds(Int.random(in: 1...60, using: &generator)), until: isDone)
            let one = Int.random(in: 0..<honest + cheats, using: &generator)
            let other = (one + Int.random(in: 1..<honest + cheats, using: &generator)) % (honest + cheats)
            if network.isConnected(one, other) { network.disconnect(one, other) } else { network.connect(one, other) }
        }
        for one in 0..<honest + cheats { for other in 0..<one { network.connect(one, other) } }
        let took = network.run(for: .seconds(180), until: isDone)
        for node in 0..<honest {
            let delivered = network.nodes[node].delivered
            #expect(Set(delivered) == missing[node], "seed \(seed), node \(node), \(took)")
            #expect(delivered.count == missing[node].count, "seed \(seed), node \(node)")
            #expect(network.nodes[node].core.load.wants == 0, "seed \(seed), node \(node)")
        }
        #expect(took < .seconds(65), "seed \(seed)")
        network.run(for: .seconds(5))
        for node in 0..<honest {
            #expect(network.nodes[node].core.outstanding == (0, 0), "seed \(seed), node \(node)")
            for other in 0..<honest where other != node {
                let left = network.nodes[node].core.wantList(of: network.nodes[other].id)
                #expect(left.isEmpty, "seed \(seed): \(other) left wants at \(node)")
                #expect(network.nodes[node].misdeeds[peerID(other)]?.contains(where: Self.isLie) != true)
            }
        }
        print("chaos of seed \(seed): \(honest) honest, \(cheats) cheats, \(blocks.count) blocks, then \(took)")
    }

    /// What an honest peer is never accused of.
    private static func isLie(_ misdeed: Bitswap.Misbehaviour) -> Bool {
        switch misdeed {
        case .garbage, .unsolicitedBlocks, .contradiction: true
        case .stalled: false
        }
    }
}
