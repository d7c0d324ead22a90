import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct CollectionTests {
    @Test("A collection keeps what pins reach and deletes the rest, large and small")
    func reachability() async throws {
        try await withRepository { repository, _ in
            let store = repository.blocks
            let leaves = (0..<6).map { Block.sample($0 % 2 == 0 ? 3000 : 80_000, UInt64($0)) }
            let inner = Block.node([leaves[0].cid, leaves[1].cid])
            let root = Block.node([inner.cid, leaves[2].cid])
            let direct = Block.node([leaves[3].cid])
            try store.put(leaves + [inner, root, direct])
            try store.pin(root.cid, kind: .recursive, name: "kept")
            try store.pin(direct.cid, kind: .direct)
            let report = try store.collectGarbage(keeping: [leaves[4].cid], links: sampleLinks)
            for kept in [inner, root, direct, leaves[0], leaves[1], leaves[2], leaves[4]] {
                #expect(try store.get(kept.cid) == kept.data)
            }
            for gone in [leaves[3], leaves[5]] { #expect(try store.get(gone.cid) == nil) }
            #expect(report.kept == 7)
            #expect(report.deleted == 2)
            #expect(report.deletedBytes == 160_000)
            #expect(try store.stat().blocks == 7)
            #expect(
                Set(try store.pins()) == [
                    Pin(cid: root.cid, kind: .recursive, name: "kept"), Pin(cid: direct.cid, kind: .direct),
                ])
            #expect(try store.pinKind(of: root.cid) == .recursive)
            #expect(try store.pinKind(of: inner.cid) == nil)
        }
    }

    @Test("A block that one pin links as raw and another as a node is followed as a node")
    func codecsOfOneBlock() async throws {
        try await withRepository { repository, _ in
            let leaf = Block.sample(100, 1)
            let node = Block.node([leaf.cid])
            let asRaw = Block.node([CID(codec: .raw, multihash: node.cid.multihash)], "raw")
            try repository.blocks.put([leaf, node, asRaw])
            try repository.blocks.pin(asRaw.cid)
            try repository.blocks.pin(node.cid)
            try repository.blocks.collectGarbage(links: sampleLinks)
            #expect(try repository.blocks.has(leaf.cid))
        }
    }

    @Test("A node is pinned under both spellings of its CID")
    func pinSpellings() async throws {
        try await withRepository { repository, _ in
            let store = repository.blocks
            let node = Block.node([])
            let old = try #require(CID(v0: node.cid.multihash))
            try store.put([node])
            try store.pin(node.cid)
            #expect(try store.pinKind(of: old) == .recursive)
            #expect(throws: RepositoryError.pinned(old.description)) { try store.delete(old) }
            #expect(try store.unpin(old))
            #expect(try store.pinKind(of: node.cid) == nil)
            try store.pin(old, kind: .direct)
            #expect(try store.pins(kind: .direct).map(\.cid) == [old])
            #expect(try store.pins(kind: .recursive).isEmpty)
            #expect(try store.unpin(node.cid))
            #expect(try store.unpin(node.cid) == false)
        }
    }

    @Test("Under a lease nothing that was put or touched is collected; after it, all of it may be")
    func leases() async throws {
        try await withRepository { repository, _ in
            let store = repository.blocks
            let old = Block.sample(5000, 1)
            let untouched = Block.sample(5000, 2)
            try store.put([old, untouched])
            let lease = store.lease()
            let fresh = Block.sample(90_000, 3)
            try store.put([fresh], lease: lease)
            let absent = Block.sample(10, 4)
            #expect(try store.touch([old.cid, absent.cid]) == [true, false])
            let first = try store.collectGarbage(links: sampleLinks)
            #expect(first.deleted == 1)
            #expect(first.held == 2)
            #expect(try store.has(old.cid))
            #expect(try store.has(fresh.cid))
            #expect(try store.has(untouched.cid) == false)
            try store.collectGarbage(links: sampleLinks)
            #expect(try store.has(old.cid))
            lease.end()
            #expect(try store.collectGarbage(links: sampleLinks).deleted == 2)
            #expect(try store.stat().blocks == 0)
        }
    }

    @Test("A lease that is let go of ends")
    func forgottenLease() async throws {
        try await withRepository { repository, _ in
            func importOne() throws {
                try repository.blocks.put([Block.sample(100, 1)], lease: repository.blocks.lease())
            }
            try importOne()
            #expect(try repository.blocks.collectGarbage(links: sampleLinks).deleted == 1)
        }
    }

    @Test("Blocks younger than the grace stay, and a put of a stored block makes it young again")
    func grace() async throws {
        try await withFolder { folder in
            var options = smallOptions()
            options.graceSeconds = 100
            let now = Shared(1_800_000_000)
            options.now = { now.value }
            let repository = try Repository.open(at: folder, options: options)
            let store = repository.blocks
            let (a, b) = (Block.sample(10, 1), Block.sample(10, 2))
            try store.put([a, b])
            try store.sync()
            now.value += 99
            #expect(try store.collectGarbage(links: sampleLinks).deleted == 0)
            try store.put([b])
            try store.sync()
            now.value += 2
            #expect(try store.collectGarbage(links: sampleLinks).deleted == 1)
            #expect(try store.has(b.cid))
            try repository.close()
        }
    }

    @Test("Space of large blocks is punched out, dead packs go, hollow small packs are written anew")
    func space() async throws {
        try await withRepository(smallOptions(packLimit: 4 << 20)) { repository, folder in
            let store = repository.blocks
            let large = (0..<40).map { Block.sample(256 << 10, UInt64($0)) }
            let small = (0..<1200).map { Block.sample(8000, 1000 + UInt64($0)) }
            try store.put(large)
            try store.put(small)
            try store.sync()
            let full = try store.stat()
            let kept = [large[0], large[39]] + small.enumerated().filter { $0.offset % 10 == 0 }.map(\.element)
            let root = Block.node(kept.map(\.cid))
            try store.put([root])
            try store.pin(root.cid)
            let report = try store.collectGarbage(links: sampleLinks)
            #expect(report.deleted == 40 + 1200 - kept.count)
            #expect(report.packsDeleted >= 3)
            #expect(report.packsRewritten >= 2)
            for block in kept { #expect(try store.get(block.cid) == block.data) }
            let after = try store.stat()
            #expect(after.blocks == kept.count + 1)
            #expect(after.bytes == kept.reduce(root.data.readableBytes) { $0 + $1.data.readableBytes })
            #expect(after.diskBytes < full.diskBytes / 4)
            #expect(try store.verify().isClean)
            // The same blocks come back where they may.
            try store.put(large)
            for block in large { #expect(try store.get(block.cid) == block.data) }
            _ = folder
        }
    }

    @Test("A pin made while a collection runs is honoured")
    func latePin() async throws {
        try await withRepository { repository, _ in
            let store = repository.blocks
            let leaf = Block.sample(100, 1)
            let root = Block.node([leaf.cid])
            try store.put([leaf, root])
            try store.collectGarbage(links: sampleLinks) { step in
                if case .marked = step { try store.pin(root.cid) }
            }
            #expect(try store.has(leaf.cid))
            #expect(try store.has(root.cid))
        }
    }

    @Test("A quarantined node below a pin stops the collection before anything is deleted")
    func unreadablePin() async throws {
        try await withRepository { repository, folder in
            let store = repository.blocks
            let leaf = Block.sample(100_000, 1)
            let node = Block.node([leaf.cid])
            try store.put([leaf, node])
            try store.pin(node.cid)
            try store.sync()
            let file = try packFiles(folder, "small")[0]
            try patch(file, at: fileLength(file) - 10) { $0 ^= 1 }
            #expect(throws: RepositoryError.pinnedBlockUnreadable(node.cid.description)) {
                try store.collectGarbage(links: sampleLinks)
            }
            #expect(try store.has(leaf.cid))
            try store.restore(node)
            #expect(try store.quarantined().isEmpty)
            #expect(try store.collectGarbage(links: sampleLinks).deleted == 0)
            #expect(try store.has(leaf.cid))
        }
    }

    /// The steps of a put that finds its block stored, and of a collection that deletes it, are interleaved at
    /// each of the points where the collection calls out, 10,000 times with seeded choices.
    @Test("A put that meets a collection of the same block never loses it", arguments: [UInt64(1), 2, 3, 4])
    func putAgainstCollection(seed: UInt64) async throws {
        print("seed \(seed)")
        try await withRepository(smallOptions(packLimit: 256 << 10)) { repository, _ in
            let store = repository.blocks
            var dice = Dice(seed)
            let blocks = (0..<8).map { Block.sample($0 < 6 ? 100 : 70_000, UInt64($0)) }
            for round in 0..<2500 {
                let chosen = blocks[Int.random(in: 0..<blocks.count, using: &dice)]
                if Bool.random(using: &dice) { try store.put([chosen]) }
                if Bool.random(using: &dice) { try store.sync() }
                let moment = Int.random(in: 0..<4, using: &dice)
                var put = false
                func putNow(_ now: Int) throws {
                    guard now == moment else { return }
                    put = true
                    try store.put([chosen])
                    if dice.next() % 4 == 0 { try store.sync() }
                }
                try putNow(0)
                let before = put
                try store.collectGarbage(
                    links: sampleLinks,
                    progress: { step in
                        switch step {
                        case .marked: try putNow(1)
                        case .swept: try putNow(2)
                        case .rewrote: try putNow(3)
                        }
                    })
                // A put before the collection may be collected, since nothing holds the block. Any later one may not.
                if put && !before {
                    #expect(try store.get(chosen.cid) == chosen.data, "round \(round) moment \(moment)")
                    try store.sync()
                    #expect(try store.get(chosen.cid) == chosen.data, "round \(round) moment \(moment), synced")
                }
            }
            #expect(try store.verify().isClean)
            #expect(try store.quarantined().isEmpty)
        }
    }

    @Test("Threads that put under leases against a collector that never rests lose nothing")
    func putAgainstCollectionThreads() async throws {
        try await withRepository(smallOptions(packLimit: 256 << 10)) { repository, _ in
            let store = repository.blocks
            let blocks = (0..<12).map { Block.sample($0 < 9 ? 200 : 66_000, UInt64($0)) }
            let done = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<3 {
                    group.addTask {
                        var dice = Dice(UInt64(worker))
                        for _ in 0..<400 {
                            let lease = store.lease()
                            let block = blocks[Int.random(in: 0..<blocks.count, using: &dice)]
                            try store.put([block], lease: lease)
                            if dice.next() % 8 == 0 { try store.sync() }
                            #expect(try store.get(block.cid) == block.data)
                            await Task.yield()
                            #expect(try store.get(block.cid) == block.data)
                            lease.end()
                        }
                        done.value += 1
                    }
                }
                group.addTask {
                    while done.value < 3 { try store.collectGarbage(links: sampleLinks) }
                }
                try await group.waitForAll()
            }
            #expect(try store.quarantined().isEmpty)
        }
    }
}

/// A number that several closures share.
final class Shared: Sendable {
    private let stored: Mutex<UInt32>
    init(_ value: UInt32) { stored = Mutex(value) }
    var value: UInt32 {
        get { stored.withLock { $0 } }
        set { stored.withLock { $0 = newValue } }
    }
}
