import GRDB

// Filling the view from the log: after its tables have changed, and when somebody asks for a new one.
extension CatalogView {
    /// Makes the tables where they are missing or of another version, and goes on filling them from the log where
    /// that was interrupted. Call it before the log is given the view as its sink.
    ///
    /// It works in transactions of some 10,000 updates, so that what is published or comes meanwhile does not wait
    /// for the end; merging the same update twice changes nothing. `progress` is given how many rows of the log have
    /// been looked at, of how many.
    package static func open(
        _ database: CatalogDatabase, progress: (Int64, Int64) -> Void = { _, _ in }
    ) throws(CatalogError) {
        _ = try database.write { try prepare($0) }
        try fill(database, progress)
    }

    /// Empties the view and fills it from the log. It then says the same as before.
    package static func rebuild(
        _ database: CatalogDatabase, progress: (Int64, Int64) -> Void = { _, _ in }
    ) throws(CatalogError) {
        try database.write { try reset($0) }
        try fill(database, progress)
    }

    /// Updates merged in one transaction.
    private static let step: Int64 = 10_000

    private static func fill(_ database: CatalogDatabase, _ progress: (Int64, Int64) -> Void) throws(CatalogError) {
        while let (done, all) = try database.write({ try fillSome($0) }) { progress(done, all) }
    }

    /// Merges the next updates; `nil` when there are none left.
    private static func fillSome(_ database: Database) throws -> (done: Int64, all: Int64)? {
        let filled = try database.sql("SELECT value FROM view_meta WHERE key = 'filled'").one { $0.number(0) } ?? 0
        if filled == .max { return nil }
        let all = try database.sql("SELECT max(row) FROM log_updates").one { $0.number(0) } ?? 0
        let end = min(filled + step, all)
        let writer = try ViewWriter(database)
        try database.sql(
            """
            SELECT header, body FROM log_updates
                WHERE row > ? AND row <= ? AND flags & ? = 0 AND body IS NOT NULL ORDER BY row
            """
        ).run([.integer(filled), .integer(end), .integer(UpdateFlags.uncounted.rawValue)]) { row in
            if let update = CountedUpdate(try Update(unverified: row.blob(0) + row.blob(1))) {
                try writer.apply(update)
            }
        }
        try database.sql("INSERT OR REPLACE INTO view_meta (key, value) VALUES ('filled', ?)")
            .run([.integer(end >= all ? .max : end)])
        return (end, all)
    }
}
