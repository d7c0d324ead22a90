import Catalog
import Foundation
import GRDB
import Multiformats
import NIOCore
import PeerCrypto
import Testing

@Suite("What the log keeps and erases") struct DurabilityTests {
    let key = UpdateLogTests.key

    @Test("What was published is there after the process is killed, and goes on from its head") func killed() throws {
        let folder = try AuthorKeysTests.Folder()
        let log = try UpdateLog(CatalogDatabase(path: folder.path + "/catalog.sqlite"))
        let first = try log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        let last = try log.publish(UpdateLogTests.profile("a"), author: first.author, key: key, now: 2_000)
        // What a killed process leaves: the files as they are, with nothing closed.
        let copy = try AuthorKeysTests.Folder()
        for name in ["catalog.sqlite", "catalog.sqlite-wal"] {
            try FileManager.default.copyItem(atPath: folder.path + "/" + name, toPath: copy.path + "/" + name)
        }
        let again = try UpdateLog(CatalogDatabase(path: copy.path + "/catalog.sqlite"))
        #expect(try again.author(first.author)?.heads == [last.id])
        let next = try again.publish(UpdateLogTests.profile("b"), author: first.author, key: key, now: 3_000)
        #expect(next.header.prev == [last.id])
        #expect(try again.totals().updates == 3)
        #expect(try again.entries(after: 0, limit: 10).map(\.update.id) == [first.id, last.id, next.id])
        #expect(try again.entries(of: first.author, limit: 2).map(\.update.id) == [next.id, last.id])
        #expect(try again.entries(of: first.author, before: 1, limit: 2).map(\.update.id) == [first.id])
    }

    @Test("What is forgotten is hidden at once, and its body goes after 72 hours; its header stays") func forget()
        throws
    {
        let sink = RecordingSink()
        let log = try UpdateLog(CatalogDatabase(path: ":memory:"), sink: sink)
        let first = try log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        let author = first.author
        let secret = try log.publish(UpdateLogTests.profile("secret"), author: author, key: key, now: 2_000)
        let forget = try log.publish(
            .forget(ForgetBody([secret.id, first.id])), author: author, key: key, now: 3_000)
        #expect(try log.entry(secret.id)?.counts == false)
        #expect(sink.owners == [author: [first.id, forget.id]])
        let hour: UInt64 = 3_600_000
        #expect(try log.sweep(now: 3_000 + 71 * hour).erased == 0)
        let swept = try log.sweep(now: 3_000 + 72 * hour)
        #expect(swept.erased == 1)
        #expect(swept.bytes == Int64(secret.bodyBytes.count))
        #expect(swept.next == nil)
        #expect(try log.blocks([secret.id])[0]?.block == Array(secret.headerBytes))
        #expect(try log.missing(limit: 10).isEmpty)
        // It does not come back from those who still have it.
        let report = try log.store([VerifiedUpdate(secret.block)], from: .pull, now: 4_000)
        #expect(report.results[0].result == .known)
        #expect(try log.blocks([secret.id])[0]?.block == Array(secret.headerBytes))
        #expect(try log.blocks([first.id])[0]?.block == first.block)
    }

