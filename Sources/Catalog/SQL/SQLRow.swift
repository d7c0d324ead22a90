import GRDBSQLite

/// The current row of a running statement; of no use after it. Columns count from 0.
@safe struct SQLRow {
    private let pointer: OpaquePointer

    init(pointer: OpaquePointer) { unsafe self.pointer = pointer }

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
            throw CatalogError.damaged("a digest does not have 32 bytes")
        }
        func word(_ offset: Int) -> UInt64 {
            UInt64(bigEndian: unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        return Digest32(words: (word(0), word(8), word(16), word(24)))
    }
}
