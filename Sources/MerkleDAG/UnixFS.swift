import Multiformats
package import NIOCore

/// The message inside a dag-pb node that makes it a file, a folder, a shard of one, or a symlink.
///
/// Source: https://specs.ipfs.tech/unixfs/
package struct UnixFS: Hashable, Sendable {
    package enum Kind: UInt64, Sendable {
        case raw = 0
        case directory = 1
        case file = 2
        case metadata = 3
        case symlink = 4
        case hamtShard = 5
    }

    /// When the content was last changed, as its publisher says.
    package struct Time: Hashable, Sendable {
        package var seconds: Int64
        /// 0 ..< 1,000,000,000.
        package var nanoseconds: UInt32

        package init(seconds: Int64, nanoseconds: UInt32 = 0) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    package var kind: Kind
    /// A leaf's bytes, a symlink's target, or a shard's bitmap.
    package var data: ByteBuffer?
    /// The bytes of file content at and below this node.
    package var fileSize: UInt64?
    /// The file bytes below each link, in the order of the links.
    package var blockSizes: [UInt64] = []
    package var hashType: UInt64?
    package var fanout: UInt64?
    /// The permission bits (and no file type), as `chmod` takes them.
    package var mode: UInt32?
    package var modified: Time?

    /// The most sizes that are read from one node.
    package static let maximumBlockSizes = DagPB.maximumLinks

    package init(_ kind: Kind, data: ByteBuffer? = nil, fileSize: UInt64? = nil, blockSizes: [UInt64] = []) {
        self.kind = kind
        self.data = data
        self.fileSize = fileSize
        self.blockSizes = blockSizes
    }

    /// Whether the node is a folder, whole or sharded.
    package var isDirectory: Bool { kind == .directory || kind == .hamtShard }
}

// MARK: Reading

extension UnixFS {
    /// Reads the message; unknown fields are skipped, sizes may be packed or not, `data` is a slice.
    package init(_ message: ByteBuffer) throws(DAGFormatError) {
        do { try self.init(protobuf: message) } catch let error as DAGFormatError { throw error } catch {
            throw .protobuf(error as? ProtobufError ?? .invalidTag)
        }
    }

    /// The UnixFS message of `node`, which must have one.
    package init(_ node: DagPB.Node) throws(DAGFormatError) {
        guard let data = node.data else { throw .notA("UnixFS node") }
        try self.init(data)
    }

    private init(protobuf message: ByteBuffer) throws {
        var reader = ProtobufReader(message, maximumFields: UnixFS.maximumBlockSizes + 64)
        var kind: Kind?
        var result = UnixFS(.raw)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                let value = try field.uint64()
                guard let known = Kind(rawValue: value) else { throw DAGFormatError.unknownType(value) }
                kind = known
            case 2: result.data = try field.bytes()
            case 3: result.fileSize = try field.uint64()
            case 4: try result.readSizes(field)
            case 5: result.hashType = try field.uint64()
            case 6: result.fanout = try field.uint64()
            case 7: result.mode = UInt32(truncatingIfNeeded: try field.uint64())
            case 8: result.modified = try Self.readTime(try field.bytes())
            default: break
            }
        }
        guard let kind else { throw DAGFormatError.missingType }
        result.kind = kind
        self = result
    }

    private mutating func readSizes(_ field: ProtobufField) throws {
        switch field.value {
        case .varint(let size):
            guard blockSizes.count < UnixFS.maximumBlockSizes else { throw DAGFormatError.tooManySizes }
            blockSizes.append(size)
        case .bytes(var packed):
            while packed.readableBytes > 0 {
                guard blockSizes.count < UnixFS.maximumBlockSizes else { throw DAGFormatError.tooManySizes }
                blockSizes.append(try Self.readPackedVarint(&packed))
            }
        default: throw ProtobufError.wrongWireType(field: 4)
        }
    }

    private static func readPackedVarint(_ buffer: inout ByteBuffer) throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte: UInt8 = buffer.readInteger() else { throw .truncated }
            value |= UInt64(byte & 0x7f) &<< shift
            if byte & 0x80 == 0 { return value }
        }
        throw .varintTooLong
    }

    private static func readTime(_ message: ByteBuffer) throws -> Time {
        var reader = ProtobufReader(message, maximumFields: 16)
        var time = Time(seconds: 0)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): time.seconds = Int64(bitPattern: value)
            case (2, .fixed32(let value)):
                guard value < 1_000_000_000 else { throw ProtobufError.invalidValue(field: 2) }
                time.nanoseconds = value
            default: break
            }
        }
        return time
    }
}

// MARK: Writing

extension UnixFS {
    /// The message as the network writes it: sizes one by one, absent fields left out, and no empty data in
    /// a file or a folder.
    package func encoded() -> ByteBuffer {
        var writer = ProtobufWriter(capacity: (data?.readableBytes ?? 0) + blockSizes.count * 5 + 32)
        writer.varint(1, kind.rawValue)
        if let data, data.readableBytes > 0 || kind == .symlink { writer.bytes(2, data) }
        if let fileSize { writer.varint(3, fileSize) }
        for size in blockSizes { writer.varint(4, size) }
        if let hashType { writer.varint(5, hashType) }
        if let fanout { writer.varint(6, fanout) }
        if let mode { writer.varint(7, UInt64(mode)) }
        if let modified {
            writer.message(8) {
                $0.varint(1, UInt64(bitPattern: modified.seconds))
                if modified.nanoseconds > 0 { $0.fixed32(2, modified.nanoseconds) }
            }
        }
        return writer.buffer
    }
}
