import CPlatform
import Testing

@Suite struct ChecksumTests {
    /// CRC32C bit by bit, as it is defined.
    private func slow(_ seed: UInt32, _ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc = ~seed
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82f6_3b78 : crc >> 1 }
        }
        return ~crc
    }

    private func fast(_ seed: UInt32, _ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes { cplatform_crc32c(seed, $0.baseAddress, $0.count) }
    }

    @Test("The check values of RFC 3720 come out")
    func published() {
        #expect(fast(0, Array("123456789".utf8)[...]) == 0xe306_9283)
        #expect(fast(0, [UInt8](repeating: 0, count: 32)[...]) == 0x8a91_36aa)
        #expect(fast(0, [UInt8](repeating: 0xff, count: 32)[...]) == 0x62a8_ab43)
        #expect(fast(0, Array(UInt8(0)..<32)[...]) == 0x46dd_794e)
    }

    @Test("Lanes of every length and alignment agree with the definition, in one piece and in two")
    func lanes() {
        let seed: UInt64 = 7
        print("seed \(seed)")
        var dice = Dice(seed)
        let bytes = noise(120_000, 1)
        for round in 0..<400 {
            let start = Int.random(in: 0..<64, using: &dice)
            let count = Int.random(in: 0..<(round % 8 == 0 ? 100_000 : 2000), using: &dice)
            let part = bytes[start..<start + count]
            let first = UInt32(truncatingIfNeeded: dice.next())
            let whole = slow(first, part)
            #expect(fast(first, part) == whole)
            let cut = Int.random(in: start...start + count, using: &dice)
            #expect(fast(fast(first, bytes[start..<cut]), bytes[cut..<start + count]) == whole)
        }
    }
}
