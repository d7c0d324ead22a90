/// The order in which a Noise handshake sends and mixes keys.
///
/// Source: https://noiseprotocol.org/noise.html section 7.
package struct NoisePattern: Hashable, Sendable {
    /// One step of a message.
    enum Token: Sendable { case e, s, ee, es, se, ss, psk }

    package let name: String
    /// Whether the initiator knows the responder's static key beforehand.
    let responderKnown: Bool
    /// The messages in turn, the initiator's first.
    let messages: [[Token]]

    var hasPSK: Bool { messages.contains { $0.contains(.psk) } }
    /// Only the initiator ever sends.
    package var isOneWay: Bool { messages.count == 1 }
    var protocolName: String { "Noise_\(name)_25519_ChaChaPoly_SHA256" }

    package static let nn = NoisePattern(name: "NN", responderKnown: false, messages: [[.e], [.e, .ee]])
    package static let x = NoisePattern(name: "X", responderKnown: true, messages: [[.e, .es, .s, .ss]])
    package static let xk = NoisePattern(
        name: "XK", responderKnown: true, messages: [[.e, .es], [.e, .ee], [.s, .se]])
    /// libp2p's handshake: nobody knows a key beforehand, both send theirs encrypted.
    package static let xx = NoisePattern(
        name: "XX", responderKnown: false, messages: [[.e], [.e, .ee, .s, .es], [.s, .se]])
    package static let ix = NoisePattern(
        name: "IX", responderKnown: false, messages: [[.e, .s], [.e, .ee, .se, .s, .es]])
    /// One round trip to a peer whose key is known: datagram sessions.
    package static let ik = NoisePattern(
        name: "IK", responderKnown: true, messages: [[.e, .es, .s, .ss], [.e, .ee, .se]])
    package static let ikPSK2 = NoisePattern(
        name: "IKpsk2", responderKnown: true, messages: [[.e, .es, .s, .ss], [.e, .ee, .se, .psk]])

    /// Every pattern that is offered.
    package static let all: [NoisePattern] = [nn, x, xk, xx, ix, ik, ikPSK2]
}

/// Which side of a handshake this is.
package enum NoiseRole: Sendable {
    /// The dialer, who sends first.
    case initiator
    case responder
}

/// An X25519 key for Noise. Never the identity key, never on disk.
package struct NoiseKeyPair: Sendable {
    package let publicKey: [UInt8]
    let secret: SecretBytes

    /// A fresh key.
    package static func generate() -> NoiseKeyPair { NoiseKeyPair(secret: .random(32)) }

    /// The key with this 32-byte secret.
    package init(secret: SecretBytes) {
        self.secret = secret
        publicKey = Sodium.x25519PublicKey(secret: secret)
    }
}
