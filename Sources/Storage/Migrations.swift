import GRDB

/// The numbered steps that make the index's schema, each in a transaction of its own.
///
/// `PRAGMA user_version` holds the number of the last step that was taken, so a step that a crash
/// interrupted is simply taken again. Steps are never changed once released; new ones are added.
enum Migrations {
    /// What step n+1 does, at index n.
    static let steps: [String] = [
        // Rows are small and keys are random: WITHOUT ROWID makes the key's tree the only one, so a lookup is
        // one descent and a row costs about 60 bytes. Pages stay at 4 KiB because every insert dirties the
        // page of a random key.
        """
        CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE packs (
            id INTEGER NOT NULL PRIMARY KEY,
            kind INTEGER NOT NULL,
            indexed INTEGER NOT NULL,
            sealed INTEGER NOT NULL DEFAULT 0,
            live_blocks INTEGER NOT NULL DEFAULT 0,
            live_bytes INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE blocks (
            hash BLOB NOT NULL PRIMARY KEY,
            pack INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            length INTEGER NOT NULL,
            added INTEGER NOT NULL,
            epoch INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE freed (
            pack INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            length INTEGER NOT NULL,
            hash_length INTEGER NOT NULL,
            PRIMARY KEY (pack, offset)) WITHOUT ROWID;
        CREATE TABLE quarantine (
            hash BLOB NOT NULL PRIMARY KEY,
            pack INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            length INTEGER NOT NULL,
            reason TEXT NOT NULL,
            found INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE pins (
            cid BLOB NOT NULL PRIMARY KEY,
            kind INTEGER NOT NULL,
            name TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE records (
            space TEXT NOT NULL,
            key BLOB NOT NULL,
            value BLOB NOT NULL,
            expires INTEGER,
            durable INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (space, key)) WITHOUT ROWID;
        CREATE INDEX records_by_expiry ON records (expires) WHERE expires IS NOT NULL;
        """
    ]

    /// Takes the steps that `writer` has not seen yet.
    static func run(on writer: some DatabaseWriter) throws {
        let version = try writer.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
        guard version <= steps.count else {
            throw RepositoryError.newerFormat(found: version, supported: steps.count)
        }
        for number in version..<steps.count {
            try writer.write { database in
                try database.execute(sql: steps[number])
                try database.execute(sql: "PRAGMA user_version = \(number + 1)")
            }
        }
    }
}
