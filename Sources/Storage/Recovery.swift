import Foundation
import GRDB
import Multiformats

/// What opening a repository found and did.
package struct RecoveryReport: Hashable, Sendable {
    /// Whether the last stop was clean and nothing had to be looked at.
    package var wasClean = false
    /// Why the index was built again; `nil` when it was not.
    package var rebuiltBecause: String?
    /// Where the damaged database was put.
    package var damagedDatabase: String?
    /// Blocks that were read from packs into the index.
    package var recoveredBlocks = 0
    /// Bytes behind the last whole record of a growing pack, which were cut off.
    package var tornBytes: Int64 = 0
    /// Packs that the index knew and that are gone; their blocks are quarantined.
    package var missingPacks: [UInt32] = []
    /// Pins after a rebuild, and records that could be read from the damaged database.
    package var recoveredPins = 0
    package var recoveredRecords = 0
}

/// Brings index and packs into step at start, whatever state they are in.
///
/// ```
/// database: there and whole? -> yes: use it
///                            -> no:  set it aside, new one; pins and records from the journal and from what
///                                    can still be read; every pack from its first record
/// packs:    longer than the index covers? -> read the rest, check each CRC, add the rows; cut a torn end off
///           gone?                         -> quarantine their blocks
/// ```
struct Recovery {
    let folder: RepositoryFolder
    let packs: Packs
    let options: RepositoryOptions
    private(set) var report = RecoveryReport()

    init(folder: RepositoryFolder, packs: Packs, options: RepositoryOptions, wasClean: Bool) {
        self.folder = folder
        self.packs = packs
        self.options = options
        report.wasClean = wasClean
    }

    /// The open database and journal, the packs that still grow, and the first epoch of this run.
    mutating func run() throws -> (IndexDatabase, Journal, [GrowingPack], Int64) {
        let existed = FileManager.default.fileExists(atPath: folder.index)
        if !existed, !packs.ids.isEmpty || allocatedBytes(folder.journal) > 0 {
            report.rebuiltBecause = "it is missing"
        }
        var database: IndexDatabase?
        if existed {
            do {
                database = try sound()
            } catch let error as RepositoryError where Recovery.isDamage(error) {
                report.rebuiltBecause = error.description
            }
        }
        if report.rebuiltBecause != nil, existed || allocatedBytes(folder.index + "-wal") > 0 {
            report.damagedDatabase = try folder.setDatabaseAside(now: options.now())
        }
        let index = try database ?? IndexDatabase(path: folder.index, readers: options.readers)
        if let damaged = report.damagedDatabase { try salvage(damaged, into: index) }
        if !report.wasClean || report.rebuiltBecause != nil { try replayJournal(into: index) }
        let epoch = max(try BlockIndex(database: index).epoch(), IndexRow.unverified) + 1
        let growing = try reconcile(index, epoch: epoch)
        return (index, try openJournal(index), growing, epoch)
    }

    /// Opens the database; throws when it is damaged.
    private func sound() throws -> IndexDatabase {
        let database = try IndexDatabase(path: folder.index, readers: options.readers)
        if report.wasClean { return database }
        do {
            guard database.isIntact() else { throw RepositoryError.damagedIndex(message: "quick_check found faults") }
            // A log that was lost after a part of it had reached the database leaves trees in order and rows
            // missing; the counters show that.
            let counted = try database.readSnapshot { database in
                try Bool.fetchOne(
                    database,
                    sql: """
                        SELECT NOT EXISTS (
                            SELECT * FROM packs LEFT JOIN
                                (SELECT pack, count(*) AS n, sum(length) AS size FROM blocks GROUP BY pack) ON pack = id
                            WHERE coalesce(n, 0) <> live_blocks OR coalesce(size, 0) <> live_bytes)
                        AND NOT EXISTS (SELECT * FROM blocks WHERE pack NOT IN (SELECT id FROM packs))
                        """)
            }
            guard counted == true else { throw RepositoryError.damagedIndex(message: "rows are missing") }
            return database
        } catch {
            try? database.close()
            throw error
        }
    }

    /// Whether an error means that the database is bad, rather than the disk or the time.
    private static func isDamage(_ error: RepositoryError) -> Bool {
        switch error {
        case .damagedIndex: true
        // 5 busy, 7 no memory, 10 I/O error, 14 cannot open: those say nothing of the content.
        case .database(let code, _): ![5, 7, 10, 14].contains(code & 0xff)
        default: false
        }
    }

    // MARK: Pins and records

    /// Takes over what can still be read of the database that was set aside.
    private mutating func salvage(_ path: String, into database: IndexDatabase) throws {
        let salvage = Salvage(path: path)
        let (pins, records) = (salvage.pins(), salvage.records())
        try database.durably { database in
            for pin in pins { try PinTable.insert(pin, in: database) }
            for record in records {
                let row = RecordStore.Record(key: record.key, value: record.value, expires: record.expires)
                try RecordStore.insert(row, record.space, durable: record.durable, in: database)
            }
        }
        report.recoveredRecords = records.count
    }

