/// An update's place in the set that peers compare: its time, then the digest of its header.
///
/// Ordered by both, so that recent differences lie together and an ancestor always comes first (a log's time
/// grows along it).
package struct UpdateKey: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970, as the update's header says; at most `latestTime`.
    package let time: UInt64
    /// The SHA-256 of the header's bytes.
    package let digest: Digest32

    /// The greatest time that the bytes of a session can carry, 2^62 milliseconds.
    package static let latestTime: UInt64 = 1 << 62

    /// The key of the update with this time and header.
    @inlinable
    package init(time: UInt64, digest: Digest32) {
        self.time = time
        self.digest = digest
    }

    @inlinable
    package static func < (left: UpdateKey, right: UpdateKey) -> Bool {
        left.time == right.time ? left.digest < right.digest : left.time < right.time
    }

    /// Before every other key.
    package static let first = UpdateKey(time: 0, digest: .zero)
    /// Behind every key that an update can have.
    package static let end = UpdateKey(time: .max, digest: .zero)

    /// Behind `left` and not behind `right`, with as many zero bytes at its end as can be: what is compared is cut
    /// there, and zeros are not sent.
    static func shortest(after left: UpdateKey, upTo right: UpdateKey) -> UpdateKey {
        guard left.time == right.time else { return UpdateKey(time: right.time, digest: .zero) }
        return UpdateKey(
            time: right.time, digest: right.digest.shortened(to: left.digest.sharedBytes(right.digest) + 1))
    }

    /// The least key behind this one.
    package var next: UpdateKey {
        let (digest, carry) = digest.adding(Digest32(words: (0, 0, 0, 1)))
        return carry ? UpdateKey(time: time &+ 1, digest: digest) : UpdateKey(time: time, digest: digest)
    }
}

/// Digests by their first bytes.
extension Digest32 {
    /// The first `length` bytes, then zeros.
    func shortened(to length: Int) -> Digest32 {
        func part(_ word: UInt64, _ start: Int) -> UInt64 {
            let kept = min(8, max(0, length - start))
            return kept == 0 ? 0 : word & (UInt64.max << UInt64(64 - 8 * kept))
        }
        return Digest32(words: (part(word0, 0), part(word1, 8), part(word2, 16), part(word3, 24)))
    }

    /// How many bytes at the start are the same.
    func sharedBytes(_ other: Digest32) -> Int {
        if word0 != other.word0 { return (word0 ^ other.word0).leadingZeroBitCount / 8 }
        if word1 != other.word1 { return 8 + (word1 ^ other.word1).leadingZeroBitCount / 8 }
        if word2 != other.word2 { return 16 + (word2 ^ other.word2).leadingZeroBitCount / 8 }
        return 24 + (word3 ^ other.word3).leadingZeroBitCount / 8
    }

    /// The number of bytes without the zeros at the end.
    var significantBytes: Int {
        if word3 != 0 { return 32 - word3.trailingZeroBitCount / 8 }
        if word2 != 0 { return 24 - word2.trailingZeroBitCount / 8 }
        if word1 != 0 { return 16 - word1.trailingZeroBitCount / 8 }
        return word0 == 0 ? 0 : 8 - word0.trailingZeroBitCount / 8
    }
}

/// Digests as numbers modulo 2^256, which is how a set of them is summed.
extension Digest32 {
    /// The number 0.
    package static let zero = Digest32(words: (0, 0, 0, 0))

    /// The sum modulo 2^256, and whether it went beyond.
    @inlinable
    func adding(_ other: Digest32) -> (sum: Digest32, carry: Bool) {
        let (low, carry0) = word3.addingReportingOverflow(other.word3)
        let (mid, carry1) = Digest32.add(word2, other.word2, carry0)
        let (upper, carry2) = Digest32.add(word1, other.word1, carry1)
        let (high, carry3) = Digest32.add(word0, other.word0, carry2)
        return (Digest32(words: (high, upper, mid, low)), carry3)
    }

    @inlinable
    static func add(_ left: UInt64, _ right: UInt64, _ carry: Bool) -> (UInt64, Bool) {
        let (sum, over) = left.addingReportingOverflow(right)
        let (whole, more) = sum.addingReportingOverflow(carry ? 1 : 0)
        return (whole, over || more)
    }

    /// The sum modulo 2^256.
    @inlinable static func &+ (left: Digest32, right: Digest32) -> Digest32 { left.adding(right).sum }

    /// The difference modulo 2^256.
    @inlinable
    static func &- (left: Digest32, right: Digest32) -> Digest32 {
        // -x is ~x + 1.
        let complement = Digest32(words: (~right.word0, ~right.word1, ~right.word2, ~right.word3))
        return left &+ complement &+ Digest32(words: (0, 0, 0, 1))
    }
}
