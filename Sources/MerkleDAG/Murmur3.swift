/// MurmurHash3 x64_128 with seed 0, of which UnixFS folders use the first 64 bits (multihash code 0x22).
///
/// Source: https://github.com/aappleby/smhasher (public domain)
enum Murmur3 {
    /// The first half of the hash. Written big-endian, its bytes are the buckets from the root down.
    static func hash64(_ bytes: [UInt8]) -> UInt64 {
        let c1: UInt64 = 0x87c3_7b91_1142_53d5
        let c2: UInt64 = 0x4cf5_ad43_2745_937f
        var h1: UInt64 = 0
        var h2: UInt64 = 0
        let blocks = bytes.count / 16

        func word(_ start: Int, _ count: Int) -> UInt64 {
            var value: UInt64 = 0
            for index in 0..<count { value |= UInt64(bytes[start + index]) << UInt64(8 * index) }
            return value
        }
        func mix1(_ k: UInt64) -> UInt64 { rotate(k &* c1, 31) &* c2 }
        func mix2(_ k: UInt64) -> UInt64 { rotate(k &* c2, 33) &* c1 }

        for block in 0..<blocks {
            h1 ^= mix1(word(block * 16, 8))
            h1 = (rotate(h1, 27) &+ h2) &* 5 &+ 0x52dc_e729
            h2 ^= mix2(word(block * 16 + 8, 8))
            h2 = (rotate(h2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
        }
        let tail = bytes.count - blocks * 16
        if tail > 8 { h2 ^= mix2(word(blocks * 16 + 8, tail - 8)) }
        if tail > 0 { h1 ^= mix1(word(blocks * 16, min(tail, 8))) }

        h1 ^= UInt64(bytes.count)
        h2 ^= UInt64(bytes.count)
        h1 &+= h2
        h2 &+= h1
        h1 = finish(h1)
        h2 = finish(h2)
        return h1 &+ h2
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }

    private static func finish(_ value: UInt64) -> UInt64 {
        var k = value
        k = (k ^ k >> 33) &* 0xff51_afd7_ed55_8ccd
        k = (k ^ k >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return k ^ k >> 33
    }
}
