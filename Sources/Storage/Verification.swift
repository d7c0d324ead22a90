package import Multiformats
import NIOCore

/// What a check of stored blocks found.
package struct VerifyReport: Hashable, Sendable {
    package var checked = 0
    package var checkedBytes = 0
    /// Blocks that were found damaged now and are quarantined.
    package var damaged: [CID] = []
    /// Blocks with a hash function that is not known here: only their CRC32C was checked.
    package var unknownHash = 0

    package init(checked: Int = 0, checkedBytes: Int = 0) {
        self.checked = checked
        self.checkedBytes = checkedBytes
    }

    package var isClean: Bool { damaged.isEmpty }

    mutating func add(_ other: VerifyReport) {
        checked += other.checked
        checkedBytes += other.checkedBytes
        damaged += other.damaged
        unknownHash += other.unknownHash
    }
}

extension Blockstore {
    /// Hashes every stored block and quarantines those that do not match.
    ///
    /// `progress` gets the report so far, every few megabytes, and may throw to stop. What was quarantined
    /// before is not part of the report: see `quarantined()`.
    package func verify(progress: (VerifyReport) throws -> Void = { _ in }) throws -> VerifyReport {
        try sync()
        var report = VerifyReport()
        var cursor: BlockCursor? = BlockCursor()
        while let place = cursor {
            let step = try scrubStep(from: place, budget: 16 << 20)
            report.add(step.report)
            cursor = step.next
            try progress(report)
        }
        return report
    }

    /// Hashes the next blocks, in key order, until about `budget` bytes were read.
    ///
    /// Call it from time to time with the cursor it gave; `next` is `nil` after the last block.
    package func scrubStep(from cursor: BlockCursor, budget: Int) throws(RepositoryError) -> (
        report: VerifyReport, next: BlockCursor?
    ) {
        var report = VerifyReport()
        var rows: [(key: [UInt8], row: IndexRow)] = []
        var bytes = 0
        var place = cursor.key
        var ended = false
        while bytes < budget, rows.count < 16_384 {
            let page = try index.rows(after: place, limit: 256)
            guard let last = page.last else {
                ended = true
                break
            }
            rows += page
            place = last.key
            bytes += page.reduce(0) { $0 + $1.row.location.length }
        }
        // In the order of the disk.
        rows.sort { ($0.row.location.pack, $0.row.location.offset) < ($1.row.location.pack, $1.row.location.offset) }
        for (key, row) in rows {
            guard let multihash = try? Multihash(key) else { continue }
            report.add(try check(multihash, at: row.location))
        }
        return (report, ended ? nil : BlockCursor(key: place))
    }

    private func check(_ multihash: Multihash, at location: Location) throws(RepositoryError) -> VerifyReport {
        var report = VerifyReport()
        guard let data = try read(multihash) else {
            // Either damaged, and now quarantined, or deleted since the page was read.
            if try quarantined().contains(where: { $0.cid.multihash == multihash }) {
                report.checked = 1
                report.damaged = [CID(codec: .raw, multihash: multihash)]
            }
            return report
        }
        report.checked = 1
        report.checkedBytes = data.readableBytes
        switch BlockHash.matches(data, multihash) {
        case true?: break
        case nil: report.unknownHash = 1
        case false?:
            guard let now = try locate(multihash, multihash.bytes) else { return report }
            try quarantine(multihash, at: now, reason: "its bytes do not hash to its CID")
            report.damaged = [CID(codec: .raw, multihash: multihash)]
        }
        return report
    }
}
