import GRDB

// Content lists: playlists and albums.
extension CatalogReader {
    /// The lists with these ids, 500 at most, in their order, deleted ones too, each with its first 5,000 items where
    /// one is asked for, else with its first 100.
    package func lists(_ ids: [EntityID], viewer: Viewer? = nil) throws(CatalogError) -> [ListRow] {
        try read(viewer) { loader in
            let limit = ids.count == 1 ? RowLoader.maximumItems : RowLoader.fewItems
            return try ids.prefix(PageRequest.maximumLimit).compactMap { try loader.key($0, .list) }
                .compactMap { try loader.list($0, items: limit) }
        }
    }

    /// The list with that id, deleted too, with its first 5,000 items.
    package func list(_ id: EntityID, viewer: Viewer? = nil) throws(CatalogError) -> ListRow? {
        try lists([id], viewer: viewer).first
    }

    /// An author's lists, latest first; `albums` picks albums or what is none.
    package func lists(
        by id: EntityID, albums: Bool? = nil, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ListRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            let sorted = albums.map { " AND l.album = \($0 ? 1 : 0)" } ?? ""
            let sql = TimelineSQL(
                time: "l.created", key: "l.key", from: "lists l",
                condition: "l.author = ?\(sorted) AND \(RowLoader.listed("l"))")
            return try timeline(page, loader, sql, [.integer(key)]) { try loader.list($0.key) }
        }
    }

    /// Everybody's lists, latest first, without what claims to come from the future.
    package func latestLists(
        albums: Bool? = nil, now: UInt64, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ListRow> {
        try read(viewer) { loader in
            let sorted = albums.map { " AND l.album = \($0 ? 1 : 0)" } ?? ""
            let sql = TimelineSQL(
                time: "l.created", key: "l.key", from: "lists l", condition: RowLoader.listed("l") + sorted)
            return try timeline(page, loader, sql, [], before: CatalogReader.latest(now)) { try loader.list($0.key) }
        }
    }

    /// What a list holds, in its order, the first 5,000 places; what is deleted, hidden or has not come is left out.
    package func contents(
        ofList id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .list) else { return Page([]) }
            let keys = try loader.database.sql(
                """
                SELECT i.item FROM (
                    SELECT item, position, tag FROM list_items WHERE list = ? AND item IS NOT NULL AND removed = 0
                        ORDER BY position, tag LIMIT ?) i
                    JOIN contents c ON c.key = i.item
                    WHERE c.deleted = 0 AND \(RowLoader.shown("c.key", "c.author")) ORDER BY i.position, i.tag
                """
            ).all([.integer(key), SQLValue(RowLoader.maximumItems)]) { $0.number(0) }
            return try ranked(page, keys) { try loader.content($0) }
        }
    }

    /// The lists that hold a piece of content, 100 at most.
    package func lists(with id: EntityID, viewer: Viewer? = nil) throws(CatalogError) -> [ListRow] {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .content) else { return [] }
            return try loader.database.sql(
                """
                SELECT DISTINCT i.list FROM list_items i JOIN lists l ON l.key = i.list
                    WHERE i.item = ? AND i.removed = 0 AND \(RowLoader.listed("l")) LIMIT 100
                """
            ).all([.integer(key)]) { $0.number(0) }.compactMap { try loader.list($0) }
        }
    }

    /// Those who saved the list, latest first.
    package func favorites(
        ofList id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> { try incoming(id, .list, .save, page, viewer) }

    /// Those who reposted the list, latest first.
    package func reposts(
        ofList id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> { try incoming(id, .list, .repost, page, viewer) }
}
