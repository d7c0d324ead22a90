package import Multiformats
package import NIOCore

/// A peer's own statement of its addresses, signed and numbered.
///
/// Of two records about one peer the one with the higher `sequence` counts; others are to be dropped.
/// Source: https://github.com/libp2p/specs/blob/master/RFC/0003-routing-records.md
package struct PeerRecord: Hashable, Sendable {
    /// The envelope's domain and payload type.
    package static let domain = "libp2p-peer-record"
    package static let payloadType: [UInt8] = [0x03, 0x01]
    /// The most addresses that are kept of one record.
    package static let maximumAddresses = 500

    package let peerID: PeerID
    /// Grows with every change; nanoseconds since 1970, by custom.
    package let sequence: UInt64
    /// Binary multiaddrs as they came: one that cannot be parsed spoils nothing but itself.
    package let addresses: [[UInt8]]

    package init(peerID: PeerID, sequence: UInt64, addresses: [[UInt8]]) {
        self.peerID = peerID
        self.sequence = sequence
        self.addresses = addresses
    }

    /// The record in an envelope signed by `key`, which must be the key of `peerID`.
    package func signed(by key: KeyPair) -> Envelope {
        precondition(key.peerID == peerID, "a peer signs its own record")
        return Envelope(signing: payload, type: Self.payloadType, domain: Self.domain, by: key)
    }

    /// Reads a signed record; its signer must be the peer it is about, and that must be `expected` if given.
    package init(verifying envelope: ByteBuffer, about expected: PeerID? = nil) throws(EnvelopeError) {
        let envelope = try Envelope(verifying: envelope, type: Self.payloadType, domain: Self.domain)
        try self.init(payload: envelope.payload)
        guard peerID == envelope.signer, peerID == expected ?? peerID else { throw .wrongPeer(peerID) }
    }

    /// The protobuf form, which the envelope carries.
    package var payload: [UInt8] {
        var writer = ProtobufWriter(capacity: 64 + addresses.count * 24)
        writer.bytes(1, peerID.bytes)
        if sequence != 0 { writer.varint(2, sequence) }
        for address in addresses { writer.message(3) { $0.bytes(1, address) } }
        return writer.bytes
    }

    private init(payload: [UInt8]) throws(EnvelopeError) {
        var peer: PeerID?
        var sequence: UInt64 = 0
        var addresses: [[UInt8]] = []
        var reader = ProtobufReader(ByteBuffer(bytes: payload), maximumFields: 4096)
        do {
            while let field = try reader.next() {
                switch field.number {
                case 1: peer = try PeerID(try field.array())
                case 2: sequence = try field.uint64()
                case 3 where addresses.count < Self.maximumAddresses:
                    var inner = ProtobufReader(try field.bytes(), maximumFields: 8)
                    while let part = try inner.next() {
                        if part.number == 1 { addresses.append(try part.array()) }
                    }
                default: break
                }
            }
        } catch {
            throw .malformed
        }
        guard let peer else { throw .malformed }
        self.init(peerID: peer, sequence: sequence, addresses: addresses)
    }
}
