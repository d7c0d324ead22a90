import Catalog
import Foundation
import GRDB
import Testing

@Suite struct TrendingTests {
    private static let day: UInt64 = 86_400_000

    /// Authors 1 and 2 have three followers each; 3 has two; fans are 10 to 12.
    private func catalog() throws -> ViewFixture {
        var catalog = try ViewFixture()
        for number in [1, 2, 3, 10, 11, 12] { try catalog.join(number, "user\(number)") }
        for fan in [10, 11, 12] {
            try catalog.follow(fan, 1)
            try catalog.follow(fan, 2)
            if fan != 12 { try catalog.follow(fan, 3) }
        }
        // One follower gives fan 10 karma 1, two give fan 11 karma 2; fan 12 has none.
        try catalog.follow(11, 10)
        try catalog.follow(10, 11)
        try catalog.follow(12, 11)
        return catalog
    }

    private func refresh(_ catalog: ViewFixture, now: UInt64, _ weights: TrendingWeights = .plain) throws {
        let writer = catalog.database.writer
        try Trending.refresh(reader: writer, writer: writer, now: now, weights: weights)
    }

    private func order(_ catalog: ViewFixture, _ span: Span = .week, _ filter: ContentFilter = .init()) throws
        -> [String]
    {
        try catalog.reader.trending(span, filter: filter, PageRequest(limit: 50)).rows.map(\.entity.id)
    }

