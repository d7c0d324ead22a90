import SansIO

/// Changes inputs the way a fuzzer does, the same way for the same seed.
struct Mutator {
    var luck: SeededGenerator
    let corpus: [[UInt8]]
    let maximumLength: Int

    /// Bytes and runs that readers stumble over: signs, lengths, varint bombs, the ends of the number ranges.
    private static let tokens: [[UInt8]] = [
        [0x00], [0x01], [0x7f], [0x80], [0xff], [0x80, 0x00], [0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff],
        [0x80, 0x00, 0x00, 0x00], [0x00, 0x04, 0x00, 0x01], [0xff, 0xff, 0xff, 0xff, 0x0f],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        [0x01, 0x55, 0x12, 0x20], [0x12, 0x20], [0x0a, 0x00], [0x0a, 0x0a], [0x12, 0x00], [0x9b], [0x5f], [0xbf],
        Array("/p2p/".utf8), Array("/ip4/127.0.0.1/tcp/1".utf8), Array("..".utf8), Array("\r\n".utf8), Array("--".utf8),
    ]

    /// An input made from one of the corpus by one to eight changes.
    mutating func next() -> [UInt8] {
        var bytes = corpus.randomElement(using: &luck) ?? []
        for _ in 0..<Int.random(in: 1...8, using: &luck) { change(&bytes) }
        return Array(bytes.prefix(maximumLength))
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let at = Int.random(in: 0...bytes.count, using: &luck)
        let length = min(Int.random(in: 1...16, using: &luck), bytes.count - at)
        switch Int.random(in: 0..<9, using: &luck) {
        case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &luck)
        case 1 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &luck)
        case 2: bytes.removeSubrange(at..<at + length)
        case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: at)
        case 4: bytes.insert(contentsOf: Self.tokens.randomElement(using: &luck) ?? [], at: at)
        case 5:
            let token = Self.tokens.randomElement(using: &luck) ?? []
            bytes.replaceSubrange(at..<min(at + token.count, bytes.count), with: token)
        case 6: bytes.removeSubrange(at...)
        case 7: bytes.append(contentsOf: (corpus.randomElement(using: &luck) ?? []).dropFirst(at))
        case 8 where at < bytes.count: bytes[at] &+= UInt8.random(in: 1...3, using: &luck)
        default: bytes.insert(UInt8.random(in: 0...255, using: &luck), at: at)
        }
    }
}
