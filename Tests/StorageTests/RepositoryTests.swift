import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import TestSupport
import Testing

@Suite struct RepositoryTests {
    @Test("A second opening is refused with the owner's process id, and works after the first is closed")
    func locking() async throws {
        try await withFolder { folder in
            let first = try Repository.open(at: folder, options: smallOptions())
            #expect(throws: RepositoryError.locked(byPID: getpid())) {
                try Repository.open(at: folder, options: smallOptions())
            }
            #expect(RepositoryError.locked(byPID: 7).description == "the repository is in use by process 7")
            try first.close()
            let second = try Repository.open(at: folder, options: smallOptions())
            try second.close()
        }
    }

    @Test("A repository of a newer format is refused, by its version file and by its schema")
    func newerFormat() async throws {
        try await withFolder { folder in
            try Repository.open(at: folder, options: smallOptions()).close()
            let text = try String(contentsOfFile: folder + "/version", encoding: .utf8)
            try text.replacingOccurrences(of: "format 1", with: "format 9").write(
                toFile: folder + "/version", atomically: true, encoding: .utf8)
            #expect(throws: RepositoryError.newerFormat(found: 9, supported: 1)) {
                try Repository.open(at: folder, options: smallOptions())
            }
            try text.write(toFile: folder + "/version", atomically: true, encoding: .utf8)
            try Repository.open(at: folder, options: smallOptions()).close()
        }
    }

    @Test("A lost version file is made again from the packs, so that their records are still read")
    func lostVersion() async throws {
        try await withFolder { folder in
            let block = Block.sample(100, 1)
            let first = try Repository.open(at: folder, options: smallOptions())
            try first.blocks.put([block])
            try first.close()
            try FileManager.default.removeItem(atPath: folder + "/version")
            let second = try Repository.open(at: folder, options: smallOptions())
            #expect(try second.blocks.get(block.cid) == block.data)
            try second.close()
        }
    }

    @Test("The files are for the owner alone")
    func permissions() async throws {
        try await withFolder { base in
            let folder = base + "/a/b/repo"
            try Repository.open(at: folder, options: smallOptions()).close()
            #expect(try FileManager.default.attributesOfItem(atPath: folder)[.posixPermissions] as? Int == 0o700)
        }
    }

    @Test("A full disk refuses a put cleanly; reads go on, and so do puts once there is room", arguments: [0, 1])
    func diskFull(step: Int) async throws {
        let full = Shared(0)
        var options = smallOptions()
        options.faults = FaultPlan { operation, _ in
            guard operation == .write, full.value > 0 else { return nil }
            full.value += 1
            // First a short write, then the error, so that half a record is on the disk.
            return full.value < 2 + UInt32(step) ? .short : .error(ENOSPC)
        }
        try await withRepository(options) { repository, folder in
            let before = [Block.sample(500, 1), Block.sample(70_000, 2)]
            let refused = [Block.sample(600, 3), Block.sample(80_000, 4)]
            try repository.blocks.put(before)
            try repository.blocks.sync()
            for block in refused {
                full.value = 1
                #expect(throws: RepositoryError.self) { try repository.blocks.put([block]) }
                #expect(try repository.blocks.has(block.cid) == false)
            }
            for block in before { #expect(try repository.blocks.get(block.cid) == block.data) }
            full.value = 0
            try repository.blocks.put(refused)
            try repository.blocks.sync()
            try copyFolder(folder, folder + "-copy")
            defer { try? FileManager.default.removeItem(atPath: folder + "-copy") }
            let copy = try Repository.open(at: folder + "-copy", options: smallOptions())
            for block in before + refused { #expect(try copy.blocks.get(block.cid) == block.data) }
            #expect(try copy.blocks.verify().isClean)
            try copy.close()
        }
    }

    @Test("After a failed fdatasync nothing is called durable any more, reads go on, and a new start recovers")
    func failedSync() async throws {
        try await withFolder { folder in
            let failing = Shared(0)
            var options = smallOptions()
            options.faults = FaultPlan { operation, path in
                operation == .sync && path.hasSuffix(".pack") && failing.value == 1 ? .error(EIO) : nil
            }
            let first = try Repository.open(at: folder, options: options)
            let (before, after) = (Block.sample(500, 1), Block.sample(500, 2))
            try first.blocks.put([before])
            try first.blocks.sync()
            try first.blocks.put([after])
            failing.value = 1
            #expect(throws: RepositoryError.self) { try first.blocks.sync() }
            failing.value = 0
            // The next fdatasync would succeed, and would be a lie.
            #expect(throws: RepositoryError.self) { try first.blocks.sync() }
            #expect(throws: RepositoryError.self) { try first.blocks.put([Block.sample(10, 3)]) }
            #expect(try first.blocks.get(before.cid) == before.data)
            #expect(throws: RepositoryError.self) { try first.close() }
            let second = try Repository.open(at: folder, options: smallOptions())
            #expect(second.recovery.wasClean == false)
            #expect(try second.blocks.get(before.cid) == before.data)
            try second.blocks.put([after])
            try second.blocks.sync()
            try second.close()
        }
    }

    @Test("Each failing system call in turn leaves a store that loses nothing it has acknowledged")
    func nthFault() async throws {
        for code in [EIO, ENOSPC] {
            var nth = 0
            var clean = false
            while !clean, nth < 200 {
                nth += 1
                let count = Shared(0)
                let target = UInt32(nth)
                var options = smallOptions(packLimit: 100_000)
                options.faults = FaultPlan { operation, _ in
                    guard operation != .read else { return nil }
                    count.value += 1
                    return count.value == target ? .error(code) : nil
                }
                try await withFolder { folder in
                    var acknowledged: [Block] = []
                    if let repository = try? Repository.open(at: folder, options: options) {
                        for step in 0..<6 {
                            let blocks = [Block.sample(400, UInt64(step)), Block.sample(70_000, 100 + UInt64(step))]
                            do {
                                try repository.blocks.put(blocks)
                                try repository.blocks.sync()
                                acknowledged += blocks
                                if step == 3 {
                                    try repository.blocks.delete(acknowledged.removeFirst().cid)
                                    try repository.blocks.pin(blocks[0].cid)
                                }
                            } catch {}
                            for block in acknowledged {
                                #expect(try repository.blocks.get(block.cid) == block.data, "call \(nth)")
                            }
                        }
                        try? repository.close()
                    }
                    let again = try Repository.open(at: folder, options: smallOptions(packLimit: 100_000))
                    for block in acknowledged {
                        #expect(try again.blocks.get(block.cid) == block.data, "call \(nth) code \(code)")
                    }
                    #expect(try again.blocks.verify().isClean)
                    try again.close()
                }
                clean = count.value < target
            }
            #expect(clean)
            #expect(nth > 30)
        }
    }

    @Test("The quota and the disk's reserve refuse blocks; a collection makes room again")
    func quota() async throws {
        var options = smallOptions()
        options.quota = 40 << 20
        try await withRepository(options) { repository, _ in
            var refusal: RepositoryError?
            for number in 0..<80 where refusal == nil {
                do throws(RepositoryError) { try repository.blocks.put([Block.sample(1 << 20, UInt64(number))]) } catch
                { refusal = error }
            }
            guard case .belowReserve(.quota(_, 41_943_040))? = refusal else {
                Issue.record("refused by \(String(describing: refusal))")
                return
            }
            #expect(try repository.blocks.stat().bytes <= 40 << 20)
            try repository.blocks.collectGarbage(links: sampleLinks)
            try repository.blocks.put([Block.sample(1 << 20, 99)])
        }
        options = smallOptions()
        options.minimumFree = .max / 4
        try await withRepository(options) { repository, _ in
            #expect(throws: RepositoryError.self) { try repository.blocks.put([Block.sample(10, 1)]) }
            let shortage = try repository.blocks.shortage()
            #expect(shortage != nil)
        }
    }

    @Test("Records keep table, key and value, expire, and outlive a restart")
    func records() async throws {
        try await withFolder { folder in
            let now = Shared(1000)
            var options = smallOptions()
            options.now = { now.value }
            let first = try Repository.open(at: folder, options: options)
            try first.records.set([1], for: [9], in: "a")
            try first.records.set([2], for: [9], in: "b", expires: 1010)
            try first.records.set([], for: [], in: "a", durable: true)
            try first.records.set(
                (0..<100).map { RecordStore.Record(key: [3, $0], value: [$0], expires: 1020) }, in: "many")
            #expect(try first.records.get([9], in: "a") == [1])
            #expect(try first.records.get([9], in: "b") == [2])
            #expect(try first.records.get([], in: "a") == [])
            #expect(try first.records.get([8], in: "a") == nil)
            #expect(try first.records.all(in: "a").map(\.key) == [[], [9]])
            now.value = 1010
            #expect(try first.records.get([9], in: "b") == nil)
            #expect(try first.records.all(in: "b").isEmpty)
            #expect(try first.records.deleteExpired() == 1)
            #expect(try first.records.all(in: "many").count == 100)
            try first.records.delete([9], in: "a")
            try first.close()
            let second = try Repository.open(at: folder, options: options)
            #expect(try second.records.all(in: "a") == [RecordStore.Record(key: [], value: [])])
            now.value = 2000
            #expect(try second.records.deleteExpired() == 100)
            try second.close()
        }
    }

    @Test("The journal stays small however often a record is set")
    func journalSize() async throws {
        try await withFolder { folder in
            for _ in 0..<3 {
                let repository = try Repository.open(at: folder, options: smallOptions())
                for step in 0..<60 {
                    try repository.records.set(noise(2000, UInt64(step)), for: [1], in: "seq", durable: true)
                }
                try repository.close()
            }
            let last = try Repository.open(at: folder, options: smallOptions())
            #expect(fileLength(folder + "/journal") < 70_000 + 130_000)
            #expect(try last.records.get([1], in: "seq") == noise(2000, 59))
            try last.close()
            try FileManager.default.removeItem(atPath: folder + "/index.sqlite")
            let rebuilt = try Repository.open(at: folder, options: smallOptions())
            #expect(try rebuilt.records.get([1], in: "seq") == noise(2000, 59))
            try rebuilt.close()
        }
    }
}
