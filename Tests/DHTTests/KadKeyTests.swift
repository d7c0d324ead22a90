import DHT
import Multiformats
import SansIO
import Testing

@Suite("Places in Kademlia's space") struct KadKeyTests {
    @Test("The place of a content is the SHA-256 of its multihash")
    func content() throws {
        let cid = try CID("bafybeihfg3d7rdltd43u3tfvncx7n5loqofbsobojcadtmokrljfthuc7y")
        #expect(KadKey(hashing: cid.multihash.bytes).bytes.count == 32)
        #expect(cid.multihash.bytes.prefix(4) == [0x12, 0x20, 0xe5, 0x36])
        #expect(KadKey(hashing: cid.multihash.bytes).bytes.prefix(6) == [0xd6, 0x23, 0x25, 0x0f, 0x3f, 0x66])
    }

    @Test("Prefixes and order agree with a bit by bit comparison")
    func prefixes() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<500 {
            let left = KadKey(bytes: (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) })
            var bytes = left.bytes
            let bit = Int(generator.next() % 256)
            bytes[bit / 8] ^= 1 << UInt8(7 - bit % 8)
            let right = KadKey(bytes: bytes)
            #expect(left.commonPrefixLength(with: right) == bit)
            #expect(left.bit(bit) != right.bit(bit))
            #expect((left < right) == left.bytes.lexicographicallyPrecedes(right.bytes))
            #expect((left ^ right).bytes == zip(left.bytes, right.bytes).map { $0 ^ $1 })
        }
        #expect(KadKey(bytes: []).commonPrefixLength(with: KadKey(bytes: [])) == 256)
    }
}
