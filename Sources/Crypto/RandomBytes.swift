/// Random numbers from the system, fit for keys and nonces.
///
/// Protocol cores take a `SeededGenerator` instead, so that a simulation repeats.
package enum RandomBytes {
    /// `count` random bytes.
    package static func make(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        unsafe bytes.withUnsafeMutableBytes { unsafe Sodium.fillWithRandom($0) }
        return bytes
    }

    /// A random number, for seeds and identifiers.
    package static func uint64() -> UInt64 {
        var value: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &value) { unsafe Sodium.fillWithRandom($0) }
        return value
    }
}

/// Comparisons that tell a listener nothing about where two values differ.
package enum ConstantTime {
    /// Whether two byte strings are the same. Takes a time that depends on the lengths alone, so a token
    /// cannot be guessed byte by byte; that the lengths differ does show.
    package static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && (unsafe Sodium.equal(left, right, count: left.count))
    }

    /// The same for text, by its UTF-8 bytes.
    package static func equal(_ left: String, _ right: String) -> Bool { equal(Array(left.utf8), Array(right.utf8)) }
}
