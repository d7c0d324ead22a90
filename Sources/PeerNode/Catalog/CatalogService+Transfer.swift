import Catalog

extension CatalogService {
    /// Writes all updates that are held to a file, which appears when it is complete; gives how many they are.
    package func export(to path: String) async throws -> Int {
        let store = store
        let keys = try await store.keys()
        return try await plane.blocking { try CatalogFile.write(keys, of: store, to: path) }
    }

    /// Takes in the updates of a file that `export` wrote, each verified.
    ///
    /// Throws `CatalogServiceError.notAnExport` for another file, and `damagedExport` when its end is missing or
    /// wrong; what came before that stays.
    package func `import`(from path: String) async throws -> CatalogImportReport {
        let store = store
        var report = CatalogImportReport()
        let file = try await plane.blocking { try CatalogFile.Reader(path) }
        while true {
            let read = report.read
            guard let batch = try await plane.blocking({ try file.next(after: read) }) else { break }
            report.read += batch.count
            report.add(try await store.ingest(batch, from: .pull))
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
            case .held: missingAncestors += 1
            case .ignored: missingAncestors += 1
            case .rejected: rejected += 1
            }
        }
        // What waited in an earlier batch has been counted as missing there.
        missingAncestors -= min(missingAncestors, report.released.count)
    }
}
