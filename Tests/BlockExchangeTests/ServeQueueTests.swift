import BlockExchange
import Multiformats
import NIOCore
import SansIO
import Testing

/// Fairness and order of the serve queue, and the want list against the obvious slow one.
@Suite struct ServeQueueTests {
    /// Three peers with much to get and unequal block sizes are sent about the same bytes at any time.
    @Test func equalShares() {
        var queue = ServeQueue(BitswapConfiguration())
        let sizes = [4_000, 60_000, 250_000]
        for lane in 0..<3 {
            queue.open(lane)
            let count = 20_000_000 / sizes[lane]
            for number in 0..<count {
                queue.push(
                    .init(cid: missingCID(number), size: sizes[lane], priority: 1, sequence: UInt64(number)), to: lane)
            }
        }
        var served = [0, 0, 0]
        for _ in 0..<90 {
            guard let batch = queue.next(now: .zero, isLive: { _, _, _, _ in true }) else {
                Issue.record("nothing to serve")
                return
            }
            served[batch.lane] += batch.bytes
            queue.finished(batch.lane, bytes: batch.bytes, took: .milliseconds(500))
            #expect((served.max() ?? 0) - (served.min() ?? 0) <= 1 << 20, "served \(served)")
        }
        #expect(queue.outstandingBytes == 0 && queue.envelopes == 0)
    }

    /// A peer that comes late starts level with the others: it neither waits for them nor catches up.
    @Test func newcomer() {
        var queue = ServeQueue(BitswapConfiguration())
        func fill(_ lane: Int) {
            queue.open(lane)
            for number in 0..<200 {
                queue.push(.init(cid: missingCID(number), size: 100_000, priority: 1, sequence: 1), to: lane)
            }
        }
        func turns(_ count: Int) -> [Int] {
            (0..<count).compactMap { _ in
                guard let batch = queue.next(now: .zero, isLive: { _, _, _, _ in true }) else { return nil }
                queue.finished(batch.lane, bytes: batch.bytes, took: .milliseconds(500))
                return batch.lane
            }
        }
        fill(0)
        #expect(turns(10) == .init(repeating: 0, count: 10))
        fill(1)
        let both = turns(10)
        #expect(both.filter { $0 == 1 }.count >= 4 && both.filter { $0 == 0 }.count >= 4, "turns \(both)")
    }

    /// A slow reader's lane rests at its limit while the others go on.
    @Test func slowLaneRests() {
        var queue = ServeQueue(BitswapConfiguration())
        for lane in 0..<2 {
            queue.open(lane)
            for number in 0..<100 {
                queue.push(.init(cid: missingCID(number), size: 100_000, priority: 1, sequence: 1), to: lane)
            }
        }
        var served = [0, 0]
        while let batch = queue.next(now: .zero, isLive: { _, _, _, _ in true }) {
            served[batch.lane] += batch.tasks.count
            if batch.lane == 1 { queue.finished(1, bytes: batch.bytes, took: .milliseconds(1)) }
        }
        #expect(served == [10, 100])
        #expect(queue.outstandingBytes(0) == 1_000_000)
    }

    /// Whoever drains quickly is given more at once, up to the limit; a slow one falls back.
    @Test func limitAdapts() {
        var queue = ServeQueue(BitswapConfiguration())
        queue.open(0)
        var sequence: UInt64 = 0
        func burst(_ took: Duration) -> Int {
            for _ in 0..<200 {
                sequence += 1
                queue.push(.init(cid: missingCID(1), size: 50_000, priority: 1, sequence: sequence), to: 0)
            }
            var sizes: [Int] = []
            while let batch = queue.next(now: .zero, isLive: { _, _, _, _ in true }) { sizes.append(batch.bytes) }
            for size in sizes { queue.finished(0, bytes: size, took: took) }
            return sizes.reduce(0, +)
        }
        let growing = (0..<5).map { _ in burst(.milliseconds(10)) }
        #expect(growing[0] <= 1 << 20)
        #expect(growing[4] > 3 << 20 && growing[4] <= 4 << 20, "\(growing)")
        _ = burst(.seconds(3))
        #expect(burst(.seconds(3)) <= 1 << 20)
    }

    /// Random entries in a small want list: the same wants are kept as by sorting everything each time.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func wantListModel(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var list = WantList(capacity: 16)
        var model: [(cid: CID, priority: Int32, sequence: UInt64)] = []
        for sequence in 1...1_500 as ClosedRange<UInt64> {
            let cid = missingCID(Int.random(in: 0..<60, using: &generator))
            if Int.random(in: 0..<5, using: &generator) == 0 {
                let removed = list.remove(cid) != nil
                #expect(removed == model.contains { $0.cid == cid }, "seed \(seed)")
                model.removeAll { $0.cid == cid }
                continue
            }
            // A want keeps its first priority here: changing it is not part of the eviction rule.
            let known = model.first { $0.cid == cid }
            let priority = known?.priority ?? Int32.random(in: 0...9, using: &generator)
            let change = list.add(.init(cid: cid, priority: priority), sequence: sequence)
            if known != nil {
                #expect(change == .unchanged, "seed \(seed)")
                continue
            }
            model.append((cid, priority, sequence))
            model.sort { $0.priority == $1.priority ? $0.sequence < $1.sequence : $0.priority > $1.priority }
            let out = model.count > 16 ? model.removeLast().cid : nil
            switch change {
            case .added(let evicted): #expect(evicted?.cid == out, "seed \(seed)")
            case .refused: #expect(out == cid, "seed \(seed)")
            case .unchanged, .repeated: Issue.record("a new want was taken for an old one, seed \(seed)")
            }
            #expect(list.sorted.map(\.cid) == model.map(\.cid), "seed \(seed)")
        }
    }

    /// Ten times the wants cost about ten times the work, not a hundred times.
    @Test func scales() {
        func run(_ count: Int) -> Duration {
            var core = Bitswap(generator: SeededGenerator(seed: 1))
            var effects: [Bitswap.Effect] = []
            var now = Instant(nanoseconds: 1)
            let session = Bitswap.SessionID(1)
            let cids = (0..<count).map(missingCID)
            for peer in 1...4 { core.handle(.connected(peerID(peer), version: .v1_2), now: now, into: &effects) }
            core.handle(.openSession(session, peers: (1...4).map(peerID)), now: now, into: &effects)
            let clock = ContinuousClock()
            return clock.measure {
                core.handle(.want(session, cids, priority: 1), now: now, into: &effects)
                var asked: [(PeerID, CID)] = []
                var head = 0
                func collect() {
                    for effect in effects {
                        guard case .send(let message, let peer) = effect else { continue }
                        for entry in message.entries where !entry.cancel { asked.append((peer, entry.cid)) }
                    }
                    effects.removeAll(keepingCapacity: true)
                }
                collect()
                while head < asked.count {
                    let (peer, cid) = asked[head]
                    head += 1
                    now = now + .microseconds(100)
                    let block = Block(cid: cid, data: .init(repeating: 1, count: 100))
                    core.handle(.verified([block], rejected: 0, from: peer), now: now, into: &effects)
                    collect()
                }
                #expect(core.load.wants == 0)
                #expect(asked.count < count + count / 10 + 100)
            }
        }
        _ = run(1_000)
        let small = run(2_000)
        let large = run(20_000)
        print("20,000 wants took \(large), 2,000 took \(small)")
        #expect(large < small * 30 + .milliseconds(50))
    }
}
