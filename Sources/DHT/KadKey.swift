package import Multiformats
import PeerCrypto

/// A place in Kademlia's space of 256-bit numbers, where everything has one: peers, contents and records.
///
/// The distance of two places is their XOR, read as a big-endian number. Source: Maymounkov and Mazières,
/// "Kademlia: A Peer-to-Peer Information System Based on the XOR Metric" (2002).
package struct KadKey: Hashable, Sendable {
    /// Most significant first.
    @usableFromInline let words: (UInt64, UInt64, UInt64, UInt64)

    @inlinable init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// The place of `key`: its SHA-256.
    package init(hashing key: [UInt8]) {
        self.init(words: ContentHash.sha256(key).words ?? (0, 0, 0, 0))
    }

    /// The place of a peer: the SHA-256 of its multihash.
    package init(_ peer: PeerID) { self.init(hashing: peer.bytes) }

    /// Takes the first 32 of `bytes`; missing ones count as zero.
    package init(bytes: some Sequence<UInt8>) {
        var all: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.prefix(32).enumerated() {
            all[index / 8] |= UInt64(byte) << UInt64(56 - index % 8 * 8)
        }
        words = (all[0], all[1], all[2], all[3])
    }

    package var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - $0 * 8)) }
        }
    }

    /// The distance between two places, itself comparable.
    @inlinable
    package static func ^ (left: KadKey, right: KadKey) -> KadKey {
        KadKey(
            words: (
                left.words.0 ^ right.words.0, left.words.1 ^ right.words.1, left.words.2 ^ right.words.2,
                left.words.3 ^ right.words.3
            ))
    }

    /// How many leading bits two places share, 0 to 256.
    @inlinable
    package func commonPrefixLength(with other: KadKey) -> Int {
        let distance = (self ^ other).words
        if distance.0 != 0 { return distance.0.leadingZeroBitCount }
        if distance.1 != 0 { return 64 + distance.1.leadingZeroBitCount }
        if distance.2 != 0 { return 128 + distance.2.leadingZeroBitCount }
        return 192 + distance.3.leadingZeroBitCount
    }

    /// The bit at `index`, 0 being the most significant.
    package func bit(_ index: Int) -> Bool {
        let word = [words.0, words.1, words.2, words.3][index / 64]
        return word >> UInt64(63 - index % 64) & 1 == 1
    }

    @inlinable
    package static func == (left: KadKey, right: KadKey) -> Bool {
        left.words == right.words
    }

    @inlinable
    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}

extension KadKey: Comparable {
    @inlinable
    package static func < (left: KadKey, right: KadKey) -> Bool { left.words < right.words }
}
