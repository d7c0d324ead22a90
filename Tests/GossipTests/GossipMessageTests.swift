import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import TestSupport
import Testing

@Suite("Gossip messages") struct GossipMessageTests {
    private let key = KeyPair(seed: (0..<32).map { UInt8($0) })
    private let topic = Topic("news")

    private func message(_ text: String = "hello") -> GossipMessage {
        GossipMessage(ByteBuffer(string: text), in: topic, sequence: 0x0102_0304_0506_0708, signedBy: key)
    }

    private func read(_ bytes: [UInt8]) throws -> GossipMessage {
        let message = try GossipMessage(decoding: ByteBuffer(bytes: bytes))
        return message
    }

    @Test("What is signed is the prefix and the first four fields, in order")
    func signing() throws {
        let sent = message()
        let bytes = Array(sent.encoded.readableBytesView)
        let fields = hex("0a26") + key.peerID.bytes + hex("1205 68656c6c6f 1a08 0102030405060708 2204 6e657773")
        #expect(Array(bytes.prefix(fields.count)) == fields)
        #expect(Array(bytes.dropFirst(fields.count).prefix(2)) == hex("2a40"))
        #expect(bytes.count == fields.count + 66)
        let signature = Array(bytes.suffix(64))
        #expect(key.publicKey.verify(signature: signature, message: Array("libp2p-pubsub:".utf8) + fields))
        #expect(sent.key == nil && sent.author == key.peerID && sent.sequence == 0x0102_0304_0506_0708)
        #expect(sent.topic == topic && sent.data == ByteBuffer(string: "hello"))
        try sent.check(.strictSign)
        try sent.verifySignature()
        #expect(throws: GossipMessageError.policy) { try sent.check(.strictNoSign) }
    }

    @Test("Any bit changed in a signed message is noticed")
    func oneBit() throws {
        let bytes = Array(message().encoded.readableBytesView)
        var accepted: [Int] = []
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let message = try? read(changed), (try? message.check(.strictSign)) != nil else { continue }
            if (try? message.verifySignature()) != nil { accepted.append(bit) }
        }
        #expect(accepted.isEmpty)
    }

    @Test("Another order, unknown fields and repeated ones do not spoil a signature")
    func otherForms() throws {
        let sent = message()
        let bytes = Array(sent.encoded.readableBytesView)
        let from = Array(bytes[0..<40])
        let rest = Array(bytes[40...])
        for form in [rest + from, bytes + hex("3a02 0102"), hex("1201 78") + bytes] {
            let odd = try read(form)
            try odd.verifySignature()
            #expect(odd.data == sent.data && odd.author == sent.author)
        }
        // The last of a repeated field counts, so this is another text.
        let changed = try read(bytes + hex("1201 78"))
        #expect(throws: GossipMessageError.invalidSignature) { try changed.verifySignature() }
    }

    @Test("Another's key, and a key beside a name that has one")
    func keys() throws {
        let bytes = Array(message().encoded.readableBytesView)
        let own = key.publicKey.protobuf
        let withKey = try read(bytes + [0x32, UInt8(own.count)] + own)
        try withKey.verifySignature()
        let other = KeyPair(seed: [UInt8](repeating: 9, count: 32)).publicKey.protobuf
        let wrong = try read(bytes + [0x32, UInt8(other.count)] + other)
        #expect(throws: GossipMessageError.wrongKey) { try wrong.verifySignature() }
        let broken = try read(bytes + hex("3202 0102"))
        #expect(throws: GossipMessageError.wrongKey) { try broken.verifySignature() }
        // A hashed name says nothing of its key.
        let hashed = try PeerID("QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ").bytes
        let nameless = try read([0x0a, UInt8(hashed.count)] + hashed + Array(bytes[40...]))
        #expect(throws: GossipMessageError.wrongKey) { try nameless.verifySignature() }
        // secp256k1: a real key that cannot be checked here, which is nobody's fault.
        let curve = [0x00, 0x25, 0x08, 0x02, 0x12, 0x21, 0x02] + [UInt8](repeating: 7, count: 32)
        let unknown = try read([0x0a, UInt8(curve.count)] + curve + Array(bytes[40...]))
        #expect(throws: GossipMessageError.unsupportedKey) { try unknown.verifySignature() }
    }

    @Test("Each policy wants its fields, and empty is not absent")
    func policies() throws {
        let plain = GossipMessage(ByteBuffer(string: "x"), in: topic)
        #expect(Array(plain.encoded.readableBytesView) == hex("1201 78 2204 6e657773"))
        try plain.check(.strictNoSign)
        #expect(throws: GossipMessageError.policy) { try plain.check(.strictSign) }
        for field in ["0a00", "1a00", "2a00", "3200"] {
            let odd = try read(hex("1201 78 2204 6e657773") + hex(field))
            #expect(throws: GossipMessageError.policy) { try odd.check(.strictNoSign) }
        }
        let bytes = Array(message().encoded.readableBytesView)
        // A number of seven or nine bytes, none, an author that is no PeerID, no signature.
        let seven = try read(bytes + hex("1a07 01020304050607"))
        let nine = try read(bytes + hex("1a09 010203040506070809"))
        let none = try read(bytes + hex("1a00"))
        let stranger = try read(bytes + hex("0a03 010203"))
        for odd in [seven, nine, none, stranger] {
            #expect(throws: GossipMessageError.malformed) { try odd.check(.strictSign) }
        }
        let unsigned = try read(bytes + hex("2a00"))
        #expect(throws: GossipMessageError.policy) { try unsigned.check(.strictSign) }
    }
}
