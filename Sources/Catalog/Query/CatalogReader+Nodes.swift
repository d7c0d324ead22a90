import GRDB
package import Multiformats

// What authors say of nodes, and of what others made.
extension CatalogReader {
    /// How long an announcement holds, in milliseconds.
    private static let announcementLife: Int64 = 86_400_000
    /// The nodes of one author that are shown.
    private static let nodesOfAuthor = 100

    /// The nodes that authors announced within the last 24 hours, each by its latest announcement, latest first.
    package func nodes(now: UInt64, _ page: PageRequest) throws(CatalogError) -> Page<NodeRow> {
        try read { loader in
            let rows = try announced(
                "1", [], now, " ORDER BY t.time DESC, t.peer LIMIT ? OFFSET ?",
                [SQLValue(page.limit + 1), SQLValue(page.rank)], loader)
            let nodes = try rows.prefix(page.limit).compactMap { try node($0, loader) }
            return Page(nodes, next: rows.count > page.limit ? .rank(page.rank + page.limit) : nil)
        }
    }

    /// The same of one author, 100 at most.
    package func nodes(of id: EntityID, now: UInt64) throws(CatalogError) -> [NodeRow] {
        try read { loader in
            guard let key = try loader.key(id, .author) else { return [] }
            return try announced(
                "t.author = ?", [.integer(key)], now, " LIMIT ?", [SQLValue(Self.nodesOfAuthor)], loader
            ).sorted { $0.time > $1.time }.compactMap { try node($0, loader) }
        }
    }

    /// The same of some peers, 100 at most, in their order; those whom nobody announced are left out.
    package func nodes(_ peers: [PeerID], now: UInt64) throws(CatalogError) -> [NodeRow] {
        try read { loader in
            try peers.prefix(Self.nodesOfAuthor).flatMap { peer in
                try announced("t.peer = ?", [.blob(peer.multihash.bytes)], now, "", [], loader)
                    .compactMap { try node($0, loader) }
            }
        }
    }

    private struct Announcement {
        let author: Int64
        let time: UInt64
        let body: [UInt8]
    }

    /// The latest announcement of each peer that still holds and of which `condition` is true.
    private func announced(
        _ condition: String, _ values: [SQLValue], _ now: UInt64, _ end: String, _ endValues: [SQLValue],
        _ loader: RowLoader
    ) throws -> [Announcement] {
        try loader.database.sql(
            """
            SELECT t.author, t.time, t.body FROM announcements t
                WHERE \(condition) AND t.time > ? AND \(RowLoader.active("t.author"))
                AND \(RowLoader.shown("t.author"))
                AND NOT EXISTS (SELECT 1 FROM announcements o
                    WHERE o.peer = t.peer AND (o.time, o.id) > (t.time, t.id))\(end)
            """
        ).all(values + [.integer(Int64(clamping: now) - Self.announcementLife)] + endValues) {
            Announcement(author: $0.number(0), time: UInt64(clamping: $0.number(1)), body: $0.blob(2))
        }
    }

    private func node(_ row: Announcement, _ loader: RowLoader) throws -> NodeRow? {
        guard let user = try loader.user(row.author),
            case .node(let body) = try UpdateBody(row.body, kind: .nodeAnnounce)
        else { return nil }
        return NodeRow(body: body, user: user, time: row.time)
    }

    /// The labels on an author or entity, latest first, 100 at most.
    package func labels(_ id: EntityID) throws(CatalogError) -> [LabelRow] {
        try read { loader in
            try loader.database.sql(
                """
                SELECT a.id, l.label, l.reason, l.time FROM labels l JOIN entities e ON e.key = l.subject
                    JOIN entities a ON a.key = l.author WHERE e.id = ? AND l.active = 1
                    ORDER BY l.time DESC, a.id, l.label LIMIT 100
                """
            ).all([.text(id.description)]) {
                LabelRow(
                    labeler: EntityID(stored: $0.text(0)), label: $0.text(1), reason: $0.optionalText(2),
                    time: UInt64(clamping: $0.number(3)))
            }
        }
    }
}
