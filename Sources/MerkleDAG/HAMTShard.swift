package import Multiformats
import NIOCore

/// One node of a sharded folder: a slot for each value of the next bits of a name's hash, holding an entry
/// or a deeper shard.
///
/// Slots that are filled have a bit in a bitmap and a link, in slot order; a link's name starts with the
/// slot in hex, and an entry's own name follows. Everything is checked when a shard is read, so that a
/// hostile folder can neither make us allocate nor lead us astray.
/// Source: https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory; CVE-2023-23625 for the limits
package struct HAMTShard: Sendable {
    /// What a filled slot holds.
    package enum Slot: Sendable {
        case shard(CID)
        case entry(name: [UInt8], link: DagPB.Link)
    }

    /// The widest shard that is read.
    package static let maximumFanout: UInt64 = 1024

    /// Whether a shard may be so wide: a power of two, whole bitmap bytes, not above the limit.
    package static func isValid(fanout: UInt64) -> Bool {
        fanout >= 8 && fanout <= maximumFanout && fanout & (fanout - 1) == 0
    }

    package let fanout: Int
    /// The filled slots, in slot order.
    package let slots: [Slot]
    /// For each filled slot its number.
    private let numbers: [Int]

    /// Reads a shard from its node. A child must be as wide as its parent.
    package init(_ node: DagPB.Node, _ message: UnixFS, expectedFanout: Int? = nil) throws(DAGFormatError) {
        guard message.kind == .hamtShard else { throw .notA("sharded folder") }
        guard message.hashType == HashCode.murmur3_x64_64.rawValue else {
            throw .unsupportedHAMTHash(message.hashType)
        }
        guard let width = message.fanout, HAMTShard.isValid(fanout: width) else {
            throw .invalidFanout(message.fanout)
        }
        fanout = Int(width)
        guard expectedFanout == nil || expectedFanout == fanout else { throw .invalidFanout(width) }
        numbers = try Self.setBits(message.data ?? ByteBuffer(), fanout: fanout)
        guard numbers.count == node.links.count else { throw .invalidBitfield }
        let digits = HAMTShard.prefixLength(fanout: fanout)
        var slots: [Slot] = []
        slots.reserveCapacity(numbers.count)
        for (number, link) in zip(numbers, node.links) {
            guard let name = link.name, name.count >= digits,
                HAMTShard.prefix(number, length: digits).elementsEqual(name[0..<digits])
            else { throw .invalidShardLink }
            slots.append(
                name.count == digits ? .shard(link.cid) : .entry(name: Array(name[digits...]), link: link))
        }
        self.slots = slots
    }

    /// What the slot for `hash` at `depth` holds; `nil` when it is empty.
    package func slot(for hash: UInt64, depth: Int) throws(DAGFormatError) -> Slot? {
        guard let number = HAMTShard.slotNumber(of: hash, depth: depth, fanout: fanout) else { throw .hamtTooDeep }
        guard let index = numbers.firstIndex(of: number) else { return nil }
        return slots[index]
    }

    /// The numbers of the bits that are set in a big-endian bitmap whose leading zero bytes were left out.
    private static func setBits(_ bitmap: ByteBuffer, fanout: Int) throws(DAGFormatError) -> [Int] {
        let bytes = bitmap.readableBytesView
        guard bytes.count <= fanout / 8 else { throw .invalidBitfield }
        var result: [Int] = []
        for (index, byte) in bytes.reversed().enumerated() where byte != 0 {
            for bit in 0..<8 where byte & 1 << bit != 0 { result.append(index * 8 + bit) }
        }
        return result
    }
}

// MARK: The arithmetic that reader and writer share

extension HAMTShard {
    /// The hash whose bits, from the top, choose the slots on the way to `name`.
    package static func hash(of name: [UInt8]) -> UInt64 { Murmur3.hash64(name) }

    /// The slot of `hash` in a shard at `depth`; `nil` when its 64 bits are used up.
    static func slotNumber(of hash: UInt64, depth: Int, fanout: Int) -> Int? {
        let bits = fanout.trailingZeroBitCount
        guard (depth + 1) * bits <= 64 else { return nil }
        return Int(hash >> UInt64(64 - (depth + 1) * bits) & UInt64(fanout - 1))
    }

    /// The hex digits that a slot's number takes in link names.
    static func prefixLength(fanout: Int) -> Int { String(fanout - 1, radix: 16).utf8.count }

    /// A slot's number in upper-case hex.
    static func prefix(_ number: Int, length: Int) -> [UInt8] {
        let digits = Array(String(number, radix: 16, uppercase: true).utf8)
        return [UInt8](repeating: UInt8(ascii: "0"), count: length - digits.count) + digits
    }
}
