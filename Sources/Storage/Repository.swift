import Foundation
import Synchronization

/// A node's folder on the disk: opened by one process at a time, repaired as far as needed, never refused.
///
/// ```
/// let repository = try Repository.open(at: "/var/lib/node")
/// repository.blocks   repository.records
/// try repository.close()
/// ```
/// Opening after a clean stop reads the database's pages once (at most 64 MiB) and nothing else. After any
/// other stop the database is checked and the ends of the growing packs are read, from where the index was
/// last complete; both are bounded by what had not been flushed. A damaged or missing database is set aside
/// and built again. `recovery` tells what was done.
package final class Repository: Sendable {
    package let blocks: Blockstore
    package let records: RecordStore
    /// What opening found and did.
    package let recovery: RecoveryReport
    private let folder: RepositoryFolder
    private let database: IndexDatabase
    private let lock: Mutex<PosixFile?>

    private init(
        blocks: Blockstore, records: RecordStore, recovery: RecoveryReport, folder: RepositoryFolder,
        database: IndexDatabase, lock: PosixFile
    ) {
        self.blocks = blocks
        self.records = records
        self.recovery = recovery
        self.folder = folder
        self.database = database
        self.lock = Mutex(lock)
    }

    /// Opens the repository in the folder at `path`, which is created when it is not there.
    ///
    /// Errors: `locked` when it is in use, `newerFormat`, and what the disk refuses. Damage is no error.
    package static func open(at path: String, options: RepositoryOptions = RepositoryOptions()) throws(RepositoryError)
        -> Repository
    {
        let folder = try RepositoryFolder(path)
        let lock = try folder.lock()
        let salt = try folder.salt()
        let clean = try folder.takeCleanMark()
        let packs = try IndexDatabase.mapped {
            try Packs(folder: folder.packs, salt: salt, maximumOpen: options.maximumOpenPacks, faults: options.faults)
        }
        var recovery = Recovery(folder: folder, packs: packs, options: options, wasClean: clean)
        let (database, journal, growing, epoch) = try IndexDatabase.mapped { try recovery.run() }
        let index = BlockIndex(database: database)
        let space = SpaceGuard(
            folder: path, quota: options.quota, minimumFree: options.minimumFree,
            minimumFreePercent: options.minimumFreePercent)
        let writer = BlockWriter(
            packs: packs, index: index, space: space, options: options, growing: growing, epoch: epoch)
        let blocks = Blockstore(
            packs: packs, index: index, writer: writer, pinTable: PinTable(database: database, journal: journal),
            ballast: Ballast(path: folder.ballast, length: options.ballast), options: options)
        let records = RecordStore(database: database, journal: journal, now: options.now)
        return Repository(
            blocks: blocks, records: records, recovery: recovery.report, folder: folder, database: database, lock: lock)
    }

    /// Flushes, closes the files and gives the lock up. Later calls on the store fail with `closed`.
    ///
    /// When something cannot be flushed, the error is thrown after all the rest was closed; the next start
    /// then treats the stop as a crash.
    package func close() throws(RepositoryError) {
        guard
            let lock = lock.withLock({ lock in
                defer { lock = nil }
                return lock
            })
        else { return }
        defer { withExtendedLifetime(lock) {} }
        var problem: RepositoryError?
        do throws(RepositoryError) { try blocks.writer.close() } catch { problem = error }
        do throws(RepositoryError) {
            try database.checkpoint()
            try database.close()
        } catch {
            problem = problem ?? error
        }
        if let problem { throw problem }
        if !database.sawDamage.load(ordering: .relaxed) { try folder.leaveCleanMark() }
    }
}
