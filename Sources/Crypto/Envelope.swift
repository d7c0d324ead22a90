package import Multiformats
package import NIOCore

/// A payload that says what it is and who signed it, so that it can travel through others.
///
/// The signature covers a domain that is not sent, so that an envelope made for one purpose never passes for
/// another. An `Envelope` that exists is verified, or was signed here.
/// Source: https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md
package struct Envelope: Hashable, Sendable {
    /// The longest envelope that is read, in bytes.
    package static let maximumLength = 64 << 10

    /// The signer's key.
    package let publicKey: PublicKey
    /// What `payload` is: a few bytes from the multicodec table.
    package let payloadType: [UInt8]
    package let payload: [UInt8]
    package let signature: [UInt8]

    /// Signs `payload`.
    package init(signing payload: [UInt8], type: [UInt8], domain: String, by key: KeyPair) {
        publicKey = key.publicKey
        payloadType = type
        self.payload = payload
        signature = key.sign(Self.signedBytes(domain: domain, type: type, payload: payload))
    }

    /// Reads an envelope and checks that it holds a payload of this type, signed for this domain.
    package init(verifying bytes: ByteBuffer, type: [UInt8], domain: String) throws(EnvelopeError) {
        guard bytes.readableBytes <= Self.maximumLength else { throw .malformed }
        var key: PublicKey?
        var payloadType: [UInt8] = []
        var payload: [UInt8] = []
        var signature: [UInt8] = []
        var reader = ProtobufReader(bytes, maximumFields: 32)
        do {
            while let field = try reader.next() {
                switch field.number {
                case 1: key = try PublicKey(protobuf: try field.array())
                case 2: payloadType = try field.array()
                case 3: payload = try field.array()
                case 5: signature = try field.array()
                default: break
                }
            }
        } catch let error as KeyError {
            throw .key(error)
        } catch {
            throw .malformed
        }
        guard let key else { throw .malformed }
        guard payloadType == type else { throw .otherType(payloadType) }
        do { try key.checkSupported() } catch { throw .key(error) }
        let signed = Self.signedBytes(domain: domain, type: payloadType, payload: payload)
        guard key.verify(signature: signature, message: signed) else { throw .invalidSignature }
        publicKey = key
        self.payloadType = payloadType
        self.payload = payload
        self.signature = signature
    }

    /// Who signed it.
    package var signer: PeerID { publicKey.peerID }

    /// The form that is sent.
    package var bytes: [UInt8] {
        var writer = ProtobufWriter(capacity: payload.count + 160)
        writer.bytes(1, publicKey.protobuf)
        writer.bytes(2, payloadType)
        writer.bytes(3, payload)
        writer.bytes(5, signature)
        return writer.bytes
    }

    /// Domain, type and payload, each behind its length.
    package static func signedBytes(domain: String, type: [UInt8], payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in [Array(domain.utf8), type, payload] {
            Varint.append(UInt64(part.count), to: &bytes)
            bytes += part
        }
        return bytes
    }
}

/// Why bytes are not the envelope that was expected. Scope: the message.
package enum EnvelopeError: Error, Hashable, Sendable {
    case malformed
    case key(KeyError)
    /// A payload of another type.
    case otherType([UInt8])
    /// Changed, signed by another key, or signed for another domain.
    case invalidSignature
    /// A record about another peer than its signer, or than the one asked about.
    case wrongPeer(PeerID)
}

extension EnvelopeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed: "it is not a signed envelope"
        case .key(let error): "its key cannot be used: \(error)"
        case .otherType(let type): "its payload is of another type (0x\(Base.base16.encode(type)))"
        case .invalidSignature: "its signature does not fit"
        case .wrongPeer(let peer): "it is about \(peer), who did not sign it or was not asked for"
        }
    }
}
