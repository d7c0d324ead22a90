import Catalog
import GRDB
import Multiformats
import SansIO
import Testing

/// Queries that stop early and go by indexes, against ones that look at everything.
@Suite struct ObviousQueryTests {
    private static let seeds: [UInt64] = [11, 12, 13, 14]
    private static let authors = 10
    private static let hidden = 8
    private static let day: UInt64 = 86_400_000
    private static let now = ViewFixture.start + 20 * day

    /// What the catalog holds, as one would write it down.
    private struct World {
        var catalog: ViewFixture
        let slow: SlowMerge
        /// The time of each edge's last update.
        var times: [SlowMerge.Edge: UInt64] = [:]

        func isShown(_ author: AuthorID) -> Bool {
            guard let profile = slow.profiles[author], profile["deactivated"] != .bool(true) else { return false }
            return author != ViewFixture.author(ObviousQueryTests.hidden)
        }

        /// Content that lists show, with the time when it was made.
        var listed: [EntityRef: UInt64] {
            var result: [EntityRef: UInt64] = [:]
            for (ref, fields) in slow.contents where fields["unlisted"] != .bool(true) && isShown(ref.author) {
                result[ref] = slow.created[SlowMerge.name("content", ref)]
            }
            return result
        }

        func love(_ ref: EntityRef) -> Int {
            slow.count("save", to: .content(ref)) + slow.count("repost", to: .content(ref))
        }

        func isOn(_ source: AuthorID, _ relation: String, _ target: Reference) -> Bool {
            slow.edges[SlowMerge.Edge(source: source, relation: relation, target: target)] == true
        }
    }

    private func world(_ seed: UInt64) throws -> World {
        var random = SeededGenerator(seed: seed)
        var catalog = try ViewFixture()
        let words = ["blue", "night", "river", "song", "train", "lovely"]
        for number in 0..<Self.authors { try catalog.join(number, "user\(number)", name: random.pick(words)) }
        var profile = ProfileBody()
        profile.deactivated = .set(true)
        try catalog.add(9, .profile(profile))
        for index in 0..<260 {
            let owner = random.below(Self.authors)
            let other = random.below(Self.authors)
            let name = "c\(random.below(9))"
            let time = Self.now - UInt64(random.below(60)) * Self.day - UInt64(random.below(3))
            switch random.below(10) {
            case 0, 1, 2, 3:
                let title = "\(random.pick(words)) \(random.pick(words)) \(index)"
                let (isUnlisted, isFree) = (random.oneIn(8), random.oneIn(2))
                try catalog.publish(owner, name, title, genre: "G\(random.below(5))", at: time) {
                    $0.unlisted = .set(isUnlisted)
                    $0.access = .set(.init(stream: true, download: isFree))
                }
            case 4: if random.oneIn(4) { try catalog.add(owner, .contentDelete(DeleteBody(id: name)), at: time) }
            case 5: try catalog.save(owner, other, name, isOn: !random.oneIn(4), at: time)
            case 6, 7: if owner != other { try catalog.repost(owner, other, name, isOn: !random.oneIn(4), at: time) }
            case 8: if owner != other { try catalog.follow(owner, other, isOn: !random.oneIn(5), at: time) }
            default:
                let row = PlaysBody.Row(
                    ViewFixture.ref(other, name), day: time / Self.day, count: UInt64(1 + random.below(300)))
                try catalog.add(owner, .plays(PlaysBody([row])), at: time)
            }
        }
        try catalog.database.write { try Hiding.block(ViewFixture.id(Self.hidden), reason: "test", in: $0) }
        var world = World(catalog: catalog, slow: SlowMerge(catalog.updates))
        for update in catalog.updates {
            guard case .edge(let body) = update.body else { continue }
            let edge = SlowMerge.Edge(source: update.owner, relation: body.relation.rawValue, target: body.target)
            world.times[edge] = max(world.times[edge] ?? 0, update.stamp.time)
        }
        return world
    }

