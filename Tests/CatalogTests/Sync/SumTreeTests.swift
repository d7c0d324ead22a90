import Catalog
import Foundation
import PeerCrypto
import SansIO
import Testing

/// The summed tree against a sorted array.
@Suite struct SumTreeTests {
    private struct Model {
        var keys: [UpdateKey] = []

        func rank(_ key: UpdateKey) -> Int { keys.firstIndex { $0 >= key } ?? keys.count }

        mutating func insert(_ key: UpdateKey) -> Bool {
            let rank = rank(key)
            if rank < keys.count, keys[rank] == key { return false }
            keys.insert(key, at: rank)
            return true
        }

        mutating func remove(_ key: UpdateKey) -> Bool {
            let rank = rank(key)
            guard rank < keys.count, keys[rank] == key else { return false }
            keys.remove(at: rank)
            return true
        }

        /// The sum by the school's method, on bytes.
        func sum(_ range: Range<Int>) -> [UInt8] {
            var total = [UInt8](repeating: 0, count: 32)
            for key in keys[range] {
                var carry = 0
                for (index, byte) in key.digest.bytes.enumerated().reversed() {
                    carry += Int(total[index]) + Int(byte)
                    total[index] = UInt8(truncatingIfNeeded: carry)
                    carry >>= 8
                }
            }
            return total
        }
    }

    static func key(_ generator: inout SeededGenerator, times: UInt64) -> UpdateKey {
        // High words near their ends, so that sums carry.
        let word = Bool.random(using: &generator) ? UInt64.max : generator.next()
        return UpdateKey(
            time: UInt64.random(in: 0..<times, using: &generator),
            digest: Digest32(words: (word, generator.next(), word, generator.next() % 4)))
    }

    /// Whatever is inserted and removed, everything that can be asked is what the array says.
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func agreesWithArray(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var tree = SumTree()
        var model = Model()
        let times: UInt64 = seed % 3 == 0 ? 2 : 100_000
        for step in 0..<3_000 {
            // It grows, shrinks to nothing, and grows again.
            let isRemoval = step % 1_500 > 900 || Int.random(in: 0..<5, using: &generator) == 0
            if isRemoval, let victim = model.keys.randomElement(using: &generator) {
                let isThere = tree.remove(victim)
                let wasThere = model.remove(victim)
                #expect(isThere && wasThere, "seed \(seed) step \(step)")
            } else {
                let new = SumTreeTests.key(&generator, times: times)
                let isNew = tree.insert(new)
                let wasNew = model.insert(new)
                #expect(isNew == wasNew, "seed \(seed) step \(step)")
            }
            if step % 29 == 0 { compare(tree, model, &generator, times, "seed \(seed) step \(step)") }
        }
        for key in model.keys {
            let isThere = tree.remove(key)
            #expect(isThere, "seed \(seed)")
        }
        #expect(tree == [], "seed \(seed)")
    }

    private func compare(
        _ tree: SumTree, _ model: Model, _ generator: inout SeededGenerator, _ times: UInt64, _ note: Comment
    ) {
        #expect(tree.count == model.keys.count, note)
        #expect(tree.keys() == model.keys, note)
        let bounds = [SumTreeTests.key(&generator, times: times), SumTreeTests.key(&generator, times: times)].sorted()
        let ranks = bounds.map(model.rank)
        #expect(bounds.map(tree.rank) == ranks, note)
        let range = tree.totals(from: bounds[0], to: bounds[1])
        #expect(range.count == ranks[1] - ranks[0], note)
        #expect(range.sum.bytes == model.sum(ranks[0]..<ranks[1]), note)
        #expect(tree.keys(from: bounds[0], to: bounds[1]) == Array(model.keys[ranks[0]..<ranks[1]]), note)
        let limit = Int.random(in: 0...20, using: &generator)
        #expect(tree.keys(from: bounds[0], limit: limit) == Array(model.keys[ranks[0]...].prefix(limit)), note)
        #expect(tree.first(from: bounds[0]) == (ranks[0] < tree.count ? model.keys[ranks[0]] : nil), note)
        #expect(tree.contains(bounds[0]) == model.keys.contains(bounds[0]), note)
        #expect(tree.select(-1) == nil && tree.select(tree.count) == nil, note)
        guard tree.count > 1 else { return }
        let rank = Int.random(in: 1..<tree.count, using: &generator)
        #expect(tree.select(rank) == model.keys[rank], note)
        guard let cut = tree.cut(at: rank) else {
            Issue.record(note)
            return
        }
        #expect(model.keys[rank - 1] < cut.bound && cut.bound <= model.keys[rank], note)
        #expect(cut.before.count == rank && cut.before == tree.totals(before: cut.bound), note)
    }

