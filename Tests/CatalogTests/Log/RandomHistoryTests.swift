import Catalog
import GRDB
import Multiformats
import PeerCrypto
import SansIO
import Synchronization
import Testing

/// Remembers what counts, as the view would.
final class RecordingSink: UpdateSink {
    private let state = Mutex<[AuthorID: Set<UpdateID>]>([:])

    var owners: [AuthorID: Set<UpdateID>] { state.withLock { $0.filter { !$0.value.isEmpty } } }

    func apply(_ updates: [Update], in database: Database) throws {
        state.withLock { state in
            for update in updates { state[update.subject, default: []].insert(update.id) }
        }
    }

    func remake(
        _ owner: AuthorID, from updates: ((Update) throws -> Void) throws -> Void, in database: Database
    ) throws {
        var all: Set<UpdateID> = []
        try updates { all.insert($0.id) }
        state.withLock { $0[owner] = all }
    }
}

@Suite("Random histories") struct RandomHistoryTests {
    @Test("Any order of arrival gives the same log, which is the obvious one", arguments: 1...12)
    func ordersAgree(seed: UInt64) throws {
        let history = try RandomHistory(seed: seed, authors: 4, updates: 120)
        let obvious = ObviousRights(history.updates)
        let batch = history.updates.map { VerifiedUpdate($0.block) }
        var luck = SeededGenerator(seed: seed)
        for round in 0..<3 {
            let sink = RecordingSink()
            let log = try UpdateLog(CatalogDatabase(path: ":memory:"), sink: sink)
            try deliver(batch, to: log, &luck)
            for update in history.updates {
                let entry = try log.entry(update.id)
                #expect(
                    entry?.counts == obvious.counts(update),
                    "seed \(seed), round \(round): \(update.kind) \(update.id) acting \(update.header.acting != nil)")
                #expect(entry?.update == update)
            }
            for author in history.authors {
                let summary = try log.author(author.id)
                #expect(summary?.heads == obvious.heads(of: author.id), "seed \(seed), round \(round)")
                #expect(summary?.isEquivocated == (obvious.heads(of: author.id).count > 1))
            }
            var expected: [AuthorID: Set<UpdateID>] = [:]
            for update in history.updates where obvious.counts(update) {
                expected[update.subject, default: []].insert(update.id)
            }
            #expect(sink.owners == expected, "seed \(seed), round \(round)")
            var ids: [UpdateID] = []
            try log.forEachID { ids.append($1) }
            #expect(ids == history.updates.map(\.id).sorted())
        }
    }

    /// Delivers everything in batches of any size, in any order, some of it twice, until nothing is left to come:
    /// what does not find its ancestors within the limits comes again, as it does with pulls.
    private func deliver(_ batch: [VerifiedUpdate], to log: UpdateLog, _ luck: inout SeededGenerator) throws {
        var left = batch.shuffled(using: &luck)
        var rounds = 0
        while !left.isEmpty, rounds < 50 {
            rounds += 1
            var next: [VerifiedUpdate] = []
            var open = left[...]
            while !open.isEmpty {
                let part = Array(open.prefix(Int.random(in: 1...20, using: &luck)))
                open = open.dropFirst(part.count)
                let twice = part + part.prefix(2)
                let report = try log.store(twice, from: .pull, now: 1_000)
                for (item, outcome) in zip(twice, report.results) {
                    switch outcome.result {
                    case .accepted, .known: break
                    case .held, .ignored(.missingAncestors): next.append(item)
                    default: Issue.record("\(outcome.result)")
                    }
                }
            }
            left = next.shuffled(using: &luck)
        }
        #expect(left.isEmpty)
    }

    @Test("One bit flipped anywhere, and nothing is accepted") func flippedBits() throws {
        let history = try RandomHistory(seed: 77, authors: 3, updates: 60)
        let log = try UpdateLog(CatalogDatabase(path: ":memory:"))
        _ = try log.store(history.updates.map { VerifiedUpdate($0.block) }, from: .pull, now: 0)
        let before = try log.totals()
        var luck = SeededGenerator(seed: 5)
        var wrong: [VerifiedUpdate] = []
        for update in history.updates {
            for _ in 0..<40 {
                var block = update.block
                block[Int.random(in: 0..<block.count, using: &luck)] ^= 1 << UInt8.random(in: 0..<8, using: &luck)
                wrong.append(VerifiedUpdate(block))
            }
        }
        let report = try log.store(wrong, from: .pull, now: 0)
        for (_, result) in report.results {
            guard case .rejected = result else {
                Issue.record("\(result)")
                continue
            }
        }
        #expect(try log.totals() == before)
    }
}
