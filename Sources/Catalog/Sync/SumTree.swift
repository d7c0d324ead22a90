import Multiformats
import NIOCore
import PeerCrypto

/// An ordered set of update keys that knows the count and the sum of every range of them.
///
/// It is what a node compares with its peers: which updates it knows of, whether it holds them or not. Inserting,
/// removing, ranks and the fingerprint of any range cost O(log n). A B-tree of small flat arrays: a million keys in
/// order take 42 MB, in random order at most 60 MB. A value: a copy shares what neither side changes.
package struct SumTree: Sendable {
    /// Keys of a leaf at most.
    static let leafCapacity = 128
    /// Children of a branch at most.
    static let branchCapacity = 64

    /// One child of a branch and what is below it.
    struct Child: Sendable {
        /// No key below it comes before this one.
        var low: UpdateKey
        var totals: Totals
        /// Its place in `leaves` or `branches`.
        var index: Int
    }

    /// How many keys a range holds, and the sum of their digests modulo 2^256.
    package struct Totals: Hashable, Sendable {
        package var count = 0
        package var sum = Digest32.zero

        /// Of nothing.
        package init() {}

        init(count: Int, sum: Digest32) {
            self.count = count
            self.sum = sum
        }

        init(_ keys: ArraySlice<UpdateKey>) {
            for key in keys { add(key) }
        }

        @inline(__always)
        mutating func add(_ key: UpdateKey) {
            count += 1
            sum = sum &+ key.digest
        }

        @inline(__always)
        mutating func remove(_ key: UpdateKey) {
            count -= 1
            sum = sum &- key.digest
        }

        static func + (left: Totals, right: Totals) -> Totals {
            Totals(count: left.count + right.count, sum: left.sum &+ right.sum)
        }

        static func - (left: Totals, right: Totals) -> Totals {
            Totals(count: left.count - right.count, sum: left.sum &- right.sum)
        }
    }

    var leaves: [[UpdateKey]] = [[]]
    var branches: [[Child]] = []
    /// Places that removals emptied.
    var freeLeaves: [Int] = []
    var freeBranches: [Int] = []
    /// The root: a leaf at height 0, else a branch whose leaves are so many steps down.
    var root = 0
    var height = 0

    /// Of all keys.
    package internal(set) var totals = Totals()

    /// The empty set.
    package init() {}

    /// A set of these keys; cheapest when they come in order.
    package init(_ keys: some Sequence<UpdateKey>) {
        for key in keys { insert(key) }
    }

    /// The number of keys.
    package var count: Int { totals.count }
    /// Whether there are none.
    package var isEmpty: Bool { totals.count == 0 }

    /// Bytes that it occupies, room that is not used yet included.
    package var memory: Int {
        let lists = leaves.count + branches.count
        return leaves.reduce(0) { $0 + $1.capacity } * MemoryLayout<UpdateKey>.stride
            + branches.reduce(0) { $0 + $1.capacity } * MemoryLayout<Child>.stride + lists * (32 + 8)
    }

    /// The fingerprint of the whole set: equal on two nodes when they know of the same updates.
    ///
    /// SHA-256 of the sum (32 bytes, big-endian) and the count (8 bytes, big-endian).
    package var digest: Digest32 {
        var bytes = ByteBuffer()
        bytes.writeTotals(totals)
        return Digest32(ContentHash.sha256(bytes)) ?? .zero
    }

    /// The first 8 bytes of SHA-256 over `salt` (8 bytes), the sum and the count, as peers compare them.
    ///
    /// With a salt that nobody knows before the session, eight bytes are as hard to hit as they look; `scratch` is
    /// room that a caller keeps so that nothing is allocated.
    static func fingerprint(_ totals: Totals, salt: UInt64, scratch: inout ByteBuffer) -> UInt64 {
        scratch.clear()
        scratch.writeInteger(salt)
        scratch.writeTotals(totals)
        return ContentHash.sha256(scratch).words?.0 ?? 0
    }
}

// MARK: Reading

extension SumTree {
    /// The child of `children` that would hold `key`.
    @inline(__always)
    static func slot(of key: UpdateKey, in children: [Child]) -> Int {
        var low = 0
        var high = children.count
        while low < high {
            let middle = (low + high) / 2
            if key < children[middle].low { high = middle } else { low = middle + 1 }
        }
        return max(0, low - 1)
    }

