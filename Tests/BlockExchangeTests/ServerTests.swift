import BlockExchange
import Multiformats
import NIOCore
import SansIO
import Testing

/// What the serving half answers, and what it refuses to be made to hold.
@Suite struct ServerTests {
    /// A core with a store beside it and its effects at hand.
    private struct Server {
        var core: Bitswap
        var now = Instant(nanoseconds: 1_000)
        var store: [Multihash: ByteBuffer] = [:]
        var effects: [Bitswap.Effect] = []

        init(_ configuration: BitswapConfiguration = BitswapConfiguration(), peers: Int = 1) {
            core = Bitswap(configuration: configuration, generator: SeededGenerator(seed: 1))
            for peer in 1...peers { handle(.connected(peerID(peer), version: .v1_2)) }
        }

        mutating func handle(_ input: Bitswap.Input) { core.handle(input, now: now, into: &effects) }

        mutating func want(_ entries: [BitswapMessage.Entry], full: Bool = false, from peer: Int = 1) {
            var message = BitswapMessage()
            message.entries = entries
            message.full = full
            handle(.received(message, from: peerID(peer)))
        }

        /// Answers look-ups until there are none, and returns the envelopes.
        mutating func envelopes() -> [BlockExchange.Envelope] {
            var found: [BlockExchange.Envelope] = []
            while !effects.isEmpty {
                let batch = effects
                effects = []
                for effect in batch {
                    switch effect {
                    case .lookup(let id, let cids):
                        handle(.lookedUp(id, cids.map { (cid: $0, size: store[$0.multihash]?.readableBytes) }))
                    case .serve(let envelope): found.append(envelope)
                    default: break
                    }
                }
            }
            return found
        }

        mutating func add(_ blocks: [Block]) {
            for block in blocks { store[block.cid.multihash] = block.data }
            handle(.blocksAvailable(blocks.map(\.cid)))
        }
    }

