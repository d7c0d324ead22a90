import GRDB
package import Multiformats

/// Which pieces of digital content a list shows, as the API's parameters say.
package struct ContentFilter: Sendable, Equatable {
    /// Any of these; none for all.
    package var genres: [String] = []
    /// Only what the author lets others download.
    package var onlyDownloadable = false

    package init(genres: [String] = [], onlyDownloadable: Bool = false) {
        self.genres = Array(genres.prefix(20))
        self.onlyDownloadable = onlyDownloadable
    }

    /// A condition on contents of that alias, and its values; without numbered parameters.
    func condition(_ alias: String) -> (sql: String, values: [SQLValue]) {
        var sql = onlyDownloadable ? " AND \(alias).downloadable = 1" : ""
        let genres = self.genres.map { SearchWords.fold($0) }
        if genres.count == 1 { sql += " AND \(alias).genre = ?" }
        // The plus keeps SQLite from collecting and sorting whole genres where another index can stop early.
        if genres.count > 1 {
            sql += " AND +\(alias).genre IN (\(genres.map { _ in "?" }.joined(separator: ", ")))"
        }
        return (sql, genres.map { .text($0) })
    }

    /// The same for each genre alone: lists without common rows, that together are the one of all of them.
    var byGenre: [ContentFilter] {
        let genres = Set(self.genres.map { SearchWords.fold($0) })
        if genres.count < 2 { return [self] }
        return genres.sorted().map { ContentFilter(genres: [$0], onlyDownloadable: onlyDownloadable) }
    }
}

/// The order of an author's content.
package enum ContentOrder: String, CaseIterable, Sendable {
    /// Latest first.
    case date
    case plays, reposts
    case saves = "favorites"
    case title

    /// What the column list of `contents c LEFT JOIN counts n` is sorted by.
    fileprivate var sql: String {
        switch self {
        case .date: "c.created DESC, c.key"
        case .plays: "coalesce(n.plays, 0) DESC, c.created DESC, c.key"
        case .reposts: "coalesce(n.reposts, 0) DESC, c.created DESC, c.key"
        case .saves: "coalesce(n.saves, 0) DESC, c.created DESC, c.key"
        case .title: "c.words, c.key"
        }
    }
}

extension CatalogReader {
    /// The content with these ids, 500 at most, in their order, unlisted and deleted too; what is not known or hidden
    /// is left out.
    package func contents(_ ids: [EntityID], viewer: Viewer? = nil) throws(CatalogError) -> [ContentRow] {
        try read(viewer) { loader in
            try ids.prefix(PageRequest.maximumLimit).compactMap { try loader.key($0, .content) }
                .compactMap { try loader.content($0) }
        }
    }

    /// The content with that id, unlisted or deleted too.
    package func content(_ id: EntityID, viewer: Viewer? = nil) throws(CatalogError) -> ContentRow? {
        try contents([id], viewer: viewer).first
    }

    /// Content that has the block among its files, oldest first, 100 at most.
    package func contents(withMedia cid: CID, viewer: Viewer? = nil) throws(CatalogError) -> [ContentRow] {
        try read(viewer) { loader in
            try loader.database.sql(
                """
                SELECT c.key FROM content_media m JOIN contents c ON c.key = m.content
                    WHERE m.cid = ? ORDER BY c.created, c.key LIMIT 100
                """
            ).all([.blob(cid.multihash.bytes)]) { $0.number(0) }.compactMap { try loader.content($0) }
        }
    }