    /// Brings pins and durable records to what the journal says, which was first to know: a log that lost its
    /// end leaves a whole database that is a little older. What the journal does not mention stays as it is.
    private mutating func replayJournal(into database: IndexDatabase) throws {
        let entries = try Journal.entries(folder.journal)
        if !entries.isEmpty {
            try database.durably { database in
                for entry in entries {
                    switch entry {
                    case .pin(let pin): try PinTable.insert(pin, in: database)
                    case .unpin(let cid): try PinTable.delete(cid, in: database)
                    case .record(let space, let key, let value):
                        try RecordStore.insert(.init(key: key, value: value), space, durable: true, in: database)
                    case .noRecord(let space, let key): try RecordStore.delete(key, space, in: database)
                    }
                }
            }
        }
        if report.rebuiltBecause != nil {
            report.recoveredPins = try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM pins") ?? 0 }
        }
    }

    private func openJournal(_ database: IndexDatabase) throws -> Journal {
        guard allocatedBytes(folder.journal) > 65_536 else {
            return try Journal.open(folder.journal, current: nil, faults: options.faults)
        }
        let current = try database.readSnapshot { database in
            let pins = try Row.fetchAll(database, sql: "SELECT cid, kind, name FROM pins").compactMap(PinTable.pin)
            let records = try Row.fetchAll(database, sql: "SELECT space, key, value FROM records WHERE durable")
            return pins.map(Journal.Entry.pin)
                + records.map { row in
                    let (key, value): (Blob, Blob) = (row[1], row[2])
                    return .record(space: row[0], key: key.bytes, value: value.bytes)
                }
        }
        return try Journal.open(folder.journal, current: current, faults: options.faults)
    }

    // MARK: Packs

    private struct Covered {
        var indexed: Int64
        var sealed: Bool
    }

    private mutating func reconcile(_ database: IndexDatabase, epoch: Int64) throws -> [GrowingPack] {
        let rows = try database.readSnapshot { try Row.fetchAll($0, sql: "SELECT id, indexed, sealed FROM packs") }
        var covered: [UInt32: Covered] = [:]
        for row in rows { covered[row[0]] = Covered(indexed: row[1], sealed: row[2]) }
        var growing: [PackKind: GrowingPack] = [:]
        for id in packs.ids {
            let known = covered.removeValue(forKey: id)
            if let known, known.sealed { continue }
            guard let file = try packs.file(id) else { continue }
            let length = try file.file.length()
            let start = known?.indexed ?? PackFormat.start
            var end = start
            if length > start {
                end = try readTail(of: file, from: start, length: length, into: database, epoch: epoch)
            }
            // A file shorter than what the index covers was cut by someone else; nothing is appended to it.
            let limit = file.kind == .small ? options.smallPackLimit : options.packLimit
            let grows = length >= start && end < limit
            if grows, length > end {
                report.tornBytes += length - end
                try? file.file.truncate(to: end)
            }
            // One pack of a kind grows, the latest.
            if let before = growing[file.kind] { try seal(before.pack, at: before.end, in: database, epoch: epoch) }
            growing[file.kind] = grows ? GrowingPack(pack: file, end: end) : nil
            if !grows { try seal(file, at: end, in: database, epoch: epoch) }
        }
        for id in covered.keys.sorted() { try dropMissing(id, in: database) }
        return Array(growing.values)
    }

    private func seal(_ pack: PackFile, at end: Int64, in database: IndexDatabase, epoch: Int64) throws {
        var commit = IndexCommit(epoch: epoch, now: options.now())
        commit.coverage = [.init(file: pack, end: end, sealed: true)]
        try BlockIndex(database: database).commit(commit)
    }

    /// Adds the records that the index does not cover; returns where the last one ends.
    private mutating func readTail(
        of file: PackFile, from start: Int64, length: Int64, into database: IndexDatabase, epoch: Int64
    ) throws -> Int64 {
        // In a whole pack only the end may have been written shortly before a power loss. Rows from before it are
        // marked as not verified: a put of such a block reads it before relying on it.
        let checked = max(start, length - 4 * Int64(options.maximumUnsynced))
        var scanner = try PackScanner(file, salt: packs.salt)
        var commit = IndexCommit(epoch: epoch, now: options.now())
        var found = 0
        let index = BlockIndex(database: database)
        let end = try scanner.scan(from: start, checkingDataFrom: checked) { record in
            let row = IndexRow(
                location: record.location, added: record.added,
                epoch: record.location.offset >= checked ? epoch : IndexRow.unverified)
            commit.blocks.append((record.multihash, row))
            found += 1
            guard commit.blocks.count == 8192 else { return }
            let end = record.location.offset
            commit.coverage = [.init(file: file, end: end, sealed: false)]
            try index.commit(commit)
            commit.blocks = []
        }
        report.recoveredBlocks += found
        try file.file.datasync()
        commit.coverage = [.init(file: file, end: end, sealed: false)]
        try index.commit(commit)
        return end
    }

    /// A pack file is gone: its blocks are known as lost, so that they can be fetched again.
    private mutating func dropMissing(_ id: UInt32, in database: IndexDatabase) throws {
        let now = options.now()
        let lost = try database.durably { database -> Int in
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO quarantine (hash, pack, offset, length, reason, found)
                    SELECT hash, pack, offset, length, 'its pack is missing', ? FROM blocks WHERE pack = ?
                    """, arguments: [now, Int64(id)])
            let lost = database.changesCount
            try database.execute(sql: "DELETE FROM blocks WHERE pack = ?", arguments: [Int64(id)])
            try database.execute(sql: "DELETE FROM packs WHERE id = ?", arguments: [Int64(id)])
            try database.execute(sql: "DELETE FROM freed WHERE pack = ?", arguments: [Int64(id)])
            return lost
        }
        if lost > 0 { report.missingPacks.append(id) }
    }
}
