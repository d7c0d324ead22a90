import GRDB
import Multiformats
import Synchronization

extension Blockstore {
    /// A block and where it lies.
    typealias Candidate = (multihash: Multihash, location: Location)

    /// Rows that may be deleted: older than this epoch, and last put or touched at or before this second.
    struct AgeLimit {
        var epoch: Int64
        var added: UInt32
    }

    /// Deletes rows, then gives their bytes back; returns those that were deleted.
    ///
    /// The order makes every moment safe. First the blocks are condemned, which fails for any that is being put
    /// or was touched; a put that comes later sees that and writes the block again, elsewhere. Then the rows go,
    /// each only if it still points to the same place and is still old, in a transaction that also notes the
    /// ranges as free and is on the disk before a byte is punched out. A crash in between leaves ranges that the
    /// next collection punches.
    func remove(_ candidates: [Candidate], olderThan limit: AgeLimit?) throws(RepositoryError) -> [Candidate] {
        let chosen = writer.state.withLock { $0.pending.condemn(candidates.map(\.multihash)) }
        defer { writer.state.withLock { $0.pending.pardon(chosen) } }
        let condemned = Set(chosen)
        let removed = try index.database.durably { database -> [Candidate] in
            let delete = try IndexStatement(
                database,
                "DELETE FROM blocks WHERE hash = ?1 AND pack = ?2 AND offset = ?3 AND epoch < ?4 AND added <= ?5")
            var removed: [Candidate] = []
            var deltas: [UInt32: (blocks: Int, bytes: Int)] = [:]
            for candidate in candidates where condemned.contains(candidate.multihash) {
                let place = candidate.location
                try delete.run(
                    blob: candidate.multihash.bytes, Int64(place.pack), place.offset, limit?.epoch ?? .max,
                    limit.map { Int64($0.added) } ?? .max)
                guard database.changesCount > 0 else { continue }
                removed.append(candidate)
                deltas[place.pack, default: (0, 0)].blocks -= 1
                deltas[place.pack, default: (0, 0)].bytes -= place.length
            }
            try BlockIndex.adjust(deltas, in: database)
            try BlockIndex.free(removed.map { ($0.location, $0.multihash.bytes.count) }, in: database)
            return removed
        }
        try giveBack()
        return removed
    }

    /// Punches the ranges that are noted as free, as far as the file system can, and forgets them.
    ///
    /// Only in large packs: there a record's header lies at the start of a page, so it goes with the data and no
    /// later search can find the block. Small packs are rewritten instead.
    func giveBack() throws(RepositoryError) {
        while true {
            let rows = try index.database.read { database in
                try Row.fetchAll(database, sql: "SELECT pack, offset, length, hash_length FROM freed LIMIT 4096")
            }
            if rows.isEmpty { return }
            for row in rows {
                let place = Location(pack: row[0], offset: row[1], length: row[2])
                guard let file = try packs.file(place.pack), file.kind == .large else { continue }
                try file.punch(place, hashLength: row[3])
            }
            try index.database.write { database in
                let statement = try database.cachedStatement(sql: "DELETE FROM freed WHERE pack = ? AND offset = ?")
                for row in rows { try statement.execute(arguments: [row[0] as Int64, row[1] as Int64]) }
            }
        }
    }
}

extension BlockIndex {
    /// Keys after `key`, in order.
    func keys(after key: [UInt8], limit: Int) throws(RepositoryError) -> [[UInt8]] {
        try database.read { database in
            try Blob.fetchAll(
                database, sql: "SELECT hash FROM blocks WHERE hash > ? ORDER BY hash LIMIT ?",
                arguments: [Blob(key), limit]
            ).map(\.bytes)
        }
    }

    /// The rows after `key`, in key order.
    func rows(after key: [UInt8], limit: Int) throws(RepositoryError) -> [(key: [UInt8], row: IndexRow)] {
        try database.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT hash, pack, offset, length, added, epoch FROM blocks WHERE hash > ? ORDER BY hash LIMIT ?",
                arguments: [Blob(key), limit]
            ).map { row in
                let hash: Blob = row[0]
                let location = Location(pack: row[1], offset: row[2], length: row[3])
                return (hash.bytes, IndexRow(location: location, added: row[4], epoch: row[5]))
            }
        }
    }
}
