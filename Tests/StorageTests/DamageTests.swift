import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import TestSupport
import Testing

@Suite struct DamageTests {
    @Test("Each of 1,000 flipped bits in packs is found before a byte is served, and good data heals it")
    func flippedBits() async throws {
        try await withRepository(smallOptions(packLimit: 2 << 20)) { repository, folder in
            let store = repository.blocks
            let blocks = (0..<60).map { Block.sample($0 % 3 == 0 ? 70_000 : 900, UInt64($0)) }
            try store.put(blocks)
            try store.sync()
            let seed: UInt64 = 42
            print("seed \(seed)")
            var dice = Dice(seed)
            for _ in 0..<1000 {
                // A bit anywhere in a record: its header, its multihash or its data.
                let block = blocks[Int.random(in: 0..<blocks.count, using: &dice)]
                let record = 64 + block.data.readableBytes
                let (file, start) = try #require(try find(block, in: folder))
                let offset = start + Int.random(in: 0..<record, using: &dice)
                // The padding of a header carries nothing but is under its CRC.
                let mask = UInt8(1) << UInt8(Int.random(in: 0..<8, using: &dice))
                try patch(file, at: offset) { $0 ^= mask }
                #expect(try store.get(block.cid) == nil, "byte \(offset - start) of \(record), mask \(mask)")
                #expect(try store.has(block.cid) == false)
                let listed = try store.quarantined()
                #expect(listed.map(\.cid.multihash) == [block.cid.multihash])
                #expect(listed.first?.reason.isEmpty == false)
                if Bool.random(using: &dice) {
                    // The cable was loose after all.
                    try patch(file, at: offset) { $0 ^= mask }
                    #expect(try store.reexamineQuarantine().map(\.multihash) == [block.cid.multihash])
                } else {
                    try store.restore(block)
                }
                #expect(try store.quarantined().isEmpty)
                #expect(try store.get(block.cid) == block.data)
            }
            #expect(try store.stat().blocks == 60)
        }
    }

    /// Where a block's record starts, found by its data, the last copy.
    private func find(_ block: Block, in folder: String) throws -> (String, Int)? {
        let needle = Data(
            block.cid.multihash.bytes + [UInt8](repeating: 0, count: 6) + block.data.readableBytesView.prefix(32))
        for file in try packFiles(folder).reversed() {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            if let range = bytes.range(of: needle, options: .backwards) { return (file, range.lowerBound - 24) }
        }
        return nil
    }

    @Test("verify finds every damaged block, tells of each once, and nothing else")
    func verify() async throws {
        try await withRepository { repository, folder in
            let store = repository.blocks
            let blocks = (0..<300).map { Block.sample($0 % 10 == 0 ? 70_000 : 400, UInt64($0)) }
            try store.put(blocks)
            #expect(
                try store.verify()
                    == VerifyReport(checked: 300, checkedBytes: blocks.reduce(0) { $0 + $1.data.readableBytes }))
            let damaged = [blocks[0], blocks[7], blocks[150], blocks[299]]
            for block in damaged {
                let (file, start) = try #require(try find(block, in: folder))
                try patch(file, at: start + 64 + 100) { $0 ^= 0x10 }
            }
            var steps = 0
            let report = try store.verify { _ in steps += 1 }
            #expect(steps > 0)
            #expect(Set(report.damaged.map(\.multihash)) == Set(damaged.map(\.cid.multihash)))
            #expect(report.checked == 300)
            #expect(try store.verify().isClean)
            #expect(try store.quarantined().count == 4)
            #expect(try store.stat().quarantined == 4)
            for block in damaged { try store.restore(block) }
            #expect(try store.verify().checked == 300)
        }
    }

    @Test("A trusted put of wrong data is served as it came, and verify finds it")
    func wrongHash() async throws {
        try await withRepository { repository, _ in
            let right = Block.sample(1000, 1)
            let wrong = Block(cid: right.cid, data: Block.sample(1000, 2).data)
            try repository.blocks.put([wrong])
            #expect(try repository.blocks.verify().damaged.map(\.multihash) == [right.cid.multihash])
            #expect(try repository.blocks.get(right.cid) == nil)
            #expect(throws: RepositoryError.mismatch(right.cid.description)) { try repository.blocks.restore(wrong) }
            try repository.blocks.restore(right)
            #expect(try repository.blocks.get(right.cid) == right.data)
        }
    }

    @Test("Scrubbing in small steps sees every block once")
    func scrub() async throws {
        try await withRepository { repository, _ in
            let blocks = (0..<1000).map { Block.sample(500, UInt64($0)) }
            try repository.blocks.put(blocks)
            try repository.blocks.sync()
            var cursor: BlockCursor? = BlockCursor()
            var checked = 0
            var steps = 0
            while let place = cursor {
                let step = try repository.blocks.scrubStep(from: place, budget: 100_000)
                checked += step.report.checked
                cursor = step.next
                steps += 1
            }
            #expect(checked == 1000)
            #expect(steps >= 4)
        }
    }

    @Test("A read error of the disk quarantines the block, any other error is thrown and changes nothing")
    func readErrors() async throws {
        let code = Shared(0)
        var options = smallOptions()
        options.faults = FaultPlan { operation, _ in
            operation == .read && code.value != 0 ? .error(Int32(code.value)) : nil
        }
        try await withRepository(options) { repository, _ in
            let block = Block.sample(1000, 1)
            try repository.blocks.put([block])
            code.value = UInt32(ENOMEM)
            #expect(throws: RepositoryError.self) { try repository.blocks.get(block.cid) }
            code.value = 0
            #expect(try repository.blocks.get(block.cid) == block.data)
            code.value = UInt32(EIO)
            #expect(try repository.blocks.get(block.cid) == nil)
            code.value = 0
            #expect(try repository.blocks.quarantined().count == 1)
            #expect(try repository.blocks.reexamineQuarantine().count == 1)
            #expect(try repository.blocks.get(block.cid) == block.data)
        }
    }
}
