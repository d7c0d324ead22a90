/// When an update was made and which it is: the order in which updates overwrite each other.
///
/// A later `time` wins, and of two with one time the greater header digest, so that every node picks the same
/// winner whatever came first. An ancestor always loses, since `time` grows along a log.
package struct Stamp: Hashable, Sendable, Comparable {
    /// Milliseconds since 1970, as the update's header says.
    package let time: UInt64
    package let id: UpdateID

    /// The length of the binary form.
    static let byteCount = 40

    package init(time: UInt64, id: UpdateID) {
        self.time = time
        self.id = id
    }

    /// Reads the binary form at `start`; `nil` when the bytes end before.
    init?(_ bytes: [UInt8], at start: Int = 0) {
        guard start >= 0, start <= bytes.count - Stamp.byteCount, let id = UpdateID(bytes, at: start + 8) else {
            return nil
        }
        time = bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
        self.id = id
    }

    /// Appends the binary form, which sorts as the stamps do: the time, big-endian, and the digest.
    func append(to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: time >> shift)) }
        id.append(to: &bytes)
    }

    /// The binary form.
    var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(Stamp.byteCount)
        append(to: &result)
        return result
    }

    package static func < (left: Stamp, right: Stamp) -> Bool {
        left.time == right.time ? left.id < right.id : left.time < right.time
    }
}
