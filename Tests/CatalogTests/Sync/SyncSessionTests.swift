import Catalog
import Foundation
import NIOCore
import SansIO
import Testing

/// Two honest nodes: whatever they start with, both end with the union.
@Suite struct SyncSessionTests {
    /// How two sets differ.
    enum Shape: String, CaseIterable {
        case equal, bothEmpty, oneEmpty, otherEmpty, disjoint, subset, superset, scattered, clustered, sameTime, few
    }

    private static func sets(_ shape: Shape, _ generator: inout SeededGenerator) -> ([SyncSample], [SyncSample]) {
        let count = Int.random(in: 200...3_000, using: &generator)
        let common = SyncSample.some(count, using: &generator)
        func some(_ count: Int, span: UInt64 = 30_000_000_000) -> [SyncSample] {
            SyncSample.some(count, span: span, using: &generator)
        }
        switch shape {
        case .equal: return (common, common)
        case .bothEmpty: return ([], [])
        case .oneEmpty: return ([], common)
        case .otherEmpty: return (common, [])
        case .disjoint: return (common, some(count / 2))
        case .subset: return (common, common + some(40))
        case .superset: return (common + some(40), common)
        case .scattered: return (common + some(25), common + some(30))
        case .clustered: return (common + some(60, span: 5_000), common + some(80, span: 9_000))
        case .sameTime:
            let together = some(count, span: 2)
            return (together + some(30, span: 1), together + some(30, span: 1))
        case .few: return (some(3), some(2) + common.prefix(2))
        }
    }

    @Test(arguments: Shape.allCases, 1...6 as ClosedRange<UInt64>)
    func endsWithTheUnion(shape: Shape, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let (one, other) = SyncSessionTests.sets(shape, &generator)
        let union = SyncShelf(one + other)
        var pair = SyncPair(SyncShelf(one), SyncShelf(other), seed: seed)
        let lacking = pair.shelves.map { union.tree.count - $0.tree.count }
        pair.run()
        let note: Comment = "\(shape) seed \(seed)"
        for end in 0...1 {
            #expect(pair.outcomes[end]?.result == .whole, note)
            #expect(pair.shelves[end].tree.keys() == union.tree.keys(), note)
            #expect(pair.shelves[end].blocks == union.blocks, note)
            // Exactly what was missing came, oldest first.
            #expect(pair.arrived[end].count == lacking[end], note)
            #expect(pair.arrived[end] == pair.arrived[end].sorted(), note)
            let figures = pair.sessions[end].figures
            #expect(figures.updatesExpected == lacking[end] && figures.updatesReceived == lacking[end], note)
            #expect(figures.useless == 0 && figures.absent == 0 && figures.rounds <= 12, note)
        }
        #expect(pair.sessions[0].figures.bytesReceived == pair.sessions[1].figures.bytesSent, note)
        #expect(pair.sessions[1].figures.bytesReceived == pair.sessions[0].figures.bytesSent, note)
    }

    /// Equal sets of any size cost one message each.
    @Test func equalSetsCostLittle() {
        var generator = SeededGenerator(seed: 5)
        let shelf = SyncShelf(SyncSample.some(20_000, using: &generator))
        var pair = SyncPair(shelf, shelf, seed: 1)
        pair.run()
        let figures = pair.sessions[0].figures
        #expect(pair.outcomes[0]?.result == .whole && figures.rounds == 1)
        #expect(figures.bytesSent + figures.bytesReceived < 1_200)
    }

    /// The goal: at most twice the bytes of the difference and 100 KB, the differences anywhere in time.
    ///
    /// With CATALOG_LARGE=1 at full size, a million updates of which a thousand differ.
    @Test(arguments: ["one side", "both sides"])
    func costFollowsTheDifference(sides: String) {
        let isLarge = ProcessInfo.processInfo.environment["CATALOG_LARGE"] != nil
        let (count, different) = isLarge ? (1_000_000, 1_000) : (100_000, 200)
        var generator = SeededGenerator(seed: 77)
        // The common updates are keys only: no session may ask for them.
        let span: UInt64 = 30_000_000_000
        let common = (0..<count).map { _ in
            UpdateKey(
                time: 1_700_000_000_000 + UInt64.random(in: 0..<span, using: &generator),
                digest: Digest32(words: (generator.next(), generator.next(), generator.next(), generator.next())))
        }
        var one = SyncShelf(keys: common)
        var other = one
        for (index, sample) in SyncSample.some(different, span: span, using: &generator).enumerated() {
            var large = sample
            large.sizes = (280, 120)
            if sides == "both sides", index % 2 == 0 { one.add(large.block) } else { other.add(large.block) }
        }
        var pair = SyncPair(one, other, seed: 3)
        let start = ContinuousClock.now
        pair.run()
        let took = ContinuousClock.now - start
        let figures = pair.sessions[0].figures
        let bytes = figures.bytesSent + figures.bytesReceived
        let compared = figures.comparedBytesSent + figures.comparedBytesReceived
        print(
            "\(count) updates, \(different) differ on \(sides): \(bytes) bytes, \(compared) of them to compare, "
                + "\(figures.rounds + pair.sessions[1].figures.rounds) messages, both nodes \(took)")
        #expect(pair.isEqual && pair.outcomes[0]?.result == .whole)
        #expect(bytes <= 2 * 400 * different + 100_000)
        // The sum of what lies in the updates themselves is less than half of the goal: so is the rest.
        #expect(compared < 400 * different + 100_000)
    }

