import Foundation
import GRDB
package import Multiformats
package import NIOCore
import Synchronization

/// What a collection did.
package struct GCReport: Hashable, Sendable {
    /// Blocks that pins reach.
    package var kept = 0
    /// Blocks that were deleted, and their bytes.
    package var deleted = 0
    package var deletedBytes = 0
    /// Old blocks that nothing reaches but that a lease, a recent put or the grace holds.
    package var held = 0
    /// Blocks below pins that are not stored.
    package var missing = 0
    /// Pack files that went away as a whole, and small packs that were written anew.
    package var packsDeleted = 0
    package var packsRewritten = 0
}

/// Where a collection is.
package enum GCProgress: Hashable, Sendable {
    case marked(blocks: Int)
    case swept(deleted: Int, bytes: Int)
    case rewrote(packs: Int)
}

extension Blockstore {
    /// Deletes every block that no pin reaches, no lease holds and that is older than the grace.
    ///
    /// `links` names what a block links to (an empty list for one that cannot be decoded); blocks with the raw
    /// codec have no links and are not read. `keeping` names further roots, held as if pinned recursively.
    /// Reads and puts go on meanwhile. A crash at any point loses nothing that was to be kept.
    /// `progress` may throw to stop early. Errors: `pinnedBlockUnreadable` before anything is deleted, when
    /// a quarantined block hides what hangs below it.
    @discardableResult
    package func collectGarbage(
        graceSeconds: UInt32? = nil, keeping: [CID] = [], links: (CID, ByteBuffer) throws -> [CID],
        progress: (GCProgress) throws -> Void = { _ in }
    ) throws -> GCReport {
        collecting.lock()
        defer { collecting.unlock() }
        pinTable.late.withLock { $0 = [] }
        defer { pinTable.late.withLock { $0 = nil } }
        // What was put before the collection is as old as it looks only once its rows are written. On a full
        // disk they cannot be; what is pending is then left alone.
        if try !syncIfRoom() { ballast.drop() }
        let epoch = writer.state.withLock { state in
            state.pending.beginCollection()
            return state.pending.epoch
        }

        var marker = Marker()
        for pin in try pinTable.all(nil) { try mark(pin, &marker, links, progress) }
        for root in keeping { try mark(Pin(cid: root, kind: .recursive), &marker, links, progress) }
        try progress(.marked(blocks: marker.marked.count))

        var report = GCReport()
        let (age, overflow) = options.now().subtractingReportingOverflow(graceSeconds ?? options.graceSeconds)
        var cursor: [UInt8] = []
        while true {
            let rows = try index.rows(after: cursor, limit: 2048)
            guard let last = rows.last else { break }
            cursor = last.key
            try sweep(rows, epoch: epoch, added: overflow ? 0 : age, &marker, &report, links, progress)
            try progress(.swept(deleted: report.deleted, bytes: report.deletedBytes))
        }
        try giveBack()
        try tidyPacks(&report, progress)
        report.kept = marker.marked.count - marker.missing
        report.missing = marker.missing
        writer.space.refresh()
        ballast.load()
        return report
    }

    /// `sync` on a disk that may be full; whether there was room.
    func syncIfRoom() throws(RepositoryError) -> Bool {
        do throws(RepositoryError) {
            try sync()
            return true
        } catch {
            if case .diskFull = error { return false }
            throw error
        }
    }

    /// What is reachable.
    struct Marker {
        var marked: Set<Multihash> = []
        /// Blocks whose links were followed, by codec, since one block may be linked as raw and as dag-pb.
        var walked: Set<CID> = []
        var missing = 0
    }

    private func mark(
        _ pin: Pin, _ marker: inout Marker, _ links: (CID, ByteBuffer) throws -> [CID],
        _ progress: (GCProgress) throws -> Void
    ) throws {
        if pin.kind == .direct {
            marker.marked.insert(pin.cid.multihash)
            return
        }
        var stack = [pin.cid]
        while let cid = stack.popLast() {
            if marker.marked.insert(cid.multihash).inserted, marker.marked.count % 10_000 == 0 {
                try progress(.marked(blocks: marker.marked.count))
            }
            guard cid.codec != .raw else { continue }
            guard marker.walked.insert(CID(codec: cid.codec, multihash: cid.multihash)).inserted else { continue }
            if let data = try get(cid) {
                stack += try links(cid, data)
            } else if try isQuarantined(cid.multihash) {
                throw RepositoryError.pinnedBlockUnreadable(cid.description)
            } else {
                marker.missing += 1
            }
        }
    }

    private func isQuarantined(_ multihash: Multihash) throws(RepositoryError) -> Bool {
        try index.database.read { database in
            try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT * FROM quarantine WHERE hash = ?)",
                arguments: [Blob(multihash.bytes)]) ?? false
        }
    }

    private func sweep(
        _ rows: [(key: [UInt8], row: IndexRow)], epoch: Int64, added: UInt32, _ marker: inout Marker,
        _ report: inout GCReport, _ links: (CID, ByteBuffer) throws -> [CID],
        _ progress: (GCProgress) throws -> Void
    ) throws {
        // No pin can be made inside; one that was made since the marking is marked now.
        pinTable.gate.lock()
        defer { pinTable.gate.unlock() }
        let late = pinTable.late.withLock { late in
            defer { late = [] }
            return late ?? []
        }
        for pin in late { try mark(pin, &marker, links, progress) }
        let limit = writer.state.withLock { min(epoch, $0.pending.collectionLimit) }
        var candidates: [Candidate] = []
        var unreachable = 0
        for (key, row) in rows {
            guard let multihash = try? Multihash(key), !marker.marked.contains(multihash) else { continue }
            unreachable += 1
            if row.epoch < limit, row.added <= added { candidates.append((multihash, row.location)) }
        }
        let removed = candidates.isEmpty ? [] : try remove(candidates, olderThan: AgeLimit(epoch: limit, added: added))
        report.held += unreachable - removed.count
        report.deleted += removed.count
        report.deletedBytes += removed.reduce(0) { $0 + $1.location.length }
    }
}
