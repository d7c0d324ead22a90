import Catalog
import Multiformats
import PeerCrypto
import Testing

@Suite("Updates") struct UpdateTests {
    static let key = KeyPair(seed: [UInt8](repeating: 7, count: 32))
    static let recovery = Digest32(words: (1, 2, 3, 4))

    static func create(time: UInt64 = 1_000) throws -> Update {
        try Update.sign(
            .authorCreate(AuthorCreateBody(recovery: recovery)), author: nil, prev: [], seq: 0, time: time, with: key)
    }

    @Test("What is signed reads back as it was") func roundTrip() throws {
        let first = try Self.create()
        #expect(first.author == AuthorID(first.id))
        var profile = ProfileBody()
        profile.handle = .set("lena.k")
        profile.bio = .cleared
        let second = try Update.sign(
            .profile(profile), author: first.author, prev: [first.id], seq: 1, time: 1_001, with: Self.key)
        let read = try Update(verifying: second.block)
        #expect(read == second)
        #expect(read.body == .profile(profile))
        #expect(read.header.prev == [first.id])
        let bare = try Update(verifying: Array(second.headerBytes))
        #expect(bare.id == second.id)
        #expect(bare.body == nil)
    }

    @Test("One bit flipped anywhere makes it another update or none") func flippedBits() throws {
        let block = try Self.create().block
        for index in block.indices {
            for bit in 0..<8 {
                var wrong = block
                wrong[index] ^= 1 << UInt8(bit)
                #expect(throws: UpdateError.self) { try Update(verifying: wrong) }
            }
        }
    }
}
