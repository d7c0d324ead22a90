package import GRDB

extension UpdateLog {
    /// Gives the sink every update that counts once more, if its tables are new: after a change of their form.
    ///
    /// `prepare` makes the sink's tables and says whether they are new and empty. Dying in between costs nothing but
    /// the time: the next call goes on. Updates that arrive meanwhile are merged as always; merging twice changes
    /// nothing. `progress` is told how many updates of how many have been seen.
    package func refill(
        preparing prepare: (Database) throws -> Bool, progress: (Int64, Int64) -> Void = { _, _ in }
    ) throws(CatalogError) {
        try database.write { database in
            guard try prepare(database) else { return }
            try database.sql("DELETE FROM log_refill").run()
            try database.sql("INSERT INTO log_refill (row) VALUES (0)").run()
        }
        guard let sink else { return }
        while true {
            let (row, last): (Int64?, Int64) = try database.write { database in
                guard let start = try database.sql("SELECT row FROM log_refill").one({ $0.number(0) }) else {
                    return (nil, 0)
                }
                let last = try database.sql("SELECT max(row) FROM log_updates").one { $0.number(0) } ?? 0
                let updates = try LogReading.counted(after: start, upTo: start + 2_000, in: database)
                if !updates.isEmpty { try sink.apply(updates, in: database) }
                let isOver = start + 2_000 >= last
                if isOver {
                    try database.sql("DELETE FROM log_refill").run()
                } else {
                    try database.sql("UPDATE log_refill SET row = ?").bind(start + 2_000, 1).run()
                }
                return (isOver ? nil : start + 2_000, last)
            }
            progress(row ?? last, last)
            if row == nil { return }
        }
    }

    /// What a check of stored updates found.
    package struct Check: Sendable {
        package var updates = 0
        /// Rows whose bytes are not a valid update any more, which only a damaged disk brings about.
        package var damaged: [Int64] = []
        /// Where to go on; `nil` at the end.
        package var next: Int64?
    }

    /// Verifies so many stored updates again, from row `row` on: hashes, form and signatures.
    package func verify(after row: Int64 = 0, limit: Int = 1_000) throws(CatalogError) -> Check {
        let rows = try database.read { database in
            try database.sql(
                """
                SELECT row, digest, header, body FROM log_updates
                    WHERE row > ? AND header IS NOT NULL ORDER BY row LIMIT ?
                """
            ).bind(row, 1).bind(Int64(clamping: limit), 2)
                .all { ($0.number(0), try $0.digest(1), $0.blobs(2, 3), $0.isNull(3)) }
        }
        var check = Check()
        for (row, id, block, isBare) in rows {
            check.updates += 1
            do throws(UpdateError) {
                let update = try Update(verifying: block)
                if update.id != id || isBare != (update.body == nil) { check.damaged.append(row) }
            } catch {
                check.damaged.append(row)
            }
        }
        if rows.count == limit { check.next = rows.last?.0 }
        return check
    }
}