    @Test("Bodies of what is deleted go after 72 hours, and superseded ones after 30 days; the view stays as it was")
    func superseded() throws {
        let log = try UpdateLogTests.memory()
        let first = try log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        func put(_ id: String, title: String? = nil, genre: String? = nil, now: UInt64) throws -> UpdateID {
            var body = ContentBody(id: id)
            body.title = Patch(title)
            body.genre = Patch(genre)
            return try log.publish(.content(body), author: first.author, key: key, now: now).id
        }
        let made = try put("song", title: "a", genre: "x", now: 2_000)
        let retitled = try put("song", title: "b", now: 3_000)
        let both = try put("song", title: "c", genre: "y", now: 4_000)
        let last = try put("song", title: "d", now: 5_000)
        let gone = try put("gone", title: "z", now: 6_000)
        let delete = try log.publish(.contentDelete(DeleteBody(id: "gone")), author: first.author, key: key, now: 7_000)
        let day: UInt64 = 86_400_000
        #expect(try log.sweep(now: 7_000 + 3 * day).erased == 1)
        func hasBody(_ id: UpdateID) throws -> Bool { try log.entry(id)?.update.body != nil }
        #expect(try !hasBody(gone))
        #expect(try hasBody(delete.id))
        #expect(try log.sweep(now: 5_000 + 30 * day).erased == 1)
        // The first stays for what it made, and what still holds a field does as well.
        #expect(try !hasBody(retitled))
        #expect(try [made, both, last].map { try hasBody($0) } == [true, true, true])
        #expect(try log.sweep(now: 5_000 + 60 * day).erased == 0)
    }

    @Test("What is erased moves no creation date, on this node or on one that comes late") func created() throws {
        let database = try CatalogDatabase(path: ":memory:")
        try CatalogView.open(database)
        let log = try UpdateLog(database, sink: CatalogView())
        let first = try log.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        let (owner, other) = (first.author, KeyPair(seed: [UInt8](repeating: 8, count: 32)))
        let grantee = try log.create(key: other, recovery: UpdateLogTests.recovery.hash, now: 1_000).author
        func say(_ body: UpdateBody, now: UInt64) throws -> Update {
            try log.publish(body, author: owner, key: key, now: now)
        }
        func song(_ title: String) -> UpdateBody {
            var body = ContentBody(id: "song")
            body.title = .set(title)
            return .content(body)
        }
        func list(_ name: String) -> UpdateBody {
            var body = ListBody(id: "list")
            body.name = .set(name)
            return .list(body)
        }
        // An item comes before the list that it is in.
        let place = try #require(ListPosition.between(nil, nil))
        _ = try say(.listItem(ListItemBody(list: "list", .add(EntityRef(owner, "song"), place))), now: 2_000)
        let named = try say(list("a"), now: 3_000)
        for (name, now) in [("b", 4_000), ("c", 5_000)] { _ = try say(list(name), now: UInt64(now)) }
        // The first to put the song has the right to until it is revoked.
        let grant = try say(.grant(GrantBody(to: grantee, kinds: [.contentPut])), now: 6_000)
        let acting = UpdateHeader.Acting(for: owner, by: grant.id)
        _ = try log.publish(song("x"), author: grantee, key: other, acting: acting, now: 7_000)
        for (title, now) in [("y", 8_000), ("z", 9_000), ("zz", 10_000)] { _ = try say(song(title), now: UInt64(now)) }
        #expect(try log.sweep(now: 31 * 86_400_000).erased == 2)
        #expect(try log.entry(named.id)?.update.body != nil)
        _ = try say(.revoke(RevokeBody(grant.id)), now: 11_000)
        func dates(_ database: CatalogDatabase) throws -> [UInt64?] {
            let reader = CatalogReader(database.writer)
            return [
                try reader.list(EntityID(.list, owner, "list"))?.created,
                try reader.content(EntityID(.content, owner, "song"))?.created,
            ]
        }
        #expect(try dates(database) == [3_000, 8_000])
        try CatalogView.rebuild(database)
        #expect(try dates(database) == [3_000, 8_000])
        let late = try CatalogDatabase(path: ":memory:")
        try CatalogView.open(late)
        let copy = try UpdateLog(late, sink: CatalogView())
        var blocks: [[UInt8]] = []
        var reader = UpdateArchive.Reader()
        try log.export { blocks += try reader.receive(ByteBuffer(bytes: $0)) }
        _ = try copy.store(blocks.map { VerifiedUpdate($0) }, from: .pull, now: 0)
        #expect(try dates(late) == [3_000, 8_000])
        let views = try [database, late].map { try $0.read { try ViewFingerprint.of($0) } }
        #expect(views[0] == views[1])
    }
}
