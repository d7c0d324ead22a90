import Catalog
import GRDB
import Multiformats
import SansIO
import Testing

@Suite("The log with the view") struct LogAndViewTests {
    @Test("The view that the log keeps in step is that of what counts, merged at once", arguments: 40...44)
    func inStep(seed: UInt64) throws {
        let history = try RandomHistory(seed: seed, authors: 4, updates: 120)
        let obvious = ObviousRights(history.updates)
        let fresh = try CatalogDatabase(path: ":memory:")
        let expected = try fresh.write { database in
            _ = try CatalogView.prepare(database)
            try CatalogView().apply(history.updates.filter { obvious.counts($0) }, in: database)
            return try ViewFingerprint.of(database)
        }
        var luck = SeededGenerator(seed: seed)
        let database = try CatalogDatabase(path: ":memory:")
        let log = try UpdateLog(database, sink: CatalogView())
        try log.refill(preparing: { try CatalogView.prepare($0) })
        var left = history.updates.map { VerifiedUpdate($0.block) }.shuffled(using: &luck)
        for _ in 0..<50 where !left.isEmpty {
            var next: [VerifiedUpdate] = []
            for item in left {
                let report = try log.store([item], from: .pull, now: 0)
                if report.results[0].result == .ignored(.missingAncestors) { next.append(item) }
                if case .held = report.results[0].result { next.append(item) }
            }
            left = next
        }
        let found = try database.read { try ViewFingerprint.of($0) }
        #expect(found == expected, "seed \(seed)")
    }
}
