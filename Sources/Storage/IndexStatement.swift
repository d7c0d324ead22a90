import GRDB
import GRDBSQLite

/// A cached GRDB statement driven through SQLite's C interface, for what runs once per block.
///
/// GRDB's own binding and row fetching cost several times what SQLite does for such a statement (16.5 us a row
/// inserted in a batch against 9.4). Everything that is not per block uses GRDB's interface.
@safe struct IndexStatement {
    private let statement: Statement
    private let pointer: OpaquePointer
    private let database: Database

    init(_ database: Database, _ sql: String) throws {
        statement = try database.cachedStatement(sql: sql)
        unsafe pointer = statement.sqliteStatement
        self.database = database
    }

    /// Runs the statement with `blob` as its first parameter and `numbers` as the ones after it.
    ///
    /// Calls `row` for each result row; its parameter reads the integer in a column.
    func run(blob: [UInt8], _ numbers: Int64..., row: ((Columns) -> Void)? = nil) throws {
        try unsafe blob.withUnsafeBytes { bytes in
            // SQLite only reads the bytes until the reset below. An empty blob must still have an address.
            var nothing: UInt8 = 0
            unsafe withUnsafePointer(to: &nothing) { empty in
                _ = unsafe sqlite3_bind_blob(
                    pointer, 1, bytes.baseAddress ?? UnsafeRawPointer(empty), Int32(bytes.count), nil)
            }
            defer {
                unsafe sqlite3_reset(pointer)
                unsafe sqlite3_clear_bindings(pointer)
            }
            for (index, number) in numbers.enumerated() { unsafe sqlite3_bind_int64(pointer, Int32(index + 2), number) }
            try step(row)
        }
    }

    private func step(_ row: ((Columns) -> Void)?) throws {
        while true {
            switch unsafe sqlite3_step(pointer) {
            case SQLITE_ROW: unsafe row?(Columns(pointer: pointer))
            case SQLITE_DONE: return
            case let code:
                throw DatabaseError(
                    resultCode: ResultCode(rawValue: code), message: database.lastErrorMessage, sql: statement.sql)
            }
        }
    }

    /// The current row.
    @safe struct Columns {
        fileprivate let pointer: OpaquePointer
        func number(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(pointer, column) }
    }
}
