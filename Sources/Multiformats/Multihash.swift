package import NIOCore

/// The number that names a hash function in a multihash, from the multicodec table.
package struct HashCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let identity = HashCode(rawValue: 0x00)
    package static let sha1 = HashCode(rawValue: 0x11)
    package static let sha2_256 = HashCode(rawValue: 0x12)
    package static let sha2_512 = HashCode(rawValue: 0x13)
    package static let sha3_512 = HashCode(rawValue: 0x14)
    package static let sha3_384 = HashCode(rawValue: 0x15)
    package static let sha3_256 = HashCode(rawValue: 0x16)
    package static let sha3_224 = HashCode(rawValue: 0x17)
    package static let shake256 = HashCode(rawValue: 0x19)
    package static let keccak224 = HashCode(rawValue: 0x1a)
    package static let keccak256 = HashCode(rawValue: 0x1b)
    package static let keccak384 = HashCode(rawValue: 0x1c)
    package static let keccak512 = HashCode(rawValue: 0x1d)
    package static let blake3 = HashCode(rawValue: 0x1e)
    package static let murmur3_x64_64 = HashCode(rawValue: 0x22)
    package static let doubleSHA2_256 = HashCode(rawValue: 0x56)
    /// blake2b of `bits`, a multiple of 8 from 8 to 512.
    package static func blake2b(bits: Int) -> HashCode { HashCode(rawValue: 0xb200 + UInt64(bits / 8)) }
    /// blake2s of `bits`, a multiple of 8 from 8 to 256.
    package static func blake2s(bits: Int) -> HashCode { HashCode(rawValue: 0xb240 + UInt64(bits / 8)) }
}

