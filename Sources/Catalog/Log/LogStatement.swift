import GRDB
import GRDBSQLite

/// A cached GRDB statement driven through SQLite's C interface with values bound where they lie.
///
/// The log runs one or two statements for each update; GRDB's own binding costs several times what SQLite does for
/// them. Parameters are bound by number, then `run` steps through the rows and forgets the parameters, so that no
/// pointer outlives the call that lent it.
@safe struct LogStatement {
    private let statement: Statement
    private let pointer: OpaquePointer
    private let database: Database

    init(_ database: Database, _ sql: String) throws {
        statement = try database.cachedStatement(sql: sql)
        unsafe pointer = statement.sqliteStatement
        self.database = database
    }

    /// Binds a number to parameter `index`, from 1.
    @discardableResult
    func bind(_ number: Int64, _ index: Int32) -> LogStatement {
        _ = unsafe sqlite3_bind_int64(pointer, index, number)
        return self
    }

    /// Binds a copy of some bytes; for what is not worth a closure.
    @discardableResult
    func bind(_ bytes: [UInt8], _ index: Int32) -> LogStatement {
        unsafe bytes.withUnsafeBytes { unsafe bind($0, index, copied: true) }
        return self
    }

    /// Binds a copy of a digest's 32 bytes.
    @discardableResult
    func bind(_ digest: Digest32, _ index: Int32) -> LogStatement {
        var words = (
            digest.word0.bigEndian, digest.word1.bigEndian, digest.word2.bigEndian, digest.word3.bigEndian
        )
        unsafe withUnsafeBytes(of: &words) { unsafe bind($0, index, copied: true) }
        return self
    }

    /// Binds a copy of some text.
    @discardableResult
    func bind(_ text: String, _ index: Int32) -> LogStatement {
        var text = text
        text.withUTF8 { bytes in
            // Empty text must still have an address, or it would be NULL.
            let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            guard let base = bytes.baseAddress else {
                _ = unsafe sqlite3_bind_text(pointer, index, "", 0, copied)
                return
            }
            unsafe base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                _ = unsafe sqlite3_bind_text(pointer, index, $0, Int32(clamping: bytes.count), copied)
            }
        }
        return self
    }

    /// Binds NULL.
    @discardableResult
    func bindNull(_ index: Int32) -> LogStatement {
        _ = unsafe sqlite3_bind_null(pointer, index)
        return self
    }

    /// Binds parts of `block` without a copy, each to its parameter (an empty or absent one as NULL), and runs.
    func run(lending block: [UInt8], _ parts: (range: Range<Int>?, index: Int32)...) throws {
        try unsafe block.withUnsafeBytes { bytes in
            for part in parts {
                guard let range = part.range, !range.isEmpty else {
                    bindNull(part.index)
                    continue
                }
                unsafe bind(UnsafeRawBufferPointer(rebasing: bytes[range]), part.index, copied: false)
            }
            try run()
        }
    }

    private func bind(_ bytes: UnsafeRawBufferPointer, _ index: Int32, copied: Bool) {
        guard bytes.count > 0, let base = bytes.baseAddress else {
            _ = unsafe sqlite3_bind_zeroblob(pointer, index, 0)
            return
        }
        let count = Int32(clamping: bytes.count)
        guard copied else {
            _ = unsafe sqlite3_bind_blob(pointer, index, base, count, nil)
            return
        }
        let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        _ = unsafe sqlite3_bind_blob(pointer, index, base, count, copied)
    }

    /// Runs the statement and calls `row` for each result row; `row` must not run the same statement again.
    func run(_ row: (LogRow) throws -> Void = { _ in }) throws {
        defer {
            unsafe sqlite3_reset(pointer)
            unsafe sqlite3_clear_bindings(pointer)
        }
        while true {
            switch unsafe sqlite3_step(pointer) {
            case SQLITE_ROW: try unsafe row(LogRow(pointer: pointer))
            case SQLITE_DONE: return
            case let code:
                throw DatabaseError(
                    resultCode: ResultCode(rawValue: code), message: database.lastErrorMessage, sql: statement.sql)
            }
        }
    }

    /// Each row turned into a value.
    func all<T>(_ make: (LogRow) throws -> T) throws -> [T] {
        var result: [T] = []
        try run { result.append(try make($0)) }
        return result
    }

    /// The only row turned into a value; `nil` when there is none.
    func one<T>(_ make: (LogRow) throws -> T) throws -> T? {
        var result: T?
        try run { result = try make($0) }
        return result
    }
}

/// The current row of a running statement; of no use after it.
@safe struct LogRow {
    private let pointer: OpaquePointer

    fileprivate init(pointer: OpaquePointer) { unsafe self.pointer = pointer }

    func number(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(pointer, column) }
    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(pointer, column) == SQLITE_NULL }

    /// The text, empty for NULL.
    func text(_ column: Int32) -> String {
        guard let start = unsafe sqlite3_column_text(pointer, column) else { return "" }
        let count = unsafe Int(sqlite3_column_bytes(pointer, column))
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// The bytes, none for NULL.
    func blob(_ column: Int32) -> [UInt8] {
        guard let start = unsafe sqlite3_column_blob(pointer, column) else { return [] }
        let count = unsafe Int(sqlite3_column_bytes(pointer, column))
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// The bytes of two columns, one behind the other.
    func blobs(_ first: Int32, _ second: Int32) -> [UInt8] {
        var result = blob(first)
        if !isNull(second) { result += blob(second) }
        return result
    }

    /// A digest of 32 bytes; throws for any other length, which only a damaged database has.
    func digest(_ column: Int32) throws -> Digest32 {
        guard let start = unsafe sqlite3_column_blob(pointer, column),
            unsafe sqlite3_column_bytes(pointer, column) == 32
        else {
            throw CatalogError.damaged("a digest in the log does not have 32 bytes")
        }
        func word(_ offset: Int) -> UInt64 {
            UInt64(bigEndian: unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        return Digest32(words: (word(0), word(8), word(16), word(24)))
    }
}

extension Database {
    /// A statement of the log, prepared once for each connection.
    func log(_ sql: String) throws -> LogStatement { try LogStatement(self, sql) }
}