    private func scores(_ catalog: ViewFixture, _ span: Span) throws -> [String: Double] {
        try catalog.database.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT CAST(e.name AS TEXT) AS name, t.score AS score FROM trending t JOIN entities e USING (key)
                        WHERE t.kind = 1 AND t.span = \(span.rawValue)
                    """)
            return Dictionary(rows.map { ($0["name"], $0["score"]) }, uniquingKeysWith: { first, _ in first })
        }
    }

    @Test("Scores are what the formula says")
    func formula() throws {
        var catalog = try catalog()
        let now = ViewFixture.start + 20 * Self.day
        let today = now / Self.day
        try catalog.publish(1, "new", "New", genre: "Jazz", at: now - Self.day)
        try catalog.publish(2, "old", "Old", genre: "Rock", at: now - 10 * Self.day)
        try catalog.publish(3, "small", "Small owner", at: now - Self.day)
        // new: 5 plays, reposted by 10 this week, saved by 10 and 11, of which 11 long ago.
        try catalog.add(12, .plays(PlaysBody([.init(ViewFixture.ref(1, "new"), day: today, count: 5)])))
        try catalog.repost(10, 1, "new", at: now - 1_000)
        try catalog.save(10, 1, "new", at: now - 1_000)
        try catalog.save(11, 1, "new", at: now - 9 * Self.day)
        // old: 100 plays this week, 1,000 before; reposted by 11 this week.
        try catalog.add(
            12,
            .plays(
                PlaysBody([
                    .init(ViewFixture.ref(2, "old"), day: today - 1, count: 100),
                    .init(ViewFixture.ref(2, "old"), day: today - 9, count: 1_000),
                    .init(ViewFixture.ref(2, "old"), day: today + 5, count: 77_777),
                ])))
        try catalog.repost(11, 2, "old", at: now - 1_000)
        try catalog.repost(11, 3, "small", at: now - 1_000)
        try refresh(catalog, now: now)
        let week = try scores(catalog, .week)
        // (5 + 50 + 1 + 0.25 + 0.02) x (1 + 2)
        #expect(abs((week["new"] ?? 0) - 56.27 * 3) < 1e-9)
        // (100 + 50 + 0.25) x 2 x 1e5^(1 - 10/7)
        #expect(abs((week["old"] ?? 0) - 150.25 * 2 * pow(1e5, 1 - 10.0 / 7)) < 1e-9)
        #expect(week["small"] == 0)
        let month = try scores(catalog, .month)
        #expect(abs((month["new"] ?? 0) - (5 + 50 + 2 + 0.25 + 0.02) * 3) < 1e-9)
        #expect(abs((month["old"] ?? 0) - 1_150.25 * 2) < 1e-9)
        #expect(try order(catalog) == ["new", "old", "small"])
        #expect(try order(catalog, .month) == ["old", "new", "small"])
        #expect(try order(catalog, .allTime) == ["old", "new", "small"])
        #expect(try order(catalog, .month, ContentFilter(genres: ["jazz"])) == ["new"])
        #expect(try catalog.database.read { try Trending.time(in: $0) } == now)
        let viewer = Viewer(ViewFixture.id(11))
        #expect(try catalog.reader.recommended(PageRequest(), viewer: viewer).rows.isEmpty)
        let fresh = try catalog.reader.recommended(
            excluding: [ViewFixture.content(1, "new")], PageRequest(), viewer: Viewer(ViewFixture.id(12)))
        #expect(fresh.rows.map(\.entity.id) == ["old", "small"])
    }

    @Test("Deeds of strangers weigh little on a node whose authors follow somebody")
    func weights() throws {
        var catalog = try catalog()
        let now = catalog.now
        try catalog.publish(1, "a", "By strangers")
        try catalog.publish(2, "b", "By friends")
        for number in 20..<40 {
            try catalog.join(number, "bot\(number)")
            try catalog.repost(number, 1, "a")
            for other in 20..<24 where other != number { try catalog.follow(number, other) }
        }
        try catalog.repost(11, 2, "b")
        let own = TrendingWeights(own: [ViewFixture.id(1)])
        try refresh(catalog, now: now, own)
        // 1 follows nobody yet: the plain formula.
        #expect(try order(catalog).first == "a")
        try catalog.follow(1, 11)
        try refresh(catalog, now: now, own)
        #expect(try order(catalog).first == "b")
        try refresh(catalog, now: now)
        #expect(try order(catalog).first == "a")
    }

    @Test("Rankings page without doubles, show only what is listed, and stay until they are refreshed")
    func pages() throws {
        var catalog = try catalog()
        for number in 0..<30 {
            try catalog.publish(1, "c\(number)", "T", genre: number % 2 == 0 ? "Even" : "Odd")
            if number % 3 == 0 { try catalog.repost(10, 1, "c\(number)") }
        }
        let list = try catalog.makeList(1, "l", "List")
        try catalog.add(10, .edge(EdgeBody(.repost, .list(ViewFixture.ref(1, "l")))))
        #expect(try order(catalog).isEmpty)
        try refresh(catalog, now: catalog.now)
        let reader = catalog.reader
        for limit in [1, 7, 30] {
            let rows = try UserQueryTests.all(limit: limit) { try reader.trending(.week, $0) }
            #expect(rows.count == 30 && Set(rows.map(\.id)).count == 30)
            #expect(rows.prefix(10).allSatisfy { $0.counts.reposts == 1 })
        }
        #expect(try order(catalog, .week, ContentFilter(genres: ["odd"])).count == 15)
        #expect(try reader.trendingLists(.week, PageRequest()).rows.map(\.id) == [list])
        #expect(try reader.trendingLists(.week, albums: true, PageRequest()).rows.isEmpty)
        try catalog.add(1, .contentDelete(DeleteBody(id: "c0")))
        #expect(try order(catalog).count == 29)
        #expect(try !order(catalog).contains("c0"))
    }

    @Test("Most loved, best new and what few have found")
    func suggestions() throws {
        var catalog = try catalog()
        let now = ViewFixture.start + 100 * Self.day
        try catalog.publish(1, "loved", "T", at: now - 90 * Self.day)
        try catalog.publish(1, "new", "T", at: now - 2 * Self.day)
        try catalog.publish(2, "newer", "T", at: now - Self.day)
        try catalog.publish(3, "quiet", "T", at: now - 3 * Self.day)
        for fan in [10, 11, 12] {
            try catalog.save(fan, 1, "loved")
            try catalog.repost(fan, 1, "loved")
        }
        try catalog.save(10, 1, "new")
        let reader = catalog.reader
        for limit in [1, 10] {
            let loved = try UserQueryTests.all(limit: limit) { try reader.mostLoved($0) }
            #expect(loved.map(\.entity.id) == ["loved", "new"])
            let best = try UserQueryTests.all(limit: limit) { try reader.bestNewReleases(now: now, $0) }
            #expect(best.map(\.entity.id) == ["new", "newer", "quiet"])
            let quiet = try UserQueryTests.all(limit: limit) { try reader.underTheRadar(now: now, $0) }
            #expect(quiet.map(\.entity.id) == ["newer", "new", "quiet"])
        }
        // 12 follows 1 and 2 but not 3.
        let viewer = Viewer(ViewFixture.id(12))
        let best = try reader.bestNewReleases(now: now, PageRequest(), viewer: viewer).rows
        #expect(best.map(\.entity.id) == ["new", "newer"])
        let own = try reader.underTheRadar(now: now, PageRequest(), viewer: Viewer(ViewFixture.id(3))).rows
        #expect(own.map(\.entity.id) == ["newer", "new"])
        try catalog.add(12, .plays(PlaysBody([.init(ViewFixture.ref(2, "newer"), day: 20_000, count: 251)])))
        #expect(try reader.underTheRadar(now: now, PageRequest()).rows.map(\.entity.id) == ["new", "quiet"])
    }
}
