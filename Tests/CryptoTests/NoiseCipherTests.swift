import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// Transport frames: every way to seal gives the same bytes, and nothing but the next frame opens.
@Suite struct NoiseCipherTests {
    private let key = SecretBytes(seed(0x42))

    private func plaintext(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) } }

    @Test(
        "sealing from a buffer, from a span and in place gives the same frame",
        arguments: [0, 1, 15, 16, 63, 4096, 65_519])
    func sameFrame(_ count: Int) throws {
        let plain = plaintext(count)
        var first = ByteBuffer(bytes: [9])
        try NoiseCipher(key: key).seal(ByteBuffer(bytes: plain), into: &first)
        var second = ByteBuffer(bytes: [9])
        let cipher = NoiseCipher(key: key)
        try plain.withUnsafeBytes { try cipher.seal(RawSpan(_unsafeBytes: $0), into: &second) }
        var third = ByteBuffer(bytes: [9, 0, 0] + plain)
        try NoiseCipher(key: key).sealInPlace(&third, plaintextAt: 3, length: count)
        #expect(first.readableBytes == 1 + count + NoiseCipher.overhead)
        #expect(first == second)
        #expect(first == third)
        var output = ByteBuffer(bytes: [5])
        let frame = try #require(first.getSlice(at: 3, length: count + 16))
        #expect(try NoiseCipher(key: key).open(frame: frame, into: &output) == count)
        #expect(Array(output.readableBytesView) == [5] + plain)
    }

    @Test("several frames laid out in one buffer are sealed one by one, with a copy of it held elsewhere")
    func severalInPlace() throws {
        let lengths = [100, 0, 3000]
        var buffer = ByteBuffer()
        var places: [Int] = []
        for length in lengths {
            buffer.writeInteger(UInt16(0))
            places.append(buffer.writerIndex)
            buffer.writeBytes(plaintext(length))
            buffer.writeRepeatingByte(0, count: 16)
        }
        let before = buffer
        let total = buffer.writerIndex
        let cipher = NoiseCipher(key: key)
        for (place, length) in zip(places, lengths) {
            try cipher.sealInPlace(&buffer, plaintextAt: place, length: length)
        }
        #expect(buffer.writerIndex == total)
        #expect(before.getBytes(at: places[0], length: 100) == plaintext(100))
        let opener = NoiseCipher(key: key)
        for length in lengths {
            let size = try unwrap(buffer.readInteger(as: UInt16.self))
            let frame = try unwrap(buffer.readSlice(length: Int(size)))
            var output = ByteBuffer()
            #expect(try opener.open(frame: frame, into: &output) == length)
            #expect(Array(output.readableBytesView) == plaintext(length))
        }
    }

    @Test("one changed bit anywhere closes the cipher for good and leaves the output as it was")
    func tampering() throws {
        let ciphertext = try sealed(plaintext(40), by: NoiseCipher(key: key))
        for position in ciphertext.indices {
            var changed = ciphertext
            changed[position] ^= 1 << UInt8(position % 8)
            let cipher = NoiseCipher(key: key)
            var output = ByteBuffer(bytes: [1])
            #expect(throws: NoiseError.authenticationFailed) {
                try cipher.open(frame: ByteBuffer(bytes: changed), into: &output)
            }
            #expect(throws: NoiseError.failedBefore) {
                try cipher.open(frame: ByteBuffer(bytes: ciphertext), into: &output)
            }
            #expect(Array(output.readableBytesView) == [1])
        }
    }

    @Test("every cut of a frame is refused")
    func truncation() throws {
        let ciphertext = try sealed(plaintext(40), by: NoiseCipher(key: key))
        for count in 0..<ciphertext.count {
            #expect(throws: NoiseError.authenticationFailed) {
                try opened(Array(ciphertext[..<count]), by: NoiseCipher(key: key))
            }
        }
    }

    @Test("a frame that comes twice, too early or never closes the cipher")
    func order() throws {
        let sender = NoiseCipher(key: key)
        let frames = try (0..<3).map { try sealed([UInt8($0)], by: sender) }
        let replay = NoiseCipher(key: key)
        #expect(try opened(frames[0], by: replay) == [0])
        #expect(throws: NoiseError.authenticationFailed) { try opened(frames[0], by: replay) }
        #expect(throws: NoiseError.failedBefore) { try opened(frames[1], by: replay) }
        let skip = NoiseCipher(key: key)
        #expect(try opened(frames[0], by: skip) == [0])
        #expect(throws: NoiseError.authenticationFailed) { try opened(frames[2], by: skip) }
        #expect(throws: NoiseError.authenticationFailed) {
            try opened(frames[0], by: NoiseCipher(key: SecretBytes(seed(1))))
        }
    }

    @Test("the last nonce is never used, in either direction")
    func exhaustion() throws {
        let sender = NoiseCipher(key: key, nonce: .max - 1)
        let receiver = NoiseCipher(key: key, nonce: .max - 1)
        #expect(try opened(sealed([1], by: sender), by: receiver) == [1])
        var output = ByteBuffer()
        for _ in 0..<2 {
            #expect(throws: NoiseError.nonceExhausted) { try sender.seal(ByteBuffer(bytes: [1]), into: &output) }
            #expect(throws: NoiseError.nonceExhausted) {
                var buffer = ByteBuffer(repeating: 0, count: 30)
                try sender.sealInPlace(&buffer, plaintextAt: 2, length: 4)
            }
            #expect(throws: NoiseError.nonceExhausted) {
                try receiver.open(frame: ByteBuffer(repeating: 0, count: 20), into: &output)
            }
        }
        #expect(output.readableBytes == 0)
    }
}
