import SansIO

/// `bytes` with a few random changes: what a broken or hostile peer might send.
func mutated(_ bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = result.isEmpty ? 0 : Int.random(in: result.indices, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0 where !result.isEmpty: result[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !result.isEmpty:
            result[index] = [0, 1, 0x7f, 0x80, 0xff, 0x9f, 0xbf].randomElement(using: &random) ?? 0
        case 2: result.insert(UInt8.random(in: 0...255, using: &random), at: index)
        case 3 where !result.isEmpty: result.remove(at: index)
        case 4: result.removeLast(Int.random(in: 0...result.count / 2, using: &random))
        default: result.insert(contentsOf: result.suffix(Int.random(in: 0...8, using: &random)), at: index)
        }
    }
    return result
}
