import Catalog
import Foundation
import PeerCrypto
import Testing

@Suite("Author keys") struct AuthorKeysTests {
    /// A folder that goes when the test is over.
    final class Folder {
        let path = NSTemporaryDirectory() + "author-keys-" + UUID().uuidString
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test("A new author is in use, and another can be taken into use by name or id") func createAndUse() throws {
        let folder = try Folder()
        let keys = AuthorKeys(repository: folder.path, cost: .least)
        #expect(throws: AuthorKeysError.noCurrent) { try keys.current() }
        let lena = try keys.create("Lena", now: 1_000)
        let band = try keys.create("The band", passphrase: "loud", now: 2_000)
        #expect(try keys.current().id == band.entry.id)
        #expect(try keys.list().map(\.name) == ["Lena", "The band"])
        #expect(try keys.use("Lena").id == lena.entry.id)
        #expect(try keys.use(band.entry.id.short).id == band.entry.id)
        #expect(try keys.use(lena.entry.id.description).isCurrent)
        #expect(throws: AuthorKeysError.taken("Lena")) { try keys.create("Lena", now: 3_000) }
        #expect(throws: AuthorKeysError.badName) { try keys.create("a\nb", now: 3_000) }
        #expect(throws: AuthorKeysError.unknown("x")) { try keys.use("x") }
        // Another process sees the same.
        let again = AuthorKeys(repository: folder.path, cost: .least)
        #expect(try again.current().name == "Lena")
        let key = try again.key(of: lena.entry.id)
        #expect(key.publicKey == lena.key.publicKey)
        #expect(try again.first(of: lena.entry.id) == lena.first)
    }

    @Test("A locked key opens with its passphrase only, and its file shows no secret") func passphrase() throws {
        let folder = try Folder()
        let keys = AuthorKeys(repository: folder.path, cost: .least)
        let author = try keys.create("Lena", passphrase: "loud", now: 1_000)
        #expect(throws: AuthorKeysError.locked("Lena")) { try keys.key(of: author.entry.id) }
        #expect(throws: AuthorKeysError.passphrase(.wrongPassphrase)) {
            try keys.key(of: author.entry.id, passphrase: "quiet")
        }
        let key = try keys.key(of: author.entry.id, passphrase: "loud")
        #expect(key.publicKey == author.key.publicKey)
        try keys.setPassphrase(nil, of: author.entry.id, old: "loud")
        let open = try keys.key(of: author.entry.id)
        #expect(open.publicKey == author.key.publicKey)
        let path = folder.path + "/authors/" + author.entry.id.description + ".key"
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("An exported author goes on elsewhere, and an older file never takes a newer key's place")
    func exportAndImport() throws {
        let (here, there) = (try Folder(), try Folder())
        let keys = AuthorKeys(repository: here.path, cost: .least)
        let author = try keys.create("Lena", passphrase: "loud", now: 1_000)
        let old = try keys.export(author.entry.id)
        let others = AuthorKeys(repository: there.path, cost: .least)
        let entry = try others.import(old, name: "Me")
        #expect(entry.name == "Me")
        #expect(entry.isCurrent)
        let seed = SecretBytes([UInt8](repeating: 5, count: 32))
        try others.addKey(seed: seed, to: entry.id, passphrase: "loud")
        let newest = try others.key(of: entry.id, passphrase: "loud")
        #expect(newest.publicKey == KeyPair(seed: seed).publicKey)
        let first = try others.key(of: entry.id, passphrase: "loud", inForce: author.key.publicKey.data)
        #expect(first.publicKey == author.key.publicKey)
        #expect(throws: AuthorKeysError.keyNotInForce) { try others.import(old) }
        #expect(try keys.import(others.export(entry.id)).name == "Lena")
        var damaged = old
        damaged[damaged.count / 2] ^= 1
        #expect(throws: AuthorKeysError.self) { try others.import(damaged) }
    }

    @Test("33 words give the recovery key back, and a slip of the pen is noticed") func recoveryWords() throws {
        let key = RecoveryKey(seed: SecretBytes((0..<32).map { UInt8($0 * 7) }))
        let words = key.words
        #expect(words.count == 33)
        let read = try RecoveryKey(words: words.joined(separator: " "))
        #expect(read.hash == key.hash)
        let sloppy = try RecoveryKey(words: words.map { $0.prefix(4).uppercased() }.joined(separator: ",\n"))
        #expect(sloppy.hash == key.hash)
        #expect(throws: RecoveryKeyError.count(32)) { try RecoveryKey(words: words.dropLast().joined(separator: " ")) }
        var wrong = words
        wrong[4] = "xylophone"
        #expect(throws: RecoveryKeyError.unknownWord("xylophone", position: 5)) {
            try RecoveryKey(words: wrong.joined(separator: " "))
        }
        wrong = words
        wrong.swapAt(3, 4)
        #expect(throws: RecoveryKeyError.wrongCheck) { try RecoveryKey(words: wrong.joined(separator: " ")) }
        let all = Set(
            (0..<8).flatMap { part in
                RecoveryKey(seed: SecretBytes((0..<32).map { UInt8(part * 32 + $0) })).words.dropLast()
            })
        #expect(all.count == 256)
        #expect(Set(all.map { $0.prefix(4) }).count == 256)
    }
}
