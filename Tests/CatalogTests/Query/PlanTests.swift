import Catalog
import GRDB
import Multiformats
import PeerCrypto
import Synchronization
import Testing

/// How SQLite answers the queries. Its plans depend on the tables and not on what is in them, so a small catalog
/// shows what a large one does.
@Suite struct PlanTests {
    /// Keeps every statement that a connection runs.
    private final class Recorder: Sendable {
        private let statements = Mutex<Set<String>>([])
        func add(_ sql: String) { statements.withLock { _ = $0.insert(sql) } }
        var all: [String] { statements.withLock { $0.sorted() } }
    }

    /// A catalog in which every query finds something.
    private func catalog() throws -> ViewFixture {
        var catalog = try ViewFixture()
        for number in 1...5 { try catalog.join(number, "user\(number)", name: "Love \(number)") }
        for number in 1...4 {
            try catalog.publish(number, "c\(number)", "Love song", genre: "G\(number % 2)", tags: ["x"])
        }
        try catalog.publish(2, "r", "Love remix") { $0.remixOf = .set(ViewFixture.ref(1, "c1")) }
        _ = try catalog.makeList(1, "l", "Love list")
        _ = try catalog.makeList(1, "m", "Love album", isAlbum: true)
        try catalog.addItem(1, "l", ViewFixture.ref(2, "c2"), [1])
        for fan in 2...5 {
            try catalog.follow(fan, 1)
            try catalog.follow(1, fan)
            try catalog.save(fan, 1, "c1")
            try catalog.repost(fan, 1, "c1")
            try catalog.add(fan, .edge(EdgeBody(.save, .list(ViewFixture.ref(1, "l")))))
        }
        try catalog.add(2, .plays(PlaysBody([.init(ViewFixture.ref(1, "c1"), day: 20_513, count: 3)])))
        try catalog.add(2, .comment(CommentBody(id: "k", on: ViewFixture.ref(1, "c1"), text: "good")))
        try catalog.add(3, .label(LabelBody(.content(ViewFixture.ref(1, "c1")), label: "nsfw")))
        try Trending.refresh(reader: catalog.database.writer, writer: catalog.database.writer, now: catalog.now)
        return catalog
    }

