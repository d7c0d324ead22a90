package import Multiformats
package import NIOCore

/// One Bitswap message: wants, answers about blocks, and blocks.
///
/// The same value serves all versions; `BitswapVersion` says which fields reach the wire (see
/// `BitswapEncoding.swift`). Decoding copies no block and is bounded by `Limits`.
/// Source: https://specs.ipfs.tech/bitswap-protocol
package struct BitswapMessage: Hashable, Sendable {
    /// What is accepted from a peer.
    package enum Limits {
        /// The longest message, without its length prefix, in bytes.
        package static let messageBytes = 4 << 20
        /// The most wants, presences and blocks together in one message; four times what a whole
        /// want list of Kubo's size takes, and little enough that empty ones cost no time.
        package static let elements = 32_768
        /// Fields within one element; those of the future included.
        package static let fieldsPerElement = 32
    }

    package enum WantType: UInt8, Hashable, Sendable {
        /// The block itself.
        case block = 0
        /// Only whether the peer has it.
        case have = 1
    }

    /// One line of a want list.
    package struct Entry: Hashable, Sendable {
        package var cid: CID
        /// Higher is sent first.
        package var priority: Int32
        /// The want is taken back; the other fields mean nothing then.
        package var cancel: Bool
        package var type: WantType
        /// The asker wants to be told when the block is not there.
        package var sendDontHave: Bool

        package init(
            cid: CID, priority: Int32 = 1, cancel: Bool = false, type: WantType = .block, sendDontHave: Bool = false
        ) {
            self.cid = cid
            self.priority = priority
            self.cancel = cancel
            self.type = type
            self.sendDontHave = sendDontHave
        }
    }

    /// An answer to a want: whether the sender has the block.
    package struct Presence: Hashable, Sendable {
        package var cid: CID
        package var has: Bool

        package init(cid: CID, has: Bool) {
            self.cid = cid
            self.has = has
        }
    }

    package var entries: [Entry] = []
    /// `entries` replaces everything that the receiver remembers of the sender's wants.
    package var full = false
    package var blocks: [ReceivedBlock] = []
    package var presences: [Presence] = []
    /// Bytes that the sender still has queued for the receiver after this message.
    package var pendingBytes: Int32 = 0
    /// Elements that were left out while decoding: bad, forbidden or too long CIDs, too large blocks.
    package var skipped = 0

    package init() {}
}

/// A block as it comes from the wire: data, and a prefix from which hashing makes its CID.
///
/// Nothing is known about it until `block(hashing:)` was called, which is the expensive part and belongs
/// on a worker.
package struct ReceivedBlock: Hashable, Sendable {
    /// Version, codec, hash function and digest length: a CID without its digest.
    package struct Prefix: Hashable, Sendable {
        package var version: UInt64
        package var codec: Codec
        package var hash: HashCode
        /// `nil` means the function's own length.
        package var digestLength: Int?

        package init(version: UInt64, codec: Codec, hash: HashCode, digestLength: Int?) {
            self.version = version
            self.codec = codec
            self.hash = hash
            self.digestLength = digestLength
        }

        /// What version 1.0 implies.
        package static let v0 = Prefix(version: 0, codec: .dagPB, hash: .sha2_256, digestLength: 32)
    }

    package var prefix: Prefix
    /// A slice of the message.
    package var data: ByteBuffer

    package init(prefix: Prefix, data: ByteBuffer) {
        self.prefix = prefix
        self.data = data
    }

    /// A block to be sent.
    package init(_ block: Block) {
        let hash = block.cid.multihash
        prefix = Prefix(
            version: UInt64(block.cid.version), codec: block.cid.codec, hash: hash.code,
            digestLength: hash.digestLength)
        data = block.data
    }

    /// The block with its CID computed by `hash`, which is `ContentHash.hash`; `nil` when the prefix makes no
    /// CID that is allowed, or names a function that we do not have.
    ///
    /// A digest may be a truncated one, as the CID rules allow (20 bytes at least).
    package func block(hashing hash: (ByteBuffer, HashCode) -> Multihash?) -> Block? {
        guard prefix.hash != .identity, let complete = hash(data, prefix.hash) else { return nil }
        var multihash = complete
        if let length = prefix.digestLength, length != complete.digestLength {
            guard length < complete.digestLength else { return nil }
            multihash = Multihash(code: prefix.hash, digest: Array(complete.digest.prefix(length)))
        }
        guard multihash.isAllowed else { return nil }
        switch prefix.version {
        case 0:
            guard prefix.codec == .dagPB, let cid = CID(v0: multihash) else { return nil }
            return Block(cid: cid, data: data)
        case 1: return Block(cid: CID(codec: prefix.codec, multihash: multihash), data: data)
        default: return nil
        }
    }
}

/// Why bytes are not a Bitswap message. Scope: the stream, which is to be reset.
package enum BitswapError: Error, Hashable, Sendable {
    case messageTooLong(Int)
    case tooManyElements
    case malformed(ProtobufError)
}

