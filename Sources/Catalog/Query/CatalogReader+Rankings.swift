import GRDB

// Rankings, and what is suggested from them. `trending` is as old as the last `Trending.refresh`.
extension CatalogReader {
    /// Digital content by the trending score of that span.
    package func trending(
        _ span: Span = .week, filter: ContentFilter = ContentFilter(), _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            let keys = try trendingKeys(span, filter, limit: page.rank + page.limit + 1, loader)
            return try ranked(page, keys) { try loader.content($0) }
        }
    }

    /// Lists by the trending score of that span.
    package func trendingLists(
        _ span: Span = .week, albums: Bool? = nil, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ListRow> {
        try read(viewer) { loader in
            let sorted = albums.map { " AND c.album = \($0 ? 1 : 0)" } ?? ""
            let keys = try loader.database.sql(
                """
                SELECT t.key FROM trending t CROSS JOIN lists c ON c.key = t.key
                    WHERE t.kind = 2 AND t.span = ?\(sorted) AND \(RowLoader.listed("c")) ORDER BY t.rank LIMIT ?
                """
            ).all([.integer(Int64(span.rawValue)), SQLValue(page.rank + page.limit + 1)]) { $0.number(0) }
            return try ranked(page, keys) { try loader.list($0) }
        }
    }

    private func trendingKeys(
        _ span: Span, _ filter: ContentFilter, _ more: String = "", _ moreValues: [SQLValue] = [], limit: Int,
        _ loader: RowLoader
    ) throws -> [Int64] {
        let (extra, values) = filter.condition("c")
        return try loader.database.sql(
            """
            SELECT t.key FROM trending t CROSS JOIN contents c ON c.key = t.key
                WHERE t.kind = 1 AND t.span = ?\(extra)\(more) AND \(RowLoader.listed("c")) ORDER BY t.rank LIMIT ?
            """
        ).all([.integer(Int64(span.rawValue))] + values + moreValues + [SQLValue(limit)]) { $0.number(0) }
    }

    /// What is trending this week and the viewer does not own, has not saved and not reposted.
    package func recommended(
        filter: ContentFilter = ContentFilter(), excluding: [EntityID] = [], _ page: PageRequest,
        viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            let known = try excluding.prefix(PageRequest.maximumLimit).compactMap { try loader.key($0, .content) }
            // One text for all, since the connection keeps every statement that it has prepared.
            let unknown = """
                 AND c.key NOT IN (SELECT value FROM json_each(?)) AND c.author <> ?
                    AND NOT EXISTS (SELECT 1 FROM edges e
                        WHERE e.source = ? AND e.rel IN (2, 3) AND e.target = c.key AND e.active = 1)
                """
            let keys = try trendingKeys(
                .week, filter, unknown,
                [.text("\(known)"), .integer(loader.viewer ?? -1), .integer(loader.viewer ?? -1)],
                limit: page.rank + page.limit + 1, loader)
            return try ranked(page, keys) { try loader.content($0) }
        }
    }

    /// What was saved and reposted most, ever; with a filter, of the first 2,000.
    package func mostLoved(
        filter: ContentFilter = ContentFilter(), _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            let (extra, values) = filter.condition("c")
            // In the index's order, so that it stops with the page; a filter that few pass needs a bound.
            let source =
                extra.isEmpty
                ? "counts n"
                : "(SELECT * FROM counts WHERE saves + reposts > 0 ORDER BY saves + reposts DESC LIMIT 2000) n"
            let keys = try loader.database.sql(
                """
                SELECT n.key FROM \(source) CROSS JOIN contents c ON c.key = n.key
                    WHERE n.saves + n.reposts > 0\(extra) AND \(RowLoader.listed("c"))
                    ORDER BY n.saves + n.reposts DESC LIMIT ?
                """
            ).all(values + [SQLValue(page.rank + page.limit + 1)]) { $0.number(0) }
            return try ranked(page, keys) { try loader.content($0) }
        }
    }

    /// What is new within the span and was saved and reposted most: by those whom the viewer follows, or by anybody
    /// without a viewer. The 1,000 latest are ranked.
    package func bestNewReleases(
        _ span: Span = .month, filter: ContentFilter = ContentFilter(), now: UInt64, _ page: PageRequest,
        viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            let (oldest, newest) = (Int64(clamping: now) - span.milliseconds, CatalogReader.latest(now))
            let latest =
                try loader.viewer.map { try latestKeys(of: $0, filter, oldest, newest, loader) }
                ?? latestKeys(filter, oldest, newest, loader)
            let likes = try loader.database.sql("SELECT saves + reposts FROM counts WHERE key = ?")
            let ranked = try latest.map { place in
                (place: place, likes: try likes.one([.integer(place.key)]) { $0.number(0) } ?? 0)
            }.sorted { ($1.likes, $1.place.time, $0.place.key) < ($0.likes, $0.place.time, $1.place.key) }
            return try self.ranked(page, ranked.map(\.place.key)) { try loader.content($0) }
        }
    }

    /// How many of the latest are ranked by how much they are liked.
    private static let rankedLatest = 1_000

    private func latestKeys(
        _ filter: ContentFilter, _ oldest: Int64, _ newest: Int64, _ loader: RowLoader
    ) throws -> [TimedKey] {
        var keys: [TimedKey] = []
        for filter in filter.byGenre {
            let (extra, values) = filter.condition("c")
            keys += try loader.database.sql(
                """
                SELECT c.created, c.key FROM contents c WHERE c.created > ? AND c.created <= ?\(extra)
                    AND \(RowLoader.listed("c")) ORDER BY c.created DESC, c.key LIMIT ?
                """
            ).all([.integer(oldest), .integer(newest)] + values + [SQLValue(Self.rankedLatest)]) {
                TimedKey(time: $0.number(0), key: $0.number(1))
            }
        }
        return CatalogReader.latest(of: keys)
    }

    /// The same of those whom an author follows: each has little, and an index of it.
    private func latestKeys(
        of viewer: Int64, _ filter: ContentFilter, _ oldest: Int64, _ newest: Int64, _ loader: RowLoader
    ) throws -> [TimedKey] {
        let (extra, values) = filter.condition("c")
        // Who was active before the span has nothing in it.
        let keys = try loader.database.sql(
            """
            SELECT c.created, c.key FROM (
                SELECT e.target FROM edges e CROSS JOIN counts n ON n.key = e.target AND n.active > ?
                    WHERE e.source = ? AND e.rel = 1 AND e.active = 1 ORDER BY e.time DESC, e.target LIMIT ?) f
                CROSS JOIN contents c ON c.author = f.target
                WHERE c.created > ? AND c.created <= ?\(extra) AND \(RowLoader.listed("c"))
            """
        ).all(
            [
                .integer(oldest), .integer(viewer), SQLValue(Self.maximumFollowees), .integer(oldest),
                .integer(newest),
            ] + values
        ) { TimedKey(time: $0.number(0), key: $0.number(1)) }
        return CatalogReader.latest(of: keys)
    }

    private static func latest(of keys: [TimedKey]) -> [TimedKey] {
        if keys.count <= rankedLatest { return keys }
        return Array(keys.sorted { ($1.time, $0.key) < ($0.time, $1.key) }.prefix(rankedLatest))
    }

    /// What few have found yet, latest first: of the last month, by authors with at most 1,500 followers, with at
    /// most 250 plays and 20 saves and reposts; the viewer's own is left out.
    package func underTheRadar(
        filter: ContentFilter = ContentFilter(), now: UInt64, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            let oldest = Int64(clamping: now) - Span.month.milliseconds
            let lists = filter.byGenre.map { filter in
                let (extra, values) = filter.condition("c")
                return (
                    sql: TimelineSQL(
                        time: "c.created", key: "c.key", from: "contents c",
                        condition: """
                            c.created > ? AND c.author <> ?\(extra) AND \(RowLoader.listed("c"))
                                AND NOT EXISTS (SELECT 1 FROM counts n
                                    WHERE n.key = c.key AND (n.plays > 250 OR n.saves + n.reposts > 20))
                                AND NOT EXISTS (SELECT 1 FROM counts n
                                    WHERE n.key = c.author AND n.followers > 1500)
                            """),
                    values: [.integer(oldest), .integer(loader.viewer ?? -1)] + values
                )
            }
            return try timeline(page, loader, lists, before: CatalogReader.latest(now)) {
                try loader.content($0.key)
            }
        }
    }
}
