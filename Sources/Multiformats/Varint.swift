package import NIOCore

/// Why a varint could not be read.
package enum VarintError: Error, Hashable, Sendable {
    /// The bytes end inside the number.
    case truncated
    /// More than nine bytes, or a value above 2^63 - 1.
    case tooLong
    /// A shorter form of the same number exists; multiformats allow only the shortest.
    case notMinimal
}

/// Unsigned LEB128 as the multiformats use it: seven bits a byte, least significant first,
/// at most nine bytes, shortest form only.
///
/// Protobuf allows ten bytes and longer forms; `ProtobufReader` has a reader of its own for that.
/// Source: https://github.com/multiformats/unsigned-varint
package enum Varint {
    /// The longest encoding, in bytes.
    package static let maximumLength = 9

    /// The number of bytes that `value` takes.
    @inlinable
    package static func length(of value: UInt64) -> Int {
        value == 0 ? 1 : (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7
    }

    /// Reads a varint from `bytes` at `index` and moves `index` behind it.
    @inlinable
    package static func read(_ bytes: [UInt8], at index: inout Int) throws(VarintError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var position = index
        while true {
            guard position < bytes.count else { throw .truncated }
            guard shift < 63 else { throw .tooLong }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 { throw .notMinimal }
                index = position
                return value
            }
            shift += 7
        }
    }

    /// `read`, with the error that everything made of varints throws.
    static func number(_ bytes: [UInt8], at index: inout Int) throws(MultiformatError) -> UInt64 {
        do { return try read(bytes, at: &index) } catch { throw .varint(error) }
    }

    /// The encoding of `value`.
    package static func bytes(_ value: UInt64) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(length(of: value))
        append(value, to: &result)
        return result
    }

    /// Appends the encoding of `value` to `bytes`.
    @inlinable
    package static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

extension ByteBuffer {
    /// Reads a varint and moves the reader index behind it; `nil` and no move when more bytes are needed.
    package mutating func readVarint() throws(VarintError) -> UInt64? {
        guard let (value, length) = try peekVarint() else { return nil }
        moveReaderIndex(forwardBy: length)
        return value
    }

    /// The varint at the reader index and its length in bytes; `nil` when more bytes are needed.
    package func peekVarint() throws(VarintError) -> (value: UInt64, length: Int)? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var position = readerIndex
        while true {
            guard shift < 63 else { throw .tooLong }
            guard let byte: UInt8 = getInteger(at: position) else { return nil }
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 { throw .notMinimal }
                return (value, position - readerIndex)
            }
            shift += 7
        }
    }

    /// Appends the varint of `value`; returns the number of bytes written.
    @discardableResult
    package mutating func writeVarint(_ value: UInt64) -> Int {
        // One write for all bytes: each has a price of its own.
        writeWithOutputRawSpan(minimumWritableBytes: 10) { $0.appendVarint(value) }
        return Varint.length(of: value)
    }
}

extension OutputRawSpan {
    /// Appends the varint of `value`; needs room for ten bytes at most.
    @inline(__always)
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}
