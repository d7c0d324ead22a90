package import Multiformats
package import NIOCore

/// The dag-pb format: a node has links to other blocks and some bytes of its own.
///
/// The bytes decide the CID, so the encoder writes exactly what the network writes and the decoder keeps
/// what makes a difference: whether `data`, a name or a size is absent or only empty.
/// Source: https://ipld.io/specs/codecs/dag-pb/spec
package enum DagPB {
    /// A named pointer to another block.
    package struct Link: Hashable, Sendable {
        package var cid: CID
        /// Raw bytes, UTF-8 by custom; names are compared as bytes, never as text.
        package var name: [UInt8]?
        /// The bytes that everything below this link takes, as its writer counted them. A hint, not a fact.
        package var tsize: UInt64?

        package init(cid: CID, name: [UInt8]?, tsize: UInt64?) {
            self.cid = cid
            self.name = name
            self.tsize = tsize
        }

        /// The name for people; bytes that are not UTF-8 are shown as replacement characters.
        package var nameText: String { String(decoding: name ?? [], as: UTF8.self) }
    }

    /// A node: what one dag-pb block says.
    package struct Node: Hashable, Sendable {
        package var links: [Link]
        package var data: ByteBuffer?

        package init(links: [Link] = [], data: ByteBuffer? = nil) {
            self.links = links
            self.data = data
        }
    }

    /// The most links that are read from one node; a 2 MiB block has no room for more with 32-byte digests.
    package static let maximumLinks = 65_536
}

/// Why bytes are not the dag-pb, UnixFS or HAMT node that they should be. Scope: the block.
package enum DAGFormatError: Error, Hashable, Sendable {
    case protobuf(ProtobufError)
    case blockTooLong(Int)
    case tooManyLinks
    case unknownField(Int)
    case repeatedField(Int)
    case fieldOrder(Int)
    case missingHash
    case unsortedLinks
    case invalidCID(MultiformatError)
    case missingType
    case unknownType(UInt64)
    case tooManySizes
    case sizeMismatch
    case namedFileLink
    case unsupportedHAMTHash(UInt64?)
    case invalidFanout(UInt64?)
    case invalidBitfield
    case invalidShardLink
    case hamtTooDeep
    case notA(String)
}

extension DAGFormatError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .protobuf(let error): "the node is not valid protobuf (\(error))"
        case .blockTooLong(let length): "the block has \(length) bytes, more than \(Block.maximumLength)"
        case .tooManyLinks: "the node has too many links"
        case .unknownField(let field): "field \(field) does not belong in the node"
        case .repeatedField(let field): "field \(field) comes twice"
        case .fieldOrder(let field): "field \(field) comes out of order"
        case .missingHash: "a link names no block"
        case .unsortedLinks: "the links are not in the order of their names"
        case .invalidCID(let error): "a link's CID is not valid: \(error)"
        case .missingType: "the node does not say what it is"
        case .unknownType(let type): "UnixFS type \(type) is unknown"
        case .tooManySizes: "the file node lists too many sizes"
        case .sizeMismatch: "the file's parts do not have the sizes that the node says"
        case .namedFileLink: "a part of a file has a name"
        case .unsupportedHAMTHash(let code):
            "the sharded folder uses an unknown hash (\(code.map(String.init) ?? "none"))"
        case .invalidFanout(let fanout): "the sharded folder has a width of \(fanout.map(String.init) ?? "nothing")"
        case .invalidBitfield: "the sharded folder's bitmap does not fit its links"
        case .invalidShardLink: "a sharded folder's link has a wrong prefix"
        case .hamtTooDeep: "the sharded folder is deeper than its hash"
        case .notA(let what): "the node is not a \(what)"
        }
    }
}

// MARK: Reading

extension DagPB.Node {
    /// Reads a node strictly: links and data in one of the two block orders that exist, a link's fields in
    /// order, nothing unknown, nothing twice. `data` is a slice of `block`.
    package init(_ block: ByteBuffer) throws(DAGFormatError) {
        guard block.readableBytes <= Block.maximumLength else { throw .blockTooLong(block.readableBytes) }
        self.init()
        var reader = ProtobufReader(block, maximumFields: DagPB.maximumLinks + 1)
        var linksEnded = false
        while let field = try Self.next(&reader) {
            switch field.number {
            case 1:
                guard data == nil else { throw .repeatedField(1) }
                data = try Self.bytes(field)
                linksEnded = !links.isEmpty
            case 2:
                guard !linksEnded else { throw .fieldOrder(2) }
                guard links.count < DagPB.maximumLinks else { throw .tooManyLinks }
                links.append(try DagPB.Link(try Self.bytes(field)))
            default: throw .unknownField(field.number)
            }
        }
    }

