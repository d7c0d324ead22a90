import Catalog
import Foundation
import GRDB
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

@Suite("Upkeep of the log") struct UpkeepTests {
    @Test("An export brings the same set, in pieces of any size, and without waiting for ancestors") func archive()
        throws
    {
        let history = try RandomHistory(seed: 31, authors: 3, updates: 60)
        let log = try UpdateLogTests.memory()
        _ = try log.store(history.updates.map { VerifiedUpdate($0.block) }, from: .pull, now: 0)
        var file: [UInt8] = []
        try log.export { file += $0 }
        var luck = SeededGenerator(seed: 1)
        var reader = UpdateArchive.Reader()
        let copy = try UpdateLogTests.memory()
        var rest = file[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...700, using: &luck))
            rest = rest.dropFirst(piece.count)
            let blocks = try reader.receive(ByteBuffer(bytes: piece))
            let report = try copy.store(blocks.map { VerifiedUpdate($0) }, from: .pull, now: 0)
            #expect(report.results.allSatisfy { $0.result == .accepted })
        }
        try reader.finish()
        #expect(try copy.totals() == log.totals())
        for update in history.updates { #expect(try copy.entry(update.id)?.counts == log.entry(update.id)?.counts) }
    }

    @Test("What is no export is refused") func brokenArchive() throws {
        var reader = UpdateArchive.Reader()
        #expect(throws: UpdateArchiveError.otherFormat) { _ = try reader.receive(ByteBuffer(string: "RIFF")) }
        reader = UpdateArchive.Reader()
        let long = UpdateArchive.header + [0x81, 0x80, 0x02]
        #expect(throws: UpdateArchiveError.tooLong) { _ = try reader.receive(ByteBuffer(bytes: long)) }
        reader = UpdateArchive.Reader()
        _ = try reader.receive(ByteBuffer(bytes: UpdateArchive.header + [5, 1, 2]))
        #expect(throws: UpdateArchiveError.truncated) { try reader.finish() }
        #expect(throws: UpdateArchiveError.otherFormat) { try UpdateArchive.Reader().finish() }
    }

    @Test("New tables of the sink are filled from the log, and old ones are left alone") func refill() throws {
        let folder = try AuthorKeysTests.Folder()
        let path = folder.path + "/catalog.sqlite"
        let history = try RandomHistory(seed: 32, authors: 3, updates: 80)
        let obvious = ObviousRights(history.updates)
        let log = try UpdateLog(CatalogDatabase(path: path))
        _ = try log.store(history.updates.map { VerifiedUpdate($0.block) }, from: .pull, now: 0)
        try log.database.close()
        let sink = RecordingSink()
        let again = try UpdateLog(CatalogDatabase(path: path), sink: sink)
        try again.refill(preparing: { _ in false })
        #expect(sink.owners.isEmpty)
        try again.refill(preparing: { _ in true })
        let counting = history.updates.filter { obvious.counts($0) }
        #expect(sink.owners == Dictionary(grouping: counting, by: \.subject).mapValues { Set($0.map(\.id)) })
    }

    @Test("A damaged row is found") func damage() throws {
        let log = try UpdateLogTests.memory()
        let first = try log.create(key: UpdateLogTests.key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        let last = try log.publish(
            UpdateLogTests.profile("a"), author: first.author, key: UpdateLogTests.key, now: 2_000)
        #expect(try log.verify().damaged.isEmpty)
        let body = Array(last.bodyBytes.dropLast()) + [0x62]
        try log.database.write {
            try $0.execute(sql: "UPDATE log_updates SET body = ? WHERE row = 2", arguments: [Data(body)])
        }
        let check = try log.verify()
        #expect(check.updates == 2)
        #expect(check.damaged == [2])
        #expect(check.next == nil)
        #expect(try log.verify(limit: 1).next == 1)
    }

    @Test("What is missing is told page by page, so that what nobody has does not stand in the way") func missing()
        throws
    {
        let source = try UpdateLogTests.memory()
        let first = try source.create(key: UpdateLogTests.key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
        var updates: [Update] = []
        for number in 0..<5 {
            updates.append(
                try source.publish(
                    UpdateLogTests.profile("\(number)"), author: first.author, key: UpdateLogTests.key, now: 2_000))
        }
        let log = try UpdateLogTests.memory()
        let bare = updates.map { VerifiedUpdate(Array($0.headerBytes)) }
        _ = try log.store([VerifiedUpdate(first.block)] + bare, from: .pull, now: 0)
        let page = try log.missing(limit: 2)
        #expect(page.map(\.id) == updates[..<2].map(\.id))
        let rest = try log.missing(after: page[1].row, limit: 9)
        #expect(rest.map(\.id) == updates[2...].map(\.id))
        #expect(try log.missing(after: rest[2].row, limit: 9).isEmpty)
        _ = try log.store(updates.map { VerifiedUpdate($0.block) }, from: .pull, now: 0)
        #expect(try log.missing(limit: 9).isEmpty)
    }

    @Test("Room is made with the farthest authors first, never with those who are followed") func makeRoom() throws {
        let log = try UpdateLogTests.memory()
        var authors: [AuthorID] = []
        for number in 0..<3 {
            let key = KeyPair(seed: [UInt8](repeating: UInt8(number + 40), count: 32))
            let source = try UpdateLogTests.memory()
            let first = try source.create(key: key, recovery: UpdateLogTests.recovery.hash, now: 1_000)
            let next = try source.publish(UpdateLogTests.profile("a"), author: first.author, key: key, now: 2_000)
            _ = try log.store([first, next].map { VerifiedUpdate($0.block) }, from: .pull, now: 0)
            authors.append(first.author)
        }
        let before = try log.totals().bytes
        try log.setFollowed([authors[0]])
        let after = try log.makeRoom(authors, limit: before - 1, now: 0)
        #expect(after.kept < before)
        #expect(after.last == authors[1])
        #expect(try log.totals().bytes == after.kept)
        #expect(try log.heldBytes() == after.kept)
        // The first update is a right and stays.
        #expect(try authors.map { try log.entries(of: $0, limit: 9).count } == [2, 1, 2])
        #expect(try log.author(authors[1])?.updates == 1)
        #expect(try log.totals().updates == 6)
        #expect(try log.missing(limit: 9).isEmpty)
        let again = try log.makeRoom(authors, limit: after.kept, now: 0)
        #expect(again.last == nil && again.kept == after.kept)
        try log.want([authors[1]], now: 0)
        #expect(try log.missing(limit: 9).count == 1)
        #expect(try log.sizes().reduce(0) { $0 + $1.bytes } == after.kept)
    }
}
