/// A fingerprint of everything that happened in a run, in its order: equal for equal runs.
///
/// FNV-1a over 64-bit words with a rotation, so that it costs two instructions a word; not for secrets.
/// Source: http://www.isthe.com/chongo/tech/comp/fnv
package struct TraceHash: Hashable, Sendable {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    package mutating func mix(_ word: UInt64) {
        value = (value ^ word) &* 0x0000_0100_0000_01b3
        value = value << 29 | value >> 35
    }

    package mutating func mix(_ bytes: some Collection<UInt8>) {
        mix(UInt64(bytes.count))
        var word: UInt64 = 0
        var filled = 0
        for byte in bytes {
            word = word << 8 | UInt64(byte)
            filled += 1
            if filled % 8 == 0 {
                mix(word)
                word = 0
            }
        }
        if filled % 8 != 0 { mix(word) }
    }
}

extension TraceHash: CustomStringConvertible {
    /// Sixteen hexadecimal digits.
    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