    /// The digest of the whole is SHA-256 of the sum and the count, and says nothing of the order of insertion.
    @Test func digestIsOfSumAndCount() {
        let keys = [
            UpdateKey(time: 5, digest: Digest32(words: (.max, .max, .max, .max))),
            UpdateKey(time: 1, digest: Digest32(words: (0, 0, 0, 3))),
        ]
        let bytes = [UInt8](repeating: 0, count: 31) + [2] + [0, 0, 0, 0, 0, 0, 0, 2]
        let expected = Digest32(ContentHash.sha256(bytes))
        #expect(SumTree(keys).digest == expected)
        #expect(SumTree(keys.reversed()).digest == expected)
        #expect(SumTree().digest != expected)
    }

    /// A copy is not changed by what happens to the original.
    @Test func isAValue() {
        var generator = SeededGenerator(seed: 3)
        var tree = SumTree((0..<1_000).map { _ in SumTreeTests.key(&generator, times: 500) })
        let (copy, before, keys) = (tree, tree.digest, tree.keys())
        for key in keys.prefix(500) { tree.remove(key) }
        for _ in 0..<500 { tree.insert(SumTreeTests.key(&generator, times: 500)) }
        #expect(copy.digest == before && copy.keys() == keys)
    }

    /// A bound takes as few bytes as can be: none of the digest when times differ.
    @Test func cutsAreShort() {
        let near = (0..<2).map { UpdateKey(time: 9, digest: Digest32(words: (0xab00_0000_0000_0000 | $0, 5, 6, 7))) }
        #expect(
            SumTree(near).cut(at: 1)?.bound
                == UpdateKey(time: 9, digest: Digest32(words: (0xab00_0000_0000_0001, 0, 0, 0))))
        let far = [UpdateKey(time: 8, digest: near[0].digest), near[1]]
        #expect(SumTree(far).cut(at: 1)?.bound == UpdateKey(time: 9, digest: Digest32.zero))
    }

    /// Built in order, backwards and at random: the memory it takes a key, and the time.
    @Test(arguments: ["ascending", "descending", "random"])
    func staysSmall(order: String) {
        let isLarge = ProcessInfo.processInfo.environment["CATALOG_LARGE"] != nil
        let count = isLarge ? 1_000_000 : 100_000
        var generator = SeededGenerator(seed: 11)
        var keys = (0..<count).map { number in
            UpdateKey(
                time: UInt64(number) * 100,
                digest: Digest32(words: (generator.next(), generator.next(), generator.next(), generator.next())))
        }
        if order == "descending" { keys.reverse() }
        if order == "random" { keys.shuffle(using: &generator) }
        let start = ContinuousClock.now
        let tree = SumTree(keys)
        let took = ContinuousClock.now - start
        #expect(tree.count == count)
        let sorting = ContinuousClock.now
        let sorted = SumTree(unsorted: keys)
        let tookSorted = ContinuousClock.now - sorting
        #expect(sorted.digest == tree.digest && sorted.keys(limit: 500) == tree.keys(limit: 500))
        print("sorted first: \(tookSorted), \(sorted.memory / count) bytes a key")
        print("summed tree, \(count) keys \(order): \(took), \(tree.memory / count) bytes a key")
        #expect(tree.memory <= 64 * count, "bytes \(tree.memory)")
    }
}

extension SumTree {
    /// Whether it holds exactly these.
    fileprivate static func == (tree: SumTree, keys: [UpdateKey]) -> Bool {
        tree.keys() == keys && tree.count == keys.count && tree.digest == SumTree(keys).digest
    }
}
