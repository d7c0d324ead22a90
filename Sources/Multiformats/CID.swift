package import NIOCore

/// The number that says how a block's bytes are to be read.
package struct Codec: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let raw = Codec(rawValue: 0x55)
    package static let dagPB = Codec(rawValue: 0x70)
    package static let dagCBOR = Codec(rawValue: 0x71)
    package static let libp2pKey = Codec(rawValue: 0x72)
    package static let cbor = Codec(rawValue: 0x51)
    package static let dagJSON = Codec(rawValue: 0x0129)
    package static let json = Codec(rawValue: 0x0200)
    package static let dagJOSE = Codec(rawValue: 0x85)

    /// The name in the multicodec table, or the number in hex.
    package var name: String {
        switch self {
        case .raw: "raw"
        case .dagPB: "dag-pb"
        case .dagCBOR: "dag-cbor"
        case .libp2pKey: "libp2p-key"
        case .cbor: "cbor"
        case .dagJSON: "dag-json"
        case .json: "json"
        case .dagJOSE: "dag-jose"
        default: "0x" + String(rawValue, radix: 16)
        }
    }

    /// The codec of that name or `0x` number; `nil` when there is none.
    package init?(name: String) {
        let known: [Codec] = [.raw, .dagPB, .dagCBOR, .libp2pKey, .cbor, .dagJSON, .json, .dagJOSE]
        if let match = known.first(where: { $0.name == name }) {
            self = match
        } else if name.hasPrefix("0x"), let value = UInt64(name.dropFirst(2), radix: 16) {
            self.init(rawValue: value)
        } else {
            return nil
        }
    }
}

/// A content identifier: the hash of some bytes and how to read them.
///
/// Version 0 is a bare SHA-256 multihash of a dag-pb block (`Qm...`); version 1 names its codec
/// (`bafy...`). Two CIDs with one multihash name the same block; stores therefore use the multihash.
/// Source: https://github.com/multiformats/cid
package struct CID: Hashable, Sendable {
    /// The longest binary form that is accepted from a peer, in bytes.
    package static let maximumWireLength = 168

    /// 0 or 1.
    package let version: UInt8
    package let codec: Codec
    package let multihash: Multihash

    /// A version 1 CID.
    @inlinable
    package init(codec: Codec, multihash: Multihash) {
        version = 1
        self.codec = codec
        self.multihash = multihash
    }

    /// A version 0 CID; `nil` unless `multihash` is a full SHA-256.
    package init?(v0 multihash: Multihash) {
        guard multihash.code == .sha2_256, multihash.digestLength == 32 else { return nil }
        version = 0
        codec = .dagPB
        self.multihash = multihash
    }

    /// Reads a CID from `bytes` at `index` and moves `index` behind it.
    package init(reading bytes: [UInt8], at index: inout Int) throws(MultiformatError) {
        if index + 2 <= bytes.count, bytes[index] == 0x12, bytes[index + 1] == 0x20 {
            let hash = try Multihash(reading: bytes, at: &index)
            guard let cid = CID(v0: hash) else { throw .invalidLength }
            self = cid
            return
        }
        var position = index
        let version = try Varint.number(bytes, at: &position)
        guard version == 1 else { throw .unknownVersion(version) }
        let codec = Codec(rawValue: try Varint.number(bytes, at: &position))
        let hash = try Multihash(reading: bytes, at: &position)
        self.init(codec: codec, multihash: hash)
        index = position
    }

    /// Reads a CID that must fill `bytes`.
    package init(_ bytes: [UInt8]) throws(MultiformatError) {
        var index = 0
        try self.init(reading: bytes, at: &index)
        guard index == bytes.count else { throw .trailingBytes }
    }

    /// Reads a CID that must fill `buffer`'s readable bytes.
    package init(_ buffer: ByteBuffer) throws(MultiformatError) {
        try self.init(Array(buffer.readableBytesView))
    }

    /// Parses the text form: 46 characters of base58 (version 0), or a multibase string (version 1).
    ///
    /// Errors: a version 0 CID behind a multibase prefix, unknown bases and versions, bytes left over.
    package init(_ text: String) throws(MultiformatError) {
        if text.utf8.count == 46, text.hasPrefix("Qm") {
            try self.init(try Base.base58btc.decode(text))
            return
        }
        guard text.utf8.count >= 2 else { throw .invalidLength }
        let bytes = try Multibase.decode(text).bytes
        guard bytes.first != 0x12 else { throw .unknownVersion(0x12) }
        try self.init(bytes)
    }

    /// The same content as a version 1 CID.
    package var v1: CID { version == 1 ? self : CID(codec: codec, multihash: multihash) }

    /// The same content as a version 0 CID, where that exists (dag-pb and SHA-256).
    package var v0: CID? { codec == .dagPB ? CID(v0: multihash) : nil }

    /// The binary form.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(40)
        append(to: &result)
        return result
    }

    /// Appends the binary form to `bytes`.
    package func append(to bytes: inout [UInt8]) {
        if version == 1 {
            bytes.append(1)
            Varint.append(codec.rawValue, to: &bytes)
        }
        multihash.append(to: &bytes)
    }

    /// The length of the binary form.
    @inlinable
    package var byteCount: Int {
        let hash =
            Varint.length(of: multihash.code.rawValue) + Varint.length(of: UInt64(multihash.digestLength))
            + multihash.digestLength
        return version == 0 ? hash : 1 + Varint.length(of: codec.rawValue) + hash
    }

    /// What Bitswap sends instead of the CID beside a block: everything but the digest.
    package var prefix: [UInt8] {
        var result: [UInt8] = []
        Varint.append(UInt64(version), to: &result)
        Varint.append(codec.rawValue, to: &result)
        Varint.append(multihash.code.rawValue, to: &result)
        Varint.append(UInt64(multihash.digestLength), to: &result)
        return result
    }

    /// The text form in `base`; version 0 has only its own.
    package func text(in base: Base) -> String {
        version == 0 ? Base.base58btc.encode(bytes) : Multibase.encode(bytes, as: base)
    }

    /// Whether the CID's bytes are its content, so that no block is ever stored or sent for it.
    @inlinable package var isIdentity: Bool { multihash.code == .identity }
}

extension CID: CustomStringConvertible, Codable {
    /// base58 for version 0, base36 for keys, base32 for the rest.
    package var description: String { text(in: codec == .libp2pKey ? .base36 : .base32) }

    package init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension ByteBuffer {
    /// Appends the binary form of `cid`; allocates nothing for 32-byte digests.
    package mutating func writeCID(_ cid: CID) {
        if cid.version == 1 {
            writeWithOutputRawSpan(minimumWritableBytes: 20) { span in
                span.append(1)
                span.appendVarint(cid.codec.rawValue)
            }
        }
        writeMultihash(cid.multihash)
    }
}
