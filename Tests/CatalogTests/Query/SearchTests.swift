import Catalog
import GRDB
import Testing

@Suite struct SearchTests {
    private func catalog() throws -> ViewFixture {
        var catalog = try ViewFixture()
        try catalog.join(1, "nina", name: "Nina Simone")
        try catalog.join(2, "sim.one", name: "DJ Sim")
        try catalog.join(3, "bjork", name: "Björk")
        try catalog.publish(1, "a", "Feeling Good", genre: "Jazz", tags: ["soul"])
        try catalog.publish(1, "b", "Sinnerman", genre: "Jazz")
        try catalog.publish(2, "c", "Feeling")
        try catalog.publish(2, "d", "I was feeling fine", genre: "Techno") {
            $0.access = .set(ContentBody.Access(stream: true, download: false))
        }
        try catalog.publish(3, "e", "Jóga")
        try catalog.publish(3, "f", "東京 Nights 🎵")
        try catalog.publish(3, "g", "Unheard feeling") { $0.unlisted = .set(true) }
        _ = try catalog.makeList(1, "l", "Feelings of mine")
        _ = try catalog.makeList(2, "m", "Feel it", isAlbum: true)
        return catalog
    }

    private func titles(_ catalog: ViewFixture, _ query: String, _ filter: ContentFilter = .init()) throws -> [String] {
        try catalog.reader.searchContents(query, filter: filter, PageRequest(limit: 50)).rows.map(\.title)
    }

    @Test("Titles, tags and names of authors are found without case and accents; the best fit comes first")
    func words() throws {
        let catalog = try catalog()
        #expect(try titles(catalog, "feeling") == ["Feeling", "Feeling Good", "I was feeling fine"])
        #expect(try titles(catalog, "FEELING good") == ["Feeling Good"])
        #expect(try titles(catalog, "good feeling") == ["Feeling Good"])
        #expect(try titles(catalog, "eelin") == ["I was feeling fine", "Feeling", "Feeling Good"])
        #expect(try titles(catalog, "soul") == ["Feeling Good"])
        #expect(try titles(catalog, "#soul") == ["Feeling Good"])
        #expect(try titles(catalog, "joga") == ["Jóga"])
        #expect(try titles(catalog, "simone sinnerman") == ["Sinnerman"])
        #expect(try titles(catalog, "Nina Simone") == ["Sinnerman", "Feeling Good"])
        #expect(try titles(catalog, "unheard").isEmpty)
        #expect(try titles(catalog, "nothing like it").isEmpty)
    }

