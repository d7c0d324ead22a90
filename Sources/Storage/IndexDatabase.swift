import GRDB
import Synchronization

/// The SQLite database of a repository: how it is opened and checked, and how its errors are named.
///
/// WAL, one writer and a few readers. Commits are not synced one by one (`synchronous = NORMAL`): the
/// database stays whole through a power loss and may lose its last commits, which for blocks are read again
/// from the packs. `durably` is for what nothing else can restore: pins, sequence numbers, and deletions that
/// are followed by giving space back.
final class IndexDatabase: Sendable {
    let pool: DatabasePool
    let path: String
    /// Whether SQLite ever reported damage; then the next start checks everything.
    let sawDamage = Atomic<Bool>(false)
    private let readers: IndexReaders

    /// Opens or creates the database at `path` and brings its schema up to date.
    init(path: String, readers: Int) throws {
        var configuration = Configuration()
        configuration.label = "index"
        configuration.maximumReaderCount = readers
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { database in
            // Debian's SQLite overwrites deleted rows with zeros; block rows are no secret.
            try database.execute(sql: "PRAGMA secure_delete = OFF")
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
            try database.execute(sql: "PRAGMA journal_size_limit = 16777216")
        }
        self.path = path
        self.readers = IndexReaders(path: path, kept: readers)
        pool = try IndexDatabase.mapped { try DatabasePool(path: path, configuration: configuration) }
        try IndexDatabase.mapped { try Migrations.run(on: pool) }
    }

    /// Whether SQLite finds its pages, trees and keys in order; reads the whole file.
    func isIntact() -> Bool {
        let answer = try? pool.unsafeRead { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        return answer == "ok"
    }

    /// Reads on a connection of the pool, outside a transaction.
    func read<T>(_ body: (Database) throws -> T) throws(RepositoryError) -> T {
        try noting { try pool.unsafeRead(body) }
    }

    /// Several reads that see one state.
    func readSnapshot<T>(_ body: (Database) throws -> T) throws(RepositoryError) -> T {
        try noting { try pool.read(body) }
    }

    /// One transaction, durable at the next sync of the log.
    func write<T>(_ body: (Database) throws -> T) throws(RepositoryError) -> T {
        try noting { try pool.write(body) }
    }

    /// One transaction that is on the disk when this returns, with all that was committed before it.
    func durably<T>(_ body: (Database) throws -> T) throws(RepositoryError) -> T {
        try noting {
            try pool.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = FULL")
                defer { try? database.execute(sql: "PRAGMA synchronous = NORMAL") }
                var result: T?
                try database.inTransaction {
                    result = try body(database)
                    return .commit
                }
                guard let result else { throw RepositoryError.closed }
                return result
            }
        }
    }

    /// Moves the whole log into the database file, so that the file alone is the database.
    ///
    /// Lookups end with it, since an open reader would hold the log back.
    func checkpoint() throws(RepositoryError) {
        readers.close()
        try IndexDatabase.mapped {
            try pool.writeWithoutTransaction { database in _ = try database.checkpoint(.truncate) }
        }
    }

    func close() throws(RepositoryError) {
        readers.close()
        try IndexDatabase.mapped { try pool.close() }
    }

    /// The bytes that the database and its log take on the disk.
    func diskBytes() -> Int64 { allocatedBytes(path) + allocatedBytes(path + "-wal") }

    /// A lookup of a block on a connection of its own.
    func lookup<T>(_ body: (IndexReader) throws -> T) throws(RepositoryError) -> T {
        try noting { try readers.with(body) }
    }

    /// `mapped`, and damage is remembered.
    private func noting<T>(_ body: () throws -> T) throws(RepositoryError) -> T {
        do throws(RepositoryError) {
            return try IndexDatabase.mapped(body)
        } catch {
            if case .damagedIndex = error { sawDamage.store(true, ordering: .relaxed) }
            throw error
        }
    }

    /// Runs `body` with SQLite's errors turned into ours.
    static func mapped<T>(_ body: () throws -> T) throws(RepositoryError) -> T {
        do {
            return try body()
        } catch let error as RepositoryError {
            throw error
        } catch let error as DatabaseError {
            throw IndexDatabase.error(error)
        } catch {
            throw .database(code: 1, message: "\(error)")
        }
    }

    private static func error(_ error: DatabaseError) -> RepositoryError {
        let message = error.message ?? "no message"
        switch error.resultCode {
        case .SQLITE_FULL: return .diskFull(path: "index.sqlite")
        case .SQLITE_READONLY: return .readOnly(path: "index.sqlite")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .damagedIndex(message: message)
        default: return .database(code: error.extendedResultCode.rawValue, message: message)
        }
    }
}
