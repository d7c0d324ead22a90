import Foundation
import GRDB

/// Small values by table and key that outlive restarts: known peers, sequence numbers, provider records.
///
/// Writes are grouped by SQLite's log and may be lost by a power loss within the last moments, unless they are
/// `durable`: such a record is on the disk when `set` returns, and comes back even when the database is lost.
/// Set a key always durably or never: after a crash the last durable value wins.
package final class RecordStore: Sendable {
    /// One stored value.
    package struct Record: Hashable, Sendable {
        package var key: [UInt8]
        package var value: [UInt8]
        /// When it ends, in seconds since 1970; `nil` for never.
        package var expires: UInt32?

        package init(key: [UInt8], value: [UInt8], expires: UInt32? = nil) {
            self.key = key
            self.value = value
            self.expires = expires
        }
    }

    private let database: IndexDatabase
    private let journal: Journal
    private let now: @Sendable () -> UInt32

    init(database: IndexDatabase, journal: Journal, now: @escaping @Sendable () -> UInt32) {
        self.database = database
        self.journal = journal
        self.now = now
    }

    /// The value of `key` in `table`; `nil` when there is none or it has expired.
    package func get(_ key: [UInt8], in table: String) throws(RepositoryError) -> [UInt8]? {
        try database.read { database in
            try Blob.fetchOne(
                database,
                sql: "SELECT value FROM records WHERE space = ? AND key = ? AND (expires IS NULL OR expires > ?)",
                arguments: [table, Blob(key), now()])?.bytes
        }
    }

    /// Sets the value of `key` in `table`. `expires` is in seconds since 1970; durable records do not expire.
    package func set(
        _ value: [UInt8], for key: [UInt8], in table: String, expires: UInt32? = nil, durable: Bool = false
    ) throws(RepositoryError) {
        guard durable else { return try set([Record(key: key, value: value, expires: expires)], in: table) }
        try journal.append(.record(space: table, key: key, value: value))
        try database.durably { try RecordStore.insert(Record(key: key, value: value), table, durable: true, in: $0) }
    }

    /// Sets many values in one transaction.
    package func set(_ records: [Record], in table: String) throws(RepositoryError) {
        try database.write { database in
            for record in records { try RecordStore.insert(record, table, durable: false, in: database) }
        }
    }

    /// Removes the value of `key`; nothing happens when there is none.
    package func delete(_ key: [UInt8], in table: String) throws(RepositoryError) {
        let durable = try database.read { database in
            try Bool.fetchOne(
                database, sql: "SELECT durable FROM records WHERE space = ? AND key = ?", arguments: [table, Blob(key)])
        }
        if durable == true { try journal.append(.noRecord(space: table, key: key)) }
        try database.write { try RecordStore.delete(key, table, in: $0) }
    }

    /// Everything in `table` that has not expired, by key.
    package func all(in table: String) throws(RepositoryError) -> [Record] {
        try database.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT key, value, expires FROM records
                    WHERE space = ? AND (expires IS NULL OR expires > ?) ORDER BY key
                    """, arguments: [table, now()]
            ).map { row in
                let (key, value): (Blob, Blob) = (row[0], row[1])
                return Record(key: key.bytes, value: value.bytes, expires: row[2])
            }
        }
    }

    /// Removes what has expired; returns how many records that were.
    @discardableResult
    package func deleteExpired() throws(RepositoryError) -> Int {
        try database.write { database in
            try database.execute(sql: "DELETE FROM records WHERE expires <= ?", arguments: [now()])
            return database.changesCount
        }
    }

    static func delete(_ key: [UInt8], _ table: String, in database: Database) throws {
        try database.execute(sql: "DELETE FROM records WHERE space = ? AND key = ?", arguments: [table, Blob(key)])
    }

    static func insert(_ record: Record, _ table: String, durable: Bool, in database: Database) throws {
        try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO records (space, key, value, expires, durable) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [table, Blob(record.key), Blob(record.value), record.expires, durable])
    }
}
