package import Catalog
import Foundation
import GRDB
import NIOPosix
import Synchronization

/// The catalog on this node's disk: the log of updates, the view that is made from it, and the set that peers compare.
///
/// All writes happen on one thread of its own, in order, so that a long one never keeps readers or the node's other
/// work from a thread, and the set follows the log exactly. Everything is in `catalog.sqlite`; a damaged file is set
/// aside and begun anew, since peers have what was in it.
package final class CatalogStore: Sendable {
    /// The file in the repo.
    package static let fileName = "catalog.sqlite"

    package let database: CatalogDatabase
    package let log: UpdateLog
    /// Answers queries; never waits for a writer.
    package let reader: CatalogReader
    /// Where the damaged file of before went; `nil` when there was none.
    package let setAside: String?
    /// Milliseconds since 1970.
    package let now: @Sendable () -> UInt64
    private let lane: NIOThreadPool
    /// Made when it is first needed: reading a million keys takes a second.
    private let known = Mutex<SumTree?>(nil)
    private let isClosed = Mutex(false)
    private let watchers = Mutex<[@Sendable (IngestReport?) -> Void]>([])

    /// Opens or creates the catalog in the repo `folder`. Blocks on the disk; reads the whole log only when the view
    /// has to be made anew.
    package init(
        folder: String, limits: LogLimits = LogLimits(),
        now: @escaping @Sendable () -> UInt64 = CatalogStore.wallClock
    ) throws {
        let path = folder + "/" + Self.fileName
        var setAside: String?
        let opened: (CatalogDatabase, UpdateLog)
        do {
            opened = try Self.open(path, limits)
        } catch CatalogError.damaged(_) {
            let place = path + ".damaged-\(now())"
            for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix) {
                try FileManager.default.moveItem(atPath: path + suffix, toPath: place + suffix)
            }
            setAside = place
            opened = try Self.open(path, limits)
        }
        (database, log) = opened
        reader = CatalogReader(database.writer)
        self.setAside = setAside
        self.now = now
        lane = NIOThreadPool(numberOfThreads: 1)
        lane.start()
    }

    private static func open(_ path: String, _ limits: LogLimits) throws -> (CatalogDatabase, UpdateLog) {
        let database = try CatalogDatabase(path: path)
        // A view of another version, or one that was never made, is made of what the log has.
        try CatalogView.open(database)
        return (database, try UpdateLog(database, limits: limits, sink: CatalogView()))
    }

    /// The calendar, in milliseconds since 1970.
    package static let wallClock: @Sendable () -> UInt64 = {
        UInt64(max(0, Date().timeIntervalSince1970 * 1_000))
    }

    /// Waits for the write that is under way, and closes the file, once. Whatever comes later fails.
    package func close() async {
        try? await lane.shutdownGracefully()
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst { seal() }
    }

    private func seal() {
        // Connections that only read are closed last, and cannot put the write-ahead log into the file.
        _ = try? database.writer.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try? database.close()
    }

    // MARK: Writing

    /// Runs `body`, which may write, after everything that was asked for before.
    package func writing<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await lane.runIfActive(body)
    }

    /// Verifies updates on several threads, then stores what is new in one transaction.
    package func ingest(_ blocks: [[UInt8]], from origin: UpdateOrigin) async throws -> IngestReport {
        try await ingest(await VerifiedUpdate.verify(blocks), from: origin)
    }

    /// Stores what is new of a verified batch in one transaction.
    func ingest(_ verified: [VerifiedUpdate], from origin: UpdateOrigin) async throws -> IngestReport {
        try await writing { [self] in
            let report = try log.store(verified, from: origin, now: now())
            took(report)
            return report
        }
    }

    /// Notes what the log has taken. Only within `writing`.
    func took(_ report: IngestReport) {
        note(report.added.map { UpdateKey(time: $0.time, digest: $0.id) })
        for watcher in watchers.withLock({ $0 }) { watcher(report) }
    }

    /// Notes what this node has signed. Only within `writing`.
    func took(_ own: [Update]) {
        note(own.map(UpdateKey.init))
        for watcher in watchers.withLock({ $0 }) { watcher(nil) }
    }

    private func note(_ keys: [UpdateKey]) {
        guard !keys.isEmpty else { return }
        // A set that has not been read yet will find them in the log.
        known.withLock { for key in keys { $0?.insert(key) } }
    }

    /// Calls `body` after every batch that was stored, and with `nil` after what this node has signed, on the writing
    /// thread: it must be quick.
    package func watch(_ body: @escaping @Sendable (IngestReport?) -> Void) { watchers.withLock { $0.append(body) } }

    // MARK: The set

    /// The set of all updates that are known, as far as it has been read; sessions compare it.
    package var loadedKeys: SumTree? { known.withLock { $0 } }

    /// The set of all updates that are known; read from the disk the first time.
    package func keys() async throws -> SumTree {
        if let loaded = loadedKeys { return loaded }
        return try await writing { [self] in
            if let loaded = loadedKeys { return loaded }
            let loaded = try SumTree(log)
            known.withLock { $0 = loaded }
            return loaded
        }
    }
}