    private func id(_ ref: EntityRef) -> EntityID { EntityID(.content, ref.author, ref.id) }

    /// Whether the rows are those that are expected, by falling `rank`, on pages of every size.
    private func check<Rank: Comparable>(
        _ expected: [EntityRef: Rank], _ what: String, _ query: (PageRequest) throws -> Page<ContentRow>
    ) throws {
        for limit in [1, 4, 500] {
            let rows = try UserQueryTests.all(limit: limit, query)
            #expect(Set(rows.map(\.entity)) == Set(expected.keys), "\(what), pages of \(limit)")
            #expect(rows.count == expected.count, "\(what), pages of \(limit): doubles")
            let ranks = rows.compactMap { expected[$0.entity] }
            #expect(ranks == ranks.sorted(by: >), "\(what), pages of \(limit): order")
        }
        let whole = try query(PageRequest(limit: 500)).rows.map(\.id)
        let some = try query(PageRequest(limit: 5, offset: 3)).rows.map(\.id)
        #expect(some == Array(whole.dropFirst(3).prefix(5)), "\(what) by offset")
    }

    private static let filters = [
        ContentFilter(), ContentFilter(genres: ["g1"]), ContentFilter(genres: ["G0", "g3", "G3", "none"]),
        ContentFilter(genres: ["G1", "g2"], onlyDownloadable: true),
    ]

    private func passes(_ world: World, _ ref: EntityRef, _ filter: ContentFilter) -> Bool {
        guard let fields = world.slow.contents[ref] else { return false }
        let wanted = filter.genres.map { $0.lowercased() }
        guard case .string(let genre) = fields["genre"] else { return wanted.isEmpty }
        let row = try? world.catalog.reader.content(id(ref))
        if filter.onlyDownloadable, row?.fields.access.download != true { return false }
        return wanted.isEmpty || wanted.contains(genre.lowercased())
    }

    @Test("Lists by time and by liking are what looking at everything gives", arguments: seeds)
    func lists(seed: UInt64) throws {
        let world = try world(seed)
        let (reader, now) = (world.catalog.reader, Self.now)
        let oldest = now - 30 * Self.day
        for filter in Self.filters {
            let listed = world.listed.filter { passes(world, $0.key, filter) }
            try check(listed, "seed \(seed), latest of \(filter)") { try reader.latest(filter: filter, now: now, $0) }
            let loved = listed.keys.reduce(into: [EntityRef: Int]()) { $0[$1] = world.love($1) }.filter { $0.value > 0 }
            try check(loved, "seed \(seed), most loved of \(filter)") { try reader.mostLoved(filter: filter, $0) }
            let new = listed.filter { $0.value > oldest }
            let best = new.keys.reduce(into: [EntityRef: Int]()) { $0[$1] = world.love($1) }
            try check(best, "seed \(seed), best new of \(filter)") {
                try reader.bestNewReleases(filter: filter, now: now, $0)
            }
            for number in 0..<4 {
                let (author, viewer) = (ViewFixture.author(number), Viewer(ViewFixture.id(number)))
                let followed = best.filter { world.isOn(author, "follow", .author($0.key.author)) }
                try check(followed, "seed \(seed), best new of \(filter) for \(number)") {
                    try reader.bestNewReleases(filter: filter, now: now, $0, viewer: viewer)
                }
                let quiet = new.filter { ref, _ in
                    let plays = world.slow.plays.filter { $0.key.content == ref }.map(\.value).reduce(0, +)
                    return ref.author != author && plays <= 250 && world.love(ref) <= 20
                }
                try check(quiet, "seed \(seed), under the radar of \(filter)") {
                    try reader.underTheRadar(filter: filter, now: now, $0, viewer: viewer)
                }
            }
        }
    }