    /// How many of `keys` come before `key`.
    @inline(__always)
    static func position(of key: UpdateKey, in keys: [UpdateKey]) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The leaf that would hold `key`.
    private func leaf(for key: UpdateKey) -> [UpdateKey] {
        var index = root
        for _ in 0..<height {
            let children = branches[index]
            index = children[SumTree.slot(of: key, in: children)].index
        }
        return leaves[index]
    }

    /// Whether `key` is in the set.
    package func contains(_ key: UpdateKey) -> Bool {
        let keys = leaf(for: key)
        let position = SumTree.position(of: key, in: keys)
        return position < keys.count && keys[position] == key
    }

    /// The first key from `lower` on.
    package func first(from lower: UpdateKey) -> UpdateKey? {
        let keys = leaf(for: lower)
        let position = SumTree.position(of: lower, in: keys)
        // Behind the last of its leaf: the next leaf is found by rank.
        return position < keys.count ? keys[position] : select(rank(of: lower))
    }

    /// What comes before `key`: how many keys (its rank) and their sum.
    package func totals(before key: UpdateKey) -> Totals {
        var result = Totals()
        var index = root
        for _ in 0..<height {
            let children = branches[index]
            let slot = SumTree.slot(of: key, in: children)
            for child in children[..<slot] { result = result + child.totals }
            index = children[slot].index
        }
        let keys = leaves[index]
        for key in keys[..<SumTree.position(of: key, in: keys)] { result.add(key) }
        return result
    }

    /// What lies from `lower` on and before `upper`.
    package func totals(from lower: UpdateKey, to upper: UpdateKey) -> Totals {
        lower < upper ? totals(before: upper) - totals(before: lower) : Totals()
    }

    /// How many keys come before `key`.
    package func rank(of key: UpdateKey) -> Int { totals(before: key).count }

    /// The key with `rank` others before it; `nil` when there are not so many.
    package func select(_ rank: Int) -> UpdateKey? {
        guard rank >= 0, rank < count else { return nil }
        var rest = rank
        var index = root
        for _ in 0..<height {
            let children = branches[index]
            var slot = 0
            while slot < children.count - 1, rest >= children[slot].totals.count {
                rest -= children[slot].totals.count
                slot += 1
            }
            index = children[slot].index
        }
        let keys = leaves[index]
        return rest < keys.count ? keys[rest] : nil
    }

    /// A bound with exactly `rank` keys before it, the one that takes the fewest bytes, and what lies before it;
    /// `nil` unless there is a key on either side.
    package func cut(at rank: Int) -> (bound: UpdateKey, before: Totals)? {
        guard rank > 0, rank < count else { return nil }
        var before = Totals()
        var index = root
        for _ in 0..<height {
            let children = branches[index]
            var slot = 0
            while slot < children.count - 1, before.count + children[slot].totals.count <= rank {
                before = before + children[slot].totals
                slot += 1
            }
            index = children[slot].index
        }
        let keys = leaves[index]
        let position = rank - before.count
        guard position < keys.count, let last = position > 0 ? keys[position - 1] : select(rank - 1) else { return nil }
        for key in keys[..<position] { before.add(key) }
        return (UpdateKey.shortest(after: last, upTo: keys[position]), before)
    }

    /// The first `limit` keys from `lower` on and before `upper`, in order.
    package func keys(from lower: UpdateKey = .first, to upper: UpdateKey = .end, limit: Int = .max) -> [UpdateKey] {
        var result: [UpdateKey] = []
        collect(root, height, lower, upper, limit, &result)
        return result
    }

    private func collect(
        _ index: Int, _ level: Int, _ lower: UpdateKey, _ upper: UpdateKey, _ limit: Int, _ result: inout [UpdateKey]
    ) {
        if level == 0 {
            let keys = leaves[index]
            let start = SumTree.position(of: lower, in: keys)
            let end = SumTree.position(of: upper, in: keys)
            guard start < end else { return }
            result += keys[start..<start + min(end - start, limit - result.count)]
            return
        }
        let children = branches[index]
        for child in children[SumTree.slot(of: lower, in: children)...] {
            guard result.count < limit, child.low < upper else { return }
            collect(child.index, level - 1, lower, upper, limit, &result)
        }
    }
}

extension ByteBuffer {
    /// What fingerprints are made of: the sum in 32 bytes and the count in 8, both big-endian.
    fileprivate mutating func writeTotals(_ totals: SumTree.Totals) {
        let sum = totals.sum
        writeMultipleIntegers(sum.word0, sum.word1, sum.word2, sum.word3, UInt64(clamping: totals.count))
    }
}
