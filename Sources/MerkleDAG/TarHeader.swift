import NIOCore

/// The fixed block in front of everything in a tar stream.
///
/// Source: POSIX.1-2017, pax interchange format; GNU tar's long names are read, too
enum TarHeader {
    static let blockLength = 512

    enum Kind: UInt8 {
        case file = 0x30
        case symlink = 0x32
        case folder = 0x35
        case extended = 0x78
        case globalExtended = 0x67
        case gnuLongName = 0x4c
        case gnuLongLink = 0x4b
    }

    /// Where the fields are.
    static let name = 0..<100
    static let mode = 100..<108
    static let size = 124..<136
    static let modified = 136..<148
    static let checksum = 148..<156
    static let kind = 156
    static let link = 157..<257
    static let magic = 257..<263
    static let prefix = 345..<500

    /// The largest number that 11 octal digits hold: sizes above it need an extended header.
    static let largestOctal: UInt64 = 0o777_7777_7777

    /// A header block. `name` and `link` must fit their fields; longer ones go into an extended header.
    static func block(
        name: [UInt8], kind: Kind, size: UInt64, mode: UInt32, modified: UInt64, link: [UInt8] = []
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockLength)
        func put(_ bytes: some Collection<UInt8>, _ field: Range<Int>) {
            for (index, byte) in zip(field, bytes) { block[index] = byte }
        }
        put(name, self.name)
        put(octal(UInt64(mode & 0o7777), 7), self.mode)
        put(octal(0, 7), 108..<116)
        put(octal(0, 7), 116..<124)
        put(octal(min(size, largestOctal), 11), self.size)
        put(octal(min(modified, largestOctal), 11), self.modified)
        block[self.kind] = kind.rawValue
        put(link, self.link)
        put(Array("ustar".utf8) + [0] + Array("00".utf8), 257..<265)
        put(octal(UInt64(sum(block)), 6) + [0, 0x20], checksum)
        return block
    }

    /// The sum of the block's bytes, the checksum's own counted as spaces.
    static func sum(_ block: [UInt8]) -> Int {
        var total = 0
        for (index, byte) in block.enumerated() { total += checksum.contains(index) ? 0x20 : Int(byte) }
        return total
    }

    private static func octal(_ value: UInt64, _ digits: Int) -> [UInt8] {
        let text = String(value, radix: 8)
        return Array((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8)
    }

    /// A number field: octal digits between spaces and zeros, or GNU's big-endian form with the top bit set.
    static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
        if let first = field.first, first & 0x80 != 0 {
            guard first == 0x80 else { return nil }
            var value: UInt64 = 0
            for byte in field.dropFirst() {
                guard value >> 55 == 0 else { return nil }
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0x20 && $0 != 0 }
        var value: UInt64 = 0
        for digit in digits {
            guard (0x30...0x37).contains(digit), value >> 60 == 0 else { return nil }
            value = value << 3 | UInt64(digit - 0x30)
        }
        return value
    }

    /// A text field: up to its first zero byte.
    static func text(_ field: ArraySlice<UInt8>) -> [UInt8] { Array(field.prefix { $0 != 0 }) }

    /// The zero bytes that fill the last block of `length` bytes.
    static func padding(after length: UInt64) -> Int { Int((512 - length % 512) % 512) }
}