    private func askEverything(_ catalog: ViewFixture) throws {
        let (reader, now, one) = (catalog.reader, catalog.now, ViewFixture.id(1))
        let song = ViewFixture.content(1, "c1")
        let list = ViewFixture.list(1, "l")
        let filters = [
            ContentFilter(), ContentFilter(genres: ["g1"]), ContentFilter(genres: ["g0", "g1"]),
            ContentFilter(onlyDownloadable: true),
        ]
        for viewer in [nil, Viewer(one, showsFollowees: true)] {
            let page = PageRequest(limit: 1)
            _ = try reader.users([one], viewer: viewer)
            _ = try reader.contents([song], viewer: viewer)
            _ = try reader.lists([list], viewer: viewer)
            _ = try reader.topUsers(page, viewer: viewer)
            for query in ["love", "love song", "lo", "user1", "love user1", "x"] {
                _ = try reader.search(query, page, viewer: viewer)
            }
            for id in [one, ViewFixture.id(2)] {
                _ = try reader.followers(id, page, viewer: viewer)
                _ = try reader.following(id, page, viewer: viewer)
                _ = try reader.subscribers(id, page, viewer: viewer)
                _ = try reader.related(to: id, page, viewer: viewer)
                _ = try reader.reposts(by: id, page, viewer: viewer)
                for kind in [nil, EntityKind.content, .list] {
                    _ = try reader.favorites(by: id, kind: kind, page, viewer: viewer)
                }
                _ = try reader.history(id, page, viewer: viewer)
                for filter in FeedFilter.allCases {
                    let first = try reader.feed(of: id, filter: filter, now: now, page, viewer: viewer)
                    let next = PageRequest(limit: 1, cursor: first.next)
                    _ = try reader.feed(of: id, filter: filter, now: now, next, viewer: viewer)
                }
                for order in ContentOrder.allCases {
                    _ = try reader.contents(by: id, order: order, page, viewer: viewer)
                }
                for albums in [nil, true, false] { _ = try reader.lists(by: id, albums: albums, page, viewer: viewer) }
                _ = try reader.tags(id)
                _ = try reader.nodes(of: id, now: now)
            }
            for filter in filters {
                _ = try reader.latest(filter: filter, now: now, page, viewer: viewer)
                _ = try reader.trending(.week, filter: filter, page, viewer: viewer)
                _ = try reader.recommended(filter: filter, page, viewer: viewer)
                _ = try reader.mostLoved(filter: filter, page, viewer: viewer)
                _ = try reader.bestNewReleases(filter: filter, now: now, page, viewer: viewer)
                _ = try reader.underTheRadar(filter: filter, now: now, page, viewer: viewer)
                _ = try reader.contents(by: one, filter: filter, page, viewer: viewer)
                _ = try reader.searchContents("love", filter: filter, page, viewer: viewer)
            }
            for albums in [nil, true, false] {
                _ = try reader.latestLists(albums: albums, now: now, page, viewer: viewer)
                _ = try reader.trendingLists(.week, albums: albums, page, viewer: viewer)
                _ = try reader.searchLists("love", albums: albums, page, viewer: viewer)
            }
            _ = try reader.contents(ofList: list, page, viewer: viewer)
            _ = try reader.lists(with: ViewFixture.content(2, "c2"), viewer: viewer)
            _ = try reader.favorites(ofList: list, page, viewer: viewer)
            _ = try reader.reposts(ofList: list, page, viewer: viewer)
            _ = try reader.favorites(of: song, page, viewer: viewer)
            _ = try reader.reposts(of: song, page, viewer: viewer)
            _ = try reader.remixes(of: song, page, viewer: viewer)
            _ = try reader.remixed(by: ViewFixture.content(2, "r"), viewer: viewer)
            _ = try reader.comments(on: song, page, viewer: viewer)
            _ = try reader.contents(withMedia: ViewFixture.cid("1 c1"), viewer: viewer)
            for url in ["/user1", "/user1/love-song", "/user1/playlist/love-list", "/x~\(one.description.prefix(12))"] {
                _ = try reader.resolve(url, viewer: viewer)
            }
        }
        _ = try reader.nodes(now: now, PageRequest())
        _ = try reader.nodes([KeyPair(seed: [UInt8](repeating: 1, count: 32)).peerID], now: now)
        _ = try reader.labels(song)
    }

    @Test("No query reads a whole table, and lists by time stop with their page")
    func plans() throws {
        let catalog = try catalog()
        let recorder = Recorder()
        try catalog.database.write {
            $0.trace { event in if case .statement(let step) = event { recorder.add(step.sql) } }
        }
        try askEverything(catalog)
        try catalog.database.write { $0.trace(options: []) }
        let asked = recorder.all.filter { $0.hasPrefix("SELECT") }
        #expect(asked.count > 60)
        for sql in asked {
            let plan = try catalog.database.read { try Self.plan(of: sql, $0) }
            let inner = Set(
                plan.compactMap { line in
                    ["CO-ROUTINE ", "MATERIALIZE "].first { line.hasPrefix($0) }.map {
                        String(line.dropFirst($0.count))
                    }
                })
            for line in plan where line.hasPrefix("SCAN ") {
                let name = String(line.dropFirst(5).prefix { $0 != " " })
                let isNarrow =
                    line.contains("USING INDEX") || line.contains("USING COVERING INDEX")
                    || line.contains("VIRTUAL TABLE") || inner.contains(name) || line.contains("CONSTANT ROW")
                // The latest rows, for words too short for the index.
                let isBounded = sql.contains("ORDER BY key DESC LIMIT 2000")
                #expect(isNarrow || isBounded, "\(line) in \(sql)")
            }
            // What ends in a page of a list by time must come in its order.
            if sql.hasSuffix("LIMIT ? OFFSET ?") {
                #expect(!plan.contains { $0.hasPrefix("USE TEMP B-TREE") }, "\(plan) of \(sql)")
            }
        }
    }

    private static func plan(of sql: String, _ database: Database) throws -> [String] {
        let statement = try database.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
        statement.setUncheckedArguments(StatementArguments())
        return try Row.fetchAll(statement).map { $0["detail"] }
    }
}
