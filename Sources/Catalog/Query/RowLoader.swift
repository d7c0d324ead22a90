import GRDB
import Multiformats

/// Turns keys into the rows that the API shows, within one read.
///
/// Queries pick keys by narrow indexes; this reads the rows of one page, and each of its authors once.
final class RowLoader {
    let database: Database
    /// The key of whoever looks; `nil` when nobody does or nothing is known of them.
    let viewer: Int64?
    private let showsFollowees: Bool
    private var users: [Int64: UserRow?] = [:]

    /// Items of each list in a list of lists.
    static let fewItems = 100
    /// Items that a list shows at all.
    static let maximumItems = 5_000
    /// Those who reposted or saved an item, of whom the followed are picked, and how many of these are shown.
    private static let (lookedAt, followeesShown) = (20, 3)

    init(_ database: Database, viewer: Viewer?) throws {
        self.database = database
        showsFollowees = viewer?.showsFollowees ?? false
        self.viewer = try viewer.flatMap { try RowLoader.key($0.id, .author, in: database) }
    }

    /// The local key of an id; `nil` when it is not known here or is of another sort.
    static func key(_ id: EntityID, _ kind: EntityKind, in database: Database) throws -> Int64? {
        try database.sql("SELECT key FROM entities WHERE id = ? AND kind = ?")
            .one([.text(id.description), .integer(Int64(kind.rawValue))]) { $0.number(0) }
    }

    func key(_ id: EntityID, _ kind: EntityKind) throws -> Int64? { try RowLoader.key(id, kind, in: database) }

    func id(_ key: Int64) throws -> EntityID? {
        try database.sql("SELECT id FROM entities WHERE key = ?").one([.integer(key)]) { EntityID(stored: $0.text(0)) }
    }

    /// A condition that holds for what the operator does not hide; the argument names columns with keys.
    static func shown(_ columns: String...) -> String {
        "NOT EXISTS (SELECT 1 FROM hidden WHERE hidden.key IN (\(columns.joined(separator: ", "))))"
    }

    /// Which table says that an author is not deactivated.
    static func active(_ column: String) -> String {
        "EXISTS (SELECT 1 FROM authors WHERE authors.key = \(column) AND authors.listed = 1)"
    }

    /// What lists and searches show of contents or lists in a table of that alias.
    static func listed(_ alias: String) -> String {
        "\(alias).listed = 1 AND \(active("\(alias).author")) AND \(shown("\(alias).key", "\(alias).author"))"
    }

    private static let counters = ViewFingerprint.counters.map { "n.\($0)" }.joined(separator: ", ")

    // Texts that every row asks with, put together once.

    private static let userSQL = """
        SELECT e.id, e.name, a.state,
            (SELECT length(l.heads) > 8 OR l.notes & 2 FROM log_authors l WHERE l.id = e.name),
            \(RowLoader.counters)
            FROM authors a JOIN entities e ON e.key = a.key LEFT JOIN counts n ON n.key = a.key
            WHERE a.key = ? AND \(RowLoader.shown("a.key"))
        """
    private static let contentSQL = """
        SELECT e.id, e.name, c.author, c.state, c.deleted, \(RowLoader.counters)
            FROM contents c JOIN entities e ON e.key = c.key LEFT JOIN counts n ON n.key = c.key
            WHERE c.key = ? AND \(RowLoader.shown("c.key", "c.author"))
        """
    private static let listSQL = """
        SELECT e.id, e.name, l.author, l.state, l.deleted, \(RowLoader.counters)
            FROM lists l JOIN entities e ON e.key = l.key LEFT JOIN counts n ON n.key = l.key
            WHERE l.key = ? AND \(RowLoader.shown("l.key", "l.author"))
        """
    private static let followeesSQL = """
        SELECT e.id FROM (
            SELECT source, time FROM edges WHERE target = ?1 AND rel = ?2 AND active = 1
                ORDER BY time DESC, source LIMIT ?3) r
            JOIN edges f ON f.source = ?4 AND f.rel = 1 AND f.target = r.source AND f.active = 1
            JOIN entities e ON e.key = r.source
            WHERE \(RowLoader.shown("f.target")) ORDER BY r.time DESC, r.source LIMIT ?5
        """

    private func counts(_ row: SQLRow, from column: Int32) -> EntityCounts {
        func next(_ index: Int32) -> Int { Int(row.number(column + index)) }
        return EntityCounts(
            followers: next(0), saves: next(1), reposts: next(2), subscribers: next(3), following: next(4),
            madeSaves: next(5), madeReposts: next(6), contents: next(8), albums: next(9), lists: next(10),
            remixes: next(11), comments: next(12), plays: next(13))
    }

    // MARK: Users

    /// The author with that key; `nil` when hidden, or when nothing of them has come yet.
    func user(_ key: Int64) throws -> UserRow? {
        if let known = users[key] { return known }
        let row = try readUser(key)
        users[key] = .some(row)
        return row
    }

    private func readUser(_ key: Int64) throws -> UserRow? {
        let marks = try userMarks(key)
        return try database.sql(RowLoader.userSQL).one([.integer(key)]) { row -> UserRow? in
            guard let author = AuthorID(row.blob(1)) else { return nil }
            let state = Registers(decoding: row.blob(2))
            return UserRow(
                id: EntityID(stored: row.text(0)), author: author, fields: ProfileFields(state),
                created: state.created ?? 0, updated: state.updated, counts: counts(row, from: 4),
                isEquivocated: row.flag(3), marks: marks)
        } ?? nil
    }

