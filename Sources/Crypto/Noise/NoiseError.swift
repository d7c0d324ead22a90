package import Multiformats

/// Why a Noise handshake or a Noise frame failed. Scope: the connection, always; nothing that follows on it
/// can be trusted.
package enum NoiseError: Error, Hashable, Sendable {
    /// A handshake message of the wrong shape or length.
    case malformedMessage
    /// A handshake frame longer than the limit, in bytes.
    case messageTooLong(Int)
    /// The tag does not fit: tampered, out of order, replayed, or meant for another key.
    case authenticationFailed
    /// The peer's public key is of low order, so that the shared secret would be known to all.
    case weakKey
    /// 2^64 - 1 frames went through one key.
    case nonceExhausted
    /// The authenticated payload is no handshake payload.
    case malformedPayload
    /// The peer's identity key cannot be used.
    case identityKey(KeyError)
    /// Another peer than the one that was dialled.
    case wrongPeer(expected: PeerID, found: PeerID)
    /// The identity key did not sign the Noise key.
    case invalidSignature
    /// The session failed before; nothing more is done with it.
    case failedBefore
}

extension NoiseError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformedMessage: "a handshake message has the wrong form"
        case .messageTooLong(let length): "a handshake message of \(length) bytes is too long"
        case .authenticationFailed: "a frame was changed, repeated or out of order"
        case .weakKey: "the peer sent a weak key"
        case .nonceExhausted: "the connection's keys are used up"
        case .malformedPayload: "the handshake payload has the wrong form"
        case .identityKey(let error): "the peer's identity key cannot be used: \(error)"
        case .wrongPeer(let expected, let found): "the peer is \(found), not \(expected)"
        case .invalidSignature: "the peer's identity did not sign its handshake key"
        case .failedBefore: "the session failed before"
        }
    }
}
