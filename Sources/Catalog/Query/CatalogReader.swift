package import GRDB

/// Answers every question about the catalog from the view.
///
/// Each call is one read of one state on a reader connection: it waits neither for the writer nor for a peer.
/// What the operator hides is in no answer. Times are milliseconds since 1970.
package struct CatalogReader: Sendable {
    private let reader: any DatabaseReader

    /// How far ahead of `now` an entity may claim to be made and still be listed: clocks differ.
    static let tolerance: Int64 = 600_000

    package init(_ reader: any DatabaseReader) { self.reader = reader }

    /// One read of one state.
    func read<T>(_ viewer: Viewer? = nil, _ body: (RowLoader) throws -> T) throws(CatalogError) -> T {
        try CatalogDatabase.mapped { try reader.read { try body(try RowLoader($0, viewer: viewer)) } }
    }

    /// How much there is; it counts rows, so it is for a person who asks, not for every request.
    package func totals() throws(CatalogError) -> CatalogTotals {
        try read { loader in
            func count(_ sql: String) throws -> Int { try loader.database.sql(sql).one { Int($0.number(0)) } ?? 0 }
            return CatalogTotals(
                authors: try count("SELECT count(*) FROM authors"),
                contents: try count("SELECT count(*) FROM contents WHERE listed = 1"),
                lists: try count("SELECT count(*) FROM lists WHERE listed = 1"),
                comments: try count("SELECT count(*) FROM comments WHERE listed = 1"),
                edges: try count("SELECT count(*) FROM edges WHERE active = 1"),
                plays: try count("SELECT sum(plays) FROM counts"),
                ranked: try Trending.time(in: loader.database))
        }
    }

    // MARK: Lists by time

    /// One page of a list in the order of time. `values` are the parameters of the condition in `sql`.
    func timeline<Row>(
        _ page: PageRequest, _ loader: RowLoader, _ sql: TimelineSQL, _ values: [SQLValue], before: Int64 = .max,
        _ make: (TimedKey) throws -> Row?
    ) throws -> Page<Row> {
        try timeline(page, loader, [(sql, values)], before: before, make)
    }

    /// One page of several lists as one, in the order of time. No row may be in two of them.
    ///
    /// Each is read as far as the page may need it, by its own index: a condition with OR would read whole tables.
    func timeline<Row>(
        _ page: PageRequest, _ loader: RowLoader, _ lists: [(sql: TimelineSQL, values: [SQLValue])],
        before: Int64 = .max, _ make: (TimedKey) throws -> Row?
    ) throws -> Page<Row> {
        let start = page.place.time <= before ? page.place : (time: before, key: -1)
        // Only a single list can skip rows by itself.
        let skipped = lists.count == 1 ? page.skipped : 0
        let place: [SQLValue] = [
            .integer(start.time), .integer(start.time), .integer(start.key),
            SQLValue(page.limit + 1 + page.skipped - skipped), SQLValue(skipped),
        ]
        var keys: [TimedKey] = []
        for (sql, values) in lists {
            keys += try loader.database.sql(
                """
                SELECT \(sql.time), \(sql.key) FROM \(sql.from) WHERE \(sql.condition)
                    AND \(sql.time) <= ? AND (\(sql.time) < ? OR \(sql.key) > ?)
                    ORDER BY \(sql.time) DESC, \(sql.key) LIMIT ? OFFSET ?
                """
            ).all(values + place) { TimedKey(time: $0.number(0), key: $0.number(1)) }
        }
        if lists.count > 1 {
            keys.sort { ($1.time, $0.key) < ($0.time, $1.key) }
            keys = Array(keys.dropFirst(page.skipped).prefix(page.limit + 1))
        }
        let rows = try keys.prefix(page.limit).compactMap(make)
        let last = keys.prefix(page.limit).last
        return Page(rows, next: keys.count > page.limit ? last?.cursor : nil)
    }

    /// One page of keys that are ranked already.
    func ranked<Row>(_ page: PageRequest, _ keys: [Int64], _ make: (Int64) throws -> Row?) throws -> Page<Row> {
        let rank = min(page.rank, keys.count)
        let slice = keys[rank...].prefix(page.limit)
        let next = slice.endIndex < keys.count ? PageCursor.rank(slice.endIndex) : nil
        return Page(try slice.compactMap(make), next: next)
    }

    /// The latest time at which something can be made and be listed.
    static func latest(_ now: UInt64) -> Int64 { Int64(clamping: now).addingReportingOverflow(tolerance).partialValue }
}

/// The parts of a query that lists keys in the order of time.
struct TimelineSQL {
    let time: String
    let key: String
    let from: String
    let condition: String
}
