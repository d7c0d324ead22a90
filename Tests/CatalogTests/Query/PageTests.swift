import Catalog
import GRDB
import Multiformats
import Testing

@Suite struct PageTests {
    @Test("Cursors survive being sent as text, and match what the API allows in one")
    func cursors() {
        for cursor in [
            PageCursor.place(time: 0, key: 0), .place(time: 1_772_323_200_000, key: .max), .rank(0), .rank(999),
        ] {
            #expect(PageCursor(cursor.description) == cursor)
            #expect(cursor.description.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
        }
    }

    @Test(
        "Text that is no cursor is none",
        arguments: [
            "", "t", "t1", "t_", "t1_", "t_1", "t1_2_3", "t-1_2", "t1_-2", "r", "r-1", "r1_2", "r1000001", "x1",
            "t1_2 ",
            "t9223372036854775808_1", "r99999999999999999999", "💥", "t١_٢",
        ])
    func badCursors(text: String) {
        #expect(PageCursor(text) == nil)
    }

    @Test("Limits and offsets are moved into their bounds")
    func bounds() {
        #expect(PageRequest(limit: -5, offset: -5) == PageRequest(limit: 1, offset: 0))
        #expect(PageRequest(limit: .max, offset: .max).limit == PageRequest.maximumLimit)
        #expect(PageRequest(limit: .max, offset: .max).offset == PageRequest.maximumOffset)
    }

    @Test("Ids are base58 of 16 bytes and differ by sort, author and name")
    func ids() {
        var ids: Set<EntityID> = []
        for kind in EntityKind.allCases {
            for author in 0..<3 {
                for name in ["", "a", "b"] { ids.insert(EntityID(kind, ViewFixture.author(author), name)) }
            }
        }
        #expect(ids.count == EntityKind.allCases.count * 9)
        for id in ids {
            #expect(EntityID(id.description) == id)
            #expect(id.description.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) })
        }
        for text in ["", "a", "0OIl", String(repeating: "z", count: 22), String(repeating: "1", count: 23), "💥💥💥💥💥"] {
            #expect(EntityID(text) == nil, "\(text)")
        }
    }

    @Test("Paths are read as pages of authors, content and lists")
    func permalinks() throws {
        let id = ViewFixture.content(1, "a")
        #expect(Permalink("/ada") == .user(handle: "ada", id: nil))
        #expect(Permalink("/@Ada~abc123?x#y") == .user(handle: "ada", id: "abc123"))
        #expect(Permalink("https://x.example/ada/") == .user(handle: "ada", id: nil))
        #expect(Permalink("/ada/some-song-\(id)") == .item(id))
        #expect(Permalink("ada/album/x-\(id)") == .item(id))
        #expect(Permalink("/ada/some%2Dsong") == .words(handle: "ada", slug: "some-song", isList: false))
        #expect(Permalink("/ada/playlist/mix") == .words(handle: "ada", slug: "mix", isList: true))
        for text in [
            "", "/", "//", "https://x.example", "/a/b/c", "/a/b/c/d", "/~", "/a~b~c",
            String(repeating: "a", count: 3_000),
        ] {
            #expect(Permalink(text) == nil, "\(text)")
        }
        #expect(Permalink("/%zz%+1%") == .user(handle: "%zz%+1%", id: nil))
        #expect(Permalink.slug("Feeling Good! (Live)") == "feeling-good-live")
        #expect(Permalink.slug("東京") == "untitled" && Permalink.slug("--") == "untitled")
        #expect(Permalink.slug(String(repeating: "long ", count: 100)).utf8.count <= 61)
    }

    @Test("A new update must be later than what it overwrites, whatever the clock says")
    func overwriting() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada")
        let far = ViewFixture.start + 9_000_000
        try catalog.publish(1, "a", "A", at: far)
        try catalog.follow(1, 2, at: far + 1)
        _ = try catalog.makeList(1, "l", "L")
        let tag = try catalog.addItem(1, "l", ViewFixture.ref(1, "a"), [3])
        let (reader, ada) = (catalog.reader, ViewFixture.author(1))
        func time(_ body: UpdateBody) throws -> UInt64 { try reader.overwrittenTime(by: body, of: ada) }
        #expect(try time(.content(ContentBody(id: "a"))) == far)
        #expect(try time(.content(ContentBody(id: "b"))) == 0)
        #expect(try time(.edge(EdgeBody(.follow, .author(ViewFixture.author(2)), isOn: false))) == far + 1)
        #expect(try time(.edge(EdgeBody(.subscribe, .author(ViewFixture.author(2))))) == 0)
        #expect(try time(.profile(ProfileBody())) == ViewFixture.start + 2_000)
        let move = ListItemBody(list: "l", .move(tag: tag.id, ListPosition([9])!))
        #expect(try time(.listItem(move)) == tag.time)
        #expect(try time(.listItem(ListItemBody(list: "none", .move(tag: tag.id, ListPosition([9])!)))) == 0)
        let totals = try reader.totals()
        #expect(totals.authors == 1 && totals.contents == 1 && totals.lists == 1 && totals.edges == 1)
    }
}
