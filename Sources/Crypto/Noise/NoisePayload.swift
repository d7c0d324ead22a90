package import Multiformats
import NIOCore

/// What libp2p sends inside a Noise handshake: the identity key, its signature over the Noise key, and the
/// muxers that the sender offers.
///
/// Source: https://github.com/libp2p/specs/tree/master/noise#the-libp2p-handshake-payload
package struct NoisePayload: Sendable {
    /// The most muxers that are looked at; a longer list counts as none, as go-libp2p has it.
    package static let maximumMuxers = 100
    /// The longest payload that we send, in bytes; other implementations have small buffers.
    package static let maximumLength = 1023

    let identityKey: [UInt8]
    let signature: [UInt8]
    /// Not looked at before the signature is verified.
    private let extensions: ByteBuffer?

    /// The payload that vouches for `staticKey`, ready to send.
    package static func encode(staticKey: [UInt8], identity: KeyPair, muxers: [String]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 160)
        writer.bytes(1, identity.publicKey.protobuf)
        writer.bytes(2, identity.sign(signedBytes(staticKey)))
        if !muxers.isEmpty {
            writer.message(4) { extensions in
                for muxer in muxers { extensions.string(2, muxer) }
            }
        }
        precondition(writer.bytes.count <= maximumLength, "too many muxers")
        return writer.bytes
    }

    /// Reads a payload without believing any of it.
    package init(_ bytes: [UInt8]) throws(NoiseError) {
        var key: [UInt8]?
        var signature: [UInt8]?
        var extensions: ByteBuffer?
        var reader = ProtobufReader(ByteBuffer(bytes: bytes), maximumFields: 64)
        do {
            while let field = try reader.next() {
                switch field.number {
                case 1: key = try field.array()
                case 2: signature = try field.array()
                case 4: extensions = try field.bytes()
                default: break
                }
            }
        } catch {
            throw .malformedPayload
        }
        guard let key, let signature else { throw .malformedPayload }
        identityKey = key
        self.signature = signature
        self.extensions = extensions
    }

    /// Checks, in this order: the key, the PeerID it gives, the PeerID that was expected, the signature; only
    /// then the extensions are read.
    package func verify(
        staticKey: [UInt8], expecting expected: PeerID?
    ) throws(NoiseError) -> (key: PublicKey, peer: PeerID, muxers: [String]) {
        let key: PublicKey
        do { key = try PublicKey(protobuf: identityKey) } catch { throw .identityKey(error) }
        let peer = key.peerID
        if let expected, expected != peer { throw .wrongPeer(expected: expected, found: peer) }
        do { try key.checkSupported() } catch { throw .identityKey(error) }
        guard key.verify(signature: signature, message: Self.signedBytes(staticKey)) else { throw .invalidSignature }
        return (key, peer, try muxers())
    }

    private func muxers() throws(NoiseError) -> [String] {
        guard let extensions else { return [] }
        var result: [String] = []
        var reader = ProtobufReader(extensions, maximumFields: 1024)
        do {
            while let field = try reader.next() {
                if field.number == 2 { result.append(try field.string()) }
            }
        } catch {
            throw .malformedPayload
        }
        return result.count > Self.maximumMuxers ? [] : result
    }

    static func signedBytes(_ staticKey: [UInt8]) -> [UInt8] { Array("noise-libp2p-static-key:".utf8) + staticKey }

    /// The muxer that both sides settle on: the first of the initiator's that the responder also has. `nil`
    /// when a list is empty or nothing is shared: it is then negotiated by multistream-select, as Kubo does.
    static func agreedMuxer(initiator: [String], responder: [String]) -> String? {
        initiator.first { responder.contains($0) }
    }
}
