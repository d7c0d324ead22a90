import Catalog
import Foundation
import Multiformats
import PeerCrypto
import SansIO

/// Questions to a view of many updates: of each kind many, each timed, and the slowest of a hundred told.
///
/// The updates are made up and not signed, since the view takes what the log has verified. Authors and content are
/// liked by a power law, as in life: a few have nearly everything.
final class CatalogQueryBench {
    private static let authors = 10_000
    private static let rounds = 100
    private static let goal = 20.0

    private let path: String
    private let count: Int
    private var luck = SeededGenerator(seed: 7)
    private var words: [String] = []
    private var ids: [AuthorID] = []
    private var contents: [EntityRef] = []
    private var time: UInt64 = 1_755_000_000_000

    init(folder: String, count: Int) {
        path = folder + "/queries.sqlite"
        self.count = count
        words = (0..<3_000).map { _ in
            String((0..<3 + below(7)).map { _ in Character(UnicodeScalar(UInt8(97 + below(26)))) })
        }
        ids = (0..<Self.authors).map { number in
            AuthorID(
                Digest32(ContentHash.sha256(Array("author \(number)".utf8)).digest) ?? Digest32(words: (0, 0, 0, 0)))
        }
    }

    func run(into table: inout ResultTable) throws {
        let database = try CatalogDatabase(path: path)
        try CatalogView.open(database)
        let filling = try Scratch.seconds { try fill(database) }
        table.note("made-up updates merged into a view", String(format: "%.0f a second", Double(count) / filling))
        let now = time
        let ranking = try Scratch.seconds {
            try Trending.refresh(reader: database.writer, writer: database.writer, now: now)
        }
        table.note("- rankings of all of them, in the background", String(format: "%.1f s", ranking))
        let reader = CatalogReader(database.writer)
        try searches(reader, into: &table)
        try feeds(reader, into: &table)
        try rankings(reader, into: &table)
        try pages(reader, into: &table)
        try database.close()
    }

    private func below(_ bound: Int) -> Int { Int(luck.next() % UInt64(max(1, bound))) }

    /// Small numbers mostly.
    private func few(_ bound: Int) -> Int {
        let share = Double(below(1_000_000)) / 1_000_000
        return Int(share * share * share * Double(bound))
    }

    private func word() -> String { words[below(words.count)] }

    // MARK: Filling

    private func fill(_ database: CatalogDatabase) throws {
        var batch: [CountedUpdate] = []
        for number in 0..<count {
            time += 60_000
            let author = number < Self.authors ? number : few(Self.authors)
            let digest = Digest32(words: (luck.next(), luck.next(), luck.next(), luck.next()))
            batch.append(
                CountedUpdate(
                    stamp: Stamp(time: time, id: digest), owner: ids[author], author: ids[author],
                    body: number < Self.authors ? profile(number) : body(number, of: author)))
            if batch.count == 1_000 || number == count - 1 {
                try database.write { try CatalogView.apply(batch, in: $0) }
                batch.removeAll(keepingCapacity: true)
            }
        }
    }

    private func profile(_ number: Int) -> UpdateBody {
        var body = ProfileBody()
        body.handle = .set("h\(number)")
        body.name = .set("\(word()) \(word())")
        return .profile(body)
    }

    private func body(_ number: Int, of author: Int) -> UpdateBody {
        let kind = below(10)
        if contents.isEmpty || kind < 2 {
            var body = ContentBody(id: "c\(number)")
            body.title = .set("\(word()) \(word()) love \(below(2) == 0 ? word() : "")")
            body.genre = .set("genre\(below(20))")
            body.tags = .set([word()])
            contents.append(EntityRef(ids[author], body.id))
            return .content(body)
        }
        let content = contents[few(contents.count)]
        switch kind {
        case 2, 3, 4:
            let other = few(Self.authors)
            return .edge(EdgeBody(.follow, .author(ids[other == author ? (author + 1) % Self.authors : other])))
        case 5, 6: return .edge(EdgeBody(.save, .content(content)))
        case 7: return .edge(EdgeBody(.repost, .content(content)))
        case 8: return .plays(PlaysBody([.init(content, day: time / 86_400_000, count: UInt64(1 + below(20)))]))
        default: return .comment(CommentBody(id: "k\(number)", on: content, text: "what somebody thinks of it"))
        }
    }

    // MARK: Asking

