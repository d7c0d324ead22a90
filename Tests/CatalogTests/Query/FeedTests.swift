import Catalog
import Multiformats
import SansIO
import Testing

@Suite struct FeedTests {
    @Test("A feed has what followees published and reposted, each item once, latest first")
    func feed() throws {
        var catalog = try ViewFixture()
        for number in 0...4 { try catalog.join(number, "user\(number)") }
        try catalog.follow(0, 1)
        try catalog.follow(0, 2)
        let a = try catalog.publish(1, "a", "A")
        let b = try catalog.publish(3, "b", "B")
        let list = try catalog.makeList(2, "l", "List")
        try catalog.publish(4, "c", "Nobody here follows 4")
        try catalog.repost(1, 3, "b")
        try catalog.repost(2, 1, "a")
        try catalog.repost(2, 3, "b")
        try catalog.publish(1, "u", "Unlisted") { $0.unlisted = .set(true) }
        let (reader, now) = (catalog.reader, catalog.now)
        func rows(_ filter: FeedFilter, limit: Int) throws -> [ActivityRow] {
            try UserQueryTests.all(limit: limit) {
                try reader.feed(of: ViewFixture.id(0), filter: filter, now: now, $0)
            }
        }
        for limit in [1, 2, 10] {
            let all = try rows(.all, limit: limit)
            #expect(all.map(\.item.id) == [b, a, list], "pages of \(limit)")
            #expect(all.map(\.actor) == [ViewFixture.id(2), ViewFixture.id(2), nil])
            #expect(try rows(.original, limit: limit).map(\.item.id) == [list, a])
            #expect(try rows(.repost, limit: limit).map(\.item.id) == [b, a])
        }
        #expect(try reader.feed(of: ViewFixture.id(3), now: now, PageRequest()).rows.isEmpty)
        // Taken back, it is where it was before.
        try catalog.repost(2, 3, "b", isOn: false)
        #expect(try rows(.all, limit: 1).map(\.item.id) == [a, b, list])
        try catalog.follow(0, 2, isOn: false)
        #expect(try rows(.all, limit: 1).map(\.item.id) == [b, a])
    }

    @Test(
        "Pages of a feed are complete and without doubles, whoever reposted what when",
        arguments: [1, 2, 3] as [UInt64])
    func pages(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var catalog = try ViewFixture()
        for number in 0...12 { try catalog.join(number, "user\(number)") }
        let followed = [1, 2, 3, 4, 5, 6, 7]
        for number in followed { try catalog.follow(0, number) }
        var latest: [EntityID: UInt64] = [:]
        for _ in 0..<150 {
            let owner = 1 + random.below(12)
            let name = "c\(random.below(6))"
            let id = ViewFixture.content(owner, name)
            // Few distinct times, so that pages break within one.
            let time = ViewFixture.start + UInt64(random.below(30))
            if random.oneIn(3) {
                try catalog.publish(owner, name, "T", at: time)
            } else {
                let fan = 1 + random.below(12)
                if fan != owner { try catalog.repost(fan, owner, name, at: time) }
            }
            _ = id
        }
        // What must be in it: every listed content that a followee made or reposts, at its latest such time.
        let slow = SlowMerge(catalog.updates)
        for (ref, _) in slow.contents {
            let id = EntityID(.content, ref.author, ref.id)
            let made = slow.created[SlowMerge.name("content", ref)] ?? 0
            if followed.contains(where: { ViewFixture.author($0) == ref.author }) { latest[id] = made }
            for number in followed {
                let edge = SlowMerge.Edge(
                    source: ViewFixture.author(number), relation: "repost", target: .content(ref))
                guard slow.edges[edge] == true else { continue }
                let times = catalog.updates.compactMap { update -> UInt64? in
                    guard update.owner == edge.source, case .edge(let body) = update.body, body.target == edge.target
                    else {
                        return nil
                    }
                    return update.stamp.time
                }
                latest[id] = max(latest[id] ?? 0, times.max() ?? 0)
            }
        }
        let (reader, now) = (catalog.reader, catalog.now)
        for limit in [1, 3, 10, 100] {
            let rows = try UserQueryTests.all(limit: limit) { try reader.feed(of: ViewFixture.id(0), now: now, $0) }
            let found = Dictionary(rows.map { ($0.item.id, $0.time) }, uniquingKeysWith: { first, _ in first })
            #expect(found.count == rows.count, "seed \(seed), pages of \(limit): doubles")
            #expect(found == latest, "seed \(seed), pages of \(limit)")
            #expect(rows.map(\.time) == rows.map(\.time).sorted(by: >), "seed \(seed)")
        }
    }
}
