import GRDB

/// The tables of the log, made by numbered steps.
///
/// The view keeps its own tables and steps in the same file, so the log's number is kept in a table and not in
/// `user_version`. Steps are never changed once released; new ones are added.
enum LogSchema {
    /// What step n+1 does, at index n.
    static let steps: [String] = [
        // log_updates: rows come in the order of arrival and are never removed; the small columns stand before the
        // two blobs, so that reading them touches no overflow pages. log_updates_by_digest holds all that checking a
        // child needs, and the set that peers compare, without the rows themselves.
        """
        CREATE TABLE log_updates (
            row INTEGER NOT NULL PRIMARY KEY,
            digest BLOB NOT NULL,
            author INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            time INTEGER NOT NULL,
            era INTEGER NOT NULL,
            flags INTEGER NOT NULL,
            arrived INTEGER NOT NULL,
            kind TEXT NOT NULL,
            prev BLOB NOT NULL,
            header BLOB,
            body BLOB);
        CREATE UNIQUE INDEX log_updates_by_digest ON log_updates (digest, time, author, seq, era);
        CREATE INDEX log_updates_by_author ON log_updates (author, seq);
        CREATE TABLE log_authors (
            key INTEGER NOT NULL PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            era INTEGER NOT NULL,
            heads BLOB NOT NULL,
            held INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            work INTEGER NOT NULL,
            notes INTEGER NOT NULL);
        CREATE TABLE log_eras (
            row INTEGER NOT NULL PRIMARY KEY,
            author INTEGER NOT NULL,
            parent INTEGER,
            key BLOB NOT NULL,
            recovery BLOB NOT NULL);
        CREATE INDEX log_eras_by_author ON log_eras (author);
        CREATE INDEX log_eras_by_parent ON log_eras (parent);
        CREATE TABLE log_grants (
            digest BLOB NOT NULL PRIMARY KEY,
            row INTEGER NOT NULL,
            author INTEGER NOT NULL,
            body BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE log_revokes (
            grant BLOB NOT NULL,
            row INTEGER NOT NULL,
            author INTEGER NOT NULL,
            keep BLOB NOT NULL,
            PRIMARY KEY (grant, row)) WITHOUT ROWID;
        CREATE TABLE log_keeps (
            digest BLOB NOT NULL,
            grant BLOB NOT NULL,
            PRIMARY KEY (digest, grant)) WITHOUT ROWID;
        CREATE TABLE log_acting (
            grant BLOB NOT NULL,
            row INTEGER NOT NULL,
            owner BLOB NOT NULL,
            PRIMARY KEY (grant, row)) WITHOUT ROWID;
        CREATE INDEX log_acting_by_owner ON log_acting (owner, row);
        CREATE TABLE log_forgets (
            author INTEGER NOT NULL,
            digest BLOB NOT NULL,
            row INTEGER NOT NULL,
            PRIMARY KEY (author, digest, row)) WITHOUT ROWID;
        CREATE TABLE log_blocks (author BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE log_refill (row INTEGER NOT NULL);
        """,
        // What is missing and wanted is looked for every minute, and is next to nothing as a rule.
        """
        CREATE INDEX log_updates_missing ON log_updates (row) WHERE body IS NULL AND flags & 28 = 0;
        CREATE INDEX log_revokes_by_row ON log_revokes (row);
        """,
    ]

    /// Takes the steps that the database has not seen yet.
    static func migrate(_ writer: some DatabaseWriter) throws {
        try writer.write { database in
            try database.execute(sql: "CREATE TABLE IF NOT EXISTS log_meta (version INTEGER NOT NULL)")
            let version = try Int.fetchOne(database, sql: "SELECT version FROM log_meta") ?? 0
            guard version <= steps.count else {
                throw CatalogError.newerFormat(found: version, supported: steps.count)
            }
            guard version < steps.count else { return }
            for step in steps[version...] { try database.execute(sql: step) }
            try database.execute(sql: "DELETE FROM log_meta")
            try database.execute(sql: "INSERT INTO log_meta (version) VALUES (?)", arguments: [steps.count])
        }
    }
}

/// What is known of one update beside its bytes, as bits of one number.
struct UpdateFlags: OptionSet {
    let rawValue: Int64

    /// Signed with a key that a `rotate` has replaced, and no ancestor of that `rotate`.
    static let rotatedAway = UpdateFlags(rawValue: 1)
    /// Done for another author without the right to.
    static let denied = UpdateFlags(rawValue: 2)
    /// Named by a `forget` of the same author.
    static let forgotten = UpdateFlags(rawValue: 4)
    /// Any of these and it does not count.
    static let uncounted: UpdateFlags = [.rotatedAway, .denied, .forgotten]
    /// The body went on purpose and is not asked for again.
    static let bodyErased = UpdateFlags(rawValue: 8)
    /// Verified, but beyond a quota: the bytes were not kept.
    static let notHeld = UpdateFlags(rawValue: 16)
    /// Done for another author.
    static let acting = UpdateFlags(rawValue: 32)

    var counts: Bool { isDisjoint(with: .uncounted) }
}