    private let page = PageRequest(limit: 25)
    private var viewer: Viewer { Viewer(user(0), showsFollowees: true) }
    private func user(_ number: Int) -> EntityID { EntityID(.author, ids[number % ids.count]) }
    private func content(_ number: Int) -> EntityID {
        let content = contents[number * 7 % contents.count]
        return EntityID(.content, content.author, content.id)
    }

    private func measure(_ name: String, _ questions: [(Int) throws -> Void], into table: inout ResultTable) throws {
        var times: [Double] = []
        for question in questions {
            for round in 0..<Self.rounds { times.append(try Scratch.seconds { try question(round) } * 1e3) }
        }
        table.note("\(name) of \(count) updates, median", String(format: "%.2f ms", Scratch.median(times)))
        table.atMost("- p99", Scratch.percentile(times, 0.99), Self.goal, unit: "ms")
    }

    private func searches(_ reader: CatalogReader, into table: inout ResultTable) throws {
        let (page, viewer, words) = (page, viewer, words)
        try measure(
            "searches",
            [
                { _ in _ = try reader.searchContents("love", page, viewer: viewer) },
                { _ = try reader.searchContents(words[$0], page, viewer: viewer) },
                { _ = try reader.searchContents("\(words[$0]) \(words[$0 + 1])", page, viewer: viewer) },
                { _ in _ = try reader.searchContents("lo", page, viewer: viewer) },
                { _ = try reader.searchUsers(words[$0], page, viewer: viewer) },
                { _ = try reader.search(words[$0], PageRequest(limit: 5), viewer: viewer) },
            ], into: &table)
    }

    private func feeds(_ reader: CatalogReader, into table: inout ResultTable) throws {
        let (page, now) = (page, time)
        try measure(
            "feeds, first and second pages",
            [
                { [self] in _ = try reader.feed(of: user($0), now: now, page, viewer: Viewer(user($0))) },
                { [self] in
                    let first = try reader.feed(of: user($0), now: now, PageRequest(limit: 5))
                    _ = try reader.feed(of: user($0), now: now, PageRequest(limit: 20, cursor: first.next))
                },
            ], into: &table)
    }

    private func rankings(_ reader: CatalogReader, into table: inout ResultTable) throws {
        let (page, viewer, now) = (page, viewer, time)
        try measure(
            "trending and other rankings",
            [
                { _ in _ = try reader.trending(.week, page, viewer: viewer) },
                {
                    let filter = ContentFilter(genres: ["genre\($0 % 20)"])
                    _ = try reader.trending(.month, filter: filter, page, viewer: viewer)
                },
                { _ in _ = try reader.recommended(page, viewer: viewer) },
                { _ in _ = try reader.mostLoved(page, viewer: viewer) },
                { [self] in _ = try reader.bestNewReleases(now: now, page, viewer: Viewer(user($0))) },
                { _ in _ = try reader.underTheRadar(now: now, page, viewer: viewer) },
                { _ in _ = try reader.topUsers(page, viewer: viewer) },
            ], into: &table)
    }

    private func pages(_ reader: CatalogReader, into table: inout ResultTable) throws {
        let (page, viewer, now) = (page, viewer, time)
        try measure(
            "pages of users, content and lists",
            [
                { [self] in _ = try reader.user(user($0), viewer: viewer) },
                { [self] in _ = try reader.content(content($0), viewer: viewer) },
                { [self] in _ = try reader.contents(by: user($0), page, viewer: viewer) },
                { [self] in _ = try reader.contents(by: user($0), order: .plays, page, viewer: viewer) },
                { [self] in _ = try reader.followers(user($0), page, viewer: viewer) },
                { [self] in _ = try reader.related(to: user($0), page, viewer: viewer) },
                { [self] in _ = try reader.favorites(by: user($0), page, viewer: viewer) },
                { [self] in _ = try reader.history(user($0), page, viewer: viewer) },
                { [self] in _ = try reader.comments(on: content($0), page, viewer: viewer) },
                { _ in _ = try reader.latest(now: now, page, viewer: viewer) },
                {
                    let filter = ContentFilter(genres: ["genre\($0 % 20)", "genre3"])
                    _ = try reader.latest(filter: filter, now: now, page, viewer: viewer)
                },
                { _ = try reader.resolve("/h\($0)", viewer: viewer) },
            ], into: &table)
    }
}
