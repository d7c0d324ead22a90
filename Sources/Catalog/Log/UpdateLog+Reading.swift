import GRDB

extension UpdateLog {
    /// What is known of an author.
    package struct AuthorSummary: Sendable {
        package let id: AuthorID
        /// The updates that nothing follows, of those that count.
        package let heads: [UpdateID]
        /// Whether two updates do not know of each other: a second device, a restored backup or a copied key. The
        /// author's next update heals it.
        package let isEquivocated: Bool
        /// The Ed25519 public key in force.
        package let key: [UInt8]
        /// The hash of the recovery key that can name another.
        package let recovery: Digest32
        /// Updates that are held, and their bytes.
        package let updates: Int
        package let bytes: Int64
    }

    /// One update in the log with what the log has made of it.
    package struct Entry: Sendable {
        /// Grows in the order of arrival here; differs from node to node.
        package let row: Int64
        package let update: Update
        /// Whether it has effect: not undone by a rotate, a revoke or a forget.
        package let counts: Bool
        /// When it came, in milliseconds since 1970.
        package let arrived: UInt64
    }

    /// What is known of an author; `nil` when nothing is.
    package func author(_ id: AuthorID) throws(CatalogError) -> AuthorSummary? {
        try database.read { database in
            guard let state = try AuthorStates.read(id, in: database) else { return nil }
            return AuthorSummary(
                id: id, heads: state.heads.map(\.id).sorted(), isEquivocated: state.isEquivocated, key: state.era.key,
                recovery: state.era.recovery, updates: state.held, bytes: state.bytes)
        }
    }

    /// The blocks of updates in the order asked for: header and body, or the header alone where the body is not
    /// here; `nil` for what is not held.
    package func blocks(_ ids: [UpdateID]) throws(CatalogError) -> [(block: [UInt8], headerLength: Int)?] {
        try database.read { database in
            try ids.map { id in
                try database.sql("SELECT header, body, length(header) FROM log_updates WHERE digest = ?").bind(id, 1)
                    .one { $0.isNull(0) ? nil : ($0.blobs(0, 1), Int($0.number(2))) } ?? nil
            }
        }
    }

    /// An update with its place in the log; `nil` when it is not held.
    package func entry(_ id: UpdateID) throws(CatalogError) -> Entry? {
        try database.read { database in
            try database.sql("SELECT row, flags, arrived, header, body FROM log_updates WHERE digest = ?").bind(id, 1)
                .one { $0.isNull(3) ? nil : try Entry($0) } ?? nil
        }
    }

    /// Updates that came after row `row`, in the order of arrival: what a follower of events reads on with.
    package func entries(after row: Int64, limit: Int) throws(CatalogError) -> [Entry] {
        try database.read { database in
            try database.sql(
                """
                SELECT row, flags, arrived, header, body FROM log_updates
                    WHERE row > ? AND header IS NOT NULL ORDER BY row LIMIT ?
                """
            ).bind(row, 1).bind(Int64(clamping: limit), 2).all { try Entry($0) }
        }
    }

    /// An author's updates from the newest on, before sequence number `seq` if given.
    package func entries(of author: AuthorID, before seq: UInt64? = nil, limit: Int) throws(CatalogError) -> [Entry] {
        try database.read { database in
            try database.sql(
                """
                SELECT row, flags, arrived, header, body FROM log_updates
                    WHERE author = (SELECT key FROM log_authors WHERE id = ?) AND seq < ? AND header IS NOT NULL
                    ORDER BY seq DESC, row DESC LIMIT ?
                """
            ).bind(author.digest, 1).bind(Int64(clamping: seq ?? .max), 2).bind(Int64(clamping: limit), 3)
                .all { try Entry($0) }
        }
    }

    /// Calls `body` with the time and id of every update that is known, held or not, in the order of ids: the set
    /// that peers compare.
    package func forEachID(_ body: (UInt64, UpdateID) throws -> Void) throws(CatalogError) {
        try database.read { database in
            try database.sql("SELECT time, digest FROM log_updates ORDER BY digest")
                .run { try body(UInt64(clamping: $0.number(0)), try $0.digest(1)) }
        }
    }

    /// Updates whose body, or whose bytes at all, are missing and still wanted, behind row `row`: to be asked for by
    /// CID. What nobody has stays here for ever, so whoever asks goes on behind what was asked for last.
    package func missing(
        after row: Int64 = 0, limit: Int
    ) throws(CatalogError) -> [(row: Int64, time: UInt64, id: UpdateID)] {
        try database.read { database in
            // 28: neither erased, nor forgotten, nor beyond a quota.
            try database.sql(
                """
                SELECT row, time, digest FROM log_updates INDEXED BY log_updates_missing
                    WHERE body IS NULL AND flags & 28 = 0 AND row > ?
                    AND author NOT IN (SELECT a.key FROM log_blocks b JOIN log_authors a ON a.id = b.author)
                    ORDER BY row LIMIT ?
                """
            ).bind(row, 1).bind(Int64(clamping: limit), 2)
                .all { ($0.number(0), UInt64(clamping: $0.number(1)), try $0.digest(2)) }
        }
    }

    /// How much there is.
    package struct Totals: Hashable, Sendable {
        /// Ids in the set, held or not.
        package let updates: Int
        package let held: Int
        package let bytes: Int64
        package let authors: Int
    }

    /// How much there is; reads all authors.
    package func totals() throws(CatalogError) -> Totals {
        try database.read { database in
            let updates = try database.sql("SELECT max(row) FROM log_updates").one { Int($0.number(0)) } ?? 0
            return try database.sql("SELECT count(*), sum(held), sum(bytes) FROM log_authors").one {
                Totals(updates: updates, held: Int($0.number(1)), bytes: $0.number(2), authors: Int($0.number(0)))
            } ?? Totals(updates: 0, held: 0, bytes: 0, authors: 0)
        }
    }

    /// Whom somebody here follows, or is: their updates are kept without a quota. `missing` then names what a quota
    /// kept out before.
    package func setFollowed(_ authors: Set<AuthorID>) throws(CatalogError) {
        try transaction(now: 0) { writer, state in
            for author in authors.subtracting(state.authors.followed) { try writer.want(author) }
            state.authors.followed = authors
        }
    }
}

extension UpdateLog.Entry {
    fileprivate init(_ row: SQLRow) throws {
        self.row = row.number(0)
        counts = UpdateFlags(rawValue: row.number(1)).counts
        arrived = UInt64(clamping: row.number(2))
        update = try Update(unverified: row.blobs(3, 4))
    }
}
