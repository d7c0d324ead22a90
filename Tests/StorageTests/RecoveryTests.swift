import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import TestSupport
import Testing

@Suite struct RecoveryTests {
    @Test(
        "A pack cut at each byte of its last record opens, loses that record alone, and takes it again",
        arguments: [300, 66_000])
    func tornTail(size: Int) async throws {
        try await withFolder { folder in
            let blocks = (0..<3).map { Block.sample(size, UInt64($0)) }
            let live = try Repository.open(at: folder + "/live", options: smallOptions())
            try live.blocks.put(Array(blocks[..<2]))
            try live.blocks.sync()
            let kind = size < 65_536 ? "small" : "large"
            let start = fileLength(try packFiles(folder + "/live", kind)[0])
            try live.blocks.put([blocks[2]])
            // As after a crash: the record is in the pack, and no row is in the index.
            try copyFolder(folder + "/live", folder + "/crashed")
            let end = fileLength(try packFiles(folder + "/crashed", kind)[0])
            let cuts =
                size < 1000
                ? Array(start...end)
                : Array(start...start + 80) + stride(from: start + 81, to: end, by: 997) + Array(end - 20...end)
            for cut in cuts {
                try copyFolder(folder + "/crashed", folder + "/copy")
                let file = try packFiles(folder + "/copy", kind)[0]
                #expect(truncate(file, off_t(cut)) == 0)
                let repository = try Repository.open(at: folder + "/copy", options: smallOptions())
                for block in blocks[..<2] { #expect(try repository.blocks.get(block.cid) == block.data) }
                let survived = try repository.blocks.get(blocks[2].cid)
                #expect(survived == nil || survived == blocks[2].data)
                // Only padding may be missing from a record that is taken.
                if survived != nil { #expect(cut >= end - (kind == "small" ? 8 : 4096)) } else { #expect(cut < end) }
                #expect(try repository.blocks.quarantined().isEmpty)
                try repository.blocks.put(blocks)
                try repository.blocks.sync()
                for block in blocks { #expect(try repository.blocks.get(block.cid) == block.data) }
                #expect(try repository.blocks.verify().isClean)
                try repository.close()
                let again = try Repository.open(at: folder + "/copy", options: smallOptions())
                #expect(again.recovery.wasClean)
                for block in blocks { #expect(try again.blocks.get(block.cid) == block.data) }
                try again.close()
            }
            try live.close()
        }
    }

    @Test("A tail with a damaged record in the middle keeps the good ones around it")
    func damagedTail() async throws {
        try await withFolder { folder in
            let blocks = (0..<5).map { Block.sample(500, UInt64($0)) }
            let live = try Repository.open(at: folder + "/live", options: smallOptions())
            for block in blocks { try live.blocks.put([block]) }
            try copyFolder(folder + "/live", folder + "/copy")
            try live.close()
            let record = 64 + 504
            try patch(try packFiles(folder + "/copy")[0], at: 4096 + 2 * record + 100) { $0 ^= 4 }
            let repository = try Repository.open(at: folder + "/copy", options: smallOptions())
            #expect(repository.recovery.recoveredBlocks == 4)
            for (number, block) in blocks.enumerated() {
                #expect(try repository.blocks.get(block.cid) == (number == 2 ? nil : block.data))
            }
            try repository.close()
        }
    }

    @Test("Bytes inside a block that look like a record are not taken for one")
    func recordInsideABlock() async throws {
        try await withFolder { folder in
            let victim = Block.sample(100, 1)
            let live = try Repository.open(at: folder + "/a", options: smallOptions())
            try live.blocks.put([victim])
            try live.close()
            // The attacker has seen records of a repository of his own.
            let pack = try Data(contentsOf: URL(fileURLWithPath: packFiles(folder + "/a")[0]))
            var lie = [UInt8](pack[4096...])
            for index in 64..<164 { lie[index] = 0x66 }
            let carrier = Block(lie + lie)
            let repository = try Repository.open(at: folder + "/b", options: smallOptions())
            try repository.blocks.put([carrier])
            try copyFolder(folder + "/b", folder + "/c")
            try repository.close()
            try patch(try packFiles(folder + "/c")[0], at: 4096) { $0 ^= 1 }
            let opened = try Repository.open(at: folder + "/c", options: smallOptions())
            #expect(opened.recovery.recoveredBlocks == 0)
            #expect(try opened.blocks.has(victim.cid) == false)
            try opened.close()
        }
    }

    @Test("With the database deleted, every block, pin and durable record is back")
    func deletedDatabase() async throws {
        try await withFolder { folder in
            let blocks = (0..<200).map { Block.sample($0 % 20 == 0 ? 80_000 : 600, UInt64($0)) }
            let first = try Repository.open(at: folder, options: smallOptions())
            try first.blocks.put(blocks)
            try first.blocks.pin(blocks[0].cid, kind: .recursive, name: "named")
            try first.blocks.pin(blocks[1].cid, kind: .direct)
            try first.blocks.pin(blocks[2].cid)
            try first.blocks.unpin(blocks[2].cid)
            try first.records.set([9], for: [1], in: "sequence", durable: true)
            try first.records.set([8], for: [2], in: "sequence", durable: true)
            try first.records.delete([2], in: "sequence")
            try first.close()
            try FileManager.default.removeItem(atPath: folder + "/index.sqlite")
            let second = try Repository.open(at: folder, options: smallOptions())
            #expect(second.recovery.rebuiltBecause != nil)
            #expect(second.recovery.recoveredBlocks == 200)
            for block in blocks { #expect(try second.blocks.get(block.cid) == block.data) }
            #expect(try second.blocks.stat().blocks == 200)
            #expect(
                Set(try second.blocks.pins()) == [
                    Pin(cid: blocks[0].cid, kind: .recursive, name: "named"), Pin(cid: blocks[1].cid, kind: .direct),
                ])
            #expect(try second.records.get([1], in: "sequence") == [9])
            #expect(try second.records.get([2], in: "sequence") == nil)
            try second.close()
        }
    }

    @Test("After a rebuild a put does not rely on a record that nobody has checked")
    func unverifiedRows() async throws {
        try await withFolder { folder in
            var options = smallOptions()
            options.maximumUnsynced = 100
            let blocks = (0..<50).map { Block.sample(5000, UInt64($0)) }
            let first = try Repository.open(at: folder, options: options)
            try first.blocks.put(blocks)
            try first.close()
            try FileManager.default.removeItem(atPath: folder + "/index.sqlite")
            try patch(try packFiles(folder)[0], at: 4096 + 64 + 2000) { $0 ^= 1 }
            let second = try Repository.open(at: folder, options: options)
            try second.blocks.put(blocks)
            try second.blocks.sync()
            for block in blocks { #expect(try second.blocks.get(block.cid) == block.data) }
            #expect(try second.blocks.stat().blocks == 50)
            try second.close()
        }
    }

    @Test("A pack that is gone leaves its blocks on the list of what to fetch")
    func missingPack() async throws {
        try await withFolder { folder in
            let blocks = [Block.sample(500, 1), Block.sample(90_000, 2)]
            let first = try Repository.open(at: folder, options: smallOptions())
            try first.blocks.put(blocks)
            try first.close()
            try FileManager.default.removeItem(atPath: packFiles(folder, "large")[0])
            let second = try Repository.open(at: folder, options: smallOptions())
            #expect(second.recovery.missingPacks.count == 1)
            #expect(try second.blocks.get(blocks[0].cid) == blocks[0].data)
            #expect(try second.blocks.has(blocks[1].cid) == false)
            #expect(try second.blocks.quarantined().map(\.cid) == [blocks[1].cid])
            #expect(try second.blocks.stat().blocks == 1)
            try second.blocks.restore(blocks[1])
            #expect(try second.blocks.quarantined().isEmpty)
            try second.close()
        }
    }

    /// What was acknowledged must be there whatever happens to SQLite's files after a crash.
    @Test(
        "Random damage to the database of a crashed repository loses no acknowledged block or pin",
        arguments: [UInt64(1), 2, 3, 4])
    func damagedDatabase(seed: UInt64) async throws {
        print("seed \(seed)")
        try await withFolder { folder in
            var dice = Dice(seed)
            let live = try Repository.open(at: folder + "/live", options: smallOptions())
            var blocks: [Block] = []
            for step in 0..<12 {
                let fresh = (0..<40).map { Block.sample($0 == 0 ? 70_000 : 300, UInt64(step * 100 + $0)) }
                blocks += fresh
                try live.blocks.put(fresh)
                try live.blocks.sync()
                try live.blocks.pin(fresh[1].cid, name: "step \(step)")
            }
            let pins = Set(try live.blocks.pins())
            try copyFolder(folder + "/live", folder + "/crashed")
            for round in 0..<60 {
                let copy = folder + "/copy"
                try copyFolder(folder + "/crashed", copy)
                let kind = Int.random(in: 0..<6, using: &dice)
                let index = copy + "/index.sqlite"
                switch kind {
                case 0, 1:
                    for _ in 0..<Int.random(in: 1...3, using: &dice) {
                        let page = Int.random(in: 0..<max(1, fileLength(index) / 4096), using: &dice)
                        try overwrite(index, at: page * 4096, noise(4096, dice.next()))
                    }
                case 2:
                    #expect(
                        truncate(index + "-wal", off_t(Int.random(in: 0...fileLength(index + "-wal"), using: &dice)))
                            == 0)
                case 3: try? FileManager.default.removeItem(atPath: index + "-shm")
                case 4: #expect(truncate(index, off_t(Int.random(in: 0...fileLength(index), using: &dice))) == 0)
                default:
                    let at = Int.random(in: 0..<max(1, fileLength(index + "-wal")), using: &dice)
                    try overwrite(index + "-wal", at: at, noise(200, dice.next()))
                }
                let opened = try Repository.open(at: copy, options: smallOptions())
                for block in blocks {
                    #expect(try opened.blocks.get(block.cid) == block.data, "seed \(seed) round \(round) kind \(kind)")
                }
                #expect(Set(try opened.blocks.pins()) == pins, "seed \(seed) round \(round) kind \(kind)")
                if opened.recovery.rebuiltBecause != nil, kind != 4 || fileLength(index) > 0 {
                    #expect(opened.recovery.damagedDatabase.map { FileManager.default.fileExists(atPath: $0) } == true)
                }
                try opened.close()
            }
            try live.close()
        }
    }

    @Test("A database that changed while the repository was closed is noticed")
    func rotWhileClosed() async throws {
        try await withFolder { folder in
            let blocks = (0..<300).map { Block.sample(100, UInt64($0)) }
            let first = try Repository.open(at: folder, options: smallOptions())
            try first.blocks.put(blocks)
            try first.close()
            let index = folder + "/index.sqlite"
            try overwrite(index, at: fileLength(index) / 4096 / 2 * 4096, noise(4096, 7))
            let second = try Repository.open(at: folder, options: smallOptions())
            #expect(second.recovery.wasClean == false)
            for block in blocks { #expect(try second.blocks.get(block.cid) == block.data) }
            try second.close()
        }
    }

    private func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: Data(bytes))
    }
}
