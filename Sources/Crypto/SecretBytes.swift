/// Bytes that nobody may read twice: a key, a seed, a shared secret.
///
/// They live in memory of their own, never in an array that could be copied, and are overwritten when
/// the last holder lets go. Neither `print` nor `dump` shows them.
@safe
package final class SecretBytes: @unchecked Sendable {
    // Sendable: the memory is written in `init` and in `deinit` only.
    package let count: Int
    private let storage: UnsafeMutablePointer<UInt8>

    /// `count` bytes that `fill` writes.
    init(count: Int, fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        self.count = count
        unsafe storage = .allocate(capacity: max(count, 1))
        unsafe storage.initialize(repeating: 0, count: max(count, 1))
        unsafe fill(storage)
    }

    /// A copy of `bytes`. The array remains with the caller, who overwrites it if nobody else has it.
    package convenience init(_ bytes: [UInt8]) {
        unsafe self.init(count: bytes.count) { output in
            for (index, byte) in bytes.enumerated() { unsafe output[index] = byte }
        }
    }

    /// `count` random bytes.
    package static func random(_ count: Int) -> SecretBytes {
        unsafe SecretBytes(count: count) {
            unsafe Sodium.fillWithRandom(UnsafeMutableRawBufferPointer(start: $0, count: count))
        }
    }

    deinit {
        unsafe Sodium.zero(UnsafeMutableRawBufferPointer(start: storage, count: count))
        unsafe storage.deallocate()
    }

    /// Lends the bytes, of which there are `count`.
    @inline(__always)
    func withPointer<R>(_ body: (UnsafePointer<UInt8>) -> R) -> R { unsafe body(storage) }

    /// The bytes as an array, for writing them to a key file or comparing them in a test. Whoever takes
    /// them looks after them.
    package func reveal() -> [UInt8] { unsafe Array(UnsafeBufferPointer(start: storage, count: count)) }
}

extension SecretBytes: Equatable {
    /// Compares in a time that depends on the lengths alone.
    package static func == (left: SecretBytes, right: SecretBytes) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe Sodium.equal(left.storage, right.storage, count: left.count)
    }
}

extension SecretBytes: CustomStringConvertible, CustomReflectable {
    package var description: String { "SecretBytes(\(count))" }
    package var customMirror: Mirror { Mirror(self, children: ["count": count]) }
}
