import SansIO

/// Keys whose hash begins with wanted bits. Peers hash what they are asked for, so a place in the space can only
/// be asked for by trying keys.
enum RandomKeys {
    /// The most keys tried; one more bit needs twice as many.
    private static let maximumTries = 1 << 16

    /// A key in the form of a PeerID whose hash shares `bits` bits with `place`, or as many as could be found.
    static func key(sharing bits: Int, with place: KadKey, _ generator: inout SeededGenerator) -> [UInt8] {
        var key: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 0, count: 32)
        for index in 10..<34 { key[index] = UInt8(truncatingIfNeeded: generator.next()) }
        var best = (bits: -1, key: key)
        for count in 0..<maximumTries {
            for index in 0..<4 { key[2 + index] = UInt8(truncatingIfNeeded: count >> (8 * index)) }
            let shared = KadKey(hashing: key).commonPrefixLength(with: place)
            if shared > best.bits { best = (shared, key) }
            if shared >= bits { break }
        }
        return best.key
    }
}

extension KadKey {
    /// The place with the bit at `index` turned over, 0 being the most significant.
    func flipping(_ index: Int) -> KadKey {
        guard (0..<256).contains(index) else { return self }
        var result = words
        let mask = UInt64(1) << UInt64(63 - index % 64)
        switch index / 64 {
        case 0: result.0 ^= mask
        case 1: result.1 ^= mask
        case 2: result.2 ^= mask
        default: result.3 ^= mask
        }
        return KadKey(words: result)
    }
}
