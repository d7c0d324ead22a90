import Catalog
import Foundation
import Multiformats
import PeerCrypto
import PeerNode
import TestSupport
import Testing

/// When a node signs and when it refuses to, and what it keeps when there is no room: all of it without a network.
@Suite struct CatalogSigningTests {
    private static func peer(_ number: UInt8) -> PeerID {
        KeyPair(seed: [UInt8](repeating: number, count: 32)).peerID
    }

    @Test("Nothing is signed while the clock is more than five minutes off the median of five peers")
    func wrongClock() async throws {
        try await withTemporaryFolder { folder in
            let node = try await makeNode(folder, "a", online: false)
            let (author, recovery) = try await node.catalog.createAuthor(name: "ann")
            let before = try await node.catalog.digest()
            func setAhead(_ offset: Int64) {
                for number in 0..<5 {
                    node.catalog.clocks.note(
                        Self.peer(UInt8(number)), theirs: 1_000_000_000, ours: UInt64(1_000_000_000 + offset))
                }
            }
            for offset: Int64 in [300_001, -300_001] {
                setAhead(offset)
                let error = CatalogServiceError.clock(offset)
                await #expect(throws: error) { try await node.publish(name: "Ann") }
                await #expect(throws: error) { try await node.catalog.createAuthor(name: "bob") }
                await #expect(throws: error) { try await node.catalog.rotate(author, recovery: recovery) }
            }
            let after = try await node.catalog.digest()
            #expect(after == before)
            #expect(try node.catalog.authors.list().map(\.name) == ["ann"])
            for offset: Int64 in [300_000, -300_000] {
                setAhead(offset)
                try await node.publish(name: "Ann \(offset)")
            }
            await node.stop()
        }
    }

    @Test("An author gets a new key by the recovery words; the old one signs no more, and wrong words leave nothing")
    func rotate() async throws {
        try await withTemporaryFolder { folder in
            var node = try await makeNode(folder, "a", online: false)
            let made = try await node.catalog.createAuthor(name: "ann", passphrase: "secret words")
            let author = made.author
            let mine = try await node.publish(name: "Ann")
            let theft = try await node.publish(name: "Stolen")
            let keys = node.catalog.authors
            let old = try keys.key(of: author, passphrase: "secret words")
            await #expect(throws: CatalogServiceError.wrongWords(author)) {
                try await node.catalog.rotate(author, recovery: .generate(), passphrase: "secret words")
            }
            await #expect(throws: AuthorKeysError.locked("ann")) {
                try await node.catalog.rotate(author, recovery: made.recovery)
            }
            let unchanged = try keys.key(of: author, passphrase: "secret words")
            #expect(unchanged.publicKey == old.publicKey)
            // What a person has written down is read back first.
            let words = try RecoveryKey(words: made.recovery.words.joined(separator: " "))
            let (update, next) = try await node.catalog.rotate(
                author, recovery: words, heads: [mine.id], passphrase: "secret words")
            #expect(update.header.prev == [mine.id] && update.kind == .rotate)
            #expect(try node.name(of: author) == "Ann")
            let undone = try await node.catalog.update(theft.id)
            #expect(undone?.counts == false)
            // The node goes on with the new key, and after a restart with the passphrase.
            try await node.publish(name: "Ann again")
            await node.stop()
            node = try await makeNode(folder, "a", online: false)
            await #expect(throws: CatalogServiceError.locked(author)) { try await node.publish(name: "x") }
            try await node.catalog.unlock(author, passphrase: "secret words")
            try await node.publish(name: "Ann for good")
            let summary = try await node.catalog.author(author)
            #expect(summary?.recovery == next.hash)
            #expect(summary?.key != old.publicKey.data)
            #expect(summary?.isEquivocated == false)
            // The old words are good for nothing, and the new ones are.
            await #expect(throws: CatalogServiceError.wrongWords(author)) {
                try await node.catalog.rotate(author, recovery: words, passphrase: "secret words")
            }
            _ = try await node.catalog.rotate(author, recovery: next, passphrase: "secret words")
            await node.stop()
        }
    }

    @Test("When the quota is nearly used up, the farthest authors go and the nearer stay") func farAuthorsGoFirst()
        async throws
    {
        try await withTemporaryFolder { folder in
            var authors: [AuthorID] = []
            for name in ["b", "c", "d"] {
                let node = try await makeNode(folder, name, online: false)
                authors.append(try await node.catalog.createAuthor(name: name).author)
                for number in 0..<(name == "b" ? 12 : 8) { try await node.publish(name: "\(name) \(number)") }
                // b follows d.
                if name == "d" { _ = try await node.catalog.export(to: folder.path + "/d.updates") }
                if name == "b" { _ = try await node.catalog.export(to: folder.path + "/b.updates") }
                if name == "c" { _ = try await node.catalog.export(to: folder.path + "/c.updates") }
                await node.stop()
            }
            var node = try await makeNode(folder, "b", online: false)
            _ = try await node.catalog.publish(.edge(EdgeBody(.follow, .author(authors[2]))))
            _ = try await node.catalog.export(to: folder.path + "/b.updates")
            await node.stop()
            node = try await makeNode(folder, "a", online: false)
            _ = try await node.catalog.createAuthor(name: "ann")
            _ = try await node.catalog.publish(.edge(EdgeBody(.follow, .author(authors[0]))))
            for name in ["b", "c", "d"] {
                _ = try await node.catalog.import(from: folder.path + "/" + name + ".updates")
            }
            let whole = try await node.catalog.status()
            let roomy = try await node.catalog.makeRoom()
            #expect(roomy == nil)
            await node.stop()
            node = try await makeNode(folder, "a", online: false) { $0.catalog.quota = Int(whole.bytes) + 100 }
            let kept = try #require(try await node.catalog.makeRoom())
            #expect(kept <= (whole.bytes + 100) * 80 / 100)
            // c is nobody's friend; d is followed by whom we follow.
            #expect(try authors.map { try node.name(of: $0) } == ["b 11", nil, "d 7"])
            let status = try await node.catalog.status()
            #expect(status.bytes == kept && status.updates == whole.updates && status.digest == whole.digest)
            #expect(status.missing == 0)
            let again = try await node.catalog.makeRoom()
            #expect(again == nil)
            await node.stop()
        }
    }
}
