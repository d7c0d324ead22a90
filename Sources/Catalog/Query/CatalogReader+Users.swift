import GRDB

// Authors, and what they own, did, and are followed by.
extension CatalogReader {
    /// The authors with these ids, 500 at most, in their order; those that are not known or hidden are left out.
    package func users(_ ids: [EntityID], viewer: Viewer? = nil) throws(CatalogError) -> [UserRow] {
        try read(viewer) { loader in
            try ids.prefix(PageRequest.maximumLimit).compactMap { try loader.key($0, .author) }
                .compactMap { try loader.user($0) }
        }
    }

    /// The author with that id.
    package func user(_ id: EntityID, viewer: Viewer? = nil) throws(CatalogError) -> UserRow? {
        try users([id], viewer: viewer).first
    }

    /// The author, by the lasting name.
    package func user(_ author: AuthorID, viewer: Viewer? = nil) throws(CatalogError) -> UserRow? {
        try user(EntityID(.author, author), viewer: viewer)
    }

    /// Those with most followers.
    package func topUsers(_ page: PageRequest, viewer: Viewer? = nil) throws(CatalogError) -> Page<UserRow> {
        try read(viewer) { loader in
            let keys = try loader.database.sql(
                """
                SELECT n.key FROM counts n JOIN authors a ON a.key = n.key
                    WHERE n.followers > 0 AND a.listed = 1 AND \(RowLoader.shown("a.key"))
                    ORDER BY n.followers DESC LIMIT ?
                """
            ).all([SQLValue(page.rank + page.limit + 1)]) { $0.number(0) }
            return try ranked(page, keys) { try loader.user($0) }
        }
    }

    /// Those who follow the author, latest first.
    package func followers(
        _ id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> { try incoming(id, .author, .follow, page, viewer) }

    /// Those who subscribe to the author, latest first.
    package func subscribers(
        _ id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> { try incoming(id, .author, .subscribe, page, viewer) }

    /// Those whom the author follows, latest first.
    package func following(
        _ id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            let sql = TimelineSQL(
                time: "f.time", key: "f.target", from: "edges f",
                condition: """
                    f.source = ? AND f.rel = 1 AND f.active = 1 AND \(RowLoader.active("f.target"))
                        AND \(RowLoader.shown("f.target"))
                    """)
            return try timeline(page, loader, sql, [.integer(key)]) { try loader.user($0.key) }
        }
    }

    /// Those who did `relation` to the entity, latest first.
    func incoming(
        _ id: EntityID, _ kind: EntityKind, _ relation: Relation, _ page: PageRequest, _ viewer: Viewer?
    ) throws(CatalogError) -> Page<UserRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, kind) else { return Page([]) }
            let sql = TimelineSQL(
                time: "f.time", key: "f.source", from: "edges f",
                condition: """
                    f.target = ? AND f.rel = ? AND f.active = 1 AND \(RowLoader.active("f.source"))
                        AND \(RowLoader.shown("f.source"))
                    """)
            return try timeline(page, loader, sql, [.integer(key), .integer(Int64(relation.rawValue))]) {
                try loader.user($0.key)
            }
        }
    }

    // MARK: What an author did

    /// What the author reposted, content and lists, latest first.
    package func reposts(
        by id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ActivityRow> { try outgoing(id, .repost, nil, page, viewer) }

    /// What the author saved, latest first; `kind` picks content or lists.
    package func favorites(
        by id: EntityID, kind: EntityKind? = nil, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ActivityRow> { try outgoing(id, .save, kind, page, viewer) }

    private func outgoing(
        _ id: EntityID, _ relation: Relation, _ kind: EntityKind?, _ page: PageRequest, _ viewer: Viewer?
    ) throws(CatalogError) -> Page<ActivityRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            let content = "EXISTS (SELECT 1 FROM contents c WHERE c.key = f.target AND \(RowLoader.listed("c")))"
            let list = "EXISTS (SELECT 1 FROM lists l WHERE l.key = f.target AND \(RowLoader.listed("l")))"
            let wanted =
                switch kind {
                case .content: content
                case .list: list
                default: "(\(content) OR \(list))"
                }
            let sql = TimelineSQL(
                time: "f.time", key: "f.target", from: "edges f",
                condition: "f.source = ? AND f.rel = ? AND f.active = 1 AND \(wanted)")
            let values: [SQLValue] = [.integer(key), .integer(Int64(relation.rawValue))]
            return try timeline(page, loader, sql, values) { place in
                try loader.item(place.key).map {
                    ActivityRow(item: $0, time: UInt64(clamping: place.time), actor: id)
                }
            }
        }
    }

    /// What the author reported as played, latest day first.
    package func history(
        _ id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<HistoryRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            let sql = TimelineSQL(
                time: "p.day", key: "p.content", from: "plays p",
                condition: """
                    p.author = ? AND EXISTS (SELECT 1 FROM contents c WHERE c.key = p.content AND c.deleted = 0
                        AND \(RowLoader.shown("c.key", "c.author")))
                    """)
            return try timeline(page, loader, sql, [.integer(key)]) { place in
                guard let content = try loader.content(place.key) else { return nil }
                let count = try loader.database.sql(
                    "SELECT count FROM plays WHERE author = ? AND content = ? AND day = ?"
                ).one([.integer(key), .integer(place.key), .integer(place.time)]) { $0.number(0) }
                return HistoryRow(
                    content: content, day: UInt64(clamping: place.time), count: UInt64(clamping: count ?? 0))
            }
        }
    }

    /// The tags that the author uses most: of the last 1,000 listed pieces of content, most used first.
    package func tags(_ id: EntityID, limit: Int = 10) throws(CatalogError) -> [String] {
        try read { loader in
            guard let key = try loader.key(id, .author) else { return [] }
            var uses: [String: Int] = [:]
            try loader.database.sql(
                """
                SELECT c.state FROM contents c WHERE c.author = ? AND \(RowLoader.listed("c"))
                    ORDER BY c.created DESC LIMIT 1000
                """
            ).run([.integer(key)]) { row in
                for tag in Set(Registers(decoding: row.blob(0)).texts(ContentField.tags)) { uses[tag, default: 0] += 1 }
            }
            return uses.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(max(0, limit)).map(\.key)
        }
    }

    /// Authors who share followers with this one: those whom its latest followers follow most, against how many
    /// follow them at all.
    package func related(
        to id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            var shared: [Int64: Int64] = [:]
            try loader.database.sql(
                """
                SELECT g.target FROM (
                    SELECT source FROM edges WHERE target = ?1 AND rel = 1 AND active = 1
                        ORDER BY time DESC, source LIMIT 100) f
                    JOIN edges g ON g.source = f.source AND g.rel = 1 AND g.active = 1
                    WHERE g.target <> ?1 LIMIT 10000
                """
            ).run([.integer(key)]) { shared[$0.number(0), default: 0] += 1 }
            var scores: [(score: Double, key: Int64)] = []
            for (other, count) in shared.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(200) {
                let followers = try loader.database.sql(
                    """
                    SELECT n.followers FROM counts n JOIN authors a ON a.key = n.key
                        WHERE n.key = ? AND a.listed = 1 AND \(RowLoader.shown("a.key"))
                    """
                ).one([.integer(other)]) { $0.number(0) }
                if let followers { scores.append((Double(count * count) / Double(max(1, followers)), other)) }
            }
            scores.sort { ($1.score, $0.key) < ($0.score, $1.key) }
            return try ranked(page, scores.map(\.key)) { try loader.user($0) }
        }
    }
}
