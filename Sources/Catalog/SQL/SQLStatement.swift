import GRDB
import GRDBSQLite

/// A value given to a statement.
enum SQLValue: Sendable, ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
    /// 32 bytes.
    case digest(Digest32)

    init(nilLiteral: ()) { self = .null }
    init(integerLiteral value: Int64) { self = .integer(value) }
    init(stringLiteral value: String) { self = .text(value) }
    init(_ text: String?) { self = text.map(SQLValue.text) ?? .null }
    init(_ number: Int64?) { self = number.map(SQLValue.integer) ?? .null }
    init(_ flag: Bool) { self = .integer(flag ? 1 : 0) }
    init(_ number: Int) { self = .integer(Int64(number)) }
}

/// A cached GRDB statement driven through SQLite's C interface.
///
/// The log and the view run several statements for each update, and a page reads many columns; GRDB's own binding
/// and fetching cost several times what SQLite does for them. Parameters are given as a list, or bound one by one by
/// their numbers from 1; `run` steps through the rows and then forgets them, so that no pointer outlives the call
/// that lent it.
@safe struct SQLStatement {
    private let statement: Statement
    private let pointer: OpaquePointer
    private let database: Database

    init(_ database: Database, _ sql: String) throws {
        statement = try database.cachedStatement(sql: sql)
        unsafe pointer = statement.sqliteStatement
        self.database = database
    }

    // MARK: Running

    /// Runs the statement and calls `row` for each result row; `row` must not run the same statement again.
    func run(_ row: (SQLRow) throws -> Void = { _ in }) throws {
        defer {
            unsafe sqlite3_reset(pointer)
            unsafe sqlite3_clear_bindings(pointer)
        }
        while true {
            switch unsafe sqlite3_step(pointer) {
            case SQLITE_ROW: try unsafe row(SQLRow(pointer: pointer))
            case SQLITE_DONE: return
            case let code:
                throw DatabaseError(
                    resultCode: ResultCode(rawValue: code), message: database.lastErrorMessage, sql: statement.sql)
            }
        }
    }

    /// The same with `values` as the parameters, in order.
    func run(_ values: [SQLValue], row: (SQLRow) throws -> Void = { _ in }) throws {
        try bind(values).run(row)
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

    /// Each row turned into a value.
    func all<T>(_ make: (SQLRow) throws -> T) throws -> [T] {
        var result: [T] = []
        try run { result.append(try make($0)) }
        return result
    }

    /// The same with `values` as the parameters.
    func all<T>(_ values: [SQLValue], _ make: (SQLRow) throws -> T) throws -> [T] { try bind(values).all(make) }

    /// The last row turned into a value; `nil` when there is none.
    func one<T>(_ make: (SQLRow) throws -> T) throws -> T? {
        var result: T?
        try run { result = try make($0) }
        return result
    }

    /// The same with `values` as the parameters.
    func one<T>(_ values: [SQLValue], _ make: (SQLRow) throws -> T) throws -> T? { try bind(values).one(make) }

    // MARK: Binding

    /// Binds a number.
    @discardableResult
    func bind(_ number: Int64, _ index: Int32) -> SQLStatement {
        _ = unsafe sqlite3_bind_int64(pointer, index, number)
        return self
    }

    /// Binds a copy of some bytes.
    @discardableResult
    func bind(_ bytes: [UInt8], _ index: Int32) -> SQLStatement {
        unsafe bytes.withUnsafeBytes { unsafe bind($0, index, copied: true) }
        return self
    }

    /// Binds a copy of a digest's 32 bytes.
    @discardableResult
    func bind(_ digest: Digest32, _ index: Int32) -> SQLStatement {
        var words = (
            digest.word0.bigEndian, digest.word1.bigEndian, digest.word2.bigEndian, digest.word3.bigEndian
        )
        unsafe withUnsafeBytes(of: &words) { unsafe bind($0, index, copied: true) }
        return self
    }

    /// Binds a copy of some text.
    @discardableResult
    func bind(_ text: String, _ index: Int32) -> SQLStatement {
        var text = text
        text.withUTF8 { bytes in
            let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            // Empty text must still have an address, or it would be NULL.
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
    func bindNull(_ index: Int32) -> SQLStatement {
        _ = unsafe sqlite3_bind_null(pointer, index)
        return self
    }

    private func bind(_ values: [SQLValue]) -> SQLStatement {
        var index: Int32 = 0
        for value in values {
            index += 1
            switch value {
            case .null: bindNull(index)
            case .integer(let number): bind(number, index)
            case .real(let number): _ = unsafe sqlite3_bind_double(pointer, index, number)
            case .text(let text): bind(text, index)
            case .blob(let bytes): bind(bytes, index)
            case .digest(let digest): bind(digest, index)
            }
        }
        return self
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
}

extension Database {
    /// A statement for `sql`, prepared once for each connection.
    func sql(_ sql: String) throws -> SQLStatement { try SQLStatement(self, sql) }
}