    /// Every kind of want meets every state of the store.
    @Test func answers() {
        let small = makeBlocks(1, size: 1_024, seed: 1)[0]
        let large = makeBlocks(1, size: 1_025, seed: 2)[0]
        var server = Server()
        server.add([small, large])
        let absent = missingCID(1)
        server.want([
            .init(cid: small.cid, type: .have, sendDontHave: true),
            .init(cid: large.cid, type: .have, sendDontHave: true),
            .init(cid: absent, type: .have, sendDontHave: true),
            .init(cid: missingCID(2), type: .block, sendDontHave: false),
        ])
        let envelopes = server.envelopes()
        #expect(envelopes.flatMap(\.blocks).map(\.cid) == [small.cid])
        #expect(
            envelopes.flatMap(\.presences) == [.init(cid: large.cid, has: true), .init(cid: absent, has: false)])
        for envelope in envelopes { server.handle(.sent(envelope.id, missing: [])) }
        // What was answered is forgotten; what is absent stays wanted.
        #expect(server.core.wantList(of: peerID(1)) == [absent, missingCID(2)])
        #expect(server.core.statistics.blocksSent == 1)
        #expect(server.core.ledger(of: peerID(1), now: server.now)?.bytesSent == 1_024)
    }

    /// A block that turns up later is sent without being asked for again, to everyone who waits.
    @Test func lateArrival() {
        let blocks = makeBlocks(3, size: 5_000)
        var server = Server(peers: 3)
        server.want(blocks.map { .init(cid: $0.cid) }, from: 1)
        server.want([.init(cid: blocks[1].cid, type: .have)], from: 2)
        server.want([.init(cid: blocks[2].cid), .init(cid: blocks[2].cid, priority: 0, cancel: true)], from: 3)
        #expect(server.envelopes().isEmpty)
        server.add(blocks)
        let envelopes = server.envelopes()
        #expect(envelopes.filter { $0.peer == peerID(1) }.flatMap(\.blocks).map(\.cid) == blocks.map(\.cid))
        #expect(
            envelopes.filter { $0.peer == peerID(2) }.flatMap(\.presences) == [.init(cid: blocks[1].cid, has: true)])
        #expect(envelopes.allSatisfy { $0.peer != peerID(3) })
        #expect(server.core.load.waiting == 0)
    }

    /// A block that is stored while its look-up is under way is not missed.
    @Test func arrivalDuringLookUp() {
        let block = makeBlocks(1, size: 5_000)[0]
        var server = Server()
        server.want([.init(cid: block.cid)])
        guard case .lookup(let id, let cids) = server.effects.removeFirst() else {
            Issue.record("no look-up")
            return
        }
        // The store was read before the block came, and answers after it.
        server.add([block])
        server.handle(.lookedUp(id, cids.map { (cid: $0, size: nil) }))
        #expect(server.envelopes().flatMap(\.blocks).map(\.cid) == [block.cid])
    }

    /// A want for the block replaces one for HAVE; the reverse does not happen.
    @Test func upgrade() {
        let block = makeBlocks(1, size: 5_000)[0]
        var server = Server()
        server.want([.init(cid: block.cid, type: .have)])
        server.want([.init(cid: block.cid, type: .block)])
        server.want([.init(cid: block.cid, type: .have)])
        #expect(server.envelopes().isEmpty)
        server.add([block])
        let envelopes = server.envelopes()
        #expect(envelopes.flatMap(\.blocks).map(\.cid) == [block.cid])
        #expect(envelopes.flatMap(\.presences).isEmpty)
    }

    /// A full list replaces what was wanted before.
    @Test func fullReplaces() {
        var server = Server()
        server.want((0..<50).map { .init(cid: missingCID($0)) })
        server.want((40..<60).map { .init(cid: missingCID($0)) }, full: true)
        #expect(Set(server.core.wantList(of: peerID(1))) == Set((40..<60).map(missingCID)))
        #expect(server.envelopes().isEmpty)
        server.want([], full: true)
        #expect(server.core.wantList(of: peerID(1)).isEmpty)
        #expect(server.core.load.waiting == 0)
    }

    /// A block that is gone when it is to be read becomes a DONT_HAVE, and is sent when it is back.
    @Test func unreadableBlock() {
        let blocks = makeBlocks(2, size: 5_000)
        var server = Server()
        server.add(blocks)
        server.want(blocks.map { .init(cid: $0.cid, sendDontHave: true) })
        let envelope = server.envelopes()[0]
        let message = envelope.message(with: [blocks[0].data, nil])
        #expect(message.blocks.map(\.data) == [blocks[0].data])
        #expect(message.presences == [.init(cid: blocks[1].cid, has: false)])
        server.handle(.sent(envelope.id, missing: [blocks[1].cid]))
        #expect(server.core.wantList(of: peerID(1)) == [blocks[1].cid])
        server.handle(.blocksAvailable([blocks[1].cid]))
        #expect(server.envelopes().flatMap(\.blocks).map(\.cid) == [blocks[1].cid])
    }

    /// A message that cannot be sent is tried again a few times, then dropped.
    @Test func retries() {
        let block = makeBlocks(1, size: 5_000)[0]
        var server = Server()
        server.add([block])
        server.want([.init(cid: block.cid)])
        var tries = 0
        while let envelope = server.envelopes().first, tries < 10 {
            tries += 1
            server.handle(.envelopeFailed(envelope.id))
            #expect(server.envelopes().isEmpty)
            server.now = server.core.deadline ?? server.now
            server.core.tick(now: server.now, into: &server.effects)
        }
        #expect(tries == 4)
        #expect(server.core.wantList(of: peerID(1)).isEmpty)
        #expect(server.core.outstanding == (0, 0))
    }

    /// A reader that takes nothing holds at most one MiB, and at most one block above it.
    @Test(arguments: [16 << 10, 256 << 10, 1 << 20, 2 << 20])
    func slowReader(size: Int) {
        var server = Server()
        let cids = (0..<200).map(missingCID)
        server.want(cids.map { .init(cid: $0) })
        var requested = 0
        while let effect = server.effects.popLast() {
            if case .lookup(let id, let cids) = effect {
                server.handle(.lookedUp(id, cids.map { (cid: $0, size: size) }))
            } else if case .serve(let envelope) = effect {
                requested += envelope.blocks.reduce(0) { $0 + $1.size }
            }
        }
        #expect(requested == server.core.outstanding.bytes)
        #expect(requested <= max(1 << 20, size))
        #expect(requested >= min(size, 1 << 20))
        server.handle(.disconnected(peerID(1)))
        #expect(server.core.outstanding == (0, 0))
    }

    /// However many peers ask, the sum of what is outstanding is bounded.
    @Test func totalIsBounded() {
        var server = Server(peers: 64)
        for peer in 1...64 { server.want((0..<100).map { .init(cid: missingCID($0)) }, from: peer) }
        var open: [UInt64] = []
        var most = 0
        while !server.effects.isEmpty || !open.isEmpty {
            let batch = server.effects
            server.effects = []
            for effect in batch {
                if case .lookup(let id, let cids) = effect {
                    server.handle(.lookedUp(id, cids.map { (cid: $0, size: 100_000) }))
                } else if case .serve(let envelope) = effect {
                    open.append(envelope.id)
                }
                most = max(most, server.core.outstanding.bytes)
            }
            if server.effects.isEmpty, !open.isEmpty {
                server.now = server.now + .milliseconds(5)
                server.handle(.sent(open.removeFirst(), missing: []))
            }
        }
        #expect(most <= 16 << 20)
        #expect(most > 8 << 20)
        #expect(server.core.statistics.blocksSent == 6_400)
        #expect(server.core.outstanding == (0, 0))
    }

    /// A million wants: a thousand are kept, those that matter most, and nothing stays after the connection.
    @Test func flood() {
        var server = Server()
        var generator = SeededGenerator(seed: 11)
        let clock = ContinuousClock()
        let took = clock.measure {
            for round in 0..<100 {
                var entries: [BitswapMessage.Entry] = []
                entries.reserveCapacity(10_000)
                for index in 0..<10_000 {
                    let number = round * 10_000 + index
                    entries.append(
                        .init(cid: missingCID(number), priority: Int32.random(in: 0...1_000_000, using: &generator)))
                }
                server.want(entries)
                if case .lookup(let id, let cids)? = server.effects.first {
                    #expect(cids.count <= 1_024)
                    server.effects.removeAll()
                    server.handle(.lookedUp(id, cids.map { (cid: $0, size: nil) }))
                }
                server.effects.removeAll()
            }
        }
        #expect(server.core.wantList(of: peerID(1)).count == 1_024)
        #expect(server.core.load.waiting <= 1_024)
        #expect(server.core.load.droppedWants == 1_000_000 - 1_024)
        #expect(took < .seconds(20), "took \(took)")
        server.handle(.disconnected(peerID(1)))
        #expect(server.core.load.waiting == 0)
        #expect(server.core.wantList(of: peerID(1)).isEmpty)
        print("flood of 1,000,000 wants took \(took)")
    }

    /// Wanting and cancelling while a look-up never ends does not grow anything.
    @Test func wantCancelDuringLookUp() {
        var server = Server()
        server.want([.init(cid: missingCID(0))])
        for number in 1...20_000 {
            server.want([.init(cid: missingCID(number)), .init(cid: missingCID(number), priority: 0, cancel: true)])
        }
        #expect(server.core.load.waiting == 1)
        guard case .lookup(let id, _)? = server.effects.first else {
            Issue.record("no look-up")
            return
        }
        #expect(server.effects.count == 1)
        server.effects = []
        server.handle(.lookedUp(id, []))
        #expect(server.effects.isEmpty)
    }

    /// What is wanted from us is asked of the store once a batch, and its priority is kept.
    @Test func priorities() {
        let blocks = makeBlocks(20, size: 300_000)
        var server = Server()
        server.add(blocks)
        server.want(blocks.enumerated().map { .init(cid: $1.cid, priority: Int32($0 % 5)) })
        var order: [CID] = []
        var envelopes = server.envelopes()
        while !envelopes.isEmpty {
            let envelope = envelopes.removeFirst()
            order += envelope.blocks.map(\.cid)
            server.handle(.sent(envelope.id, missing: []))
            envelopes += server.envelopes()
        }
        let expected = (0..<20).sorted { ($1 % 5, $0) < ($0 % 5, $1) }.map { blocks[$0].cid }
        #expect(order == expected)
    }
}
