/// One protobuf field found in a frame: its number, and its value or where that lies.
struct WireField {
    let number: UInt64
    let wireType: UInt8
    /// The value of a varint.
    let value: UInt64
    /// Where the bytes of a length-delimited field lie.
    let range: Range<Int>

    /// Where the bytes of a field lie that must be length-delimited.
    func bytes() throws(GossipRPCError) -> Range<Int> {
        guard wireType == 2 else { throw .malformed }
        return range
    }

    /// The value of a field that must be a varint.
    func varint() throws(GossipRPCError) -> UInt64 {
        guard wireType == 0 else { throw .malformed }
        return value
    }
}

/// Walks the fields of one message in a frame, by position alone: nothing is sliced, copied or retained.
///
/// The protobuf reader of the other protocols hands out a slice for every field. Here most frames are one small
/// message after another for which positions are enough. Every field, at whatever depth, is paid for out of one
/// budget for the frame, so that a frame of a million empty fields ends early.
struct WireScanner {
    private var position: Int
    private let end: Int

    init(_ range: Range<Int>) {
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or nil at the end.
    mutating func next(_ bytes: Span<UInt8>, budget: inout Int) throws(GossipRPCError) -> WireField? {
        guard position < end else { return nil }
        budget -= 1
        guard budget >= 0 else { throw .tooManyElements }
        let tag = try varint(bytes)
        let number = tag >> 3
        guard number > 0, number < 1 << 29 else { throw .malformed }
        let wireType = UInt8(tag & 7)
        switch wireType {
        case 0: return WireField(number: number, wireType: 0, value: try varint(bytes), range: 0..<0)
        case 1: try skip(8)
        case 2:
            let length = try varint(bytes)
            guard length <= UInt64(end - position) else { throw .malformed }
            let start = position
            position += Int(length)
            return WireField(number: number, wireType: 2, value: 0, range: start..<position)
        case 5: try skip(4)
        default: throw .malformed
        }
        return WireField(number: number, wireType: wireType, value: 0, range: 0..<0)
    }

    private mutating func skip(_ count: Int) throws(GossipRPCError) {
        guard end - position >= count else { throw .malformed }
        position += count
    }

    private mutating func varint(_ bytes: Span<UInt8>) throws(GossipRPCError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 70 {
            guard position < end else { throw .malformed }
            let byte = bytes[position]
            position += 1
            // The tenth byte has room for one bit; protobuf readers drop what is above it.
            value |= UInt64(byte & 0x7f) &<< shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        throw .malformed
    }
}
