import GRDB

/// What a search of everything found.
package struct SearchResults: Sendable {
    package let users: Page<UserRow>
    package let contents: Page<ContentRow>
    package let lists: Page<ListRow>
    package let albums: Page<ListRow>
}

// Searches by words, ranked by how well they fit and how much a row is liked. At most 1,000 rows of a sort are
// ranked, the latest that came, so that a word that everything has costs no more than another.
extension CatalogReader {
    /// Authors by name or handle.
    package func searchUsers(
        _ query: String, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> {
        try read(viewer) { try searchUsers(query, page, $0) }
    }

    /// Digital content by title, tags and the names of authors.
    package func searchContents(
        _ query: String, filter: ContentFilter = ContentFilter(), _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { try searchContents(query, filter, page, $0) }
    }

    /// Lists by name; `albums` picks albums or what is none.
    package func searchLists(
        _ query: String, albums: Bool? = nil, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ListRow> {
        try read(viewer) { try searchLists(query, albums, page, $0) }
    }

    /// All sorts at once, each with its own page; for completing what is typed, with a small limit.
    package func search(
        _ query: String, filter: ContentFilter = ContentFilter(), _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> SearchResults {
        try read(viewer) { loader in
            SearchResults(
                users: try searchUsers(query, page, loader), contents: try searchContents(query, filter, page, loader),
                lists: try searchLists(query, false, page, loader), albums: try searchLists(query, true, page, loader))
        }
    }

    // MARK: Sorts of rows

    private func searchUsers(_ text: String, _ page: PageRequest, _ loader: RowLoader) throws -> Page<UserRow> {
        guard let query = SearchQuery(text.hasPrefix("@") ? String(text.dropFirst()) : text) else { return Page([]) }
        let table = SearchTable(
            name: "authors", condition: "c.listed = 1 AND \(RowLoader.shown("c.key"))", values: [],
            popularity: "coalesce(n.followers, 0)")
        var hits = try table.hits(query, loader.database)
        // Words begin with the name; a handle that is what was typed fits just as well.
        try loader.database.sql(
            "SELECT key, created FROM authors WHERE handle = ? AND listed = 1 AND \(RowLoader.shown("authors.key")) LIMIT 100"
        ).run([.text(query.text)]) { row in
            let key = row.number(0)
            hits[key] = SearchHit(
                key: key, fit: 4, popularity: hits[key]?.popularity ?? 0, created: row.number(1))
        }
        return try ranked(page, hits.ranked) { try loader.user($0) }
    }

    private func searchContents(
        _ text: String, _ filter: ContentFilter, _ page: PageRequest, _ loader: RowLoader
    ) throws -> Page<ContentRow> {
        guard let query = SearchQuery(text.hasPrefix("#") ? String(text.dropFirst()) : text) else { return Page([]) }
        let (extra, values) = filter.condition("c")
        let table = SearchTable(
            name: "contents", condition: RowLoader.listed("c") + extra, values: values,
            popularity: "coalesce(n.saves + n.reposts, 0) * 10 + coalesce(n.plays, 0)")
        var hits = try table.hits(query, loader.database)
        try addByAuthor(query, table, loader.database, &hits)
        return try ranked(page, hits.ranked) { try loader.content($0) }
    }

    private func searchLists(
        _ text: String, _ albums: Bool?, _ page: PageRequest, _ loader: RowLoader
    ) throws -> Page<ListRow> {
        guard let query = SearchQuery(text) else { return Page([]) }
        let sorted = albums.map { " AND c.album = \($0 ? 1 : 0)" } ?? ""
        let table = SearchTable(
            name: "lists", condition: RowLoader.listed("c") + sorted, values: [],
            popularity: "coalesce(n.saves + n.reposts, 0)")
        let hits = try table.hits(query, loader.database)
        return try ranked(page, hits.ranked) { try loader.list($0) }
    }

    /// Adds content whose words are found in its author's name and its title together: "artist title".
    private func addByAuthor(
        _ query: SearchQuery, _ table: SearchTable, _ database: Database, _ hits: inout [Int64: SearchHit]
    ) throws {
        guard let match = query.matchAny else { return }
        let authors = try database.sql(
            """
            SELECT a.key, a.words, coalesce(n.followers, 0) FROM (
                SELECT rowid FROM authors_text WHERE authors_text MATCH ? ORDER BY rowid DESC LIMIT 200) t
                CROSS JOIN authors a ON a.key = t.rowid LEFT JOIN counts n ON n.key = a.key
            """
        ).all([.text(match)]) { (key: $0.number(0), words: $0.text(1), followers: $0.number(2)) }
            .sorted { ($1.followers, $0.key) < ($0.followers, $1.key) }
        for author in authors.prefix(20) {
            let sql = """
                SELECT c.key, c.words, c.created, \(table.popularity) FROM contents c
                    LEFT JOIN counts n ON n.key = c.key WHERE c.author = ? AND \(table.condition)
                    ORDER BY c.created DESC LIMIT 100
                """
            try database.sql(sql).run([.integer(author.key)] + table.values) { row in
                let key = row.number(0)
                guard hits[key] == nil, query.matches(author.words + " " + row.text(1)) else { return }
                hits[key] = SearchHit(key: key, fit: 0, popularity: row.number(3), created: row.number(2))
            }
        }
    }
}

/// A table with folded words and a full-text index, and which of its rows (alias `c`, counts `n`) a search may show.
private struct SearchTable {
    let name: String
    let condition: String
    let values: [SQLValue]
    let popularity: String

    /// The rows that fit, at most `SearchQuery.maximumCandidates` from each way of finding them.
    func hits(_ query: SearchQuery, _ database: Database) throws -> [Int64: SearchHit] {
        var hits: [Int64: SearchHit] = [:]
        func add(_ row: SQLRow) {
            let words = row.text(1)
            guard query.matches(words) else { return }
            let key = row.number(0)
            hits[key] = SearchHit(
                key: key, fit: query.fit(words), popularity: row.number(3), created: row.number(2))
        }
        let columns = "c.key, c.words, c.created, \(popularity)"
        // What begins with the text, which the cut below must not lose.
        try database.sql(
            """
            SELECT \(columns) FROM \(name) c LEFT JOIN counts n ON n.key = c.key
                WHERE c.words >= ? AND c.words < ? AND \(condition) ORDER BY c.words LIMIT 200
            """
        ).run([.text(query.text), .text(query.end)] + values, row: add)
        if let match = query.match {
            try database.sql(
                """
                SELECT \(columns) FROM (
                    SELECT rowid FROM \(name)_text WHERE \(name)_text MATCH ? ORDER BY rowid DESC LIMIT ?) t
                    CROSS JOIN \(name) c ON c.key = t.rowid LEFT JOIN counts n ON n.key = c.key WHERE \(condition)
                """
            ).run([.text(match), SQLValue(SearchQuery.maximumCandidates)] + values, row: add)
        } else if let first = query.words.first {
            try database.sql(
                """
                SELECT \(columns) FROM (SELECT key FROM \(name) ORDER BY key DESC LIMIT 2000) t
                    CROSS JOIN \(name) c ON c.key = t.key AND instr(c.words, ?) > 0
                    LEFT JOIN counts n ON n.key = c.key WHERE \(condition)
                """
            ).run([.text(first)] + values, row: add)
        }
        return hits
    }
}

extension [Int64: SearchHit] {
    /// The keys, best first.
    fileprivate var ranked: [Int64] { values.sorted(by: SearchHit.precedes).map(\.key) }
}
