import NIOCore
import PeerCrypto
import Testing
import Transport

/// Frames come out of the socket in pieces that nobody chose.
@Suite struct NoiseReaderTests {
    private static let key = SecretBytes([UInt8](repeating: 3, count: 32))

    private func sealed(_ lengths: [Int]) throws -> (wire: ByteBuffer, plaintext: ByteBuffer) {
        let sender = NoiseCipher(key: Self.key)
        var wire = ByteBuffer()
        var plaintext = ByteBuffer()
        for (number, length) in lengths.enumerated() {
            let frame = ByteBuffer(repeating: UInt8(number + 1), count: length)
            plaintext.writeImmutableBuffer(frame)
            try sender.seal(frame, into: &wire)
        }
        return (wire, plaintext)
    }

    /// Reads `wire` in pieces as the connection does: a plaintext buffer as long as what came in.
    private func read(_ wire: ByteBuffer, piece: Int) throws -> ByteBuffer {
        var reader = NoiseReader(cipher: NoiseCipher(key: Self.key))
        var wire = wire
        var opened = ByteBuffer()
        while var input = wire.readSlice(length: min(piece, wire.readableBytes)), input.readableBytes > 0 {
            var turns = 0
            var isDone = false
            while !isDone {
                turns += 1
                try #require(turns < 16, "a piece of \(piece) bytes is never used up")
                var plaintext = ByteBuffer()
                plaintext.reserveCapacity(input.readableBytes)
                isDone = try reader.receive(&input, into: &plaintext)
                opened.writeImmutableBuffer(plaintext)
            }
        }
        return opened
    }

    @Test("Any pieces give the same plaintext", arguments: [1, 2, 3, 17, 100, 1448, 16_384, 65_537, 1 << 20])
    func pieces(_ piece: Int) throws {
        let (wire, plaintext) = try sealed([0, 1, 300, 20_000, 65_519, 5])
        #expect(try read(wire, piece: piece) == plaintext)
    }

    /// Once, a length of 65,535 with little behind it kept the event loop turning for ever.
    @Test("A length whose frame does not come costs nothing", arguments: [2, 3, 100, 60_000])
    func announcedAndNotSent(_ length: Int) throws {
        var wire = ByteBuffer(repeating: 0xff, count: length)
        var reader = NoiseReader(cipher: NoiseCipher(key: Self.key))
        var plaintext = ByteBuffer()
        plaintext.reserveCapacity(length)
        #expect(try reader.receive(&wire, into: &plaintext))
        #expect(plaintext.readableBytes == 0 && wire.readableBytes == 0)
    }
}
