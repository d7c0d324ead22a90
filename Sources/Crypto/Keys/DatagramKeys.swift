package import NIOCore

// What datagram sessions need of keys: the X25519 half of an Ed25519 identity, so that a peer known by its
// PeerID alone can be sent an encrypted first packet, and a short keyed hash.

extension KeyPair {
    /// The Noise key that others compute from the public half of this identity. It is used for nothing but
    /// datagram handshakes, whose transcript names the protocol; signatures carry a domain of their own.
    package var datagramStatic: NoiseKeyPair { NoiseKeyPair(secret: Sodium.x25519Secret(ed25519: secret)) }
}

extension PublicKey {
    /// The X25519 key that follows from an Ed25519 key. `nil` for other kinds and for bytes that no honest key
    /// has: no point on the curve, small or mixed order, or not in canonical form.
    ///
    /// The sign of the point is lost: a key and its negative give the same result, so whoever uses it must
    /// name the Ed25519 key somewhere in the transcript.
    package var x25519: [UInt8]? {
        guard kind == .ed25519, Self.isCanonical(data) else { return nil }
        return Sodium.x25519PublicKey(ed25519: data)
    }

    /// Whether the y coordinate is below 2^255 - 19. libsodium's conversion reduces larger ones silently.
    private static func isCanonical(_ key: [UInt8]) -> Bool {
        guard key.count == 32 else { return false }
        if key[31] & 0x7f != 0x7f || key[1..<31].contains(where: { $0 != 0xff }) { return true }
        return key[0] < 0xed
    }
}

/// A keyed hash of 128 bits, comparable and hashable without an array.
package struct ShortMAC: Hashable, Sendable {
    /// The sixteen bytes as two little-endian words.
    package let words: (UInt64, UInt64)

    package init(words: (UInt64, UInt64)) { self.words = words }

    package static let zero = ShortMAC(words: (0, 0))
    package var isZero: Bool { words.0 | words.1 == 0 }

    /// Compares both words, whatever the first says, so that time tells nothing of where they differ.
    package static func == (left: ShortMAC, right: ShortMAC) -> Bool {
        (left.words.0 ^ right.words.0) | (left.words.1 ^ right.words.1) == 0
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}

/// BLAKE2b as datagrams use it. Source: RFC 7693.
package enum BLAKE2b {
    /// BLAKE2b-128 keyed by `key` of the bytes of `buffer` in two ranges of its readable bytes (counted from
    /// the first), one behind the other.
    package static func mac(
        of buffer: ByteBuffer, _ first: Range<Int>, _ second: Range<Int>, key: SecretBytes
    ) -> ShortMAC {
        precondition(first.lowerBound >= 0 && second.lowerBound >= 0)
        precondition(first.upperBound <= buffer.readableBytes && second.upperBound <= buffer.readableBytes)
        let count = first.count + second.count
        return unsafe buffer.withUnsafeReadableBytes { bytes in
            unsafe withUnsafeTemporaryAllocation(byteCount: max(count, 1), alignment: 8) { joined in
                unsafe joined.copyBytes(from: bytes[first])
                unsafe UnsafeMutableRawBufferPointer(rebasing: joined[first.count...]).copyBytes(from: bytes[second])
                return unsafe mac(UnsafeRawBufferPointer(rebasing: joined[..<count]), key: key)
            }
        }
    }

    /// BLAKE2b-128 of `bytes` keyed by `key`.
    package static func mac(_ bytes: [UInt8], key: SecretBytes) -> ShortMAC {
        unsafe bytes.withUnsafeBytes { unsafe mac($0, key: key) }
    }

    private static func mac(_ bytes: UnsafeRawBufferPointer, key: SecretBytes) -> ShortMAC {
        var words: (UInt64, UInt64) = (0, 0)
        unsafe withUnsafeMutableBytes(of: &words) { unsafe Sodium.blake2b(bytes, key: key, to: $0) }
        return ShortMAC(words: (UInt64(littleEndian: words.0), UInt64(littleEndian: words.1)))
    }

    /// BLAKE2b-256 of `bytes` and, behind them, a secret that may be absent.
    package static func hash(_ bytes: [UInt8], secret: SecretBytes?) -> SecretBytes {
        var input = bytes
        if let secret {
            var revealed = secret.reveal()
            input += revealed
            Sodium.zero(&revealed)
        }
        defer { Sodium.zero(&input) }
        return unsafe SecretBytes(count: 32) { output in
            unsafe input.withUnsafeBytes { input in
                unsafe Sodium.blake2b(
                    input, key: nil, to: UnsafeMutableRawBufferPointer(start: output, count: 32))
            }
        }
    }
}
