/// Reads numbers and runs from bytes that a stranger wrote: what is not there is `nil`, and nothing is read
/// twice or skipped over after that.
struct ByteCursor {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var count: Int { rest.count }
    var isAtEnd: Bool { rest.isEmpty }

    mutating func byte() -> UInt8? { rest.popFirst() }

    mutating func take(_ length: Int) -> ArraySlice<UInt8>? {
        guard length >= 0, length <= rest.count else { return nil }
        let taken = rest.prefix(length)
        rest = rest.dropFirst(length)
        return taken
    }

    mutating func skip(_ length: Int) -> Bool { take(length) != nil }

    /// The bytes up to the next zero byte, which is consumed and left out.
    mutating func untilZero() -> ArraySlice<UInt8>? {
        guard let end = rest.firstIndex(of: 0) else { return nil }
        let taken = rest[..<end]
        rest = rest[(end + 1)...]
        return taken
    }

    mutating func big16() -> Int? { take(2).map { $0.big } }
    mutating func big24() -> Int? { take(3).map { $0.big } }
    mutating func big32() -> Int? { take(4).map { $0.big } }
    mutating func little16() -> Int? { take(2).map { $0.little } }
    mutating func little32() -> Int? { take(4).map { $0.little } }
}

extension Collection<UInt8> {
    /// Up to seven bytes as a number, the greatest first.
    var big: Int { reduce(0) { $0 << 8 | Int($1) } }

    /// Up to seven bytes as a number, the least first.
    var little: Int { self.enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) } }
}

extension RandomAccessCollection<UInt8> where Index == Int {
    /// Whether the ASCII `text` stands `offset` bytes from the start.
    func holds(_ text: StaticString, at offset: Int = 0) -> Bool {
        let length = text.utf8CodeUnitCount
        guard offset >= 0, length <= count - offset else { return false }
        let start = startIndex + offset
        return text.withUTF8Buffer { unsafe $0.elementsEqual(self[start..<start + length]) }
    }
}

/// A table of the 8-bit steps of CRC-32 as Ogg has it: polynomial 0x04c11db7, no reflection, no inversion
/// (RFC 3533, section 6).
enum OggCRC {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index) << 24) { value, _ in
            value & 0x8000_0000 != 0 ? value << 1 ^ 0x04c1_1db7 : value << 1
        }
    }

    static func update(_ value: UInt32, _ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(value) { $0 << 8 ^ table[Int(UInt8(truncatingIfNeeded: $0 >> 24) ^ $1)] }
    }
}
