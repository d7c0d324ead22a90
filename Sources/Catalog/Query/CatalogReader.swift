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

    /// One page of a list in the order of time.
    ///
    /// `sql` selects a time and a key; it has the places `TIME` and `KEY` for the names of these columns' sources
    /// in its condition, which `timeline` adds behind `WHERE`, and `values` for its own parameters.
    func timeline<Row>(
        _ page: PageRequest, _ loader: RowLoader, _ sql: TimelineSQL, _ values: [SQLValue], before: Int64 = .max,
        _ make: (TimedKey) throws -> Row?
    ) throws -> Page<Row> {
        let start = page.place.time <= before ? page.place : (time: before, key: -1)
        let statement = try loader.database.sql(
            """
            SELECT \(sql.time), \(sql.key) FROM \(sql.from) WHERE \(sql.condition)
                AND \(sql.time) <= ? AND (\(sql.time) < ? OR \(sql.key) > ?)
                ORDER BY \(sql.time) DESC, \(sql.key) LIMIT ? OFFSET ?
            """)
        let values =
            values + [
                .integer(start.time), .integer(start.time), .integer(start.key), SQLValue(page.limit + 1),
                SQLValue(page.skipped),
            ]
        let keys = try statement.all(values) { TimedKey(time: $0.number(0), key: $0.number(1)) }
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
