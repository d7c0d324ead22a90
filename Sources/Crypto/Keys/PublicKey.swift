package import Multiformats
import NIOCore

/// A peer's identity key: what its PeerID is made from and its signatures are checked with.
///
/// Ed25519, RSA of 2048 to 8192 bits and ECDSA on P-256 verify; secp256k1 keys are read, so that their
/// PeerID is known, and nothing more. `data` is in libp2p's form: 32 bytes for Ed25519, 33 for secp256k1,
/// PKIX DER for the others. Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
package struct PublicKey: Hashable, Sendable {
    /// The longest protobuf form that is read, in bytes: RSA of 8192 bits takes 1,062.
    package static let maximumLength = 2048

    package let kind: KeyKind
    package let data: [UInt8]

    /// A key whose `data` has a length that its kind can have.
    package init(kind: KeyKind, data: [UInt8]) throws(KeyError) {
        let fits =
            switch kind {
            case .ed25519: data.count == 32
            case .secp256k1: data.count == 33
            case .rsa, .ecdsa: !data.isEmpty && data.count <= Self.maximumLength
            }
        guard fits else { throw .wrongLength(kind, bytes: data.count) }
        self.kind = kind
        self.data = data
    }

    /// The Ed25519 key made of 32 bytes that we computed.
    init(ed25519 data: [UInt8]) {
        kind = .ed25519
        self.data = data
    }

    /// Reads the protobuf form; both of its fields are required.
    package init(protobuf bytes: [UInt8]) throws(KeyError) {
        guard bytes.count <= Self.maximumLength else { throw .malformed }
        let (kind, data) = try KeyMessage.decode(ByteBuffer(bytes: bytes))
        try self.init(kind: kind, data: data)
    }

    /// The protobuf form. The type is written even where it is 0 (RSA): PeerIDs depend on it.
    package var protobuf: [UInt8] { KeyMessage.encode(kind, data) }

    /// The name of the peer that holds this key.
    package var peerID: PeerID {
        let message = protobuf
        let multihash = message.count <= 42 ? Multihash.identity(message) : ContentHash.sha256(message)
        guard let peer = try? PeerID(multihash: multihash) else { preconditionFailure("a key's hash is a PeerID") }
        return peer
    }

    /// Whether `signature` is this key's over `message`. `false` for anything malformed or unsupported.
    package func verify(signature: [UInt8], message: [UInt8]) -> Bool {
        switch kind {
        case .ed25519: Sodium.ed25519Verify(signature, message: message, publicKey: data)
        case .rsa: RSAKey.verify(signature, message: message, key: data)
        case .ecdsa: ECDSAKey.verify(signature, message: message, key: data)
        case .secp256k1: false
        }
    }

    /// Throws unless `verify` can say yes for this key, so that a refusal names its reason.
    package func checkSupported() throws(KeyError) {
        switch kind {
        case .ed25519: break
        case .rsa: try RSAKey.check(data)
        case .ecdsa: try ECDSAKey.check(data)
        case .secp256k1: throw .unsupported(.secp256k1)
        }
    }
}

extension PublicKey: CustomStringConvertible {
    package var description: String { "\(kind) key of \(peerID)" }
}

extension PeerID {
    /// The public key, when it is short enough to be part of the PeerID.
    package var publicKey: PublicKey? {
        guard multihash.code == .identity else { return nil }
        return try? PublicKey(protobuf: multihash.digest)
    }
}

/// The protobuf message that holds a public or a private key: 1 type, 2 data, both required.
enum KeyMessage {
    static func encode(_ kind: KeyKind, _ data: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: data.count + 8)
        writer.varint(1, kind.rawValue)
        writer.bytes(2, data)
        return writer.bytes
    }

    static func decode(_ message: ByteBuffer) throws(KeyError) -> (KeyKind, [UInt8]) {
        var type: UInt64?
        var data: [UInt8]?
        var reader = ProtobufReader(message, maximumFields: 16)
        do {
            while let field = try reader.next() {
                switch field.number {
                case 1: type = try field.uint64()
                case 2: data = try field.array()
                default: break
                }
            }
        } catch {
            throw .malformed
        }
        guard let type, let data else { throw .malformed }
        guard let kind = KeyKind(rawValue: type) else { throw .unknownType(type) }
        return (kind, data)
    }
}
