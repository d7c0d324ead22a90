import Catalog
import Foundation
import GRDB
import Multiformats

extension CatalogStore {
    /// An author's updates behind a row, in the order in which they came.
    func entries(of author: AuthorID, after row: Int64, limit: Int) throws -> [UpdateLog.Entry] {
        let ids = try database.read { connection in
            try Data.fetchAll(
                connection,
                sql: """
                    SELECT digest FROM log_updates
                        WHERE author = (SELECT key FROM log_authors WHERE id = ?) AND row > ? AND header IS NOT NULL
                        ORDER BY row LIMIT ?
                    """, arguments: [Data(author.bytes), row, limit])
        }
        return try ids.compactMap { UpdateID(Array($0)) }.compactMap { try log.entry($0) }
    }

    /// Reads every update again and makes another catalog of them in memory; blocks for as long as a first sync
    /// takes. `progress` is told how many were read.
    func verify(_ progress: @Sendable (Int) -> Void) throws -> CatalogVerification {
        var result = CatalogVerification()
        let other = try CatalogDatabase(path: ":memory:")
        defer { try? other.close() }
        var limits = log.limits
        (limits.authorUpdates, limits.authorBytes, limits.totalBytes) = (.max, .max, .max)
        let copy = try UpdateLog(other, limits: limits, sink: CatalogView())
        _ = try other.write { try CatalogView.prepare($0) }
        var keys = SumTree()
        var lower = UpdateKey.first
        let all = try SumTree(log)
        while true {
            let some = all.keys(from: lower, limit: 512)
            guard let last = some.last else { break }
            lower = last.next
            let found = try log.blocks(some.map(\.digest))
            var batch: [VerifiedUpdate] = []
            for (key, block) in zip(some, found) {
                guard let block else {
                    keys.insert(key)
                    continue
                }
                result.updates += 1
                let verified = VerifiedUpdate(block.block)
                if verified.update?.id == key.digest, verified.update?.time == key.time {
                    batch.append(verified)
                } else {
                    result.damaged.append(key.digest)
                }
            }
            let report = try copy.store(batch, from: .pull, now: now())
            for (time, id) in report.added { keys.insert(UpdateKey(time: time, digest: id)) }
            progress(result.updates)
        }
        // What is blocked or not held here is missing in the copy for good reasons; so is what came meanwhile.
        let isWhole = try result.damaged.isEmpty && log.blocked().isEmpty && result.updates == all.count
        guard isWhole else { return result }
        result.isSetRight = keys.digest == all.digest
        let mine = try database.read { connection in
            let rows = try Int.fetchOne(connection, sql: "SELECT max(row) FROM log_updates") ?? 0
            return rows == all.count ? try ViewFingerprint.of(connection) : nil
        }
        if let mine {
            result.isViewRight = try other.read { try ViewFingerprint.of($0) } == mine
            result.isViewChecked = true
        }
        return result
    }
}
