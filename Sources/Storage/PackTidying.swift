import GRDB
import Multiformats

extension Blockstore {
    /// Deletes packs in which nothing is alive and writes small packs anew that are mostly dead.
    func tidyPacks(_ report: inout GCReport, _ progress: (GCProgress) throws -> Void) throws {
        try retireHollowPacks()
        for pack in try packRows() where pack.sealed {
            guard let file = try packs.file(pack.id) else { continue }
            let size = try file.file.length()
            if pack.liveBlocks > 0 {
                guard file.kind == .small, Int64(pack.liveBytes) * 2 < size else { continue }
                guard try rewriteIfRoom(file) else { continue }
                report.packsRewritten += 1
                try progress(.rewrote(packs: report.packsRewritten))
            }
            if try removeIfDead(pack.id) { report.packsDeleted += 1 }
        }
    }

    private struct PackRow {
        var id: UInt32
        var sealed: Bool
        var liveBlocks: Int
        var liveBytes: Int
    }

    private func packRows() throws(RepositoryError) -> [PackRow] {
        try index.database.read { database in
            try Row.fetchAll(database, sql: "SELECT id, sealed, live_blocks, live_bytes FROM packs ORDER BY id").map {
                PackRow(id: $0[0], sealed: $0[1], liveBlocks: $0[2], liveBytes: $0[3])
            }
        }
    }

    /// Seals growing packs that are mostly dead, so that their space can be had back now.
    private func retireHollowPacks() throws(RepositoryError) {
        var retired = false
        for pack in try packRows() where !pack.sealed {
            guard let file = try packs.file(pack.id) else { continue }
            let size = try file.file.allocated()
            guard size > 1 << 20, Int64(pack.liveBytes) * 2 < size else { continue }
            if writer.retire(file) { retired = true }
        }
        if retired { _ = try syncIfRoom() }
    }

    /// Deletes a sealed pack when no row points into it. Readers that have it open finish undisturbed.
    private func removeIfDead(_ id: UInt32) throws(RepositoryError) -> Bool {
        let dead = try index.database.read { database in
            try Bool.fetchOne(
                database, sql: "SELECT sealed AND live_blocks = 0 FROM packs WHERE id = ?", arguments: [Int64(id)])
        }
        guard dead == true else { return false }
        // The file first: a row without a file is dropped at start, a file without a row would be read again.
        try packs.remove(id)
        try index.database.write { database in
            try database.execute(sql: "DELETE FROM packs WHERE id = ?", arguments: [Int64(id)])
            try database.execute(sql: "DELETE FROM freed WHERE pack = ?", arguments: [Int64(id)])
        }
        return true
    }

    /// `rewrite` on a disk that may be full; whether there was room.
    private func rewriteIfRoom(_ file: PackFile) throws(RepositoryError) -> Bool {
        do throws(RepositoryError) {
            try rewrite(file)
            return true
        } catch {
            if case .diskFull = error { return false }
            throw error
        }
    }

    /// Copies what is alive in a small pack to the growing one and points the rows there.
    ///
    /// The copies are durable before a row changes, and a row changes only if it still points here, so a put, a
    /// delete or a crash in between does no harm: at worst a copy is left that nothing points to.
    private func rewrite(_ file: PackFile) throws(RepositoryError) {
        var scanner = try PackScanner(file, salt: packs.salt)
        var found: [PackScanner.Found] = []
        try IndexDatabase.mapped {
            _ = try scanner.scan(from: PackFormat.start, checkingDataFrom: .max) { found.append($0) }
        }
        var start = 0
        while start < found.count {
            let part = found[start..<min(start + 1024, found.count)]
            start += part.count
            let rows = try index.find(part.map(\.multihash))
            var batch = RecordBatch(kind: .small, added: options.now(), salt: packs.salt)
            var origins: [Location] = []
            for (record, row) in zip(part, rows) where row?.location == record.location {
                guard let multihash = try? Multihash(record.multihash), let data = try read(multihash) else { continue }
                batch.append(multihash, data)
                origins.append(record.location)
            }
            guard !batch.items.isEmpty, let (pack, base) = try writer.move(batch) else { continue }
            try sync()
            let items = Array(zip(batch.items, origins))
            try index.database.durably { database in
                var deltas: [UInt32: (blocks: Int, bytes: Int)] = [:]
                let update = try IndexStatement(
                    database, "UPDATE blocks SET pack = ?2, offset = ?3 WHERE hash = ?1 AND pack = ?4 AND offset = ?5")
                for (item, origin) in items {
                    try update.run(
                        blob: item.multihash.bytes, Int64(pack.id), base + Int64(item.offset), Int64(origin.pack),
                        origin.offset)
                    guard database.changesCount > 0 else { continue }
                    deltas[pack.id, default: (0, 0)].blocks += 1
                    deltas[pack.id, default: (0, 0)].bytes += item.length
                    deltas[origin.pack, default: (0, 0)].blocks -= 1
                    deltas[origin.pack, default: (0, 0)].bytes -= item.length
                }
                try BlockIndex.adjust(deltas, in: database)
            }
        }
    }
}