    @Test("Short words and emoji are found too")
    func short() throws {
        let catalog = try catalog()
        #expect(try titles(catalog, "東京") == ["東京 Nights 🎵"])
        #expect(try titles(catalog, "京") == ["東京 Nights 🎵"])
        #expect(try titles(catalog, "🎵") == ["東京 Nights 🎵"])
        #expect(
            try titles(catalog, "i") == ["I was feeling fine", "東京 Nights 🎵", "Feeling", "Sinnerman", "Feeling Good"])
        #expect(try titles(catalog, "fe") == ["Feeling", "Feeling Good", "I was feeling fine"])
    }

    @Test("Filters hold in searches")
    func filters() throws {
        let catalog = try catalog()
        #expect(try titles(catalog, "feeling", ContentFilter(genres: ["TECHNO"])) == ["I was feeling fine"])
        let both = ContentFilter(genres: ["jazz", "techno"])
        #expect(try titles(catalog, "feeling", both) == ["Feeling Good", "I was feeling fine"])
        let free = ContentFilter(genres: ["jazz", "techno"], onlyDownloadable: true)
        #expect(try titles(catalog, "feeling", free) == ["Feeling Good"])
    }

    @Test("Authors are found by name and handle, lists by name, and all sorts at once")
    func sorts() throws {
        let catalog = try catalog()
        let reader = catalog.reader
        #expect(try reader.searchUsers("nina", PageRequest()).rows.map(\.handle) == ["nina"])
        #expect(try reader.searchUsers("sim", PageRequest()).rows.map(\.handle).sorted() == ["nina", "sim.one"])
        #expect(try reader.searchUsers("@sim.one", PageRequest()).rows.map(\.handle) == ["sim.one"])
        #expect(try reader.searchUsers("bjork", PageRequest()).rows.map(\.name) == ["Björk"])
        #expect(try reader.searchUsers("bj", PageRequest()).rows.map(\.name) == ["Björk"])
        #expect(try reader.searchLists("feel", PageRequest()).rows.map(\.name) == ["Feel it", "Feelings of mine"])
        #expect(try reader.searchLists("feel", albums: true, PageRequest()).rows.map(\.name) == ["Feel it"])
        let all = try reader.search("feel", PageRequest(limit: 5))
        #expect(all.contents.rows.count == 3 && all.lists.rows.count == 1 && all.albums.rows.count == 1)
        #expect(all.users.rows.isEmpty)
    }

    @Test("What is liked more comes first among equals, in pages that miss and repeat nothing")
    func pages() throws {
        var catalog = try ViewFixture()
        for number in 0..<40 {
            try catalog.join(number, "user\(number)")
            try catalog.publish(number, "a", "Same title")
        }
        for fan in 1..<5 { try catalog.save(fan, 0, "a") }
        let reader = catalog.reader
        for limit in [1, 7, 40] {
            let rows = try UserQueryTests.all(limit: limit) { try reader.searchContents("same", $0) }
            #expect(rows.count == 40 && Set(rows.map(\.id)).count == 40)
            #expect(rows.first?.user.handle == "user0")
        }
        let offset = try reader.searchContents("same", PageRequest(limit: 10, offset: 35))
        #expect(offset.rows.count == 5 && offset.next == nil)
    }

    @Test(
        "Nothing that is typed can break a search or mean anything but its words",
        arguments: [
            "", " ", "\0", "\"", "\"\"\"", "'", "' OR 1=1 --", "feeling\" OR \"sin", "feeling AND", "NEAR(", "NOT", "*",
            "feel*", "words:feeling", "^feeling", "{words}: x", "feeling + good", "-feeling", "(", ")", ";", "%", "_",
            "\\", "\u{202E}", "👩‍👩‍👧‍👦", "e\u{301}\u{301}\u{301}", "a\0b", "𝔽𝔢𝔢𝔩", String(repeating: "a", count: 100_000),
            String(repeating: "feeling ", count: 20_000), String(repeating: "\"", count: 5_000), "\u{10FFFF}",
            "\u{FFFD}",
        ])
    func hostile(text: String) throws {
        let catalog = try catalog()
        let all = try catalog.reader.search(text, PageRequest(limit: 50))
        // An operator of the index's language would find everything, or what its words alone do not.
        for row in all.contents.rows {
            let words = (row.title + " " + row.fields.tags.joined(separator: " ")).lowercased()
            let plain = String(
                String.UnicodeScalarView(text.unicodeScalars.filter { !(0x300...0x36F).contains($0.value) }))
            let asked = plain.lowercased().split(whereSeparator: { $0 == " " || $0 == "\0" }).prefix(8)
            #expect(
                asked.allSatisfy { words.contains($0) || words.contains($0.replacing("#", with: "")) || $0 == "𝔽𝔢𝔢𝔩" })
        }
        #expect(try catalog.reader.users(handle: text).users.isEmpty)
        _ = try catalog.reader.resolve(text)
        _ = try catalog.reader.resolve("/" + text + "/" + text)
    }

    @Test("A text that was edited is found by the words that it kept and got, and not by those that it lost")
    func edited() throws {
        var catalog = try ViewFixture()
        try catalog.join(1, "ada", name: "Ada Green")
        let song = try catalog.publish(1, "a", "Blue river")
        try catalog.publish(1, "a", "Blue night")
        var profile = ProfileBody()
        profile.name = .set("Ada Grey Green")
        try catalog.add(1, .profile(profile))
        var list = ListBody(id: "l")
        for name in ["Old long list", "New long list"] {
            list.name = .set(name)
            try catalog.add(1, .list(list))
        }
        let reader = catalog.reader
        for (query, isFound) in [("blue", true), ("night", true), ("river", false)] {
            #expect(
                try reader.searchContents(query, PageRequest()).rows.map(\.id) == (isFound ? [song] : []), "\(query)")
        }
        for query in ["green", "grey", "ada"] {
            #expect(try reader.searchUsers(query, PageRequest()).rows.map(\.handle) == ["ada"], "\(query)")
        }
        for (query, count) in [("long list", 1), ("new", 1), ("old", 0)] {
            #expect(try reader.searchLists(query, PageRequest()).rows.count == count, "\(query)")
        }
        // What is left over in an index, or missing, is found by its own check; it takes every row for a listed one.
        try catalog.database.write { database in
            for table in ["authors", "contents", "lists"] {
                try database.execute(
                    sql: "INSERT INTO \(table)_text (\(table)_text, rank) VALUES ('integrity-check', 1)")
            }
        }
        // Hidden from lists and shown again, and deleted.
        try catalog.publish(1, "a", "Blue night") { $0.unlisted = .set(true) }
        #expect(try reader.searchContents("blue", PageRequest()).rows.isEmpty)
        try catalog.publish(1, "a", "Blue night again") { $0.unlisted = .set(false) }
        #expect(try reader.searchContents("blue again", PageRequest()).rows.map(\.id) == [song])
        try catalog.add(1, .contentDelete(DeleteBody(id: "a")))
        #expect(try reader.searchContents("blue", PageRequest()).rows.isEmpty)
    }
}
