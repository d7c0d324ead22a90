import BlockExchange
import Multiformats
import NIOCore
import SansIO
import Testing

/// Fetches from peers that stall, lie, or send nonsense, beside an honest one.
@Suite struct FaultTests {
    private struct Outcome {
        var took: Duration
        var fetcher: SimulatedNetwork.Node
        var network: SimulatedNetwork
    }

    /// Node 0 fetches 500 blocks from node 1, which misbehaves, and node 2, which is honest but slower.
    private func fetch(
        _ behaviour: SimulatedNetwork.Behaviour, blocks: [Block] = makeBlocks(500, size: 32 << 10),
        for limit: Duration = .seconds(60)
    ) -> Outcome {
        let network = SimulatedNetwork(nodes: 3)
        network.link(0, 1, .init(latency: .milliseconds(2), bandwidth: 100e6))
        network.link(0, 2, .init(latency: .milliseconds(10), bandwidth: 20e6))
        for peer in [1, 2] {
            network.add(blocks, to: peer)
            network.connect(0, peer)
        }
        network.nodes[1].behaviour = behaviour
        let fetcher = network.nodes[0]
        let session = network.session(0)
        network.input(.want(session, blocks.map(\.cid), priority: 1), to: fetcher)
        let took = network.run(for: limit) { fetcher.delivered.count == blocks.count }
        return Outcome(took: took, fetcher: fetcher, network: network)
    }

    /// A peer that stops in the middle costs a moment, not the fetch.
    @Test(arguments: [0, 1, 10, 150])
    func stalls(after count: Int) {
        let outcome = fetch(.stallsAfter(count))
        #expect(outcome.fetcher.delivered.count == 500)
        #expect(outcome.took < .seconds(2.5), "took \(outcome.took.inSeconds) s; honest peer alone: 0.84 s")
        #expect(outcome.fetcher.core.statistics.duplicateBlocks <= 2)
        #expect(outcome.fetcher.core.statistics.timeouts > 0)
    }

    /// A peer that has everything and sends nothing is found out.
    @Test func liar() {
        let outcome = fetch(.liar)
        #expect(outcome.fetcher.delivered.count == 500)
        #expect(outcome.took < .seconds(2.5), "took \(outcome.took.inSeconds) s")
        #expect(outcome.fetcher.misdeeds[peerID(1)]?.contains(.stalled) == true)
        #expect(outcome.fetcher.misdeeds[peerID(2)] == nil)
    }

    /// HAVE followed by DONT_HAVE is noticed, and the block comes from elsewhere.
    @Test func contradiction() {
        let outcome = fetch(.contradicts)
        #expect(outcome.fetcher.delivered.count == 500)
        #expect(outcome.took < .seconds(2), "took \(outcome.took.inSeconds) s")
        #expect(outcome.fetcher.misdeeds[peerID(2)] == nil)
    }

    /// Wrong bytes are never delivered, are reported, and do not keep the wants from others.
    @Test func garbage() {
        let outcome = fetch(.garbage)
        let fetcher = outcome.fetcher
        #expect(fetcher.delivered.count == 500)
        #expect(outcome.took < .seconds(2.5), "took \(outcome.took.inSeconds) s")
        #expect(fetcher.deliveredFrom[peerID(1)] == nil)
        #expect(fetcher.core.statistics.unsolicitedBlocks > 0)
        let reported = fetcher.misdeeds[peerID(1)]?.contains { if case .unsolicitedBlocks = $0 { true } else { false } }
        #expect(reported == true)
        #expect(fetcher.core.ledger(of: peerID(1), now: outcome.network.now)?.unsolicited ?? 0 > 0)
    }

    /// A peer that never answers anything at all.
    @Test func silence() {
        let outcome = fetch(.silent)
        #expect(outcome.fetcher.delivered.count == 500)
        #expect(outcome.took < .seconds(2.5), "took \(outcome.took.inSeconds) s")
    }

