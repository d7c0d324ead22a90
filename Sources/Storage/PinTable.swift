import Foundation
import GRDB
package import Multiformats
import Synchronization

/// How far a pin holds.
package enum PinKind: Int, Sendable, Hashable, CaseIterable {
    /// The block and everything that it links to, however deep.
    case recursive = 1
    /// The block alone.
    case direct = 2
}

/// A CID that must stay, and why.
package struct Pin: Hashable, Sendable {
    package var cid: CID
    package var kind: PinKind
    /// What the user calls it; empty for nothing.
    package var name: String

    package init(cid: CID, kind: PinKind, name: String = "") {
        self.cid = cid
        self.kind = kind
        self.name = name
    }
}

/// The pins: durable when a call returns, in SQLite and in the `Journal` from which a lost database is restored.
final class PinTable: Sendable {
    private let database: IndexDatabase
    private let journal: Journal
    /// Held while a pin is made and while a batch is collected, so that neither happens inside the other.
    let gate = NSLock()
    /// Pins made while a collection runs, which it has not marked yet; `nil` when none runs.
    let late = Mutex<[Pin]?>(nil)

    init(database: IndexDatabase, journal: Journal) {
        self.database = database
        self.journal = journal
    }

    func add(_ pin: Pin) throws(RepositoryError) {
        gate.lock()
        defer { gate.unlock() }
        try journal.append(.pin(pin))
        try database.durably { database in try PinTable.insert(pin, in: database) }
        late.withLock { $0?.append(pin) }
    }

    static func insert(_ pin: Pin, in database: Database) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO pins (cid, kind, name) VALUES (?, ?, ?)",
            arguments: [Blob(pin.cid.bytes), pin.kind.rawValue, pin.name])
    }

    /// Removes the pin of this CID; `false` when there is none.
    func remove(_ cid: CID) throws(RepositoryError) -> Bool {
        guard let pin = try stored(cid) else { return false }
        try journal.append(.unpin(pin.cid))
        try database.durably { try PinTable.delete(pin.cid, in: $0) }
        return true
    }

    static func delete(_ cid: CID, in database: Database) throws {
        try database.execute(sql: "DELETE FROM pins WHERE cid = ?", arguments: [Blob(cid.bytes)])
    }

    /// The kind of the pin of this CID.
    func kind(of cid: CID) throws(RepositoryError) -> PinKind? { try stored(cid)?.kind }

    /// The pin of this CID, or else of the same node's CID in the other version.
    private func stored(_ cid: CID) throws(RepositoryError) -> Pin? {
        var spellings = [cid]
        if cid.version == 0 {
            spellings.append(CID(codec: .dagPB, multihash: cid.multihash))
        } else if cid.codec == .dagPB, let old = CID(v0: cid.multihash) {
            spellings.append(old)
        }
        return try database.read { database in
            for spelling in spellings {
                let row = try Row.fetchOne(
                    database, sql: "SELECT cid, kind, name FROM pins WHERE cid = ?", arguments: [Blob(spelling.bytes)])
                if let pin = row.flatMap(PinTable.pin) { return pin }
            }
            return nil
        }
    }

    /// All pins of a kind, or all.
    func all(_ kind: PinKind?) throws(RepositoryError) -> [Pin] {
        try database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT cid, kind, name FROM pins WHERE ?1 IS NULL OR kind = ?1 ORDER BY cid",
                arguments: [kind?.rawValue]
            ).compactMap(PinTable.pin)
        }
    }

    static func pin(_ row: Row) -> Pin? {
        guard let bytes = Blob.fromDatabaseValue(row[0]), let cid = try? CID(bytes.bytes),
            let kind = PinKind(rawValue: row[1])
        else { return nil }
        return Pin(cid: cid, kind: kind, name: row[2])
    }
}

extension Blockstore {
    /// Keeps `cid`, and with `.recursive` all that it links to, from being collected; durable when this returns.
    ///
    /// Replaces an earlier pin of the same CID. The blocks need not be here yet; to pin what is being written,
    /// pin before the lease ends.
    package func pin(_ cid: CID, kind: PinKind = .recursive, name: String = "") throws(RepositoryError) {
        try pinTable.add(Pin(cid: cid, kind: kind, name: name))
    }

    /// Removes the pin of `cid`; `false` when it was not pinned.
    @discardableResult
    package func unpin(_ cid: CID) throws(RepositoryError) -> Bool { try pinTable.remove(cid) }

    /// The pins of a kind, or all of them, by CID.
    package func pins(kind: PinKind? = nil) throws(RepositoryError) -> [Pin] { try pinTable.all(kind) }

    /// How `cid` itself is pinned; `nil` when it is not (it may still be held by a recursive pin above it).
    package func pinKind(of cid: CID) throws(RepositoryError) -> PinKind? { try pinTable.kind(of: cid) }
}