    fileprivate static func next(_ reader: inout ProtobufReader) throws(DAGFormatError) -> ProtobufField? {
        do { return try reader.next() } catch { throw .protobuf(error) }
    }

    fileprivate static func bytes(_ field: ProtobufField) throws(DAGFormatError) -> ByteBuffer {
        do { return try field.bytes() } catch { throw .protobuf(error) }
    }
}

extension DagPB.Link {
    fileprivate init(_ bytes: ByteBuffer) throws(DAGFormatError) {
        var reader = ProtobufReader(bytes, maximumFields: 4)
        var cid: CID?
        var name: [UInt8]?
        var tsize: UInt64?
        while let field = try DagPB.Node.next(&reader) {
            switch field.number {
            case 1:
                guard cid == nil else { throw .repeatedField(1) }
                guard name == nil, tsize == nil else { throw .fieldOrder(1) }
                cid = try CID(linkBytes: try DagPB.Node.bytes(field))
            case 2:
                guard name == nil else { throw .repeatedField(2) }
                guard tsize == nil else { throw .fieldOrder(2) }
                name = Array(try DagPB.Node.bytes(field).readableBytesView)
            case 3:
                guard tsize == nil else { throw .repeatedField(3) }
                do { tsize = try field.uint64() } catch { throw .protobuf(error) }
            default: throw .unknownField(field.number)
            }
        }
        guard let cid else { throw .missingHash }
        self.init(cid: cid, name: name, tsize: tsize)
    }
}

extension CID {
    /// Reads a CID that fills `buffer`; the two usual forms without an array in between.
    init(linkBytes buffer: ByteBuffer) throws(DAGFormatError) {
        var rest = buffer
        if rest.readableBytes == 36,
            let head = rest.readInteger(as: UInt32.self), head & 0xff80_ffff == 0x0100_1220,
            let words = rest.readMultipleIntegers(as: (UInt64, UInt64, UInt64, UInt64).self)
        {
            self.init(codec: Codec(rawValue: UInt64(head >> 16 & 0x7f)), multihash: Multihash(sha256: words))
            return
        }
        do { self = try CID(buffer) } catch { throw .invalidCID(error) }
    }
}

// MARK: Writing

extension DagPB.Link {
    /// The length of the link's message, without the tag and length in front of it.
    var messageLength: Int {
        let cidLength = cid.byteCount
        var length = 1 + Varint.length(of: UInt64(cidLength)) + cidLength
        if let name { length += 1 + Varint.length(of: UInt64(name.count)) + name.count }
        if let tsize { length += 1 + Varint.length(of: tsize) }
        return length
    }

    /// What the link adds to its node's block, in bytes.
    package var encodedLength: Int {
        let length = messageLength
        return 1 + Varint.length(of: UInt64(length)) + length
    }

    fileprivate func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(0x12))
        buffer.writeVarint(UInt64(messageLength))
        buffer.writeInteger(UInt8(0x0a))
        buffer.writeVarint(UInt64(cid.byteCount))
        buffer.writeCID(cid)
        if let name {
            buffer.writeInteger(UInt8(0x12))
            buffer.writeVarint(UInt64(name.count))
            buffer.writeBytes(name)
        }
        if let tsize {
            buffer.writeInteger(UInt8(0x18))
            buffer.writeVarint(tsize)
        }
    }
}

extension DagPB.Node {
    /// The node's block: all links, sorted by name (those of one name stay in order), then the data.
    package func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(links.reduce((data?.readableBytes ?? 0) + 16) { $0 + $1.encodedLength })
        for link in sortedLinks { link.write(to: &buffer) }
        if let data {
            buffer.writeInteger(UInt8(0x0a))
            buffer.writeVarint(UInt64(data.readableBytes))
            buffer.writeImmutableBuffer(data)
        }
        return buffer
    }

    private var sortedLinks: [DagPB.Link] {
        func precedes(_ left: DagPB.Link, _ right: DagPB.Link) -> Bool {
            (left.name ?? []).lexicographicallyPrecedes(right.name ?? [])
        }
        let isSorted = zip(links, links.dropFirst()).allSatisfy { !precedes($1, $0) }
        return isSorted ? links : links.sorted(by: precedes)  // the library's sort is stable
    }

    /// The size of everything that the node leads to, given its own block's length.
    ///
    /// Returns `nil` when the links' claims do not fit into 64 bits.
    package func cumulativeSize(blockLength: Int) -> UInt64? {
        var total = UInt64(blockLength)
        for link in links {
            let (sum, overflow) = total.addingReportingOverflow(link.tsize ?? 0)
            if overflow { return nil }
            total = sum
        }
        return total
    }
}
