import Catalog
import Foundation
import NIOCore

// The whole catalog in a file: see `UpdateArchive` for its bytes.
extension CatalogService {
    /// Bytes of a file that are read at once.
    private static let piece = 1 << 20

    /// Writes all updates that are held to a file, which appears under its name when it is complete and on the disk;
    /// gives its length in bytes.
    @discardableResult
    package func export(to path: String) async throws -> Int {
        let store = store
        return try await plane.blocking {
            let temporary = path + ".part"
            guard FileManager.default.createFile(atPath: temporary, contents: nil),
                let file = FileHandle(forWritingAtPath: temporary)
            else { throw CatalogServiceError.cannotWrite(path) }
            do {
                var length = 0
                try store.log.export { piece in
                    try file.write(contentsOf: piece)
                    length += piece.count
                }
                try file.synchronize()
                try file.close()
                guard unsafe rename(temporary, path) == 0 else { throw CatalogServiceError.cannotWrite(path) }
                return length
            } catch {
                try? file.close()
                try? FileManager.default.removeItem(atPath: temporary)
                throw error
            }
        }
    }

    /// Takes in the updates of a file that `export` wrote here or elsewhere, each verified.
    ///
    /// Throws `CatalogServiceError.notAnExport` for another file, and `damagedExport` when it ends within an update
    /// or was changed; what came before that stays.
    package func `import`(from path: String) async throws -> CatalogImportReport {
        guard let file = FileHandle(forReadingAtPath: path) else { throw CatalogServiceError.cannotRead(path) }
        defer { try? file.close() }
        var report = CatalogImportReport()
        var reader = UpdateArchive.Reader()
        do {
            while let data = try await plane.blocking({ try file.read(upToCount: Self.piece) }), !data.isEmpty {
                let blocks = try reader.receive(ByteBuffer(bytes: data))
                report.read += blocks.count
                // Small transactions, so that others can write in between.
                for start in stride(from: 0, to: blocks.count, by: 1_024) {
                    let some = Array(blocks[start..<min(start + 1_024, blocks.count)])
                    report.add(try await store.ingest(some, from: .pull))
                }
            }
            try reader.finish()
        } catch UpdateArchiveError.otherFormat {
            throw CatalogServiceError.notAnExport(path)
        } catch is UpdateArchiveError {
            throw CatalogServiceError.damagedExport(path, imported: report.accepted)
        }
        askForMissing()
        return report
    }
}

extension CatalogImportReport {
    fileprivate mutating func add(_ report: IngestReport) {
        for result in report.results.map(\.result) + report.released.map(\.result) {
            switch result {
            case .accepted: accepted += 1
            case .notHeld: notHeld += 1
            case .completed: completed += 1
            case .known: known += 1
            case .held, .ignored: missingAncestors += 1
            case .rejected: rejected += 1
            }
        }
        // What waited has been counted as missing when it came.
        missingAncestors -= min(missingAncestors, report.released.count)
    }
}
