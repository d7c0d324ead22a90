import GRDB
import Synchronization

/// How much the store holds.
package struct StoreStatistics: Hashable, Sendable {
    /// Blocks, and the bytes of their data.
    package var blocks: Int
    package var bytes: Int
    /// What packs and index take on the disk.
    package var diskBytes: Int64
    /// Blocks that were found damaged and not replaced.
    package var quarantined: Int
    /// Blocks that were put and are not durable yet.
    package var unsynced: Int
    /// The limit on `bytes`, if there is one, and what the disk has free.
    package var quota: Int64?
    package var freeOnDisk: Int64?
}

extension Blockstore {
    /// The counts; they are kept as blocks come and go, so this costs little at any size.
    package func stat() throws(RepositoryError) -> StoreStatistics {
        let (blocks, bytes, quarantined) = try index.database.readSnapshot { database in
            let row = try Row.fetchOne(
                database,
                sql: """
                    SELECT coalesce(sum(live_blocks), 0), coalesce(sum(live_bytes), 0), (SELECT count(*) FROM quarantine)
                    FROM packs
                    """)
            return (row?[0] ?? 0, row?[1] ?? 0, row?[2] ?? 0) as (Int, Int, Int)
        }
        let pending = writer.state.withLock { state in
            state.pending.entries.values.reduce(into: (0, 0)) { sum, entry in
                sum.0 += 1
                sum.1 += entry.location.length
            }
        }
        return StoreStatistics(
            blocks: blocks + pending.0, bytes: bytes + pending.1,
            diskBytes: packs.diskBytes() + index.database.diskBytes(),
            quarantined: quarantined, unsynced: pending.0, quota: options.quota, freeOnDisk: writer.space.space()?.free)
    }

    /// What is short, if no more blocks are accepted; `nil` when there is room.
    package func shortage() throws(RepositoryError) -> SpaceShortage? {
        writer.space.shortage(adding: 0, used: Int64(try index.totals().bytes))
    }
}
