import Catalog
import Foundation
import GRDB
import Multiformats
import PeerCrypto
import SansIO
import TestSupport
import Testing

/// The view as the log keeps it: with rights that come, go and change what counted.
@Suite struct LogViewTests {
    private func log(at path: String = ":memory:") throws -> UpdateLog {
        let database = try CatalogDatabase(path: path)
        try CatalogView.open(database)
        return try UpdateLog(database, sink: CatalogView())
    }

    private func fingerprint(_ log: UpdateLog) throws -> Multihash {
        try log.database.read { try ViewFingerprint.of($0) }
    }

    /// Delivers updates in any order, in batches of any size, until all have found their ancestors.
    private func deliver(_ updates: [Update], to log: UpdateLog, _ luck: inout SeededGenerator) throws {
        var left = updates.map { VerifiedUpdate($0.block) }.shuffled(using: &luck)
        for _ in 0..<50 where !left.isEmpty {
            var next: [VerifiedUpdate] = []
            while !left.isEmpty {
                let part = Array(left.prefix(Int.random(in: 1...25, using: &luck)))
                left.removeFirst(part.count)
                let report = try log.store(part, from: .pull, now: 1_000)
                for (item, outcome) in zip(part, report.results) {
                    switch outcome.result {
                    case .held, .ignored: next.append(item)
                    default: break
                    }
                }
            }
            left = next
        }
        #expect(left.isEmpty)
    }

    @Test(
        "Grants, revokes, rotations, forks and forgetting in any order give one view, the one of what counts",
        arguments: 1...8)
    func histories(seed: UInt64) throws {
        let history = try RandomHistory(seed: seed, authors: 4, updates: 120)
        let obvious = ObviousRights(history.updates)
        let counted = history.updates.filter { obvious.counts($0) }.compactMap(CountedUpdate.init)
        let expected = try ViewFixture()
        try expected.apply(counted)
        let wanted = try expected.fingerprint()
        var luck = SeededGenerator(seed: seed)
        for round in 0..<3 {
            let log = try log()
            try deliver(history.updates, to: log, &luck)
            let found = try fingerprint(log)
            #expect(found == wanted, "seed \(seed), round \(round)")
            try CatalogView.rebuild(log.database)
            let rebuilt = try fingerprint(log)
            #expect(rebuilt == wanted, "seed \(seed), round \(round), made anew from the log")
            for author in history.authors {
                let row = try CatalogReader(log.database.writer).user(author.id)
                #expect(row?.isEquivocated == (obvious.heads(of: author.id).count > 1), "seed \(seed)")
            }
        }
    }

    @Test("A view that was interrupted while it was filled is whole after the next start, and survives one")
    func interrupted() async throws {
        try await withTemporaryFolder { folder in
            let history = try RandomHistory(seed: 5, authors: 3, updates: 80)
            let path = folder.path + "/catalog.sqlite"
            var luck = SeededGenerator(seed: 5)
            let first = try log(at: path)
            try deliver(history.updates, to: first, &luck)
            let wanted = try fingerprint(first)
            // As if the process had died between the new tables and their contents.
            try first.database.write { try CatalogView.reset($0) }
            #expect(try fingerprint(first) != wanted)
            try first.database.close()
            let second = try log(at: path)
            #expect(try fingerprint(second) == wanted)
            try second.database.close()
            let third = try log(at: path)
            #expect(try fingerprint(third) == wanted)
            try third.database.close()
        }
    }

    @Test("Readers of a file see the last commit while the writer is in the middle of the next")
    func readersDoNotWait() async throws {
        try await withTemporaryFolder { folder in
            let database = try CatalogDatabase(path: folder.path + "/catalog.sqlite")
            try CatalogView.open(database)
            let reader = CatalogReader(database.writer)
            let author = ViewFixture.author(1)
            func profile(_ name: String, _ time: UInt64) -> CountedUpdate {
                var body = ProfileBody()
                body.name = .set(name)
                return CountedUpdate(
                    stamp: Stamp(time: time, id: ViewFixture.digest(name)), owner: author, author: author,
                    body: .profile(body))
            }
            try database.write { try CatalogView.apply([profile("before", 1)], in: $0) }
            try database.write { writer in
                try CatalogView.apply([profile("after", 2)], in: writer)
                let seen = try reader.user(author)
                #expect(seen?.name == "before")
            }
            #expect(try reader.user(author)?.name == "after")
            try database.close()
        }
    }
}
