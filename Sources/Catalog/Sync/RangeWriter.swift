import Multiformats
import NIOCore

/// Writes the ranges of one message in order, in as many frames as they need.
///
/// What lies between the ranges is skipped by itself.
struct RangeWriter {
    /// Frames that are full, without the last one.
    private(set) var frames: [ByteBuffer] = []
    /// Fingerprints and lists: whether the peer has something to answer.
    private(set) var isOpen = false
    /// Ranges and ids written.
    private(set) var ranges = 0
    private(set) var ids = 0
    private var payload = ByteBuffer()
    private var cursor = UpdateKey.first

    /// Bytes that a range takes at most, without its ids, and an id.
    private static let rangeRoom = 2 * (1 + Varint.maximumLength + 32) + 10
    private static let idRoom = Varint.maximumLength + ShortID.digestLength

    mutating func fingerprint(_ lower: UpdateKey, _ upper: UpdateKey, _ value: UInt64) {
        begin(.fingerprint, lower, upper, ids: 0)
        payload.writeInteger(value)
        isOpen = true
    }

    /// All that this node has in the range.
    mutating func list(_ lower: UpdateKey, _ upper: UpdateKey, _ keys: [UpdateKey]) {
        // Keys that only differ behind what is sent are one for the peer.
        let items = keys.indices.filter { $0 == 0 || ShortID(keys[$0]) != ShortID(keys[$0 - 1]) }
            .map { ShortID(keys[$0]) }
        write(items, .list, lower, upper)
        isOpen = true
    }

    /// What this node lacks of a list of the range.
    mutating func want(_ lower: UpdateKey, _ upper: UpdateKey, _ items: [ShortID]) {
        write(items, .want, lower, upper)
    }

    private mutating func write(_ items: [ShortID], _ mode: RangeMode, _ lower: UpdateKey, _ upper: UpdateKey) {
        begin(mode, lower, upper, ids: items.count)
        payload.writeVarint(UInt64(items.count))
        var time = lower.time
        for item in items {
            item.write(to: &payload, after: time)
            time = item.time
        }
        ids += items.count
    }

    /// All frames of the message, lengths included.
    mutating func finish() -> [ByteBuffer] {
        frames.append(SyncFrame.lastRanges.bytes(payload))
        return frames
    }

    private mutating func begin(_ mode: RangeMode, _ lower: UpdateKey, _ upper: UpdateKey, ids: Int) {
        let room = RangeWriter.rangeRoom + ids * RangeWriter.idRoom
        if payload.readableBytes + room >= SyncLimits.frameLength {
            frames.append(SyncFrame.ranges.bytes(payload))
            payload = ByteBuffer()
        }
        if cursor < lower { write(.skip, lower) }
        write(mode, upper)
    }

    private mutating func write(_ mode: RangeMode, _ bound: UpdateKey) {
        ranges += 1
        let isEnd = bound >= .end
        let length = isEnd ? 0 : bound.digest.significantBytes
        payload.writeInteger(mode.rawValue << 6 | UInt8(length))
        payload.writeVarint(isEnd ? 0 : bound.time &- cursor.time &+ 1)
        var left = length
        for word in [bound.digest.word0, bound.digest.word1, bound.digest.word2, bound.digest.word3] where left > 0 {
            for shift in stride(from: 56, through: 64 - 8 * min(8, left), by: -8) {
                payload.writeInteger(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
            left -= 8
        }
        cursor = bound
    }
}

/// What is said of a range.
enum RangeMode: UInt8 {
    case skip = 0
    case fingerprint = 1
    case list = 2
    case want = 3
}

/// Reads the ranges of one message, frame by frame.
struct RangeReader {
    /// Where the last range ended.
    private(set) var cursor = UpdateKey.first

    /// Reads the mode and the bound of the next range; what follows stays in `payload`.
    mutating func next(_ payload: inout ByteBuffer) throws(SyncFault) -> (
        mode: RangeMode, lower: UpdateKey, upper: UpdateKey
    ) {
        let lower = cursor
        guard let first: UInt8 = payload.readInteger(), let mode = RangeMode(rawValue: first >> 6) else {
            throw .malformed
        }
        let length = Int(first & 0x3f)
        let step = try payload.syncNumber()
        var upper = UpdateKey.end
        if step > 0 {
            let (time, over) = lower.time.addingReportingOverflow(step - 1)
            guard lower < .end, !over, time <= UpdateKey.latestTime else { throw .disorder }
            upper = UpdateKey(time: time, digest: try RangeReader.digest(&payload, length))
        } else if length > 0 {
            throw .malformed
        }
        guard lower < upper else { throw .disorder }
        cursor = upper
        return (mode, lower, upper)
    }

    private static func digest(_ payload: inout ByteBuffer, _ length: Int) throws(SyncFault) -> Digest32 {
        guard length <= 32, payload.readableBytes >= length else { throw .malformed }
        if length == 0 { return .zero }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for index in 0..<length {
            let byte = UInt64(payload.readInteger(as: UInt8.self) ?? 0) << UInt64(56 - 8 * (index % 8))
            switch index / 8 {
            case 0: words.0 |= byte
            case 1: words.1 |= byte
            case 2: words.2 |= byte
            default: words.3 |= byte
            }
        }
        return Digest32(words: words)
    }

    /// Reads the ids of a list or a want that lie in the range, in order.
    static func ids(
        _ payload: inout ByteBuffer, _ lower: UpdateKey, _ upper: UpdateKey
    ) throws(SyncFault) -> [ShortID] {
        let count = try payload.syncNumber()
        guard count <= UInt64(SyncLimits.listCapacity),
            payload.readableBytes >= Int(count) * (1 + ShortID.digestLength)
        else { throw .malformed }
        var ids: [ShortID] = []
        ids.reserveCapacity(Int(count))
        var time = lower.time
        for _ in 0..<count {
            let id = try ShortID(reading: &payload, after: time)
            if let last = ids.last, id.lowest <= last.lowest { throw .disorder }
            // An id is a key cut short: the first may look as if it lay before the bound.
            guard id.lowest < upper, id.time > lower.time || id.isAtLeast(lower) else { throw .disorder }
            time = id.time
            ids.append(id)
        }
        return ids
    }
}
