package import Multiformats

/// A SHA-256 digest as four words: compares and hashes in a few instructions, and copying allocates nothing.
///
/// Ordered by its bytes, as CIDs of updates are wherever the catalog breaks a tie.
package struct Digest32: Hashable, Comparable, Sendable {
    /// The digest as big-endian words.
    package let word0, word1, word2, word3: UInt64

    /// A digest from its big-endian words.
    @inlinable
    package init(words: (UInt64, UInt64, UInt64, UInt64)) { (word0, word1, word2, word3) = words }

    /// The 32 bytes of `bytes` from `start` on; `nil` when there are fewer.
    package init?(_ bytes: [UInt8], at start: Int = 0) {
        guard start >= 0, bytes.count - start >= 32 else { return nil }
        func word(_ offset: Int) -> UInt64 {
            var value: UInt64 = 0
            for index in offset..<offset + 8 { value = value << 8 | UInt64(bytes[index]) }
            return value
        }
        self.init(words: (word(start), word(start + 8), word(start + 16), word(start + 24)))
    }

    /// The digest of a multihash; `nil` unless it is a full SHA-256.
    package init?(_ multihash: Multihash) {
        guard multihash.code == .sha2_256, let words = multihash.words else { return nil }
        self.init(words: words)
    }

    /// The digest that a CID of this kind of block holds: version 1, dag-cbor, SHA-256; `nil` for any other.
    package init?(_ cid: CID) {
        guard cid.version == 1, cid.codec == .dagCBOR else { return nil }
        self.init(cid.multihash)
    }

    /// The 32 bytes.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(32)
        append(to: &result)
        return result
    }

    /// Appends the 32 bytes.
    package func append(to bytes: inout [UInt8]) {
        for word in [word0, word1, word2, word3] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
    }

    /// The CID of the dag-cbor block with this digest.
    package var cid: CID { CID(codec: .dagCBOR, multihash: Multihash(sha256: (word0, word1, word2, word3))) }

    @inlinable
    package static func < (left: Digest32, right: Digest32) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }
}

extension Digest32: CustomStringConvertible {
    /// 64 hex digits.
    package var description: String { Base.base16.encode(bytes) }
}

/// The name of an update: the SHA-256 of its header's bytes.
package typealias UpdateID = Digest32
