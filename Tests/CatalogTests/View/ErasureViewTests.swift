import Catalog
import GRDB
import Multiformats
import PeerCrypto
import SansIO
import Testing

/// What is erased from the log must be missed by nobody: a view made of what is left says the same.
@Suite struct ErasureViewTests {
    private static let day: UInt64 = 86_400_000

    private func log() throws -> UpdateLog {
        let database = try CatalogDatabase(path: ":memory:")
        try CatalogView.open(database)
        return try UpdateLog(database, sink: CatalogView())
    }

    private func fingerprint(_ log: UpdateLog) throws -> Multihash {
        try log.database.read { try ViewFingerprint.of($0) }
    }

    /// Erases whatever may go at that time, then makes the view anew; it must not change. Gives what was erased.
    private func eraseAndRebuild(_ log: UpdateLog, now: UInt64, _ what: String) throws -> Int {
        let before = try fingerprint(log)
        var (erased, start) = (0, Int64(0) as Int64?)
        while let from = start {
            let sweep = try log.sweep(from: from, authors: 2, now: now)
            erased += sweep.erased
            start = sweep.next
        }
        let after = try fingerprint(log)
        #expect(after == before, "\(what): erasing")
        try CatalogView.rebuild(log.database)
        let rebuilt = try fingerprint(log)
        #expect(rebuilt == before, "\(what): made anew after erasing")
        return erased
    }

    @Test(
        "A view made of what erasure has left is the one of before, with rights, forks and rotations",
        arguments: 60...67)
    func histories(seed: UInt64) throws {
        let history = try RandomHistory(seed: seed, authors: 4, updates: 160)
        var luck = SeededGenerator(seed: seed)
        let log = try log()
        var left = history.updates.map { VerifiedUpdate($0.block) }.shuffled(using: &luck)
        for _ in 0..<50 where !left.isEmpty {
            let report = try log.store(left, from: .pull, now: 1_000)
            left = zip(left, report.results).filter { _, outcome in
                switch outcome.result {
                case .held, .ignored: true
                default: false
                }
            }.map(\.0)
        }
        #expect(left.isEmpty)
        let erased = try eraseAndRebuild(log, now: 90 * Self.day, "seed \(seed)")
        #expect(erased > 0, "seed \(seed)")
        #expect(try eraseAndRebuild(log, now: 180 * Self.day, "seed \(seed), again") == 0)
    }

    @Test("Of a log of every kind of update, edited again and again, erasure leaves what the view is made of")
    func everyKind() throws {
        let log = try log()
        let key = UpdateLogTests.key
        let author = try log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000).author
        var now: UInt64 = 2_000
        @discardableResult func add(_ body: UpdateBody) throws -> UpdateID {
            now += 1_000
            return try log.publish(body, author: author, key: key, now: now).id
        }
        func list(_ name: String) -> UpdateBody {
            var body = ListBody(id: "l")
            (body.name, body.isAlbum) = (.set(name), .set(false))
            return .list(body)
        }
        func content(_ title: String, _ remix: String) -> UpdateBody {
            var body = ContentBody(id: "c")
            (body.title, body.remixOf) = (.set(title), .set(EntityRef(author, remix)))
            return .content(body)
        }
        let other = EntityRef(author, "other")
        // The item comes before its list.
        let tag = try add(.listItem(ListItemBody(list: "l", .add(EntityRef(author, "c"), ListPosition([1])!))))
        for round in 0..<3 {
            try add(list("List \(round)"))
            try add(content("Title \(round)", "r\(round)"))
            try add(.listItem(ListItemBody(list: "l", .move(tag: tag, ListPosition([UInt8(2 + round)])!))))
            try add(.comment(CommentBody(id: "k", on: other, text: "Text \(round)")))
            try add(.edge(EdgeBody(.save, .content(other), isOn: round != 1)))
            try add(UpdateLogTests.profile("name \(round)"))
            try add(.label(LabelBody(.content(other), label: "nsfw", isOn: round == 2)))
            try add(.plays(PlaysBody([.init(other, day: 20_000, count: UInt64(3 - round))])))
        }
        var gone = ContentBody(id: "gone")
        gone.title = .set("Gone")
        try add(.content(gone))
        try add(.contentDelete(DeleteBody(id: "gone")))
        // Of three edits each the middle one goes, and the first of what has no time of its own.
        let erased = try eraseAndRebuild(log, now: now + 40 * Self.day, "every kind")
        #expect(erased >= 8)
        let row = try #require(try CatalogReader(log.database.writer).list(EntityID(.list, author, "l")))
        #expect(row.created == 4_000 && row.name == "List 2")
    }
}
