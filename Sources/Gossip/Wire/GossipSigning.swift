package import Multiformats
package import NIOCore
package import PeerCrypto

/// Who vouches for a topic's messages.
package enum SigningPolicy: Hashable, Sendable {
    /// Every message names its author, who has numbered and signed it. What Kubo does.
    case strictSign
    /// No message says who published it; the payload speaks for itself.
    case strictNoSign
}

/// Why a message is not to be believed. Scope: the message, and whoever sent it.
package enum GossipMessageError: Error, Hashable, Sendable {
    /// A field that the topic's policy wants is absent, or is there against it.
    case policy
    /// The author is no PeerID, or the number has not eight bytes.
    case malformed
    /// The key beside it belongs to another than the author.
    case wrongKey
    /// Changed, or signed by another.
    case invalidSignature
    /// A key of a kind that this node cannot check. Nobody's fault: neither delivered nor forwarded nor punished.
    case unsupportedKey
}

extension GossipMessage {
    /// What a signature covers in front of the message.
    private static let signaturePrefix = "libp2p-pubsub:"

    /// An anonymous message.
    package init(_ data: ByteBuffer, in topic: Topic) {
        var encoded = ByteBuffer()
        encoded.reserveCapacity(data.readableBytes + topic.bytes.readableBytes + 12)
        Self.write(from: nil, data: data, sequence: nil, topic: topic.bytes, to: &encoded)
        self.init(ours: encoded)
    }

    /// A message of the author `key`, which says so and is signed. `sequence` must be greater than that of any
    /// other message of this author, ever: peers drop what does not grow.
    package init(_ data: ByteBuffer, in topic: Topic, sequence: UInt64, signedBy key: KeyPair) {
        var encoded = ByteBuffer()
        encoded.reserveCapacity(data.readableBytes + topic.bytes.readableBytes + 140)
        Self.write(
            from: ByteBuffer(bytes: key.peerID.bytes), data: data, sequence: ByteBuffer(integer: sequence),
            topic: topic.bytes, to: &encoded)
        // The key is part of an Ed25519 author's PeerID and does not travel.
        let signature = key.sign(Self.signaturePrefix.utf8 + Array(encoded.readableBytesView))
        Self.write(5, ByteBuffer(bytes: signature), to: &encoded)
        self.init(ours: encoded)
    }

    private init(ours encoded: ByteBuffer) {
        do {
            try self.init(decoding: encoded)
        } catch {
            preconditionFailure("a message that was just written does not read: \(error)")
        }
    }

    /// Who published it, if that is said and is a PeerID.
    package var author: PeerID? {
        guard let from, from.readableBytes <= 128 else { return nil }
        return try? PeerID(Array(from.readableBytesView))
    }

    /// Checks, without any cryptography, that the fields are those that `policy` wants.
    package func check(_ policy: SigningPolicy) throws(GossipMessageError) {
        switch policy {
        case .strictNoSign: guard isAnonymous else { throw .policy }
        case .strictSign:
            guard from != nil, let signature, signature.readableBytes > 0 else { throw .policy }
            guard sequence != nil, author != nil else { throw .malformed }
        }
    }

    /// Checks the signature of a message that says who signed it; about 60 microseconds, so off the loop.
    package func verifySignature() throws(GossipMessageError) {
        guard let author else { throw .malformed }
        guard let signature, signature.readableBytes > 0, signature.readableBytes <= 2048 else {
            throw .invalidSignature
        }
        let publicKey = try publicKey(of: author)
        do { try publicKey.checkSupported() } catch {
            if case .unsupported = error { throw .unsupportedKey }
            throw .wrongKey
        }
        // The four known fields anew: whatever else came with them is not signed.
        var signed = ByteBuffer()
        signed.reserveCapacity(encoded.readableBytes + Self.signaturePrefix.utf8.count)
        signed.writeString(Self.signaturePrefix)
        writeSignedFields(to: &signed)
        guard
            publicKey.verify(
                signature: Array(signature.readableBytesView), message: Array(signed.readableBytesView))
        else { throw .invalidSignature }
    }

    private func publicKey(of author: PeerID) throws(GossipMessageError) -> PublicKey {
        if let key, key.readableBytes > 0 {
            guard let publicKey = try? PublicKey(protobuf: Array(key.readableBytesView)), publicKey.peerID == author
            else { throw .wrongKey }
            return publicKey
        }
        guard let publicKey = author.publicKey else { throw .wrongKey }
        return publicKey
    }
}

extension GossipMessage {
    /// The network's default id.
    var authorAndSequence: MessageID { MessageID(from ?? ByteBuffer(), sequenceBytes ?? ByteBuffer()) }

    /// The SHA-256 of the data.
    package var dataHash: Multihash { ContentHash.sha256(data) }
}
