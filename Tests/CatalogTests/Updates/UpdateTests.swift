import Catalog
import Foundation
import Multiformats
import PeerCrypto
import SansIO
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

    /// `CATALOG_FLIPS=100000` for the whole proof, some twenty seconds.
    @Test("Of many updates of every kind, one bit flipped anywhere in each: none is accepted") func manyFlippedBits()
        async throws
    {
        let count = ProcessInfo.processInfo.environment["CATALOG_FLIPS"].flatMap { Int($0) } ?? 2_000
        let seed: UInt64 = 6
        var luck = SeededGenerator(seed: seed)
        let bodies = BodyTests.all.filter { $0.kind != .authorCreate && $0.kind != .rotate }
        var last = try Self.create()
        let author = last.author
        var (blocks, accepted) = ([[UInt8]](), 0)
        for number in 0..<count {
            last = try Update.sign(
                bodies[number % bodies.count], author: author, prev: [last.id], seq: last.seq + 1,
                time: last.time + UInt64.random(in: 1...90_000, using: &luck), with: Self.key)
            var wrong = last.block
            let bit = Int.random(in: 0..<8 * wrong.count, using: &luck)
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            blocks.append(wrong)
            guard blocks.count == 1_000 || number == count - 1 else { continue }
            accepted += await VerifiedUpdate.verify(blocks).count { $0.update != nil }
            blocks.removeAll()
        }
        #expect(accepted == 0, "seed \(seed)")
        #expect(VerifiedUpdate(last.block).update != nil)
    }
}
