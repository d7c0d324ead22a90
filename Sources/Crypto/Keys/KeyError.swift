/// Why bytes are not a key that can be used here.
package enum KeyError: Error, Hashable, Sendable {
    /// Not a key in the form that was expected.
    case malformed
    /// A key type that libp2p does not have.
    case unknownType(UInt64)
    /// The key has the wrong number of bytes for its type.
    case wrongLength(KeyKind, bytes: Int)
    /// A real key, of a kind that this node does not compute with.
    case unsupported(KeyKind)
    /// An RSA key outside 2048 to 8192 bits.
    case rsaLength(bits: Int)
    /// A private key and the public key beside it do not belong together.
    case mismatchedHalves
    /// A PEM file with something else than an unencrypted private key.
    case notAPrivateKey(String)
    /// A PKCS#8 key of an algorithm that cannot be an identity here.
    case unsupportedAlgorithm(String)
}

extension KeyError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .malformed: "it is not a key in a form known here"
        case .unknownType(let type): "key type \(type) is unknown"
        case .wrongLength(let kind, let bytes): "\(bytes) bytes are not a key of type \(kind)"
        case .unsupported(let kind): "keys of type \(kind) are not supported by this node"
        case .rsaLength(let bits): "an RSA key of \(bits) bits is refused; 2048 to 8192 are accepted"
        case .mismatchedHalves: "its private and public halves do not belong together"
        case .notAPrivateKey(let label): "it holds '\(label)', not an unencrypted PRIVATE KEY"
        case .unsupportedAlgorithm(let name): "a key of algorithm \(name) cannot be an identity here; use Ed25519"
        }
    }
}

/// The kinds of key that libp2p knows, with their numbers on the wire.
/// Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
package enum KeyKind: UInt64, Sendable, CustomStringConvertible {
    case rsa = 0
    case ed25519 = 1
    case secp256k1 = 2
    case ecdsa = 3

    package var description: String {
        switch self {
        case .rsa: "RSA"
        case .ed25519: "Ed25519"
        case .secp256k1: "secp256k1"
        case .ecdsa: "ECDSA"
        }
    }
}
