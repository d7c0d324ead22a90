import Catalog
import Multiformats
import PeerCrypto
import Testing

@Suite struct EntityIDTests {
    @Test("An id is base58 of the first 16 bytes of a hash of sort, author and name") func text() throws {
        var shortest = 22
        for number in 0..<20_000 {
            let author = AuthorID(Digest32(words: (UInt64(number), 2, 3, 4)))
            let id = EntityID(.content, author, "n\(number)")
            let hash = ContentHash.sha256([1] + author.bytes + Array("n\(number)".utf8)).digest
            let expected = Base.base58btc.encode(Array(hash.prefix(16)))
            #expect(id.description == expected)
            #expect(EntityID(expected) == id)
            shortest = min(shortest, expected.utf8.count)
        }
        // Some of so many began with zero bytes or digits.
        #expect(shortest < 22)
    }
}
