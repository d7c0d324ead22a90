import Catalog
import Foundation
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
}