    /// The only peer falls silent: after the lone timeout providers are searched, and when it goes on, so does
    /// the session, without asking for anything twice.
    @Test func onlyPeerPauses() {
        let blocks = makeBlocks(200, size: 32 << 10)
        let network = SimulatedNetwork(nodes: 2)
        network.add(blocks, to: 1)
        network.link(0, 1, .init(latency: .milliseconds(5), bandwidth: 20e6))
        network.connect(0, 1)
        let fetcher = network.nodes[0]
        let session = network.session(0)
        network.input(.want(session, blocks.map(\.cid), priority: 1), to: fetcher)
        network.run { fetcher.delivered.count >= 50 }
        network.pause(from: 1, for: .seconds(12))
        network.run(for: .seconds(11))
        #expect(fetcher.searches.count == 1)
        #expect(fetcher.delivered.count < 200)
        let took = network.run(for: .seconds(10)) { fetcher.delivered.count == 200 }
        #expect(took < .seconds(2), "took \(took.inSeconds) s")
        #expect(fetcher.arrivals.values.allSatisfy { $0 == 1 })
    }

    /// Blocks that nobody asked for are dropped before they are hashed, counted and reported.
    @Test func unsolicited() {
        var core = Bitswap(generator: SeededGenerator(seed: 1))
        var effects: [Bitswap.Effect] = []
        let now = Instant(nanoseconds: 5)
        core.handle(.connected(peerID(1), version: .v1_2), now: now, into: &effects)
        var message = BitswapMessage()
        message.blocks = makeBlocks(3, size: 100).map(ReceivedBlock.init)
        core.handle(.received(message, from: peerID(1)), now: now, into: &effects)
        #expect(effects.count == 1)
        guard case .misbehaved(peerID(1), .unsolicitedBlocks(3)) = effects.first else {
            Issue.record("effects: \(effects)")
            return
        }
        #expect(core.statistics.unsolicitedBlocks == 3)
        #expect(core.ledger(of: peerID(1), now: now)?.unsolicited == 3)
    }

    /// A block that was wanted a moment ago is a duplicate, not a misdeed.
    @Test func lateBlockIsNoMisdeed() {
        let block = makeBlocks(1, size: 100)[0]
        var core = Bitswap(generator: SeededGenerator(seed: 1))
        var effects: [Bitswap.Effect] = []
        let now = Instant(nanoseconds: 5)
        let session = Bitswap.SessionID(1)
        core.handle(.connected(peerID(1), version: .v1_2), now: now, into: &effects)
        core.handle(.openSession(session, peers: []), now: now, into: &effects)
        core.handle(.want(session, [block.cid], priority: 1), now: now, into: &effects)
        core.handle(.cancel(session, [block.cid]), now: now, into: &effects)
        effects.removeAll()
        var message = BitswapMessage()
        message.blocks = [ReceivedBlock(block)]
        core.handle(.received(message, from: peerID(1)), now: now, into: &effects)
        guard case .verify(let received, from: peerID(1)) = effects.first else {
            Issue.record("effects: \(effects)")
            return
        }
        effects.removeAll()
        core.handle(
            .verified(received.compactMap { $0.hashed() }, rejected: 0, from: peerID(1)), now: now, into: &effects)
        #expect(effects.isEmpty)
        #expect(core.statistics.duplicateBlocks == 1)
    }

