import Foundation
import GRDB
import Multiformats

/// What the index says of a block.
struct IndexRow: Hashable, Sendable {
    var location: Location
    /// When it was last put or touched, in seconds since 1970.
    var added: UInt32
    /// The epoch in which it was last put or touched; see `PendingBlocks`.
    var epoch: Int64

    /// The epoch of rows that were rebuilt from record headers without reading the data.
    static let unverified: Int64 = 0

    /// Whether a record can lie there: a damaged index must not make us read or allocate nonsense.
    var isPlausible: Bool { (0...Block.maximumLength).contains(location.length) && location.offset >= 0 }
}

/// What one flush writes into the index, in one transaction.
struct IndexCommit: Sendable {
    /// How far a pack is covered by the index once this commit is in.
    struct Coverage: Sendable {
        var file: PackFile
        var end: Int64
        var sealed: Bool
    }
    var blocks: [(hash: [UInt8], row: IndexRow)] = []
    var touched: [[UInt8]] = []
    /// Records that no row points to, such as the loser of two simultaneous puts.
    var dead: [(location: Location, hashLength: Int)] = []
    var coverage: [Coverage] = []
    var epoch: Int64
    var now: UInt32

    /// Whether it would change nothing.
    var isEmpty: Bool { blocks.isEmpty && touched.isEmpty && dead.isEmpty && coverage.isEmpty }
}

/// The rows that say where blocks lie, and the counters beside them.
///
/// Key is the multihash. `packs` keeps, per pack, how much of it the index covers and how much is alive;
/// both change in the transaction that changes the rows, so they are right after any crash.
struct BlockIndex: Sendable {
    let database: IndexDatabase

    static let findSQL = "SELECT pack, offset, length, added, epoch FROM blocks WHERE hash = ?"

    func find(_ hash: [UInt8]) throws(RepositoryError) -> IndexRow? {
        try database.lookup { try $0.find(hash) }
    }

    /// The rows of `hashes`, in their order; one connection for all.
    func find(_ hashes: [[UInt8]]) throws(RepositoryError) -> [IndexRow?] {
        try database.lookup { reader in try hashes.map { try reader.find($0) } }
    }

    static func find(_ hash: [UInt8], in database: Database) throws -> IndexRow? {
        var found: IndexRow?
        try IndexStatement(database, findSQL).run(blob: hash) { columns in
            let location = Location(
                pack: UInt32(clamping: columns.number(0)), offset: columns.number(1), length: Int(columns.number(2)))
            found = IndexRow(
                location: location, added: UInt32(clamping: columns.number(3)), epoch: columns.number(4))
        }
        guard let row = found, row.isPlausible else { return nil }
        return row
    }

    /// Writes a flush; where a hash already has a row, the new location replaces it.
    func commit(_ commit: IndexCommit) throws(RepositoryError) {
        try database.write { database in try BlockIndex.apply(commit, in: database) }
    }

