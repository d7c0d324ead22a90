import Catalog
import GRDB
import Multiformats
import Testing

@Suite struct ContentQueryTests {
    @Test("Content shows its fields, its author, its counts and what the viewer did with it")
    func row() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        try catalog.join(3, "eve")
        let id = try catalog.publish(1, "song", "A Song!", genre: "Jazz", tags: ["x"]) {
            $0.duration = .set(61_500)
            $0.access = .set(ContentBody.Access(stream: true, download: false))
            $0.artwork = .set(ViewFixture.cid("art"))
            $0.releaseDate = .set("2026-02-01")
        }
        try catalog.save(2, 1, "song")
        try catalog.repost(3, 1, "song")
        try catalog.follow(2, 3)
        let row = try #require(
            try catalog.reader.content(id, viewer: Viewer(ViewFixture.id(2), showsFollowees: true)))
        #expect(row.title == "A Song!" && row.fields.genre == "Jazz" && row.fields.duration == 61_500)
        #expect(row.entity == ViewFixture.ref(1, "song") && row.user.handle == "ada")
        #expect(row.fields.artwork == ViewFixture.cid("art") && !row.fields.access.download)
        #expect(row.counts.saves == 1 && row.counts.reposts == 1)
        #expect(row.marks?.isSaved == true && row.marks?.isReposted == false)
        #expect(row.marks?.followeeReposts == [ViewFixture.id(3)] && row.marks?.followeeSaves == [])
        #expect(row.permalink == "/ada/a-song-\(id)")
        #expect(row.streamed?.mime == "audio/flac")
        #expect(try catalog.reader.resolve(row.permalink).map(Self.id) == id)
        #expect(try catalog.reader.resolve("https://node.example/ada/a-song?x=1").map(Self.id) == id)
        #expect(try catalog.reader.resolve("/ada/another-song") == nil)
        #expect(try catalog.reader.contents(withMedia: ViewFixture.cid("1 song")).map(\.id) == [id])
        #expect(try catalog.reader.contents(withMedia: ViewFixture.cid("other")).isEmpty)
        // An author's id is no content's.
        #expect(try catalog.reader.content(ViewFixture.id(1)) == nil)
    }

    private static func id(_ resolved: Resolved) -> EntityID? {
        switch resolved {
        case .content(let row): row.id
        case .list(let row): row.id
        case .user(let row): row.id
        case .users: nil
        }
    }

    @Test("An author's content comes in the order asked for, whole, and unlisted only to its owner")
    func byAuthor() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        for number in 0..<12 { try catalog.publish(1, "c\(number)", "Title \(11 - number)", genre: "G\(number % 2)") }
        try catalog.publish(1, "secret", "Secret") { $0.unlisted = .set(true) }
        try catalog.save(2, 1, "c3")
        try catalog.repost(2, 1, "c4")
        try catalog.add(2, .plays(PlaysBody([.init(ViewFixture.ref(1, "c5"), day: 20_000, count: 9)])))
        let (reader, ada) = (catalog.reader, ViewFixture.id(1))
        for limit in [1, 5, 12] {
            for order in ContentOrder.allCases {
                let rows = try UserQueryTests.all(limit: limit) { try reader.contents(by: ada, order: order, $0) }
                #expect(rows.count == 12 && Set(rows.map(\.id)).count == 12, "\(order), pages of \(limit)")
                let first = ["date": "c11", "plays": "c5", "reposts": "c4", "favorites": "c3", "title": "c11"]
                #expect(rows.first?.entity.id == first[order.rawValue], "\(order)")
            }
        }
        let own = try reader.contents(by: ada, isOwner: true, PageRequest(limit: 50)).rows
        #expect(own.count == 13 && own.first?.entity.id == "secret")
        let genre = try reader.contents(by: ada, filter: ContentFilter(genres: ["g1"]), PageRequest(limit: 50)).rows
        #expect(genre.count == 6 && genre.allSatisfy { $0.fields.genre == "G1" })
    }

    @Test("The latest are everybody's, without what claims to come from the future")
    func latest() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        for number in 0..<7 {
            try catalog.publish(1 + number % 2, "c\(number)", "T", at: ViewFixture.start + UInt64(number / 2))
        }
        try catalog.publish(1, "soon", "T", at: ViewFixture.start + 500_000)
        try catalog.publish(1, "future", "T", at: ViewFixture.start + 900_000_000)
        try catalog.publish(1, "free", "T", at: ViewFixture.start) {
            $0.access = .set(.init(stream: true, download: false))
        }
        let (reader, now) = (catalog.reader, ViewFixture.start)
        for limit in [1, 3, 9] {
            let rows = try UserQueryTests.all(limit: limit) { try reader.latest(now: now, $0) }
            #expect(rows.count == 9 && Set(rows.map(\.id)).count == 9)
            #expect(rows.first?.entity.id == "soon")
            #expect(rows.map(\.created) == rows.map(\.created).sorted(by: >))
        }
        let filter = ContentFilter(onlyDownloadable: true)
        #expect(try reader.latest(filter: filter, now: now, PageRequest(limit: 50)).rows.count == 8)
    }

    @Test("Remixes lead both ways; comments are threaded; a deleted comment is gone")
    func around() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        // The remix comes before what it remixes.
        let remix = try catalog.publish(2, "r", "Remix") { $0.remixOf = .set(ViewFixture.ref(1, "o")) }
        #expect(try catalog.reader.remixed(by: remix).isEmpty)
        let origin = try catalog.publish(1, "o", "Original")
        let reader = catalog.reader
        #expect(try reader.remixes(of: origin, PageRequest()).rows.map(\.id) == [remix])
        #expect(try reader.remixed(by: remix).map(\.id) == [origin])
        #expect(try reader.content(origin)?.counts.remixes == 1)
        try catalog.add(2, .comment(CommentBody(id: "k1", on: ViewFixture.ref(1, "o"), text: "good")))
        try catalog.add(
            1,
            .comment(
                CommentBody(
                    id: "k2", on: ViewFixture.ref(1, "o"), parent: ViewFixture.ref(2, "k1"), text: "thanks")))
        let comments = try UserQueryTests.all(limit: 1) { try reader.comments(on: origin, $0) }
        #expect(comments.map(\.text) == ["thanks", "good"] && comments[0].parent == comments[1].id)
        #expect(comments[1].user.handle == "bob" && comments[1].content == origin)
        #expect(comments.map(\.replies) == [0, 1])
        try catalog.add(2, .comment(CommentBody(id: "k1", on: ViewFixture.ref(1, "o"), text: "very good")))
        #expect(try reader.comments(on: origin, PageRequest()).rows.last?.text == "very good")
        try catalog.add(1, .commentDelete(DeleteBody(id: "k3")))
        try catalog.add(
            1,
            .comment(
                CommentBody(id: "k3", on: ViewFixture.ref(1, "o"), parent: ViewFixture.ref(2, "k1"), text: "late")))
        #expect(try reader.comments(on: origin, PageRequest()).rows.map(\.replies) == [0, 1])
        try catalog.add(2, .commentDelete(DeleteBody(id: "k1")))
        #expect(try reader.comments(on: origin, PageRequest()).rows.map(\.text) == ["thanks"])
        #expect(try reader.content(origin)?.counts.comments == 1)
        try catalog.save(2, 1, "o")
        try catalog.repost(2, 1, "o")
        #expect(try reader.favorites(of: origin, PageRequest()).rows.map(\.handle) == ["bob"])
        #expect(try reader.reposts(of: origin, PageRequest()).rows.map(\.handle) == ["bob"])
        try catalog.add(2, .contentDelete(DeleteBody(id: "r")))
        #expect(try reader.content(origin)?.counts.remixes == 0)
        #expect(try reader.remixes(of: origin, PageRequest()).rows.isEmpty)
    }

    @Test("Deletion is final, whichever comes first")
    func deletion() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.add(1, .contentDelete(DeleteBody(id: "a")), at: ViewFixture.start)
        let id = try catalog.publish(1, "a", "Back from the dead", at: ViewFixture.start + 99_999)
        let row = try #require(try catalog.reader.content(id))
        #expect(row.isDeleted && row.title == "" && row.fields.media.isEmpty && row.created == 0)
        #expect(try catalog.reader.latest(now: ViewFixture.start + 200_000, PageRequest()).rows.isEmpty)
        #expect(try catalog.reader.searchContents("dead", PageRequest()).rows.isEmpty)
        #expect(try catalog.reader.user(ViewFixture.id(1))?.counts.contents == 0)
    }

    @Test("Lists hold their items in order, an item twice if it was added twice")
    func lists() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        try catalog.join(2, "bob")
        for name in ["a", "b", "c"] { try catalog.publish(2, name, name) }
        let list = try catalog.makeList(1, "l", "Mix")
        let album = try catalog.makeList(1, "m", "Album", isAlbum: true)
        let first = try catalog.addItem(1, "l", ViewFixture.ref(2, "a"), [10])
        let second = try catalog.addItem(1, "l", ViewFixture.ref(2, "b"), [20])
        try catalog.addItem(1, "l", ViewFixture.ref(2, "a"), [30])
        try catalog.addItem(1, "l", ViewFixture.ref(2, "unknown"), [5])
        let reader = catalog.reader
        func order() throws -> [String] {
            try UserQueryTests.all(limit: 2) { try reader.contents(ofList: list, $0) }.map(\.entity.id)
        }
        #expect(try order() == ["a", "b", "a"])
        #expect(try reader.list(list)?.itemCount == 4)
        try catalog.add(1, .listItem(ListItemBody(list: "l", .move(tag: first.id, ListPosition([25])!))))
        #expect(try order() == ["b", "a", "a"])
        try catalog.add(1, .listItem(ListItemBody(list: "l", .remove([second.id]))))
        #expect(try order() == ["a", "a"])
        try catalog.add(1, .listItem(ListItemBody(list: "l", .move(tag: second.id, ListPosition([1])!))))
        #expect(try order() == ["a", "a"])
        #expect(try reader.lists(with: ViewFixture.content(2, "a")).map(\.id) == [list])
        #expect(try reader.lists(by: ViewFixture.id(1), albums: true, PageRequest()).rows.map(\.id) == [album])
        #expect(try reader.lists(by: ViewFixture.id(1), albums: false, PageRequest()).rows.map(\.id) == [list])
        #expect(try reader.latestLists(now: catalog.now, PageRequest()).rows.map(\.id) == [album, list])
        let row = try #require(try reader.list(list))
        #expect(try reader.resolve(row.permalink) == .list(row))
        #expect(try reader.resolve("/ada/playlist/mix") == .list(row))
        // Another author cannot touch it: the list of that id is another one.
        try catalog.addItem(2, "l", ViewFixture.ref(2, "c"), [1])
        #expect(try order() == ["a", "a"])
        try catalog.add(2, .edge(EdgeBody(.save, .list(ViewFixture.ref(1, "l")))))
        #expect(try reader.favorites(ofList: list, PageRequest()).rows.map(\.handle) == ["bob"])
        try catalog.add(1, .listDelete(DeleteBody(id: "l")))
        #expect(try reader.list(list)?.isDeleted == true && reader.list(list)?.items.isEmpty == true)
        #expect(try reader.lists(with: ViewFixture.content(2, "a")).isEmpty)
    }

    @Test("What the operator blocks or a followed label marks is nowhere; taken back, it is there again")
    func hiding() throws {
        var catalog = try ViewFixture()
        for number in 1...3 { try catalog.join(number, "user\(number)") }
        let spam = try catalog.publish(1, "spam", "Buy spam now")
        let fine = try catalog.publish(1, "fine", "Fine spam-free song")
        try catalog.repost(2, 1, "spam")
        let (reader, database) = (catalog.reader, catalog.database)
        func found() throws -> [EntityID] { try reader.searchContents("spam", PageRequest()).rows.map(\.id).sorted() }
        let both = [spam, fine].sorted()
        #expect(try found() == both)
        try database.write { try Hiding.block(spam, reason: "spam", in: $0) }
        #expect(try found() == [fine] && reader.content(spam) == nil)
        #expect(try reader.reposts(by: ViewFixture.id(2), PageRequest()).rows.isEmpty)
        #expect(try database.read { try Hiding.blocks(in: $0).map(\.id) } == [spam])
        try database.write { try Hiding.unblock(spam, in: $0) }
        #expect(try found() == both)
        try database.write { try Hiding.block(ViewFixture.id(1), reason: "all of it", in: $0) }
        #expect(try found().isEmpty && reader.user(ViewFixture.id(1)) == nil)
        #expect(try reader.latest(now: catalog.now, PageRequest()).rows.isEmpty)
        try database.write { try Hiding.unblock(ViewFixture.id(1), in: $0) }
        // Blocked before anything of it has come.
        let late = ViewFixture.content(1, "late")
        try database.write { try Hiding.block(late, reason: "announced", in: $0) }
        try catalog.publish(1, "late", "Late spam")
        #expect(try found() == both)
        try catalog.add(3, .label(LabelBody(.content(ViewFixture.ref(1, "fine")), label: "nsfw", reason: "why")))
        #expect(try found() == both)
        #expect(try reader.labels(fine).map(\.label) == ["nsfw"])
        try database.write { try Hiding.follow(ViewFixture.id(3), label: "nsfw", in: $0) }
        #expect(try found() == [spam])
        // A label that comes later hides too, and one taken back does not.
        try catalog.add(3, .label(LabelBody(.content(ViewFixture.ref(1, "spam")), label: "nsfw")))
        #expect(try found().isEmpty)
        try catalog.add(3, .label(LabelBody(.content(ViewFixture.ref(1, "spam")), label: "nsfw", isOn: false)))
        #expect(try found() == [spam])
        try database.write { try Hiding.unfollow(ViewFixture.id(3), label: "nsfw", in: $0) }
        #expect(try found() == both)
        // Blocks outlive a new view.
        try database.write {
            try CatalogView.reset($0)
            try CatalogView.apply(catalog.updates, in: $0)
        }
        #expect(try found() == both && reader.content(late) == nil)
    }
}
