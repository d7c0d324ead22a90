package import GRDB

/// The catalog's SQLite database: the log of updates and, in the same file, the view that is made from it.
///
/// WAL, one writer and a few readers. What comes from peers is not synced commit by commit (`synchronous = NORMAL`):
/// a power loss may take the last of it, and a pull brings it back. `durably` is for what this node publishes.
package final class CatalogDatabase: Sendable {
    /// Reads and writes; the view's readers use it too.
    package let writer: any DatabaseWriter

    /// Opens or creates the database at `path`; `:memory:` is one that goes with the process.
    package init(path: String, readers: Int = 4) throws(CatalogError) {
        var configuration = Configuration()
        configuration.label = "catalog"
        configuration.maximumReaderCount = readers
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { database in
            // Debian's SQLite overwrites deleted rows with zeros; what was public is no secret.
            try database.execute(sql: "PRAGMA secure_delete = OFF")
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
            // A page that changes often is written into the file once for many transactions.
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 4096")
            try database.execute(sql: "PRAGMA journal_size_limit = 16777216")
            // Digests are random, so every insert goes to a page of its own: keep the inner ones in memory.
            try database.execute(sql: "PRAGMA cache_size = -16384")
        }
        if path == ":memory:" {
            writer = try Self.mapped { try DatabaseQueue(configuration: configuration) }
        } else {
            writer = try Self.mapped { try DatabasePool(path: path, configuration: configuration) }
        }
        try Self.mapped { try LogSchema.migrate(writer) }
    }

    /// Several reads that see one state.
    package func read<T>(_ body: (Database) throws -> T) throws(CatalogError) -> T {
        try Self.mapped { try writer.read(body) }
    }

    /// One transaction, durable at the next sync of the log file.
    package func write<T>(_ body: (Database) throws -> T) throws(CatalogError) -> T {
        try Self.mapped { try writer.write(body) }
    }

    /// One transaction that is on the disk when this returns, with all that was committed before it.
    package func durably<T>(_ body: (Database) throws -> T) throws(CatalogError) -> T {
        try Self.mapped {
            try writer.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = FULL")
                defer { try? database.execute(sql: "PRAGMA synchronous = NORMAL") }
                var result: T?
                try database.inTransaction {
                    result = try body(database)
                    return .commit
                }
                guard let result else { throw CatalogError.damaged("a transaction did not run") }
                return result
            }
        }
    }

    /// Closes all connections; whatever uses them later fails.
    package func close() throws(CatalogError) { try Self.mapped { try writer.close() } }

    /// Runs `body` with SQLite's errors turned into ours.
    package static func mapped<T>(_ body: () throws -> T) throws(CatalogError) -> T {
        do {
            return try body()
        } catch let error as CatalogError {
            throw error
        } catch let error as UpdateError {
            throw .invalid(error)
        } catch let error as DatabaseError {
            let message = error.message ?? "no message"
            switch error.resultCode {
            case .SQLITE_FULL: throw .diskFull
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: throw .damaged(message)
            default: throw .database(code: error.extendedResultCode.rawValue, message: message)
            }
        } catch {
            throw .database(code: 1, message: "\(error)")
        }
    }
}