    @Test("Feeds are what looking at everything gives", arguments: seeds)
    func feeds(seed: UInt64) throws {
        let world = try world(seed)
        let (reader, listed) = (world.catalog.reader, world.listed)
        for number in 0..<5 {
            let followees = (0..<Self.authors).map(ViewFixture.author).filter {
                world.isOn(ViewFixture.author(number), "follow", .author($0)) && world.isShown($0)
            }
            for filter in FeedFilter.allCases {
                var latest: [EntityRef: UInt64] = [:]
                for (ref, made) in listed {
                    if filter != .repost, followees.contains(ref.author) { latest[ref] = made }
                    for fan in followees where filter != .original {
                        let edge = SlowMerge.Edge(source: fan, relation: "repost", target: .content(ref))
                        guard world.slow.edges[edge] == true, let time = world.times[edge] else { continue }
                        latest[ref] = max(latest[ref] ?? 0, time)
                    }
                }
                for limit in [1, 3, 500] {
                    let rows = try UserQueryTests.all(limit: limit) {
                        try reader.feed(of: ViewFixture.id(number), filter: filter, now: Self.now, $0)
                    }
                    let found = Dictionary(rows.map { ($0.item.id, $0.time) }, uniquingKeysWith: { first, _ in first })
                    let wanted = Dictionary(uniqueKeysWithValues: latest.map { (id($0.key), $0.value) })
                    #expect(found == wanted && rows.count == found.count, "seed \(seed), \(filter), pages of \(limit)")
                    #expect(rows.map(\.time) == rows.map(\.time).sorted(by: >), "seed \(seed)")
                }
            }
        }
    }

    @Test("Searches find what has every word in its title or its author's name", arguments: seeds)
    func searches(seed: UInt64) throws {
        let world = try world(seed)
        func text(_ value: DAGValue?) -> String { if case .string(let text) = value { text } else { "" } }
        for query in ["blue", "night river", "lovely song train", "ver", "user3 blue", "blue blue", "zzz"] {
            let words = query.split(separator: " ").map(String.init)
            let wanted = world.listed.keys.filter { ref in
                guard let profile = world.slow.profiles[ref.author] else { return false }
                let title = text(world.slow.contents[ref]?["title"])
                let all = "\(text(profile["name"])) \(text(profile["handle"])) \(title)"
                return words.allSatisfy { title.contains($0) }
                    || words.allSatisfy { all.contains($0) }
                        && words.contains { "\(text(profile["name"])) \(text(profile["handle"]))".contains($0) }
            }
            let found = try UserQueryTests.all(limit: 7) { try world.catalog.reader.searchContents(query, $0) }
            for ref in wanted where !found.contains(where: { $0.entity == ref }) {
                let title = text(world.slow.contents[ref]?["title"])
                let name = text(world.slow.profiles[ref.author]?["name"])
                Issue.record("seed \(seed), \(query): nothing found of '\(title)' by '\(name)'")
            }
            #expect(Set(found.map(\.entity)).subtracting(wanted).isEmpty, "seed \(seed), \(query)")
            #expect(found.count == wanted.count, "seed \(seed), \(query): doubles")
        }
    }

    @Test("Thousands of made-up genres do not grow what is stored of the rankings, and lose nothing of the first")
    func manyGenres() throws {
        var catalog = try ViewFixture()
        for number in 0...4 { try catalog.join(number, "user\(number)") }
        for fan in 1...4 { try catalog.follow(fan, 0) }
        for index in 0..<3_000 {
            try catalog.publish(0, "c\(index)", "T", genre: index % 2 == 0 ? "made up \(index)" : "real")
            try catalog.add(
                1, .plays(PlaysBody([.init(ViewFixture.ref(0, "c\(index)"), day: catalog.now / Self.day, count: 1)])))
        }
        try Trending.refresh(reader: catalog.database.writer, writer: catalog.database.writer, now: catalog.now)
        let rows = try catalog.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM trending") ?? 0 }
        #expect(rows >= 4_000 && rows <= 4 * (1_000 + 64 * 100))
        let reader = catalog.reader
        let real = try UserQueryTests.all(limit: 100) {
            try reader.trending(filter: ContentFilter(genres: ["real"]), $0)
        }
        #expect(real.count >= 100)
    }
}
