import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import TestSupport
import Testing

/// The store against a dictionary, and against the loss of power.
@Suite struct ModelTests {
    /// What a store should hold, the slow obvious way.
    struct Model {
        var stored: [Multihash: Block] = [:]
        var pins: [CID: PinKind] = [:]

        func reachable() -> Set<Multihash> {
            var seen: Set<Multihash> = []
            func walk(_ cid: CID) {
                guard seen.insert(cid.multihash).inserted, cid.codec == .dagPB, let block = stored[cid.multihash] else {
                    return
                }
                for link in (try? sampleLinks(cid, block.data)) ?? [] { walk(link) }
            }
            for (cid, kind) in pins where kind == .recursive { walk(cid) }
            return seen.union(pins.keys.map(\.multihash))
        }
    }

    @Test(
        "Random histories of puts, deletes, pins, collections and restarts match the model",
        arguments: Array(UInt64(1)...8))
    func history(seed: UInt64) async throws {
        print("seed \(seed)")
        try await withFolder { folder in
            var dice = Dice(seed)
            let leaves = (0..<24).map {
                Block.sample($0 % 4 == 0 ? 66_000 + $0 : 50 + $0 * 37, seed &* 1000 + UInt64($0))
            }
            let inner = (0..<8).map { n in Block.node((0..<3).map { leaves[(n * 3 + $0) % 24].cid }, "inner \(n)") }
            let roots = (0..<4).map { n in
                Block.node([inner[n * 2].cid, inner[n * 2 + 1].cid, leaves[n].cid], "root \(n)")
            }
            let all = leaves + inner + roots
            var model = Model()
            var repository = try Repository.open(at: folder, options: smallOptions(packLimit: 150_000))
            for step in 0..<250 {
                let block = all[Int.random(in: 0..<all.count, using: &dice)]
                let store = repository.blocks
                switch Int.random(in: 0..<20, using: &dice) {
                case 0..<9:
                    let batch = (0..<Int.random(in: 1...4, using: &dice)).map { _ in
                        all[Int.random(in: 0..<all.count, using: &dice)]
                    }
                    try store.put(batch)
                    for block in batch { model.stored[block.cid.multihash] = block }
                case 9: try store.sync()
                case 10, 11:
                    if model.pins[block.cid] == nil {
                        #expect(
                            try store.delete(block.cid)
                                == (model.stored.removeValue(forKey: block.cid.multihash) != nil))
                    }
                case 12, 13:
                    let kind: PinKind = Bool.random(using: &dice) ? .recursive : .direct
                    try store.pin(block.cid, kind: kind)
                    model.pins[block.cid] = kind
                case 14, 15:
                    let pinned = model.pins.keys.sorted { $0.description < $1.description }.first
                    if let pinned {
                        #expect(try store.unpin(pinned) == (model.pins.removeValue(forKey: pinned) != nil))
                    }
                case 16, 17:
                    let reachable = model.reachable()
                    let report = try store.collectGarbage(links: sampleLinks)
                    let gone = model.stored.keys.filter { !reachable.contains($0) }
                    #expect(report.deleted == gone.count, "seed \(seed) step \(step)")
                    for hash in gone { model.stored[hash] = nil }
                case 18:
                    try repository.close()
                    repository = try Repository.open(at: folder, options: smallOptions(packLimit: 150_000))
                default:
                    let sizes = try store.sizes(of: all.map(\.cid))
                    #expect(
                        sizes == all.map { model.stored[$0.cid.multihash]?.data.readableBytes },
                        "seed \(seed) step \(step)")
                }
                #expect(
                    try repository.blocks.get(block.cid) == model.stored[block.cid.multihash]?.data,
                    "seed \(seed) step \(step)")
            }
            let stat = try repository.blocks.stat()
            #expect(stat.blocks == model.stored.count)
            #expect(stat.bytes == model.stored.values.reduce(0) { $0 + $1.data.readableBytes })
            #expect(try repository.blocks.verify().isClean)
            #expect(
                Dictionary(uniqueKeysWithValues: try repository.blocks.pins().map { ($0.cid, $0.kind) }) == model.pins)
            try repository.close()
        }
    }

    /// The folder is copied at seeded moments while it is in use: what had been acknowledged when the copy began
    /// must be in it, and a pin must hold its DAG.
    @Test("A copy taken at any moment opens and holds everything acknowledged", arguments: Array(UInt64(1)...6))
    func copiesWhileInUse(seed: UInt64) async throws {
        print("seed \(seed)")
        try await withFolder { folder in
            var dice = Dice(seed)
            var options = smallOptions(packLimit: 400_000)
            options.flushBytes = 50_000
            let live = try Repository.open(at: folder + "/live", options: options)
            var acknowledged: [Block] = []
            var pinned: Set<CID> = []
            for step in 0..<30 {
                let fresh = (0..<Int.random(in: 1...20, using: &dice)).map {
                    Block.sample($0 % 7 == 0 ? 70_000 : 300, seed &* 100_000 + UInt64(step * 100 + $0))
                }
                let root = Block.node(fresh.map(\.cid), "step \(step)")
                try live.blocks.put(fresh + [root])
                if dice.next() % 3 != 0 {
                    try live.blocks.sync()
                    try live.blocks.pin(root.cid)
                    pinned.insert(root.cid)
                    acknowledged += fresh + [root]
                }
                if dice.next() % 5 == 0 { try live.blocks.collectGarbage(links: sampleLinks) }
                guard dice.next() % 3 == 0 else { continue }
                let writer = Task.detached {
                    for number in 0..<40 {
                        try live.blocks.put([Block.sample(2000, 1 << 40 + UInt64(step * 100 + number))])
                    }
                    try live.blocks.sync()
                }
                try copyFolder(folder + "/live", folder + "/copy")
                try await writer.value
                let copy = try Repository.open(at: folder + "/copy", options: options)
                for block in acknowledged {
                    #expect(try copy.blocks.get(block.cid) == block.data, "seed \(seed) step \(step)")
                }
                #expect(Set(try copy.blocks.pins().map(\.cid)).isSuperset(of: pinned))
                try copy.blocks.collectGarbage(links: sampleLinks)
                for block in acknowledged {
                    #expect(try copy.blocks.has(block.cid), "seed \(seed) step \(step), collected")
                }
                #expect(try copy.blocks.verify().isClean)
                try copy.close()
            }
            try live.close()
        }
    }
}
