/// A peer's name: the multihash of its public key.
///
/// Keys of up to 42 bytes (Ed25519, secp256k1) are inlined by an identity multihash, longer ones
/// (RSA, ECDSA) hashed with SHA-256. `PeerCrypto` derives it from keys.
/// Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
package struct PeerID: Hashable, Sendable {
    package let multihash: Multihash

    /// A PeerID of a multihash that could be one: SHA-256, or identity of at most 42 bytes.
    package init(multihash: Multihash) throws(MultiformatError) {
        switch multihash.code {
        case .sha2_256 where multihash.digestLength == 32: break
        case .identity where (1...42).contains(multihash.digestLength): break
        default: throw .notAPeerID
        }
        self.multihash = multihash
    }

    /// Reads the binary form, which must fill `bytes`.
    package init(_ bytes: [UInt8]) throws(MultiformatError) {
        try self.init(multihash: try Multihash(bytes))
    }

    /// Parses base58 (`12D3KooW...`, `16Uiu2...`, `Qm...`) or a CID of codec libp2p-key in any base.
    package init(_ text: String) throws(MultiformatError) {
        if text.hasPrefix("1") || text.hasPrefix("Qm") {
            try self.init(try Base.base58btc.decode(text))
            return
        }
        let cid = try CID(text)
        guard cid.codec == .libp2pKey else { throw .notAPeerID }
        try self.init(multihash: cid.multihash)
    }

    /// The binary form: the bare multihash.
    package var bytes: [UInt8] { multihash.bytes }

    /// The peer's name as a CID, whose text (`k51...`) is also its IPNS name.
    package var cid: CID { CID(codec: .libp2pKey, multihash: multihash) }

    /// The last eight characters, enough for people to tell peers apart in a log.
    package var short: String { String(description.suffix(8)) }
}

extension PeerID: CustomStringConvertible, Codable {
    /// The base58 form that everyone shows.
    package var description: String { Base.base58btc.encode(bytes) }

    package init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension PeerID: Comparable {
    /// Orders by the binary form, so that sorted lists are the same on every machine.
    package static func < (left: PeerID, right: PeerID) -> Bool {
        let (a, b) = (left.multihash, right.multihash)
        if a.code != b.code { return a.code.rawValue < b.code.rawValue }
        if a.digestLength != b.digestLength { return a.digestLength < b.digestLength }
        return a.digest.lexicographicallyPrecedes(b.digest)
    }
}
