package import NIOCore

/// An update as it travels: the bytes of its header, then those of its body unless that was erased.
package struct SyncBlock: Hashable, Sendable {
    /// Header and body.
    package let bytes: ByteBuffer
    /// How many of the bytes are the header.
    package let headerLength: Int

    /// A block whose header has this length, at least 1 and at most all of the bytes.
    package init(bytes: ByteBuffer, headerLength: Int) {
        self.bytes = bytes
        self.headerLength = headerLength
    }

    /// Bytes of both.
    package var size: Int { bytes.readableBytes }

    /// The header alone, which names the update; nothing is copied.
    package var header: ByteBuffer { bytes.getSlice(at: bytes.readerIndex, length: headerLength) ?? ByteBuffer() }
}

extension SyncBlock {
    /// An update for its way to a peer.
    package init(_ update: Update) {
        self.init(bytes: ByteBuffer(bytes: update.block), headerLength: update.headerLength)
    }
}

extension UpdateKey {
    /// The key of an update of the log.
    package init(_ update: Update) { self.init(time: update.time, digest: update.id) }

    /// The `time` in the bytes of a header; `nil` when there is none.
    ///
    /// It looks at nothing else: the log reads all of it when it takes the update in.
    package static func time(ofHeader header: ByteBuffer) -> UInt64? {
        var reader = CBORScan(header)
        guard let (major, entries) = reader.head(), major == 5, entries <= 32 else { return nil }
        for _ in 0..<entries {
            guard let (kind, length) = reader.head(), kind == 3, length <= 64 else { return nil }
            if length == 4, reader.isNext(0x7469_6d65) {
                guard reader.skip(bytes: 4), let (kind, value) = reader.head(), kind == 0 else { return nil }
                return value
            }
            guard reader.skip(bytes: length), reader.skipItem() else { return nil }
        }
        return nil
    }
}

/// Walks over CBOR without reading what it says.
private struct CBORScan {
    private var bytes: ByteBuffer

    init(_ bytes: ByteBuffer) { self.bytes = bytes }

    /// The major type and the argument of the next item.
    mutating func head() -> (major: UInt8, argument: UInt64)? {
        guard let first: UInt8 = bytes.readInteger() else { return nil }
        let argument: UInt64?
        switch first & 0x1f {
        case let small where small < 24: argument = UInt64(small)
        case 24: argument = bytes.readInteger(as: UInt8.self).map(UInt64.init)
        case 25: argument = bytes.readInteger(as: UInt16.self).map(UInt64.init)
        case 26: argument = bytes.readInteger(as: UInt32.self).map(UInt64.init)
        case 27: argument = bytes.readInteger(as: UInt64.self)
        default: argument = nil
        }
        return argument.map { (first >> 5, $0) }
    }

    /// Whether the next four bytes are these.
    func isNext(_ word: UInt32) -> Bool { bytes.getInteger(at: bytes.readerIndex) == word }

    mutating func skip(bytes count: UInt64) -> Bool {
        guard count <= UInt64(bytes.readableBytes) else { return false }
        bytes.moveReaderIndex(forwardBy: Int(count))
        return true
    }

    /// Skips an item and what is in it.
    mutating func skipItem() -> Bool {
        var left: UInt64 = 1
        while left > 0 {
            guard let (major, argument) = head() else { return false }
            left -= 1
            switch major {
            case 2, 3: guard skip(bytes: argument) else { return false }
            case 4, 5:
                // Every item takes a byte: more of them than bytes cannot come.
                guard argument <= UInt64(bytes.readableBytes) else { return false }
                left += major == 4 ? argument : 2 * argument
            case 6: left += 1
            default: break
            }
        }
        return true
    }
}