/// A hash that says which function made it: `varint(code) || varint(length) || digest`.
///
/// A digest of 32 bytes, the usual case, is kept inline as four words, and so is an inlined Ed25519 key
/// (the usual PeerID), so that comparing and hashing cost a few instructions and copying allocates nothing.
/// Source: https://github.com/multiformats/multihash
package struct Multihash: Hashable, Sendable {
    /// The longest digest that is read, in bytes.
    package static let maximumDigestLength = 128

    package let code: HashCode
    @usableFromInline let word0: UInt64
    @usableFromInline let word1: UInt64
    @usableFromInline let word2: UInt64
    @usableFromInline let word3: UInt64
    /// The digest when it is neither 32 bytes long nor (under identity) an Ed25519 key.
    @usableFromInline let other: [UInt8]?

    /// What stands before the 32 bytes of an Ed25519 key in its protobuf form.
    private static let keyPrefix: [UInt8] = [0x08, 0x01, 0x12, 0x20]

    /// A multihash of `digest`, whose length must be at most `maximumDigestLength`.
    package init(code: HashCode, digest: [UInt8]) {
        precondition(digest.count <= Multihash.maximumDigestLength, "digest too long")
        self.init(code: code, bytes: digest, range: 0..<digest.count)
    }

    private init(code: HashCode, bytes: [UInt8], range: Range<Int>) {
        self.code = code
        // Identity has words only for keys, all others only for 32 bytes: the code tells which.
        let isKey = code == .identity && range.count == 36 && bytes[range].starts(with: Multihash.keyPrefix)
        guard isKey || range.count == 32 && code != .identity else {
            (word0, word1, word2, word3) = (0, 0, 0, 0)
            other = Array(bytes[range])
            return
        }
        let start = range.upperBound - 32
        word0 = Multihash.word(bytes, at: start)
        word1 = Multihash.word(bytes, at: start + 8)
        word2 = Multihash.word(bytes, at: start + 16)
        word3 = Multihash.word(bytes, at: start + 24)
        other = nil
    }

    /// The big-endian number in eight bytes.
    private static func word(_ bytes: [UInt8], at start: Int) -> UInt64 {
        bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A SHA-256 multihash from the digest's four big-endian words.
    @inlinable
    package init(sha256 words: (UInt64, UInt64, UInt64, UInt64)) {
        code = .sha2_256
        (word0, word1, word2, word3) = words
        other = nil
    }

    /// The "hash" that is the data itself.
    package static func identity(_ data: [UInt8]) -> Multihash { Multihash(code: .identity, digest: data) }

    /// Reads a multihash from `bytes` at `index` and moves `index` behind it.
    package init(reading bytes: [UInt8], at index: inout Int) throws(MultiformatError) {
        var position = index
        let code = HashCode(rawValue: try Varint.number(bytes, at: &position))
        let length = try Varint.number(bytes, at: &position)
        guard length <= UInt64(Multihash.maximumDigestLength) else { throw .digestLength(length) }
        let end = position + Int(length)
        guard end <= bytes.count else { throw .truncated }
        self.init(code: code, bytes: bytes, range: position..<end)
        index = end
    }

    /// Reads a multihash that must fill `bytes`.
    package init(_ bytes: [UInt8]) throws(MultiformatError) {
        var index = 0
        try self.init(reading: bytes, at: &index)
        guard index == bytes.count else { throw .trailingBytes }
    }

    /// The digest's length in bytes.
    @inlinable package var digestLength: Int { other?.count ?? (code == .identity ? 36 : 32) }

    /// The digest alone.
    package var digest: [UInt8] {
        if let other { return other }
        var result: [UInt8] = []
        result.reserveCapacity(36)
        appendDigest(to: &result)
        return result
    }

    private func appendDigest(to bytes: inout [UInt8]) {
        if let other {
            bytes += other
            return
        }
        if code == .identity { bytes += Multihash.keyPrefix }
        append(word0, to: &bytes)
        append(word1, to: &bytes)
        append(word2, to: &bytes)
        append(word3, to: &bytes)
    }

    private func append(_ word: UInt64, to bytes: inout [UInt8]) {
        var shift: UInt64 = 64
        while shift > 0 {
            shift -= 8
            bytes.append(UInt8(truncatingIfNeeded: word >> shift))
        }
    }

    /// The digest as big-endian words, when it is a hash of 32 bytes.
    @inlinable
    package var words: (UInt64, UInt64, UInt64, UInt64)? {
        other == nil && code != .identity ? (word0, word1, word2, word3) : nil
    }

    /// The binary form.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(36)
        append(to: &result)
        return result
    }

    /// Appends the binary form to `bytes`.
    package func append(to bytes: inout [UInt8]) {
        Varint.append(code.rawValue, to: &bytes)
        Varint.append(UInt64(digestLength), to: &bytes)
        appendDigest(to: &bytes)
    }

    @inlinable
    package static func == (left: Multihash, right: Multihash) -> Bool {
        left.word0 == right.word0 && left.word1 == right.word1 && left.word2 == right.word2
            && left.word3 == right.word3 && left.code == right.code && left.other == right.other
    }

    @inlinable
    package func hash(into hasher: inout Hasher) {
        // All of it: peers choose the digests they ask for and could make many that differ only in what
        // is left out, to slow every table down.
        hasher.combine(code.rawValue)
        if let other {
            hasher.combine(other)
        } else {
            hasher.combine(word0)
            hasher.combine(word1)
            hasher.combine(word2)
            hasher.combine(word3)
        }
    }
}

extension ByteBuffer {
    /// Appends the binary form of `multihash`; allocates nothing for 32-byte digests.
    package mutating func writeMultihash(_ multihash: Multihash) {
        writeWithOutputRawSpan(minimumWritableBytes: 20) { span in
            span.appendVarint(multihash.code.rawValue)
            span.appendVarint(UInt64(multihash.digestLength))
        }
        if let words = multihash.words {
            writeMultipleIntegers(words.0, words.1, words.2, words.3)
        } else {
            writeBytes(multihash.digest)
        }
    }
}

extension Multihash {
    /// Whether blocks and links may use this hash: a strong enough function and a digest of 20 to 128
    /// bytes (identity: up to 128).
    ///
    /// The rule that Kubo calls verifcid; it holds on read and on write, and for CIDs that peers send.
    package var isAllowed: Bool {
        if code == .identity { return digestLength <= 128 }
        guard (20...128).contains(digestLength) else { return false }
        switch code.rawValue {
        case 0x11...0x17, 0x19, 0x1a...0x1d, 0x1e, 0x56: return true
        case 0xb201 + 19...0xb240, 0xb241 + 19...0xb260: return true
        default: return false
        }
    }
}
