import GRDB
import GRDBSQLite

/// A value given to a statement.
enum SQLValue: Sendable, ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

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
/// An update runs several statements and a page reads many columns; GRDB's binding and fetching cost several
/// times what SQLite does for them.
@safe struct SQLStatement {
    private let statement: Statement
    private let pointer: OpaquePointer
    private let database: Database

    init(_ database: Database, _ sql: String) throws {
        statement = try database.cachedStatement(sql: sql)
        unsafe pointer = statement.sqliteStatement
        self.database = database
    }

    /// Runs the statement with `values` as its parameters, in order, and calls `row` for each result row.
    ///
    /// `row` must not run the same statement again.
    func run(_ values: [SQLValue] = [], row: (SQLRow) throws -> Void = { _ in }) throws {
        defer {
            unsafe sqlite3_reset(pointer)
            unsafe sqlite3_clear_bindings(pointer)
        }
        for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1)) }
        while true {
            switch unsafe sqlite3_step(pointer) {
            case SQLITE_ROW: try unsafe row(SQLRow(pointer: pointer))
            case SQLITE_DONE: return
            case let code: throw error(code)
            }
        }
    }

    /// The rows, each turned into a value.
    func all<T>(_ values: [SQLValue] = [], _ make: (SQLRow) throws -> T) throws -> [T] {
        var result: [T] = []
        try run(values) { result.append(try make($0)) }
        return result
    }

    /// The last row, turned into a value; `nil` when there is none.
    func one<T>(_ values: [SQLValue] = [], _ make: (SQLRow) throws -> T) throws -> T? {
        var result: T?
        try run(values) { result = try make($0) }
        return result
    }

    private func bind(_ value: SQLValue, at index: Int32) throws {
        // SQLite copies what it is given.
        let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        let code: Int32
        switch value {
        case .null: code = unsafe sqlite3_bind_null(pointer, index)
        case .integer(let number): code = unsafe sqlite3_bind_int64(pointer, index, number)
        case .real(let number): code = unsafe sqlite3_bind_double(pointer, index, number)
        case .text(let text):
            var text = text
            code = text.withUTF8 { bytes in
                // Empty text must still have an address, or it would be NULL.
                guard let base = bytes.baseAddress else {
                    return unsafe sqlite3_bind_text(pointer, index, "", 0, copied)
                }
                return unsafe base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                    unsafe sqlite3_bind_text(pointer, index, $0, Int32(clamping: bytes.count), copied)
                }
            }
        case .blob(let blob):
            code = unsafe blob.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return unsafe sqlite3_bind_zeroblob(pointer, index, 0) }
                return unsafe sqlite3_bind_blob(pointer, index, base, Int32(clamping: bytes.count), copied)
            }
        }
        if code != SQLITE_OK { throw error(code) }
    }

    private func error(_ code: Int32) -> DatabaseError {
        DatabaseError(resultCode: ResultCode(rawValue: code), message: database.lastErrorMessage, sql: statement.sql)
    }
}

/// The current row of a running statement; of no use after it.
@safe struct SQLRow {
    private let pointer: OpaquePointer

    fileprivate init(pointer: OpaquePointer) { unsafe self.pointer = pointer }

    /// How many columns there are.
    var count: Int32 { unsafe sqlite3_column_count(pointer) }

    func number(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(pointer, column) }
    func real(_ column: Int32) -> Double { unsafe sqlite3_column_double(pointer, column) }
    func flag(_ column: Int32) -> Bool { number(column) != 0 }
    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(pointer, column) == SQLITE_NULL }

    /// `nil` for NULL.
    func optionalNumber(_ column: Int32) -> Int64? { isNull(column) ? nil : number(column) }

    /// The text, empty for NULL.
    func text(_ column: Int32) -> String {
        guard let start = unsafe sqlite3_column_text(pointer, column) else { return "" }
        let count = unsafe Int(sqlite3_column_bytes(pointer, column))
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// `nil` for NULL.
    func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    /// The bytes, none for NULL.
    func blob(_ column: Int32) -> [UInt8] {
        guard let start = unsafe sqlite3_column_blob(pointer, column) else { return [] }
        let count = unsafe Int(sqlite3_column_bytes(pointer, column))
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}

extension Database {
    /// A statement for `sql`, prepared once for each connection.
    func sql(_ sql: String) throws -> SQLStatement { try SQLStatement(self, sql) }
}
