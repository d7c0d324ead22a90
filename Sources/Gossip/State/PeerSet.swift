/// A set of peers' slots: a bit for each, so that asking, adding and going through them in order cost next to
/// nothing. Its size follows the highest slot, which follows the connections.
struct PeerSet: Sendable, Sequence {
    private var words: [UInt64] = []
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    func contains(_ slot: Int) -> Bool {
        let word = slot >> 6
        return word < words.count && words[word] & (1 << UInt64(slot & 63)) != 0
    }

    /// Returns whether it is new.
    @discardableResult
    mutating func insert(_ slot: Int) -> Bool {
        let word = slot >> 6
        while words.count <= word { words.append(0) }
        let bit: UInt64 = 1 << UInt64(slot & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        count += 1
        return true
    }

    /// Returns whether it was there.
    @discardableResult
    mutating func remove(_ slot: Int) -> Bool {
        let word = slot >> 6
        let bit: UInt64 = 1 << UInt64(slot & 63)
        guard word < words.count, words[word] & bit != 0 else { return false }
        words[word] ^= bit
        count -= 1
        return true
    }

    mutating func removeAll() { self = PeerSet() }

    struct Iterator: IteratorProtocol {
        private let words: [UInt64]
        private var index = 0
        private var bits: UInt64 = 0

        init(_ words: [UInt64]) {
            self.words = words
            bits = words.first ?? 0
        }

        mutating func next() -> Int? {
            while bits == 0 {
                index += 1
                guard index < words.count else { return nil }
                bits = words[index]
            }
            let bit = bits.trailingZeroBitCount
            bits &= bits - 1
            return index << 6 | bit
        }
    }

    /// In the order of the slots.
    func makeIterator() -> Iterator { Iterator(words) }
}
