package import GRDB

/// The view of the catalog: the tables that every query is answered from, beside the log in one database.
///
/// It follows from the set of updates that count, whatever order they came in, and is kept in step with the log
/// inside the log's own transactions: what is committed to the log is in the view.
package struct CatalogView: UpdateSink {
    package init() {}

    /// Makes the tables where they are missing or of another version.
    ///
    /// Returns whether they are new and empty, so that every counted update has to be applied again.
    package static func prepare(_ database: Database) throws -> Bool {
        try database.execute(sql: ViewSchema.local)
        let version = try database.sql("SELECT value FROM view_meta WHERE key = 'version'").one { $0.number(0) }
        if version == ViewSchema.version { return false }
        try reset(database)
        return true
    }

    /// Empties the view, to be filled from the log; what the operator said stays.
    package static func reset(_ database: Database) throws {
        try database.execute(sql: ViewSchema.local)
        for table in ViewSchema.derived { try database.execute(sql: "DROP TABLE IF EXISTS \(table)") }
        try database.execute(sql: ViewSchema.tables + ViewTriggers.all)
        try database.sql("INSERT OR REPLACE INTO view_meta (key, value) VALUES ('version', ?), ('filled', 0)")
            .run([.integer(ViewSchema.version)])
    }

    /// Merges updates that count, in any order; those that it has seen before change nothing.
    package static func apply(_ updates: some Sequence<CountedUpdate>, in database: Database) throws {
        let writer = try ViewWriter(database)
        for update in updates { try writer.apply(update) }
    }

    /// Makes everything that an author owns anew from `updates`: all of that owner's updates that count now.
    ///
    /// For when a right changed what counts, or updates were forgotten. What others own is untouched.
    package static func rebuild(
        _ owner: AuthorID, from updates: some Sequence<CountedUpdate>, in database: Database
    ) throws {
        try clear(owner, in: database)
        try apply(updates, in: database)
    }

    private static func clear(_ owner: AuthorID, in database: Database) throws {
        let id = EntityID(.author, owner).description
        let found = try database.sql("SELECT key FROM entities WHERE id = ?").one([.text(id)]) { $0.number(0) }
        guard let key = found else { return }
        let labelled = try database.sql("SELECT DISTINCT subject FROM labels WHERE author = ?")
            .all([.integer(key)]) { $0.number(0) }
        for sql in [
            "DELETE FROM content_media WHERE content IN (SELECT key FROM contents WHERE author = ?)",
            "DELETE FROM list_items WHERE list IN (SELECT key FROM entities WHERE author = ? AND kind = 2)",
            "DELETE FROM contents WHERE author = ?",
            "DELETE FROM lists WHERE author = ?",
            "DELETE FROM comments WHERE author = ?",
            "DELETE FROM edges WHERE source = ?",
            "DELETE FROM plays WHERE author = ?",
            "DELETE FROM announcements WHERE author = ?",
            "DELETE FROM labels WHERE author = ?",
            "DELETE FROM authors WHERE key = ?",
        ] { try database.sql(sql).run([.integer(key)]) }
        for subject in labelled { try Hiding.refresh(subject, in: database) }
    }

    // MARK: As the log's sink

    /// Merges updates that count from now on.
    package func apply(_ updates: [Update], in database: Database) throws {
        try CatalogView.apply(updates.lazy.compactMap(CountedUpdate.init), in: database)
    }

    /// Makes an owner's entities anew, because of what counts something does not any more, or the other way round.
    package func remake(
        _ owner: AuthorID, from updates: ((Update) throws -> Void) throws -> Void, in database: Database
    ) throws {
        try CatalogView.clear(owner, in: database)
        let writer = try ViewWriter(database)
        try updates { update in
            if let counted = CountedUpdate(update) { try writer.apply(counted) }
        }
    }
}
