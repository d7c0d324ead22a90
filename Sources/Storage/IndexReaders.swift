import GRDB
import GRDBSQLite
import Synchronization

/// Connections of their own that look blocks up by key, the one query that runs for every want and every read.
///
/// GRDB's pool takes 16 us of processor time for such a lookup, most of it in queues and statement handling;
/// a prepared statement on an idle connection takes about 4. Each thread takes an idle connection or
/// opens one; a few are kept. Connections read the same log, so a lookup sees every commit before it.
final class IndexReaders: Sendable {
    private struct State: Sendable {
        var idle: [IndexReader] = []
        var closed = false
    }

    private let path: String
    private let kept: Int
    private let state = Mutex(State())

    init(path: String, kept: Int) {
        self.path = path
        self.kept = kept
    }

    /// Runs `body` with a connection that nobody else uses meanwhile.
    func with<T>(_ body: (IndexReader) throws -> T) throws -> T {
        let idle = try state.withLock { state throws -> IndexReader? in
            if state.closed { throw RepositoryError.closed }
            return state.idle.popLast()
        }
        let reader = try idle ?? IndexReader(path: path)
        let result = try body(reader)
        state.withLock { state in
            if !state.closed, state.idle.count < kept { state.idle.append(reader) }
        }
        return result
    }

    /// Closes all connections; later lookups fail with `closed`.
    func close() {
        let idle = state.withLock { state in
            state.closed = true
            defer { state.idle = [] }
            return state.idle
        }
        _ = idle
    }
}

/// One connection with its prepared lookup; closed with the object.
@safe final class IndexReader: @unchecked Sendable {  // used by one thread at a time: `IndexReaders` lends it out
    private let connection: OpaquePointer
    private let statement: OpaquePointer

    init(path: String) throws {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
        let code = unsafe sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let connection = unsafe opened else {
            unsafe sqlite3_close_v2(opened)
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: "cannot open a reader")
        }
        unsafe sqlite3_busy_timeout(connection, 10_000)
        unsafe sqlite3_exec(connection, "PRAGMA query_only = 1; PRAGMA cache_size = -1024", nil, nil, nil)
        var prepared: OpaquePointer?
        let result = unsafe sqlite3_prepare_v3(
            connection, BlockIndex.findSQL, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard result == SQLITE_OK, let statement = unsafe prepared else {
            let message = unsafe String(cString: sqlite3_errmsg(connection))
            unsafe sqlite3_close_v2(connection)
            throw DatabaseError(resultCode: ResultCode(rawValue: result), message: message)
        }
        unsafe self.connection = connection
        unsafe self.statement = statement
    }

    deinit {
        unsafe sqlite3_finalize(statement)
        unsafe sqlite3_close_v2(connection)
    }

    /// The row of a key; `nil` when there is none.
    func find(_ hash: [UInt8]) throws -> IndexRow? {
        try unsafe hash.withUnsafeBytes { bytes in
            // SQLite reads the bytes until the reset below.
            unsafe sqlite3_bind_blob(statement, 1, bytes.baseAddress, Int32(bytes.count), nil)
            defer { unsafe sqlite3_reset(statement) }
            switch unsafe sqlite3_step(statement) {
            case SQLITE_ROW:
                let location = unsafe Location(
                    pack: UInt32(clamping: sqlite3_column_int64(statement, 0)),
                    offset: sqlite3_column_int64(statement, 1),
                    length: Int(sqlite3_column_int64(statement, 2)))
                let row = unsafe IndexRow(
                    location: location, added: UInt32(clamping: sqlite3_column_int64(statement, 3)),
                    epoch: sqlite3_column_int64(statement, 4))
                return row.isPlausible ? row : nil
            case SQLITE_DONE: return nil
            case let code:
                let message = unsafe String(cString: sqlite3_errmsg(connection))
                throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message)
            }
        }
    }
}