    private func userMarks(_ key: Int64) throws -> UserMarks? {
        guard let viewer else { return nil }
        return UserMarks(
            isFollowed: try isEdge(viewer, .follow, key), isFollower: try isEdge(key, .follow, viewer),
            isSubscribed: try isEdge(viewer, .subscribe, key))
    }

    /// Whether such an edge is on.
    func isEdge(_ source: Int64, _ relation: Relation, _ target: Int64) throws -> Bool {
        try database.sql("SELECT active FROM edges WHERE source = ? AND rel = ? AND target = ?")
            .one([.integer(source), .integer(Int64(relation.rawValue)), .integer(target)]) { $0.flag(0) } ?? false
    }

    // MARK: Digital content

    /// The content with that key, deleted or unlisted too; `nil` when hidden, or when it or its author has not come.
    func content(_ key: Int64) throws -> ContentRow? {
        struct Found {
            let id: EntityID
            let name: String
            let author: Int64
            let state: Registers
            let isDeleted: Bool
            let counts: EntityCounts
        }
        let found = try database.sql(RowLoader.contentSQL).one([.integer(key)]) { row in
            Found(
                id: EntityID(stored: row.text(0)), name: String(decoding: row.blob(1), as: UTF8.self),
                author: row.number(2), state: Registers(decoding: row.blob(3)), isDeleted: row.flag(4),
                counts: counts(row, from: 5))
        }
        guard let found, let user = try user(found.author) else { return nil }
        return ContentRow(
            id: found.id, entity: EntityRef(user.author, found.name), user: user, fields: ContentFields(found.state),
            created: found.state.created ?? 0, updated: found.state.updated, isDeleted: found.isDeleted,
            counts: found.counts, marks: try itemMarks(key))
    }

    // MARK: Lists

    /// The list with that key, deleted too; `nil` when hidden, or when it or its author has not come.
    func list(_ key: Int64, items limit: Int = RowLoader.fewItems) throws -> ListRow? {
        struct Found {
            let id: EntityID
            let name: String
            let author: Int64
            let state: Registers
            let isDeleted: Bool
            let counts: EntityCounts
        }
        let found = try database.sql(RowLoader.listSQL).one([.integer(key)]) { row in
            Found(
                id: EntityID(stored: row.text(0)), name: String(decoding: row.blob(1), as: UTF8.self),
                author: row.number(2), state: Registers(decoding: row.blob(3)), isDeleted: row.flag(4),
                counts: counts(row, from: 5))
        }
        guard let found, let user = try user(found.author) else { return nil }
        let items = try self.items(of: key, limit: limit)
        return ListRow(
            id: found.id, entity: EntityRef(user.author, found.name), user: user, fields: ListFields(found.state),
            created: found.state.created ?? 0, updated: found.state.updated, isDeleted: found.isDeleted,
            counts: found.counts, items: items,
            itemCount: items.count < limit ? items.count : try itemCount(of: key), marks: try itemMarks(key))
    }

    private func items(of list: Int64, limit: Int) throws -> [ListItem] {
        try database.sql(
            """
            SELECT i.tag, e.id, i.added, i.position FROM list_items i JOIN entities e ON e.key = i.item
                WHERE i.list = ? AND i.item IS NOT NULL AND i.removed = 0 ORDER BY i.position, i.tag LIMIT ?
            """
        ).all([.integer(list), SQLValue(limit)]) { row -> ListItem? in
            guard let tag = UpdateID(row.blob(0)), let position = ListPosition(row.blob(3)) else { return nil }
            return ListItem(
                tag: tag, content: EntityID(stored: row.text(1)), added: UInt64(clamping: row.number(2)),
                position: position)
        }.compactMap { $0 }
    }

    private func itemCount(of list: Int64) throws -> Int {
        try database.sql(
            """
            SELECT count(*) FROM (
                SELECT 1 FROM list_items WHERE list = ? AND item IS NOT NULL AND removed = 0 LIMIT ?)
            """
        ).one([.integer(list), SQLValue(RowLoader.maximumItems)]) { Int($0.number(0)) } ?? 0
    }

    // MARK: Both

    /// The content or list with that key.
    func item(_ key: Int64) throws -> ItemRow? {
        if let content = try content(key) { return .content(content) }
        return try list(key).map { .list($0) }
    }

    private func itemMarks(_ key: Int64) throws -> ItemMarks? {
        guard let viewer else { return nil }
        return ItemMarks(
            isReposted: try isEdge(viewer, .repost, key), isSaved: try isEdge(viewer, .save, key),
            followeeReposts: try followees(.repost, key), followeeSaves: try followees(.save, key))
    }

    private func followees(_ relation: Relation, _ key: Int64) throws -> [EntityID] {
        guard let viewer, showsFollowees else { return [] }
        return try database.sql(RowLoader.followeesSQL).all([
            .integer(key), .integer(Int64(relation.rawValue)), SQLValue(RowLoader.lookedAt), .integer(viewer),
            SQLValue(RowLoader.followeesShown),
        ]) { EntityID(stored: $0.text(0)) }
    }
}

/// Whoever looks at the catalog, which decides the marks in rows, the feed and what a handle means.
package struct Viewer: Sendable, Equatable {
    package let id: EntityID
    /// Whether rows name followees who reposted or saved an item: the API's full answers do.
    package let showsFollowees: Bool

    package init(_ id: EntityID, showsFollowees: Bool = false) {
        self.id = id
        self.showsFollowees = showsFollowees
    }
}
