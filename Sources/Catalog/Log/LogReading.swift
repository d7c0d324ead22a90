import GRDB

/// Reads updates back from the log. What is stored has been verified, so signatures are not checked again.
enum LogReading {
    /// The update in a row; `nil` when its header is not held.
    static func update(_ row: Int64, in database: Database) throws -> Update? {
        let block = try database.sql("SELECT header, body FROM log_updates WHERE row = ?").bind(row, 1)
            .one { $0.blobs(0, 1) }
        guard let block, !block.isEmpty else { return nil }
        return try Update(unverified: block)
    }

    /// Calls `body` with every update that counts, changes something of `owner` and has its body here.
    static func counted(of owner: AuthorID, in database: Database, _ body: (Update) throws -> Void) throws {
        try countedRows(of: owner, in: database) { _, _, update in try body(update) }
    }

    /// The same with the row and the time of arrival, in milliseconds since 1970.
    static func countedRows(
        of owner: AuthorID, in database: Database, _ body: (Int64, Int64, Update) throws -> Void
    ) throws {
        let own = UpdateFlags.uncounted.union(.acting).rawValue
        let key = try database.sql("SELECT key FROM log_authors WHERE id = ?").bind(owner.digest, 1)
            .one { $0.number(0) }
        if let key {
            try database.sql(
                """
                SELECT row, arrived, header, body FROM log_updates
                    WHERE author = ? AND flags & ? = 0 AND body IS NOT NULL
                """
            ).bind(key, 1).bind(own, 2)
                .run { try body($0.number(0), $0.number(1), try Update(unverified: $0.blobs(2, 3))) }
        }
        try database.sql(
            """
            SELECT u.row, u.arrived, u.header, u.body FROM log_acting a JOIN log_updates u ON u.row = a.row
                WHERE a.owner = ? AND u.flags & ? = 0 AND u.body IS NOT NULL
            """
        ).bind(owner.digest, 1).bind(UpdateFlags.uncounted.rawValue, 2)
            .run { try body($0.number(0), $0.number(1), try Update(unverified: $0.blobs(2, 3))) }
    }

    /// The updates of some rows that count and have their bodies here.
    static func counted(after start: Int64, upTo end: Int64, in database: Database) throws -> [Update] {
        try database.sql(
            "SELECT header, body FROM log_updates WHERE row > ? AND row <= ? AND flags & ? = 0 AND body IS NOT NULL"
        ).bind(start, 1).bind(end, 2).bind(UpdateFlags.uncounted.rawValue, 3)
            .all { try Update(unverified: $0.blobs(0, 1)) }
    }
}
