import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import TestSupport
import Testing

@Suite struct BlockstoreTests {
    static let lengths = [0, 1, 7, 8, 100, 4096, 65_535, 65_536, 65_537, 262_144, 1 << 20, 2 << 20]

    @Test(
        "A block of any size reads back the same before a sync, after it, and after a restart",
        arguments: BlockstoreTests.lengths)
    func roundTrip(size: Int) async throws {
        try await withFolder { folder in
            let block = Block.sample(size, 1)
            let first = try Repository.open(at: folder, options: smallOptions(packLimit: 4 << 20))
            #expect(try first.blocks.get(block.cid) == nil)
            try first.blocks.put([block])
            #expect(try first.blocks.get(block.cid) == block.data)
            #expect(try first.blocks.size(of: block.cid) == size)
            try first.blocks.sync()
            #expect(try first.blocks.get(block.cid) == block.data)
            #expect(try first.blocks.stat().unsynced == 0)
            try first.close()
            let second = try Repository.open(at: folder, options: smallOptions(packLimit: 4 << 20))
            #expect(second.recovery.wasClean)
            #expect(try second.blocks.get(block.cid) == block.data)
            #expect(try second.blocks.stat().blocks == 1)
            #expect(try second.blocks.stat().bytes == size)
            try second.close()
        }
    }