    /// A first sync that breaks off goes on where it was, from the last key that arrived.
    @Test func resumes() {
        var generator = SeededGenerator(seed: 9)
        let full = SyncShelf(SyncSample.some(20_000, using: &generator))
        var shelf = SyncShelf()
        var moved = 0
        for attempt in 1...50 where shelf.tree.count < full.tree.count {
            let opening: SyncSession.Opening =
                attempt % 2 == 0 ? .everything(from: shelf.tree.select(shelf.tree.count - 1)?.next ?? .first) : .compare
            var pair = SyncPair(shelf, full, seed: UInt64(attempt), opening: opening)
            pair.run(limit: 20 + attempt)
            let figures = pair.sessions[0].figures
            moved += figures.bytesReceived
            // What is done and what there is to do.
            #expect(figures.updatesReceived == pair.arrived[0].count)
            if figures.updatesReceived > 0 {
                #expect(figures.updatesExpected == full.tree.count - shelf.tree.count, "attempt \(attempt)")
            }
            shelf = pair.shelves[0]
            #expect(shelf.tree.keys() == Array(full.tree.keys().prefix(shelf.tree.count)), "by time, without gaps")
        }
        #expect(shelf.tree.digest == full.tree.digest)
        #expect(moved < 20_000 * 36 * 13 / 10, "bytes \(moved)")
    }

    /// Ids without updates (a log that is full) are said to be absent, and the session is whole.
    @Test func absentUpdatesAreSaidToBe() {
        var generator = SeededGenerator(seed: 15)
        let common = SyncSample.some(2_000, using: &generator)
        let mine = SyncSample.some(30, using: &generator)
        for direction in 0...1 {
            var shelves = [SyncShelf(common), SyncShelf(common)]
            for sample in mine { shelves[direction].add(sample.block) }
            for sample in mine.prefix(10) { shelves[direction].drop(sample.key) }
            var pair = SyncPair(shelves[0], shelves[1], seed: 4)
            pair.run()
            #expect(pair.outcomes.map { $0?.result } == [.whole, .whole])
            #expect(pair.arrived[1 - direction].count == 20)
        }
    }

    /// An update that came by gossip while the session ran neither breaks it nor is lost.
    @Test func setsMayChangeMeanwhile() {
        var generator = SeededGenerator(seed: 21)
        let common = SyncSample.some(3_000, using: &generator)
        let late = SyncSample.some(100, using: &generator)
        var one = SyncShelf(common + SyncSample.some(50, using: &generator))
        var other = SyncShelf(common + SyncSample.some(50, using: &generator))
        for round in 0..<3 {
            var pair = SyncPair(one, other, seed: UInt64(round))
            for step in 1...200 where pair.outcomes[0] == nil {
                pair.run(limit: 1)
                if round == 0, step <= late.count { pair.shelves[step % 2].add(late[step - 1].block) }
            }
            pair.run()
            #expect(pair.outcomes.map { $0?.result } == [.whole, .whole], "round \(round)")
            (one, other) = (pair.shelves[0], pair.shelves[1])
        }
        #expect(one.tree.digest == other.tree.digest)
    }

    /// What is over a limit of this node is left to the next session, and the oldest goes first.
    @Test func moreThanASessionCarries() {
        var generator = SeededGenerator(seed: 31)
        let common = SyncSample.some(3_000, using: &generator)
        var one = SyncShelf(common + SyncSample.some(400, using: &generator))
        var other = SyncShelf(common + SyncSample.some(400, using: &generator))
        var limits = SyncLimits()
        limits.rangesInMessage = 100
        limits.wanted = 20
        limits.sentBytes = 2_000
        var sessions = 0
        while one.tree.digest != other.tree.digest, sessions < 100 {
            sessions += 1
            var pair = SyncPair(one, other, seed: UInt64(sessions), limits: limits)
            pair.run()
            let isWhole = pair.isEqual
            #expect(pair.outcomes.map { $0?.result } == (isWhole ? [.whole, .whole] : [.partial, .partial]))
            (one, other) = (pair.shelves[0], pair.shelves[1])
        }
        #expect(sessions > 3 && sessions < 60, "\(sessions)")
    }

    /// No more is read than the stream takes.
    @Test func waitsForTheStream() {
        var generator = SeededGenerator(seed: 41)
        let full = SyncShelf(
            SyncSample.some(5_000, using: &generator).map {
                var large = $0
                large.sizes = (200, 200)
                return large
            })
        var limits = SyncLimits()
        limits.window = 100_000
        var pair = SyncPair(SyncShelf(), full, seed: 2, limits: limits)
        pair.feed(0, .open)
        var most = 0
        var steps = 0
        while pair.outcomes[0] == nil, steps < 10_000 {
            steps += 1
            pair.run(limit: 1)
            most = max(most, pair.sessions[1].figures.bytesSent - pair.sessions[0].figures.bytesReceived)
        }
        #expect(pair.isEqual)
        #expect(most < 100_000 + 128 * 404 + 1_000, "bytes waiting \(most)")
    }
}

extension SyncShelf {
    /// Keys whose updates nobody can send.
    init(keys: [UpdateKey]) { self.init(tree: SumTree(keys.sorted())) }
}
