import GRDB
import Multiformats

/// What can still be read of a damaged database: pins and records, row by row from both ends of each table.
///
/// Blocks are not taken from there; the packs know them better.
struct Salvage {
    struct Record {
        var space: String
        var key: [UInt8]
        var value: [UInt8]
        var expires: UInt32?
        var durable: Bool
    }

    let path: String

    func pins() -> [Pin] { rows("SELECT cid, kind, name FROM pins", orderedBy: "cid").compactMap(PinTable.pin) }

    func records() -> [Record] {
        rows("SELECT space, key, value, expires, durable FROM records", orderedBy: "space, key").compactMap { row in
            guard let space = String.fromDatabaseValue(row[0]), let key = Blob.fromDatabaseValue(row[1]),
                let value = Blob.fromDatabaseValue(row[2])
            else { return nil }
            return Record(
                space: space, key: key.bytes, value: value.bytes, expires: UInt32.fromDatabaseValue(row[3]),
                durable: Bool.fromDatabaseValue(row[4]) ?? false)
        }
    }

    /// The rows up to the first fault, and from the end down to the last one; some may come twice.
    private func rows(_ query: String, orderedBy order: String) -> [Row] {
        var found: [Row] = []
        let down = order.split(separator: ",").map { $0 + " DESC" }.joined(separator: ",")
        for direction in [order, down] {
            guard let queue = try? DatabaseQueue(path: path) else { return found }
            let complete = try? queue.unsafeRead { database -> Bool in
                let cursor = try Row.fetchCursor(database, sql: "\(query) ORDER BY \(direction)")
                while let row = try cursor.next() { found.append(row.copy()) }
                return true
            }
            if complete == true { break }
        }
        return found
    }
}
