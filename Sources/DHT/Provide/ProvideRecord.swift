package import Multiformats

/// What must outlive a restart of one key that we provide.
package struct ProvideRecord: Hashable, Sendable {
    /// The content's multihash.
    package var key: Multihash
    /// When the closest peers were last told; `nil` before the first time.
    package var lastProvided: KadTime?
    /// Whether it goes out alone and at once: a root, or what was asked for by name.
    package var isUrgent: Bool

    package init(key: Multihash, lastProvided: KadTime? = nil, isUrgent: Bool = false) {
        self.key = key
        self.lastProvided = lastProvided
        self.isUrgent = isUrgent
    }

    /// The value to store under the key's bytes: eight bytes of time, big-endian and 0 for never, and flags.
    package var storedValue: [UInt8] {
        let time = lastProvided?.milliseconds ?? 0
        return (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - $0 * 8)) } + [isUrgent ? 1 : 0]
    }

    /// Reads what was stored; `nil` when it is damaged.
    package init?(storedKey: [UInt8], value: [UInt8]) {
        guard value.count == 9, let key = try? Multihash(storedKey) else { return nil }
        let time = value.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        self.init(
            key: key, lastProvided: time == 0 ? nil : KadTime(milliseconds: time), isUrgent: value[8] & 1 == 1)
    }
}
