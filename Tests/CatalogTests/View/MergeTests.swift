import Catalog
import GRDB
import Multiformats
import SansIO
import Testing

/// The view of one set of updates is one, and it is the obvious one.
@Suite struct MergeTests {
    private static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6, 7, 8]

    private func view(of updates: [CountedUpdate], batch: Int) throws -> ViewFixture {
        let fixture = try ViewFixture()
        for start in stride(from: 0, to: updates.count, by: batch) {
            try fixture.apply(Array(updates[start..<min(start + batch, updates.count)]))
        }
        return fixture
    }

    @Test("Any order, with duplicates, in batches of any size, gives one view", arguments: MergeTests.seeds)
    func order(seed: UInt64) throws {
        var random = RandomUpdates(seed: seed)
        let updates = random.make(400)
        let first = try view(of: updates, batch: 400).fingerprint()
        for batch in [1, 17, 1_000] {
            let other = try view(of: random.reordered(updates), batch: batch).fingerprint()
            #expect(other == first, "seed \(seed), batches of \(batch)")
        }
        let fewer = try view(of: Array(updates.dropLast()), batch: 50).fingerprint()
        let whole = try view(of: Array(updates.dropLast()) + [updates[399]], batch: 50).fingerprint()
        #expect(whole == first, "seed \(seed)")
        // What the last update says may be overwritten already, but a view of nothing is another one.
        #expect(try ViewFixture().fingerprint() != fewer)
    }

    @Test("A gap that is filled later leaves no trace", arguments: MergeTests.seeds)
    func gaps(seed: UInt64) throws {
        var random = RandomUpdates(seed: seed)
        let updates = random.make(300)
        let whole = try view(of: updates, batch: 300).fingerprint()
        let late = updates.indices.filter { $0 % 3 == 0 }.map { updates[$0] }
        let early = updates.indices.filter { $0 % 3 != 0 }.map { updates[$0] }
        let fixture = try view(of: early, batch: 40)
        #expect(try fixture.fingerprint() != whole)
        try fixture.apply(late)
        let filled = try fixture.fingerprint()
        #expect(filled == whole, "seed \(seed)")
    }

    @Test(
        "Making an author's rows anew gives the same view, also without what does not count any more",
        arguments: MergeTests.seeds)
    func rebuilding(seed: UInt64) throws {
        var random = RandomUpdates(seed: seed)
        let updates = random.make(300)
        let fixture = try view(of: updates, batch: 100)
        let before = try fixture.fingerprint()
        for number in 0..<6 {
            let owner = ViewFixture.author(number)
            let own = updates.filter { $0.owner == owner }
            try fixture.database.write { try CatalogView.rebuild(owner, from: own.reversed(), in: $0) }
            let after = try fixture.fingerprint()
            #expect(after == before, "seed \(seed), author \(number)")
        }
        // Every other update of one author stops counting.
        let owner = ViewFixture.author(2)
        let counted = updates.enumerated().filter { $0.element.owner != owner || $0.offset % 2 == 0 }.map(\.element)
        try fixture.database.write {
            try CatalogView.rebuild(owner, from: counted.filter { $0.owner == owner }, in: $0)
        }
        let rebuilt = try fixture.fingerprint()
        let fresh = try view(of: counted, batch: 60).fingerprint()
        #expect(rebuilt == fresh, "seed \(seed)")
        // And the whole view from nothing.
        try fixture.database.write {
            try CatalogView.reset($0)
            try CatalogView.apply(updates, in: $0)
        }
        let again = try fixture.fingerprint()
        #expect(again == before, "seed \(seed)")
    }

    @Test("Every row is what the slow, obvious merge says", arguments: MergeTests.seeds)
    func obvious(seed: UInt64) throws {
        var random = RandomUpdates(seed: seed)
        let updates = random.make(500)
        let reader = try view(of: random.reordered(updates), batch: 64).reader
        let slow = SlowMerge(updates)
        for (author, fields) in slow.profiles {
            let row = try #require(try reader.user(author), "seed \(seed)")
            #expect(row.fields.handle.map { .string($0) } == Self.set(fields["handle"]), "seed \(seed)")
            #expect(row.fields.name.map { .string($0) } == Self.set(fields["name"]), "seed \(seed)")
            #expect(row.fields.bio.map { .string($0) } == Self.set(fields["bio"]), "seed \(seed)")
            #expect(row.fields.isDeactivated == (fields["deactivated"] == .bool(true)), "seed \(seed)")
            #expect(row.counts.followers == slow.count("follow", to: .author(author)), "seed \(seed)")
            let listed = slow.contents.filter { $0.key.author == author && $0.value["unlisted"] != .bool(true) }
            #expect(row.counts.contents == listed.count, "seed \(seed)")
            let lists = slow.lists.filter { $0.key.author == author }
            let albums = lists.filter { $0.value["isAlbum"] == .bool(true) }
            #expect(row.counts.albums == albums.count, "seed \(seed)")
            #expect(row.counts.lists == lists.count - albums.count, "seed \(seed)")
        }
        for (ref, fields) in slow.contents where slow.profiles[ref.author] != nil {
            let row = try #require(try reader.content(EntityID(.content, ref.author, ref.id)), "seed \(seed)")
            #expect(!row.isDeleted)
            #expect(row.fields.title.map { .string($0) } == Self.set(fields["title"]), "seed \(seed) \(ref.id)")
            #expect(row.fields.genre.map { .string($0) } == Self.set(fields["genre"]), "seed \(seed)")
            #expect(row.fields.duration.map { .integer(DAGInteger($0)) } == Self.set(fields["duration"]))
            #expect(row.fields.isUnlisted == (fields["unlisted"] == .bool(true)))
            #expect(row.fields.media.map(\.cid) == (Self.set(fields["media"])?.links ?? []))
            #expect(row.created == slow.created[SlowMerge.name("content", ref)], "seed \(seed)")
            #expect(row.counts.saves == slow.count("save", to: .content(ref)), "seed \(seed)")
            #expect(row.counts.reposts == slow.count("repost", to: .content(ref)), "seed \(seed)")
            let plays = slow.plays.filter { $0.key.content == ref }.map(\.value).reduce(0, +)
            #expect(row.counts.plays == Int(plays), "seed \(seed)")
            let comments = slow.comments.filter { $0.value["content"]?["id"] == .string(ref.id) }
                .filter { $0.value["content"]?["author"] == .bytes(ref.author.bytes) }
            #expect(row.counts.comments == comments.count, "seed \(seed)")
        }
        for name in slow.deleted where name.hasPrefix("content") {
            let parts = name.split(separator: " ").map(String.init)
            let author = try #require(AuthorID(parts[1]))
            guard slow.profiles[author] != nil else { continue }
            let row = try #require(try reader.content(EntityID(.content, author, parts[2])))
            #expect(row.isDeleted && row.fields.title == nil && row.fields.media.isEmpty, "seed \(seed)")
        }
        for (ref, fields) in slow.lists where slow.profiles[ref.author] != nil {
            let row = try #require(try reader.list(EntityID(.list, ref.author, ref.id)), "seed \(seed)")
            #expect(row.fields.name.map { .string($0) } == Self.set(fields["name"]), "seed \(seed)")
            #expect(row.items.map(\.tag) == slow.order(of: ref), "seed \(seed)")
        }
    }

    /// A field's value; `nil` where it was cleared.
    private static func set(_ value: DAGValue?) -> DAGValue? { value == .null ? nil : value }
}