// MARK: Decoding

extension BitswapMessage {
    /// Decodes a message of any version; `payload` is without the length prefix.
    ///
    /// Elements that cannot be used are counted in `skipped`, since one peer's odd CID must not cost the
    /// rest of its message. Blocks are slices of `payload`.
    package init(decoding payload: ByteBuffer) throws(BitswapError) {
        guard payload.readableBytes <= Limits.messageBytes else { throw .messageTooLong(payload.readableBytes) }
        do {
            var reader = ProtobufReader(payload, maximumFields: Limits.elements)
            var budget = Limits.elements
            while let field = try reader.next() {
                switch field.number {
                case 1: try readWantList(try field.bytes(), budget: &budget)
                case 2: add(ReceivedBlock(prefix: .v0, data: try field.bytes()))
                case 3: try readBlock(try field.bytes())
                case 4: try readPresence(try field.bytes())
                case 5: pendingBytes = try field.int32()
                default: break
                }
            }
        } catch .tooManyFields {
            throw .tooManyElements
        } catch {
            throw .malformed(error)
        }
    }

    private mutating func readWantList(_ bytes: ByteBuffer, budget: inout Int) throws(ProtobufError) {
        var reader = ProtobufReader(bytes, maximumFields: budget)
        while let field = try reader.next() {
            budget -= 1
            switch field.number {
            case 1: try readEntry(try field.bytes())
            case 2: full = try field.bool()
            default: break
            }
        }
    }

    private mutating func readEntry(_ bytes: ByteBuffer) throws(ProtobufError) {
        var reader = ProtobufReader(bytes, maximumFields: Limits.fieldsPerElement)
        var cid: CID?
        var priority: Int32 = 0
        var cancel = false
        var type = WantType.block
        var sendDontHave = false
        while let field = try reader.next() {
            switch field.number {
            case 1: cid = Self.cid(try field.bytes())
            case 2: priority = try field.int32()
            case 3: cancel = try field.bool()
            // A want type of the future is read as the weakest one, so that no block is pushed for it.
            case 4: type = try field.uint64() == 0 ? .block : .have
            case 5: sendDontHave = try field.bool()
            default: break
            }
        }
        if let cid {
            entries.append(
                Entry(cid: cid, priority: priority, cancel: cancel, type: type, sendDontHave: sendDontHave))
        } else {
            skipped += 1
        }
    }

    private mutating func readPresence(_ bytes: ByteBuffer) throws(ProtobufError) {
        var reader = ProtobufReader(bytes, maximumFields: Limits.fieldsPerElement)
        var cid: CID?
        var has = true
        while let field = try reader.next() {
            switch field.number {
            case 1: cid = Self.cid(try field.bytes())
            case 2: has = try field.uint64() == 0
            default: break
            }
        }
        if let cid { presences.append(Presence(cid: cid, has: has)) } else { skipped += 1 }
    }

    private mutating func readBlock(_ bytes: ByteBuffer) throws(ProtobufError) {
        var reader = ProtobufReader(bytes, maximumFields: Limits.fieldsPerElement)
        var prefix: ReceivedBlock.Prefix?
        var data: ByteBuffer?
        while let field = try reader.next() {
            switch field.number {
            case 1: prefix = ReceivedBlock.Prefix(try field.bytes())
            case 2: data = try field.bytes()
            default: break
            }
        }
        // A block without data is the empty block.
        if let prefix {
            add(ReceivedBlock(prefix: prefix, data: data ?? ByteBuffer()))
        } else {
            skipped += 1
        }
    }

    private mutating func add(_ block: ReceivedBlock) {
        if block.data.readableBytes <= Block.maximumLength { blocks.append(block) } else { skipped += 1 }
    }

    /// The CID, if it is one that a peer may name.
    private static func cid(_ bytes: ByteBuffer) -> CID? {
        guard bytes.readableBytes <= CID.maximumWireLength, let cid = try? CID(bytes) else { return nil }
        return cid.multihash.isAllowed && !cid.isIdentity ? cid : nil
    }
}

extension ReceivedBlock.Prefix {
    /// Reads `varint version, codec, hash, length`; `nil` for anything else, or bytes left over.
    init?(_ bytes: ByteBuffer) {
        var rest = bytes
        guard let version = try? rest.readVarint(), let codec = try? rest.readVarint(),
            let hash = try? rest.readVarint()
        else { return nil }
        self.init(version: version, codec: Codec(rawValue: codec), hash: HashCode(rawValue: hash), digestLength: nil)
        // Some write -1, as ten bytes, for "the function's own length"; others 0.
        if rest.readableBytesView.elementsEqual(Self.minusOne) { return }
        guard let length = try? rest.readVarint(), rest.readableBytes == 0, length <= Multihash.maximumDigestLength
        else { return nil }
        digestLength = length == 0 ? nil : Int(length)
    }

    private static let minusOne: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
}
