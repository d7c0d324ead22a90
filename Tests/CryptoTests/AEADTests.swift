import NIOCore
import PeerCrypto
import TestSupport
import Testing

@Suite struct AEADTests {
    // RFC 8439, section 2.8.2.
    private let key = SecretBytes((0x80...0x9f).map { UInt8($0) })
    private let nonce = AEAD.Nonce(hex("070000004041424344454647"))
    private let additional = hex("50515253c0c1c2c3c4c5c6c7")
    private let plaintext = Array(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
            .utf8)
    private let tag = hex("1ae10b594f09e26a7e902ecbd0600691")

    @Test("the published example comes out, by arrays and in place")
    func published() throws {
        let sealed = AEAD.seal(plaintext, key: key, nonce: nonce, additional: additional)
        #expect(Array(sealed.suffix(16)) == tag)
        #expect(Array(sealed.prefix(16)) == hex("d31a8d34648e60db7b86afbc53ef7ec2"))
        #expect(AEAD.open(sealed, key: key, nonce: nonce, additional: additional) == plaintext)
        var buffer = ByteBuffer(bytes: [1, 2, 3] + plaintext)
        AEAD.sealInPlace(&buffer, at: 3, length: plaintext.count, key: key, nonce: nonce, additional: additional)
        #expect(Array(buffer.readableBytesView) == [1, 2, 3] + sealed)
        let length = AEAD.openInPlace(
            &buffer, at: 3, length: sealed.count, key: key, nonce: nonce, additional: additional)
        #expect(length == plaintext.count)
        #expect(buffer.getBytes(at: 3, length: plaintext.count) == plaintext)
    }

    @Test("one changed bit in ciphertext, nonce or additional data opens nothing")
    func mutations() {
        let sealed = AEAD.seal(plaintext, key: key, nonce: nonce, additional: additional)
        for position in sealed.indices {
            var changed = sealed
            changed[position] ^= 1 << UInt8(position % 8)
            #expect(AEAD.open(changed, key: key, nonce: nonce, additional: additional) == nil)
            var buffer = ByteBuffer(bytes: changed)
            #expect(
                AEAD.openInPlace(&buffer, at: 0, length: changed.count, key: key, nonce: nonce, additional: additional)
                    == nil)
        }
        for count in 0..<sealed.count {
            #expect(AEAD.open(Array(sealed[..<count]), key: key, nonce: nonce, additional: additional) == nil)
        }
        #expect(AEAD.open(sealed, key: key, nonce: AEAD.Nonce(counter: 7), additional: additional) == nil)
        #expect(AEAD.open(sealed, key: key, nonce: nonce) == nil)
        #expect(AEAD.open(sealed, key: SecretBytes(seed(1)), nonce: nonce, additional: additional) == nil)
        #expect(AEAD.Nonce(counter: 0x0102_0304_0506_0708) == AEAD.Nonce(hex("000000000807060504030201")))
    }

    @Test("empty plaintext is sealed and opened")
    func empty() {
        let sealed = AEAD.seal([], key: key, nonce: nonce)
        #expect(sealed.count == 16)
        #expect(AEAD.open(sealed, key: key, nonce: nonce) == [])
    }

    @Test("constant-time comparison says what == says")
    func comparison() {
        #expect(ConstantTime.equal([], []))
        #expect(ConstantTime.equal([1, 2], [1, 2]))
        #expect(!ConstantTime.equal([1, 2], [1, 3]))
        #expect(!ConstantTime.equal([1, 2], [1, 2, 3]))
        #expect(ConstantTime.equal("token", "token"))
        #expect(!ConstantTime.equal("token", "tokem"))
        #expect(SecretBytes([1, 2]) == SecretBytes([1, 2]))
        #expect(SecretBytes([1, 2]) != SecretBytes([1, 3]))
        #expect(SecretBytes([1, 2]) != SecretBytes([1]))
    }

    @Test("random bytes have the length asked for and do not repeat")
    func random() {
        #expect(RandomBytes.make(0).isEmpty)
        #expect(RandomBytes.make(33).count == 33)
        #expect(RandomBytes.make(32) != RandomBytes.make(32))
        #expect(RandomBytes.uint64() != RandomBytes.uint64())
        #expect(SecretBytes.random(32) != SecretBytes.random(32))
    }
}