    @Test("Slices of a larger buffer are stored without their surroundings")
    func slices() async throws {
        try await withRepository { repository, _ in
            let whole = ByteBuffer(bytes: noise(300_000, 2))
            let parts = stride(from: 0, to: 300_000, by: 100_000).map { whole.getSlice(at: $0, length: 100_000)! }
            let blocks = parts.map { Block(cid: CID(codec: .raw, multihash: ContentHash.sha256($0)), data: $0) }
            try repository.blocks.put(blocks)
            for block in blocks { #expect(try repository.blocks.get(block.cid) == block.data) }
        }
    }

    @Test("Two CIDs with one multihash are one block; identity CIDs need no block")
    func multihashIsTheKey() async throws {
        try await withRepository { repository, _ in
            let block = Block.sample(500, 3)
            try repository.blocks.put([block])
            let other = CID(v0: block.cid.multihash)!
            #expect(try repository.blocks.has(other))
            #expect(try repository.blocks.get(other) == block.data)
            let inline = CID(codec: .raw, multihash: .identity([1, 2, 3]))
            try repository.blocks.put([Block(cid: inline, data: ByteBuffer(bytes: [1, 2, 3]))])
            #expect(try repository.blocks.get(inline) == ByteBuffer(bytes: [1, 2, 3]))
            #expect(try repository.blocks.size(of: inline) == 3)
            #expect(try repository.blocks.stat().blocks == 1)
        }
    }

    @Test("A block that is put again, in one batch or later, is stored once")
    func deduplication() async throws {
        try await withRepository { repository, folder in
            let blocks = [Block.sample(1000, 4), Block.sample(100_000, 5)]
            try repository.blocks.put(blocks + blocks)
            try repository.blocks.put(blocks)
            try repository.blocks.sync()
            let before = try packFiles(folder).map(fileLength)
            try repository.blocks.put(blocks)
            try repository.blocks.sync()
            #expect(try packFiles(folder).map(fileLength) == before)
            #expect(try repository.blocks.stat().blocks == 2)
        }
    }

    @Test("Sizes of many blocks come in the order asked, pending and stored ones alike")
    func sizes() async throws {
        try await withRepository { repository, _ in
            let blocks = (0..<200).map { Block.sample(10 + $0, 100 + UInt64($0)) }
            try repository.blocks.put(Array(blocks[..<100]))
            try repository.blocks.sync()
            try repository.blocks.put(Array(blocks[100..<150]))
            let sizes = try repository.blocks.sizes(of: blocks.map(\.cid))
            #expect(sizes == blocks.indices.map { $0 < 150 ? 10 + $0 : nil })
        }
    }

    @Test("Data that does not match its CID, or is too large, is refused and nothing of the batch is stored")
    func verifyingPut() async throws {
        try await withRepository { repository, _ in
            let good = Block.sample(100, 6)
            let bad = Block(cid: good.cid, data: ByteBuffer(bytes: [1]))
            let unknown = Block(
                cid: CID(codec: .raw, multihash: Multihash(code: .murmur3_x64_64, digest: [1, 2])), data: good.data)
            #expect(throws: RepositoryError.mismatch(good.cid.description)) {
                try repository.blocks.put(verifying: [good, bad])
            }
            #expect(throws: RepositoryError.unknownHash(unknown.cid.description)) {
                try repository.blocks.put(verifying: [unknown])
            }
            let large = Block.sample(Block.maximumLength + 1, 7)
            #expect(throws: RepositoryError.blockTooLarge(Block.maximumLength + 1)) {
                try repository.blocks.put([large])
            }
            #expect(try repository.blocks.has(good.cid) == false)
            try repository.blocks.put(verifying: [good])
            #expect(try repository.blocks.has(good.cid))
        }
    }

    @Test("Packs roll over at their limit and every block in them stays readable")
    func manyPacks() async throws {
        try await withRepository(smallOptions(packLimit: 300_000)) { repository, folder in
            let blocks = (0..<60).map { Block.sample($0 % 2 == 0 ? 70_000 : 20_000, 200 + UInt64($0)) }
            for block in blocks { try repository.blocks.put([block]) }
            try repository.blocks.sync()
            #expect(try packFiles(folder).count > 8)
            for block in blocks { #expect(try repository.blocks.get(block.cid) == block.data) }
        }
    }

    @Test("More packs than may be open at a time are read all the same")
    func fewDescriptors() async throws {
        var options = smallOptions(packLimit: 70_000)
        options.maximumOpenPacks = 4
        try await withRepository(options) { repository, _ in
            let blocks = (0..<20).map { Block.sample(66_000, 300 + UInt64($0)) }
            try repository.blocks.put(blocks)
            for _ in 0..<3 { for block in blocks { #expect(try repository.blocks.get(block.cid) == block.data) } }
        }
    }

    @Test("Pages list each block once and end")
    func pages() async throws {
        try await withRepository { repository, _ in
            let blocks = (0..<2500).map { Block.sample(8, 1000 + UInt64($0)) }
            try repository.blocks.put(blocks)
            var seen: [CID] = []
            try repository.blocks.allBlocks { seen += $0 }
            #expect(Set(seen) == Set(blocks.map(\.cid)))
            #expect(seen.count == blocks.count)
        }
    }

    @Test("Puts, reads and syncs from many tasks at once all succeed")
    func concurrency() async throws {
        try await withRepository(smallOptions(packLimit: 500_000)) { repository, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        for step in 0..<40 {
                            // Half of the blocks are shared by all tasks.
                            let seed = step % 2 == 0 ? UInt64(step) : UInt64(10_000 + task * 100 + step)
                            let block = Block.sample(step % 5 == 0 ? 90_000 : 700, seed)
                            if step % 3 == 0 {
                                try await repository.blocks.putDurably([block])
                            } else {
                                try repository.blocks.put([block])
                            }
                            let data = try await repository.blocks.load(block.cid)
                            #expect(data == block.data)
                        }
                    }
                }
                try await group.waitForAll()
            }
            try repository.blocks.sync()
            #expect(try repository.blocks.stat().blocks == 20 + 8 * 20)
            #expect(try repository.blocks.verify().isClean)
        }
    }

    @Test("A deleted block is gone, can be put again, and a pinned one is not deleted")
    func deletion() async throws {
        try await withRepository { repository, _ in
            for block in [Block.sample(1000, 8), Block.sample(100_000, 9)] {
                try repository.blocks.put([block])
                try repository.blocks.pin(block.cid, kind: .direct)
                #expect(throws: RepositoryError.pinned(block.cid.description)) {
                    try repository.blocks.delete(block.cid)
                }
                #expect(try repository.blocks.unpin(block.cid))
                #expect(try repository.blocks.delete(block.cid))
                #expect(try repository.blocks.delete(block.cid) == false)
                #expect(try repository.blocks.get(block.cid) == nil)
                try repository.blocks.put([block])
                #expect(try repository.blocks.get(block.cid) == block.data)
            }
        }
    }

    @Test("After close every call says so instead of touching files")
    func closed() async throws {
        try await withFolder { folder in
            let repository = try Repository.open(at: folder, options: smallOptions())
            try repository.close()
            try repository.close()
            #expect(throws: RepositoryError.closed) { try repository.blocks.put([Block.sample(10, 1)]) }
            #expect(throws: RepositoryError.closed) { try repository.blocks.sync() }
        }
    }
}
