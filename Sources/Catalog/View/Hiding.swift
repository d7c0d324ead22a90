package import GRDB

/// What the operator of this node does not want to show: authors and entities that are blocked here, and those that
/// a label author whom the operator chose to follow has labelled.
///
/// It hides from every list, search and count of results, on this node alone; the log keeps and forwards the updates.
package enum Hiding {
    /// Stands for every label of an author in `follow`.
    package static let anyLabel = "*"

    /// Hides an author with everything they own, or one entity.
    package static func block(_ id: EntityID, reason: String, in database: Database) throws {
        try database.sql("INSERT OR REPLACE INTO view_blocks (id, reason) VALUES (?, ?)")
            .run([.text(id.description), .text(reason)])
        try refresh(id, in: database)
    }

    /// Takes a block back.
    package static func unblock(_ id: EntityID, in database: Database) throws {
        try database.sql("DELETE FROM view_blocks WHERE id = ?").run([.text(id.description)])
        try refresh(id, in: database)
    }

    /// What is blocked here and why, in the order of the ids.
    package static func blocks(in database: Database) throws -> [(id: EntityID, reason: String)] {
        try database.sql("SELECT id, reason FROM view_blocks ORDER BY id")
            .all { (EntityID(stored: $0.text(0)), $0.text(1)) }
    }

    /// Hides whatever that author gives that label, or any label (`anyLabel`).
    package static func follow(_ labeler: EntityID, label: String, in database: Database) throws {
        try database.sql("INSERT OR IGNORE INTO view_labelers (author, label) VALUES (?, ?)")
            .run([.text(labeler.description), .text(label)])
        try refreshAll(database)
    }

    /// Takes `follow` back.
    package static func unfollow(_ labeler: EntityID, label: String, in database: Database) throws {
        try database.sql("DELETE FROM view_labelers WHERE author = ? AND label = ?")
            .run([.text(labeler.description), .text(label)])
        try refreshAll(database)
    }

    /// Whose labels are followed, and which of them, in the order of the ids.
    package static func labelers(in database: Database) throws -> [(author: EntityID, label: String)] {
        try database.sql("SELECT author, label FROM view_labelers ORDER BY author, label")
            .all { (EntityID(stored: $0.text(0)), $0.text(1)) }
    }

    // MARK: The table that queries look into

    private static func refresh(_ id: EntityID, in database: Database) throws {
        let key = try database.sql("SELECT key FROM entities WHERE id = ?").one([.text(id.description)]) {
            $0.number(0)
        }
        if let key { try refresh(key, in: database) }
    }

    /// Decides anew whether one row is hidden.
    static func refresh(_ key: Int64, in database: Database) throws {
        try database.sql("DELETE FROM hidden WHERE key = ?").run([.integer(key)])
        try database.sql(
            """
            INSERT OR IGNORE INTO hidden (key, reason)
                SELECT e.key, b.reason FROM entities e JOIN view_blocks b ON b.id = e.id WHERE e.key = ?1
                UNION ALL
                SELECT l.subject, l.label FROM labels l JOIN entities e ON e.key = l.author
                    JOIN view_labelers f ON f.author = e.id AND f.label IN (l.label, '*')
                    WHERE l.subject = ?1 AND l.active = 1
            """
        ).run([.integer(key)])
    }

    private static func refreshAll(_ database: Database) throws {
        try database.execute(sql: "DELETE FROM hidden")
        try database.execute(
            sql: """
                INSERT OR IGNORE INTO hidden (key, reason)
                    SELECT e.key, b.reason FROM view_blocks b JOIN entities e ON e.id = b.id
                    UNION ALL
                    SELECT l.subject, l.label FROM view_labelers f JOIN entities e ON e.id = f.author
                        JOIN labels l ON l.author = e.key AND l.active = 1 AND f.label IN (l.label, '*')
                """)
    }
}