    /// What an author published.
    ///
    /// With `isOwner` unlisted content is shown too.
    package func contents(
        by id: EntityID, order: ContentOrder = .date, filter: ContentFilter = ContentFilter(), isOwner: Bool = false,
        _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .author) else { return Page([]) }
            let (extra, values) = filter.condition("c")
            let seen = isOwner ? "c.deleted = 0 AND \(RowLoader.shown("c.key", "c.author"))" : RowLoader.listed("c")
            let condition = "c.author = ?\(extra) AND \(seen)"
            if order == .date {
                let sql = TimelineSQL(time: "c.created", key: "c.key", from: "contents c", condition: condition)
                return try timeline(page, loader, sql, [.integer(key)] + values) { try loader.content($0.key) }
            }
            let keys = try loader.database.sql(
                """
                SELECT c.key FROM contents c LEFT JOIN counts n ON n.key = c.key WHERE \(condition)
                    ORDER BY \(order.sql) LIMIT ?
                """
            ).all([.integer(key)] + values + [SQLValue(page.rank + page.limit + 1)]) { $0.number(0) }
            return try ranked(page, keys) { try loader.content($0) }
        }
    }

    /// Everybody's content, latest first, without what claims to come from the future.
    package func latest(
        filter: ContentFilter = ContentFilter(), now: UInt64, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            let lists = filter.byGenre.map { filter in
                let (extra, values) = filter.condition("c")
                return (
                    sql: TimelineSQL(
                        time: "c.created", key: "c.key", from: "contents c", condition: RowLoader.listed("c") + extra),
                    values: values
                )
            }
            return try timeline(page, loader, lists, before: CatalogReader.latest(now)) {
                try loader.content($0.key)
            }
        }
    }

    // MARK: Around one piece of content

    /// Those who saved it, latest first.
    package func favorites(
        of id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> { try incoming(id, .content, .save, page, viewer) }

    /// Those who reposted it, latest first.
    package func reposts(
        of id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<UserRow> { try incoming(id, .content, .repost, page, viewer) }

    /// What says that it remixes this, latest first.
    package func remixes(
        of id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<ContentRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .content) else { return Page([]) }
            let sql = TimelineSQL(
                time: "c.created", key: "c.key", from: "contents c",
                condition: "c.remix_of = ? AND \(RowLoader.listed("c"))")
            return try timeline(page, loader, sql, [.integer(key)]) { try loader.content($0.key) }
        }
    }

    /// What it says that it remixes, where that is known here and not deleted.
    package func remixed(by id: EntityID, viewer: Viewer? = nil) throws(CatalogError) -> [ContentRow] {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .content) else { return [] }
            let origin = try loader.database.sql("SELECT remix_of FROM contents WHERE key = ?").one([.integer(key)]) {
                $0.optionalNumber(0)
            }
            guard let origin = origin ?? nil, let row = try loader.content(origin), !row.isDeleted else { return [] }
            return [row]
        }
    }

    /// The comments on it, latest first.
    package func comments(
        on id: EntityID, _ page: PageRequest, viewer: Viewer? = nil
    ) throws(CatalogError) -> Page<CommentRow> {
        try read(viewer) { loader in
            guard let key = try loader.key(id, .content) else { return Page([]) }
            let sql = TimelineSQL(
                time: "c.created", key: "c.key", from: "comments c",
                condition: "c.content = ? AND \(RowLoader.listed("c"))")
            return try timeline(page, loader, sql, [.integer(key)]) { try loader.comment($0.key, on: id) }
        }
    }
}

extension RowLoader {
    /// The comment with that key; `nil` when its author has not come.
    fileprivate func comment(_ key: Int64, on content: EntityID) throws -> CommentRow? {
        let found = try database.sql(
            """
            SELECT e.id, e.name, c.author, c.state, p.id, n.comments FROM comments c JOIN entities e ON e.key = c.key
                LEFT JOIN entities p ON p.key = c.parent LEFT JOIN counts n ON n.key = c.key WHERE c.key = ?
            """
        ).one([.integer(key)]) {
            (
                id: EntityID(stored: $0.text(0)), name: String(decoding: $0.blob(1), as: UTF8.self),
                author: $0.number(2), state: Registers(decoding: $0.blob(3)),
                parent: $0.optionalText(4).map { EntityID(stored: $0) }, replies: Int($0.number(5))
            )
        }
        guard let found, let user = try user(found.author) else { return nil }
        return CommentRow(
            id: found.id, entity: EntityRef(user.author, found.name), user: user, content: content,
            parent: found.parent, text: CommentFields(found.state).text ?? "", created: found.state.created ?? 0,
            updated: found.state.updated, replies: found.replies)
    }
}