    static func apply(_ commit: IndexCommit, in database: Database) throws {
        var deltas: [UInt32: (blocks: Int, bytes: Int)] = [:]
        var dead = commit.dead
        let insert = try IndexStatement(
            database,
            "INSERT OR IGNORE INTO blocks (hash, pack, offset, length, added, epoch) VALUES (?, ?, ?, ?, ?, ?)")
        // In key order neighbouring rows fall into the same page.
        for (hash, row) in commit.blocks.sorted(by: { $0.hash.lexicographicallyPrecedes($1.hash) }) {
            let place = row.location
            try insert.run(
                blob: hash, Int64(place.pack), place.offset, Int64(place.length), Int64(row.added), row.epoch)
            if database.changesCount == 0 {
                guard let old = try find(hash, in: database), old.location != place else { continue }
                try IndexStatement(
                    database,
                    "UPDATE blocks SET pack = ?2, offset = ?3, length = ?4, added = ?5, epoch = ?6 WHERE hash = ?1"
                ).run(blob: hash, Int64(place.pack), place.offset, Int64(place.length), Int64(row.added), row.epoch)
                dead.append((old.location, hash.count))
                deltas[old.location.pack, default: (0, 0)].blocks -= 1
                deltas[old.location.pack, default: (0, 0)].bytes -= old.location.length
            }
            deltas[place.pack, default: (0, 0)].blocks += 1
            deltas[place.pack, default: (0, 0)].bytes += place.length
        }
        let touch = try IndexStatement(
            database, "UPDATE blocks SET added = ?2, epoch = ?3 WHERE hash = ?1 AND (epoch < ?3 OR added < ?2)")
        for hash in commit.touched.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            try touch.run(blob: hash, Int64(commit.now), commit.epoch)
        }
        try free(dead, in: database)
        for cover in commit.coverage {
            try database.cachedStatement(
                sql: """
                    INSERT INTO packs (id, kind, indexed, sealed) VALUES (?, ?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET indexed = max(indexed, excluded.indexed), sealed = excluded.sealed
                    """
            ).execute(arguments: [Int64(cover.file.id), Int(cover.file.kind.rawValue), cover.end, cover.sealed])
        }
        try adjust(deltas, in: database)
        let quarantine = try database.cachedStatement(sql: "SELECT EXISTS (SELECT * FROM quarantine)")
        if !commit.blocks.isEmpty, try Bool.fetchOne(quarantine) == true {
            try release(commit.blocks.map(\.hash), in: database)
        }
        // Read at start, so that the epochs of a new run are above all in the rows.
        try database.cachedStatement(
            sql: """
                INSERT INTO meta (key, value) VALUES ('epoch', ?1)
                ON CONFLICT (key) DO UPDATE SET value = max(value, ?1)
                """
        ).execute(arguments: [commit.epoch])
    }

    /// Good data came for quarantined blocks: they leave the list and their bad bytes are given back.
    private static func release(_ hashes: [[UInt8]], in database: Database) throws {
        for hash in hashes {
            let row = try Row.fetchOne(
                database, sql: "DELETE FROM quarantine WHERE hash = ? RETURNING pack, offset, length",
                arguments: [Blob(hash)])
            guard let row else { continue }
            try free([(Location(pack: row[0], offset: row[1], length: row[2]), hash.count)], in: database)
        }
    }

    /// Remembers ranges that nothing points to any more, until their space has been given back.
    static func free(_ dead: [(location: Location, hashLength: Int)], in database: Database) throws {
        guard !dead.isEmpty else { return }
        let statement = try database.cachedStatement(
            sql: "INSERT OR IGNORE INTO freed (pack, offset, length, hash_length) VALUES (?, ?, ?, ?)")
        for (place, hashLength) in dead {
            try statement.execute(arguments: [Int64(place.pack), place.offset, place.length, hashLength])
        }
    }

    /// Changes the live counters of packs.
    static func adjust(_ deltas: [UInt32: (blocks: Int, bytes: Int)], in database: Database) throws {
        for (pack, delta) in deltas where delta != (0, 0) {
            try database.cachedStatement(
                sql: "UPDATE packs SET live_blocks = live_blocks + ?, live_bytes = live_bytes + ? WHERE id = ?"
            ).execute(arguments: [delta.blocks, delta.bytes, Int64(pack)])
        }
    }

    /// Blocks and bytes in the index, from the counters of the packs.
    func totals() throws(RepositoryError) -> (blocks: Int, bytes: Int) {
        try database.read { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT coalesce(sum(live_blocks), 0), coalesce(sum(live_bytes), 0) FROM packs")
            return (row?[0] ?? 0, row?[1] ?? 0)
        }
    }

    func epoch() throws(RepositoryError) -> Int64 {
        try database.read { try Int64.fetchOne($0, sql: "SELECT value FROM meta WHERE key = 'epoch'") ?? 0 }
    }
}

/// Bytes bound to SQL as a blob.
struct Blob: DatabaseValueConvertible, Sendable {
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    var databaseValue: DatabaseValue { bytes.databaseBlob }
    static func fromDatabaseValue(_ value: DatabaseValue) -> Blob? {
        Data.fromDatabaseValue(value).map { Blob([UInt8]($0)) }
    }
}

extension [UInt8] {
    fileprivate var databaseBlob: DatabaseValue { Data(self).databaseValue }
}