    /// Peers that speak 1.1 or 1.0 are asked for blocks only, and serve.
    @Test(arguments: [BitswapVersion.v1_1, .v1_0, .unversioned])
    func oldPeers(version: BitswapVersion) throws {
        let blocks = try makeBlocks(100, size: 10_000).map { block in
            Block(cid: try #require(CID(v0: block.cid.multihash)), data: block.data)
        }
        let network = SimulatedNetwork(nodes: 3)
        for index in 0...1 { network.nodes[index].version = version }
        network.add(blocks, to: 1)
        network.connect(0, 1)
        network.connect(0, 2)
        let fetcher = network.nodes[0]
        let session = network.session(0)
        network.input(.want(session, blocks.map(\.cid), priority: 1), to: fetcher)
        network.run(for: .seconds(20)) { fetcher.delivered.count == blocks.count }
        #expect(fetcher.delivered.count == blocks.count)
        #expect(fetcher.misdeeds[peerID(1)] == nil)
    }

    /// The stream of wants breaks: the next message is a full list, and nothing is lost.
    @Test func brokenStream() {
        let blocks = makeBlocks(2, size: 1_000)
        var core = Bitswap(generator: SeededGenerator(seed: 1))
        var effects: [Bitswap.Effect] = []
        var now = Instant(nanoseconds: 5)
        let session = Bitswap.SessionID(1)
        core.handle(.connected(peerID(1), version: .v1_2), now: now, into: &effects)
        core.handle(.openSession(session, peers: []), now: now, into: &effects)
        core.handle(.want(session, [blocks[0].cid], priority: 1), now: now, into: &effects)
        core.handle(.want(session, [blocks[1].cid], priority: 1), now: now, into: &effects)
        func messages() -> [BitswapMessage] {
            effects.compactMap { if case .send(let message, _) = $0 { message } else { nil } }
        }
        #expect(messages().map(\.full) == [true, false])
        for attempt in 1...6 {
            effects.removeAll()
            core.handle(.sendFailed(to: peerID(1)), now: now, into: &effects)
            #expect(messages().isEmpty)
            while messages().isEmpty, let deadline = core.deadline, deadline < Instant(nanoseconds: 4_000_000_000) {
                now = max(now, deadline)
                core.tick(now: now, into: &effects)
            }
            #expect(messages().first?.full == true, "attempt \(attempt)")
            #expect(messages().first?.entries.map(\.cid) == blocks.map(\.cid), "attempt \(attempt)")
        }
    }

    /// Wants and cancels in quick turns leave nothing behind on either side.
    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func cancelStorm(seed: UInt64) {
        let blocks = makeBlocks(300, size: 8 << 10)
        let network = SimulatedNetwork(nodes: 3, seed: seed)
        for peer in [1, 2] {
            network.add(Array(blocks.prefix(peer * 150)), to: peer)
            network.connect(0, peer)
        }
        let fetcher = network.nodes[0]
        var generator = SeededGenerator(seed: seed)
        var open: [(Bitswap.SessionID, [CID])] = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0, 1:
                let session = network.session(0)
                let first = Int.random(in: 0..<250, using: &generator)
                let cids = blocks[first..<first + 50].map(\.cid).filter { fetcher.store[$0.multihash] == nil }
                network.input(.want(session, cids, priority: Int32.random(in: 0...3, using: &generator)), to: fetcher)
                open.append((session, cids))
            case 2 where !open.isEmpty:
                let (session, cids) = open.randomElement(using: &generator) ?? open[0]
                network.input(.cancel(session, Array(cids.shuffled(using: &generator).prefix(20))), to: fetcher)
            case 3 where !open.isEmpty:
                let index = Int.random(in: 0..<open.count, using: &generator)
                network.input(.closeSession(open.remove(at: index).0), to: fetcher)
            default: break
            }
            network.run(for: .microseconds(Int.random(in: 0...3_000, using: &generator)))
        }
        for (session, _) in open { network.input(.closeSession(session), to: fetcher) }
        network.run(for: .seconds(200))
        #expect(fetcher.core.load.wants == 0, "seed \(seed)")
        #expect(fetcher.core.load.sessions == 0, "seed \(seed)")
        #expect(Set(fetcher.delivered).count == fetcher.delivered.count, "seed \(seed)")
        for peer in [1, 2] {
            #expect(network.nodes[peer].core.wantList(of: fetcher.id).isEmpty, "seed \(seed)")
            #expect(network.nodes[peer].core.load.waiting == 0, "seed \(seed)")
            #expect(network.nodes[peer].core.outstanding == (0, 0), "seed \(seed)")
        }
        #expect(fetcher.core.statistics.unsolicitedBlocks == 0, "seed \(seed)")
    }
}
