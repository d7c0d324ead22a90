package import GRDB
package import Multiformats
import NIOCore
import PeerCrypto

/// A hash of everything that the view says, in an order that does not depend on the node: two nodes with the same
/// updates that count have the same one.
///
/// It reads every row, so it is for tests and for `catalog verify`, not for each request.
package enum ViewFingerprint {
    /// Each table's rows with ids in place of keys, in the order of those.
    private static let queries = [
        "SELECT e.id, t.state, t.handle, t.words, t.created, t.listed FROM authors t JOIN entities e USING (key)",
        """
        SELECT e.id, t.state, a.id, t.words, t.genre, r.id, t.created, t.downloadable, t.listed, t.deleted
            FROM contents t JOIN entities e USING (key) JOIN entities a ON a.key = t.author
            LEFT JOIN entities r ON r.key = t.remix_of
        """,
        "SELECT e.id, hex(t.cid), NULL FROM content_media t JOIN entities e ON e.key = t.content",
        """
        SELECT e.id, t.state, a.id, t.words, t.album, t.created, t.listed, t.deleted
            FROM lists t JOIN entities e USING (key) JOIN entities a ON a.key = t.author
        """,
        """
        SELECT e.id, hex(t.tag), i.id, t.position, t.stamp, t.added, t.removed FROM list_items t
            JOIN entities e ON e.key = t.list LEFT JOIN entities i ON i.key = t.item
        """,
        """
        SELECT s.id, t.rel, d.id, t.active, t.time, t.id FROM edges t
            JOIN entities s ON s.key = t.source JOIN entities d ON d.key = t.target
        """,
        """
        SELECT e.id, t.state, a.id, c.id, p.id, t.created, t.listed, t.deleted FROM comments t
            JOIN entities e USING (key) JOIN entities a ON a.key = t.author
            LEFT JOIN entities c ON c.key = t.content LEFT JOIN entities p ON p.key = t.parent
        """,
        """
        SELECT a.id, c.id, t.day, t.count FROM plays t
            JOIN entities a ON a.key = t.author JOIN entities c ON c.key = t.content
        """,
        "SELECT hex(t.peer), a.id, t.time, t.id, t.body FROM announcements t JOIN entities a ON a.key = t.author",
        """
        SELECT a.id, s.id, t.label, t.reason, t.active, t.time, t.id FROM labels t
            JOIN entities a ON a.key = t.author JOIN entities s ON s.key = t.subject
        """,
        """
        SELECT e.id, \(counters.map { "t.\($0)" }.joined(separator: ", ")) FROM counts t JOIN entities e USING (key)
            WHERE \(counters.map { "t.\($0)" }.joined(separator: " OR "))
        """,
    ]

    /// Every counter, as the table `counts` has them.
    static let counters = [
        "followers", "saves", "reposts", "subscribers", "following", "made_saves", "made_reposts",
        "made_subscriptions", "contents", "albums", "lists", "remixes", "comments", "plays",
    ]

    /// SHA-256 over all tables.
    package static func of(_ database: Database) throws -> Multihash {
        var hasher = SHA256Hasher()
        for (table, query) in queries.enumerated() {
            hasher.update([UInt8(table)])
            try database.sql(query + " ORDER BY 1, 2, 3").run { row in
                var bytes: [UInt8] = []
                for column in 0..<row.count {
                    bytes.append(row.isNull(column) ? 0 : 1)
                    let value = row.blob(column)
                    bytes.append(contentsOf: [
                        UInt8(truncatingIfNeeded: value.count >> 8), UInt8(truncatingIfNeeded: value.count),
                    ])
                    bytes += value
                }
                hasher.update(bytes)
            }
        }
        return hasher.finish()
    }
}
