package import Multiformats
import NIOCore

/// This node's identity: an Ed25519 key that signs, and the public key that others know.
///
/// The secret half sits in `SecretBytes` and is overwritten when the last copy of the pair goes. It leaves
/// only through `privateProtobuf` and `pem`.
package struct KeyPair: Sendable {
    package let publicKey: PublicKey
    /// The name under which others know this key.
    package let peerID: PeerID
    /// The seed, then the public key: libsodium's secret key and libp2p's private key data alike.
    let secret: SecretBytes

    /// A new random identity.
    package static func generate() -> KeyPair { KeyPair(seed: .random(32)) }

    /// The identity that a 32-byte seed gives.
    package init(seed: SecretBytes) {
        let pair = Sodium.ed25519(seed: seed)
        secret = pair.secret
        publicKey = PublicKey(ed25519: pair.public)
        peerID = publicKey.peerID
    }

    /// The same from an array: deterministic identities for tests and test networks.
    package init(seed: [UInt8]) {
        precondition(seed.count == 32, "a seed has 32 bytes")
        self.init(seed: SecretBytes(seed))
    }

    /// The 64-byte Ed25519 signature of `message`.
    package func sign(_ message: [UInt8]) -> [UInt8] { Sodium.ed25519Sign(message, secret: secret) }
}

extension KeyPair: CustomStringConvertible, CustomReflectable {
    /// Names the peer; never shows the secret.
    package var description: String { "KeyPair(\(peerID))" }
    package var customMirror: Mirror { Mirror(self, children: ["peerID": peerID]) }
}

extension KeyPair {
    /// Reads libp2p's private key protobuf. For Ed25519 its data is seed and public key, in older files with
    /// the public key once more; all copies must agree.
    package init(privateProtobuf bytes: [UInt8]) throws(KeyError) {
        guard bytes.count <= 8192 else { throw .malformed }
        var (kind, data) = try KeyMessage.decode(ByteBuffer(bytes: bytes))
        defer { Sodium.zero(&data) }
        guard kind == .ed25519 else { throw .unsupported(kind) }
        guard data.count == 64 || data.count == 96 else { throw .wrongLength(kind, bytes: data.count) }
        var seed = Array(data[..<32])
        defer { Sodium.zero(&seed) }
        self.init(seed: SecretBytes(seed))
        guard stride(from: 32, to: data.count, by: 32).allSatisfy({ Array(data[$0..<$0 + 32]) == publicKey.data })
        else { throw .mismatchedHalves }
    }

    /// libp2p's private key protobuf: a secret.
    package var privateProtobuf: [UInt8] {
        var data = secret.reveal()
        defer { Sodium.zero(&data) }
        return KeyMessage.encode(.ed25519, data)
    }
}
