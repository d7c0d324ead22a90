import Catalog
import GRDB
import Multiformats
import PeerCrypto
import TestSupport
import Testing

@Suite struct UserQueryTests {
    /// Every row of a list, page by page, and how many pages it took.
    static func all<Row>(limit: Int, _ page: (PageRequest) throws -> Page<Row>) throws -> [Row] {
        var rows: [Row] = []
        var cursor: PageCursor?
        for _ in 0..<1_000 {
            // A client sends the cursor back as text.
            let sent = cursor.flatMap { PageCursor($0.description) }
            let answer = try page(PageRequest(limit: limit, cursor: sent))
            rows += answer.rows
            guard let next = answer.next else { return rows }
            cursor = next
        }
        Issue.record("a list without an end")
        return rows
    }

    @Test("An author shows the profile, the counts and the beginning of the id")
    func profile() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada", name: "Ada")
        try catalog.join(2, "bob")
        try catalog.publish(1, "a", "First")
        try catalog.publish(1, "b", "Second") { $0.unlisted = .set(true) }
        _ = try catalog.makeList(1, "l", "List")
        _ = try catalog.makeList(1, "m", "Album", isAlbum: true)
        try catalog.follow(2, 1)
        try catalog.repost(2, 1, "a")
        let ada = try #require(try catalog.reader.user(ViewFixture.id(1)))
        #expect(ada.handle == "ada" && ada.name == "Ada" && ada.author == ViewFixture.author(1))
        #expect(ada.certainHandle == "ada~" + ViewFixture.id(1).description.prefix(12))
        #expect(ada.counts.contents == 1 && ada.counts.lists == 1 && ada.counts.albums == 1)
        #expect(ada.counts.followers == 1 && ada.counts.following == 0)
        #expect(ada.created == ViewFixture.start + 1_000 && ada.updated == ViewFixture.start + 2_000)
        #expect(ada.marks == nil && !ada.isEquivocated)
        let bob = try #require(try catalog.reader.user(ViewFixture.id(2)))
        #expect(bob.name == "bob" && bob.counts.following == 1 && bob.counts.madeReposts == 1)
        let seen = try #require(try catalog.reader.user(ViewFixture.id(1), viewer: Viewer(ViewFixture.id(2))))
        #expect(seen.marks?.isFollowed == true && seen.marks?.isFollower == false && seen.marks?.isSubscribed == false)
        #expect(try catalog.reader.user(ViewFixture.id(77)) == nil)
        let both = try catalog.reader.users([ViewFixture.id(2), ViewFixture.id(77), ViewFixture.id(1)])
        #expect(both.map(\.handle) == ["bob", "ada"])
    }

    @Test("Followers and followees come latest first, in pages that miss and repeat nobody")
    func followers() throws {
        var catalog = try ViewFixture()
        try catalog.join(0, "star")
        for number in 1...23 {
            try catalog.join(number, "fan\(number)")
            // Many of them in the same millisecond.
            try catalog.follow(number, 0, at: ViewFixture.start + UInt64(number / 4))
            try catalog.follow(0, number)
        }
        try catalog.follow(7, 0, isOn: false)
        let reader = catalog.reader
        for limit in [1, 2, 5, 22, 100] {
            let fans = try Self.all(limit: limit) { try reader.followers(ViewFixture.id(0), $0) }
            #expect(fans.count == 22 && Set(fans.map(\.id)).count == 22, "pages of \(limit)")
            #expect(!fans.contains { $0.handle == "fan7" })
            let stars = try Self.all(limit: limit) { try reader.following(ViewFixture.id(0), $0) }
            #expect(stars.map(\.handle) == (1...23).reversed().map { "fan\($0)" })
        }
        let page = try reader.following(ViewFixture.id(0), PageRequest(limit: 3, offset: 20))
        #expect(page.rows.map(\.handle) == ["fan3", "fan2", "fan1"] && page.next == nil)
        #expect(try reader.followers(ViewFixture.id(99), PageRequest()).rows.isEmpty)
        let top = try reader.topUsers(PageRequest(limit: 2))
        #expect(top.rows.first?.handle == "star" && top.rows.count == 2 && top.next != nil)
    }

    @Test("What an author reposted, saved and played is listed with the time, without what is gone")
    func activity() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        let a = try catalog.publish(1, "a", "A")
        let b = try catalog.publish(1, "b", "B")
        let list = try catalog.makeList(1, "l", "List")
        try catalog.repost(2, 1, "a")
        try catalog.repost(2, 1, "b")
        try catalog.add(2, .edge(EdgeBody(.repost, .list(ViewFixture.ref(1, "l")))))
        try catalog.save(2, 1, "b")
        try catalog.add(2, .edge(EdgeBody(.save, .list(ViewFixture.ref(1, "l")))))
        let reader = catalog.reader
        let reposts = try Self.all(limit: 1) { try reader.reposts(by: ViewFixture.id(2), $0) }
        #expect(reposts.map(\.item.id) == [list, b, a])
        #expect(reposts.allSatisfy { $0.actor == ViewFixture.id(2) && $0.time > ViewFixture.start })
        #expect(try reader.favorites(by: ViewFixture.id(2), PageRequest()).rows.map(\.item.id) == [list, b])
        #expect(try reader.favorites(by: ViewFixture.id(2), kind: .content, PageRequest()).rows.map(\.item.id) == [b])
        #expect(try reader.favorites(by: ViewFixture.id(2), kind: .list, PageRequest()).rows.map(\.item.id) == [list])
        try catalog.add(2, .plays(PlaysBody([.init(ViewFixture.ref(1, "a"), day: 20_000, count: 3)])))
        try catalog.add(
            2,
            .plays(
                PlaysBody([
                    .init(ViewFixture.ref(1, "a"), day: 20_001, count: 2),
                    .init(ViewFixture.ref(1, "b"), day: 20_001, count: 1),
                ])))
        let history = try Self.all(limit: 1) { try reader.history(ViewFixture.id(2), $0) }
        #expect(history.count == 3 && history.last?.count == 3 && history.last?.day == 20_000)
        #expect(try reader.content(a)?.counts.plays == 5)
        try catalog.add(1, .contentDelete(DeleteBody(id: "b")))
        #expect(try reader.reposts(by: ViewFixture.id(2), PageRequest()).rows.map(\.item.id) == [list, a])
        #expect(try reader.history(ViewFixture.id(2), PageRequest()).rows.count == 2)
    }

    @Test("Tags are those used most; related authors share followers")
    func tagsAndRelated() throws {
        var catalog = try ViewFixture()
        for number in 0...6 { try catalog.join(number, "user\(number)") }
        try catalog.publish(0, "a", "A", tags: ["jazz", "piano"])
        try catalog.publish(0, "b", "B", tags: ["jazz"])
        try catalog.publish(0, "c", "C", tags: ["hidden"]) { $0.unlisted = .set(true) }
        #expect(try catalog.reader.tags(ViewFixture.id(0)) == ["jazz", "piano"])
        #expect(try catalog.reader.tags(ViewFixture.id(0), limit: 1) == ["jazz"])
        // 3, 4 and 5 follow both 0 and 1; everybody follows 2.
        for fan in 3...5 {
            try catalog.follow(fan, 0)
            try catalog.follow(fan, 1)
        }
        try catalog.follow(3, 2)
        for fan in [1, 4, 5, 6] { try catalog.follow(fan, 2) }
        let related = try catalog.reader.related(to: ViewFixture.id(0), PageRequest())
        #expect(related.rows.map(\.handle) == ["user1", "user2"])
    }

    @Test("A node is shown by its latest announcement for a day")
    func nodes() throws {
        var catalog = try ViewFixture()
        let key = KeyPair.generate()
        func announce(_ author: Int, _ free: UInt64, at time: UInt64) throws {
            var body = NodeBody(peer: key.peerID, roles: ["landlord"], capacity: 100, free: free, isAccepting: true)
            try body.sign(with: key, author: ViewFixture.author(author), time: time)
            try catalog.add(author, .node(body), at: time)
        }
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        let now = ViewFixture.start + 100_000
        try announce(1, 40, at: now - 3_000)
        try announce(2, 50, at: now - 1_000)
        try announce(1, 60, at: now - 2_000)
        let rows = try catalog.reader.nodes(now: now, PageRequest()).rows
        #expect(rows.map(\.body.free) == [50] && rows.first?.user.handle == "bob")
        #expect(rows.first?.body.peer == key.peerID)
        #expect(try catalog.reader.nodes(now: now + 86_400_000, PageRequest()).rows.isEmpty)
    }

    @Test("A handle means whom the user named, then whom they follow, then who is near; else all are shown")
    func handles() throws {
        var catalog = try ViewFixture()
        for number in 1...3 { try catalog.join(number, "dj") }
        for number in 10...12 { try catalog.join(number, "user\(number)") }
        let viewer = Viewer(ViewFixture.id(10))
        let reader = catalog.reader
        let alone = try reader.users(handle: "dj")
        #expect(alone.users.count == 3 && !alone.isCertain)
        #expect(try reader.resolve("/dj").map { if case .users(let rows) = $0 { rows.count } else { 0 } } == 3)
        // 10 -> 11 -> 2 is nearer than nothing.
        try catalog.follow(10, 11)
        try catalog.follow(11, 2)
        let near = try reader.users(handle: "DJ", viewer: viewer)
        #expect(near.users.first?.author == ViewFixture.author(2) && near.isCertain && near.users.count == 3)
        try catalog.follow(10, 3)
        #expect(try reader.users(handle: "dj", viewer: viewer).users.first?.author == ViewFixture.author(3))
        try catalog.database.write { try GivenNames.set("dj", ViewFixture.id(1), in: $0) }
        #expect(try reader.users(handle: "dj", viewer: viewer).users.first?.author == ViewFixture.author(1))
        #expect(try catalog.database.read { try GivenNames.all(in: $0).map(\.handle) } == ["dj"])
        try catalog.database.write { try GivenNames.remove("dj", in: $0) }
        #expect(try reader.users(handle: "dj", viewer: viewer).users.first?.author == ViewFixture.author(3))
        // The beginning of the id decides alone, even when the handle has changed.
        let two = try #require(try reader.user(ViewFixture.id(2)))
        #expect(try reader.resolve(two.permalink) == .user(two))
        #expect(try reader.resolve("/other~\(ViewFixture.id(2).description.prefix(12))") == .user(two))
        #expect(try reader.resolve("/nobody") == nil)
    }
}
