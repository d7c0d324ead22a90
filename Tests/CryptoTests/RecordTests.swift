import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// Envelopes and peer records, against the derived vectors and against tampering.
@Suite struct RecordTests {
    struct File: Decodable {
        struct Sealed: Decodable {
            let domain: String
            let payload_type_hex: String
            let payload_hex: String
            let to_be_signed_hex: String
            let envelope_hex: String
        }
        struct Noise: Decodable {
            let noise_static_public_hex: String
            let to_be_signed_hex: String
            let payload_hex: String
            let payload_without_extensions_hex: String
        }
        struct PubSub: Decodable {
            let to_be_signed_hex: String
            let signature_hex: String
        }
        struct IPNS: Decodable {
            let name_base36: String
            let data_cbor_hex: String
            let signatureV2_hex: String
        }
        let ed25519_seed_hex: String
        let peer_id: String
        let peer_record_envelope: Sealed
        let relay_voucher_envelope: Sealed
        let noise_payload: Noise
        let pubsub_message_strict_sign: PubSub
        let ipns_record: IPNS
    }

    @Test(
        "every signed thing of the vectors comes out byte for byte",
        .enabled(if: Vectors.present, Comment(rawValue: Vectors.skipped)))
    func vectors() throws {
        // Pubsub and IPNS messages are other rooms' forms; their signatures are checked here.
        let file = try Vectors.json("records/derived-signed-records.json", as: File.self)
        let key = KeyPair(seed: hex(file.ed25519_seed_hex))
        #expect(key.peerID.description == file.peer_id)
        for row in [file.peer_record_envelope, file.relay_voucher_envelope] {
            let (type, payload) = (hex(row.payload_type_hex), hex(row.payload_hex))
            #expect(Envelope.signedBytes(domain: row.domain, type: type, payload: payload) == hex(row.to_be_signed_hex))
            let made = Envelope(signing: payload, type: type, domain: row.domain, by: key)
            #expect(made.bytes == hex(row.envelope_hex))
            let read = try Envelope(verifying: ByteBuffer(bytes: hex(row.envelope_hex)), type: type, domain: row.domain)
            #expect(read == made)
        }
        let record = try PeerRecord(
            verifying: ByteBuffer(bytes: hex(file.peer_record_envelope.envelope_hex)), about: key.peerID)
        #expect(record.payload == hex(file.peer_record_envelope.payload_hex))
        #expect(record.signed(by: key).bytes == hex(file.peer_record_envelope.envelope_hex))
        #expect(record.addresses == [hex("047f000001060fa1"), hex("04c0000207060fa1")])
        #expect(record.sequence == 1_700_000_000_000_000_000)

        let noise = file.noise_payload
        let staticKey = hex(noise.noise_static_public_hex)
        #expect(
            NoisePayload.encode(staticKey: staticKey, identity: key, muxers: ["/yamux/1.0.0"]) == hex(noise.payload_hex)
        )
        #expect(
            NoisePayload.encode(staticKey: staticKey, identity: key, muxers: [])
                == hex(noise.payload_without_extensions_hex))
        let found = try NoisePayload(hex(noise.payload_hex)).verify(staticKey: staticKey, expecting: key.peerID)
        #expect(found.peer == key.peerID && found.muxers == ["/yamux/1.0.0"])

        let pubsub = file.pubsub_message_strict_sign
        #expect(key.sign(hex(pubsub.to_be_signed_hex)) == hex(pubsub.signature_hex))
        let ipns = file.ipns_record
        #expect(key.peerID.cid.description == ipns.name_base36)
        #expect(key.sign(Array("ipns-signature:".utf8) + hex(ipns.data_cbor_hex)) == hex(ipns.signatureV2_hex))
    }

    private let key = KeyPair(seed: seed(1))
    private let type: [UInt8] = [3, 1]

    @Test("no envelope with one bit changed is accepted")
    func mutations() throws {
        let bytes = Envelope(signing: [1, 2, 3], type: type, domain: "domain", by: key).bytes
        for position in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[position] ^= 1 << UInt8(bit)
                #expect(throws: EnvelopeError.self, "byte \(position), bit \(bit)") {
                    try Envelope(verifying: ByteBuffer(bytes: changed), type: type, domain: "domain")
                }
            }
        }
        for count in bytes.indices {
            #expect(throws: EnvelopeError.self) {
                try Envelope(verifying: ByteBuffer(bytes: bytes[..<count]), type: type, domain: "domain")
            }
        }
    }

    @Test("an envelope made for one purpose does not pass for another")
    func separation() throws {
        let bytes = ByteBuffer(bytes: Envelope(signing: [1], type: type, domain: "one", by: key).bytes)
        #expect(throws: EnvelopeError.invalidSignature) { try Envelope(verifying: bytes, type: type, domain: "other") }
        #expect(throws: EnvelopeError.otherType(type)) { try Envelope(verifying: bytes, type: [3, 2], domain: "one") }
        // Moving a byte over the border between two parts changes what is signed.
        #expect(
            Envelope.signedBytes(domain: "ab", type: [1], payload: [])
                != Envelope.signedBytes(domain: "a", type: [0x62, 1], payload: []))
    }

    @Test("a record counts only if its own peer signed it and it is about the peer in question")
    func owner() throws {
        let other = KeyPair(seed: seed(2))
        let record = PeerRecord(peerID: key.peerID, sequence: 0, addresses: [])
        let good = ByteBuffer(bytes: record.signed(by: key).bytes)
        #expect(try PeerRecord(verifying: good) == record)
        #expect(throws: EnvelopeError.wrongPeer(key.peerID)) { try PeerRecord(verifying: good, about: other.peerID) }
        let forged = Envelope(
            signing: record.payload, type: PeerRecord.payloadType, domain: PeerRecord.domain, by: other)
        #expect(throws: EnvelopeError.wrongPeer(key.peerID)) {
            try PeerRecord(verifying: ByteBuffer(bytes: forged.bytes), about: key.peerID)
        }
        let empty = Envelope(signing: [], type: PeerRecord.payloadType, domain: PeerRecord.domain, by: key)
        #expect(throws: EnvelopeError.malformed) { try PeerRecord(verifying: ByteBuffer(bytes: empty.bytes)) }
    }

    @Test("a record keeps the first 500 addresses; an envelope has a largest size")
    func limits() throws {
        let many = PeerRecord(
            peerID: key.peerID, sequence: 1,
            addresses: (0..<600).map { [4, 127, 0, 0, 1, 6, UInt8($0 >> 8), UInt8($0 & 255)] })
        let read = try PeerRecord(verifying: ByteBuffer(bytes: many.signed(by: key).bytes))
        #expect(read.addresses == Array(many.addresses.prefix(500)))
        let large = Envelope(signing: [UInt8](repeating: 1, count: 70_000), type: type, domain: "d", by: key)
        #expect(throws: EnvelopeError.malformed) {
            try Envelope(verifying: ByteBuffer(bytes: large.bytes), type: type, domain: "d")
        }
    }
}
