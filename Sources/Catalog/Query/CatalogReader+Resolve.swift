package import GRDB

/// Who claims a handle, nearest first.
package struct HandleMatches: Sendable, Equatable {
    package let users: [UserRow]
    /// Whether the first is whom this user means: named, followed, or nearer in the follow graph than all the others.
    /// Otherwise all are to be shown, with the beginnings of their ids.
    package let isCertain: Bool
}

/// What a permalink leads to.
package enum Resolved: Sendable, Equatable {
    case user(UserRow)
    /// Several authors claim the handle and none is nearer than the others.
    case users([UserRow])
    case content(ContentRow)
    case list(ListRow)
}

extension CatalogReader {
    /// The claimants of one handle that are looked at: by followers, then by id.
    private static let maximumClaimants = 100

    /// Who claims that handle, in the order of: whom this user gave that name, whom they follow, who is nearest in
    /// the follow graph. Who claimed it first says nothing, since times can be back-dated.
    package func users(handle: String, viewer: Viewer? = nil) throws(CatalogError) -> HandleMatches {
        try read(viewer) { try claimants(of: handle, idPrefix: nil, $0) }
    }

    private func claimants(of handle: String, idPrefix: String?, _ loader: RowLoader) throws -> HandleMatches {
        let handle = handle.lowercased()
        let claims = try loader.database.sql(
            """
            SELECT a.key, e.id FROM authors a JOIN entities e ON e.key = a.key LEFT JOIN counts n ON n.key = a.key
                WHERE a.handle = ? AND a.listed = 1 AND \(RowLoader.shown("a.key"))
                ORDER BY coalesce(n.followers, 0) DESC, e.id LIMIT ?
            """
        ).all([.text(handle), SQLValue(CatalogReader.maximumClaimants)]) { (key: $0.number(0), id: $0.text(1)) }
        let named = try loader.database.sql("SELECT author FROM view_names WHERE handle = ?")
            .one([.text(handle)]) { $0.text(0) }
        var ranks: [(rank: Int, key: Int64)] = []
        if let named = named.flatMap({ EntityID($0) }), let key = try loader.key(named, .author),
            idPrefix.map({ named.description.hasPrefix($0) }) ?? true
        {
            ranks.append((0, key))
        }
        let distances = claims.count > 1 && idPrefix == nil ? try self.distances(loader) : [:]
        for claim in claims where !ranks.contains(where: { $0.rank == 0 && $0.key == claim.key }) {
            if let idPrefix, !claim.id.hasPrefix(idPrefix) { continue }
            ranks.append((1 + (distances[claim.key] ?? FollowGraph.maximumDistance + 1), claim.key))
        }
        // Stable: the order of the claims decides between equals.
        let sorted = ranks.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }
            .map(\.element)
        let rows = try sorted.compactMap { try loader.user($0.key) }
        let isCertain = sorted.count == 1 || sorted.count > 1 && sorted[0].rank < sorted[1].rank
        return HandleMatches(users: rows, isCertain: isCertain && !rows.isEmpty)
    }

    private func distances(_ loader: RowLoader) throws -> [Int64: Int] {
        guard let viewer = loader.viewer else { return [:] }
        return try FollowGraph.distances(from: [viewer], limit: 5_000, in: loader.database)
    }

    /// What a page's path or URL leads to; `nil` when nothing here has it.
    package func resolve(_ url: String, viewer: Viewer? = nil) throws(CatalogError) -> Resolved? {
        guard let link = Permalink(url) else { return nil }
        return try read(viewer) { loader in
            switch link {
            case .user(let handle, let id):
                let matches = try claimants(of: handle, idPrefix: id, loader)
                guard let first = matches.users.first else { return try byShortID(link, loader) }
                return matches.isCertain ? .user(first) : .users(matches.users)
            case .item(let id):
                if let key = try loader.key(id, .content) { return try loader.content(key).map { .content($0) } }
                return try loader.key(id, .list).flatMap { try loader.list($0, items: RowLoader.maximumItems) }
                    .map { .list($0) }
            case .words(let handle, let slug, let isList):
                for user in try claimants(of: handle, idPrefix: nil, loader).users {
                    if let found = try bySlug(slug, of: user, isList, loader) { return found }
                }
                return nil
            }
        }
    }

    /// An author without a handle is called by the first 12 characters of the id, and `HANDLE~ID12` names the author
    /// even when the handle has changed since.
    private func byShortID(_ link: Permalink, _ loader: RowLoader) throws -> Resolved? {
        guard case .user(_, let id?) = link, id.utf8.count >= 12, id.utf8.count <= 22 else { return nil }
        let keys = try loader.database.sql("SELECT key FROM entities WHERE id >= ? AND id < ? AND kind = 0 LIMIT 2")
            .all([.text(id), .text(id + "~")]) { $0.number(0) }
        guard keys.count == 1, let key = keys.first else { return nil }
        return try loader.user(key).map { .user($0) }
    }

    private func bySlug(_ slug: String, of user: UserRow, _ isList: Bool, _ loader: RowLoader) throws -> Resolved? {
        guard let key = try loader.key(user.id, .author) else { return nil }
        let table = isList ? "lists" : "contents"
        let found = try loader.database.sql(
            """
            SELECT t.key, t.state FROM \(table) t WHERE t.author = ? AND \(RowLoader.listed("t"))
                ORDER BY t.created DESC, t.key LIMIT 1000
            """
        ).all([.integer(key)]) { (key: $0.number(0), state: Registers(decoding: $0.blob(1))) }
            .first { row in
                let title = isList ? row.state.text(ListField.name) : row.state.text(ContentField.title)
                return Permalink.slug(title ?? "") == slug
            }
        guard let found else { return nil }
        if isList { return try loader.list(found.key, items: RowLoader.maximumItems).map { .list($0) } }
        return try loader.content(found.key).map { .content($0) }
    }
}

/// The names that this node's user gave to authors: what a handle means here, whatever others claim.
package enum GivenNames {
    /// Says who is meant by a handle from now on.
    package static func set(_ handle: String, _ author: EntityID, in database: Database) throws {
        try database.sql("INSERT OR REPLACE INTO view_names (handle, author) VALUES (?, ?)")
            .run([.text(handle.lowercased()), .text(author.description)])
    }

    /// Takes a name back.
    package static func remove(_ handle: String, in database: Database) throws {
        try database.sql("DELETE FROM view_names WHERE handle = ?").run([.text(handle.lowercased())])
    }

    /// All names, sorted.
    package static func all(in database: Database) throws -> [(handle: String, author: EntityID)] {
        try database.sql("SELECT handle, author FROM view_names ORDER BY handle")
            .all { ($0.text(0), EntityID(stored: $0.text(1))) }
    }
}
