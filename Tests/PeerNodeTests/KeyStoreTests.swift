import Foundation
import Multiformats
import PeerCrypto
import PeerNode
import TestSupport
import Testing

/// Keys by name, as files that only their owner can read.
@Suite struct KeyStoreTests {
    private let identity = KeyPair(seed: [UInt8](repeating: 1, count: 32))

    private func withStore(_ body: (KeyStore, URL) throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try body(KeyStore(repository: folder.path, identity: identity), folder)
        }
    }

    @Test("Keys are made, found by name and PeerID, renamed and removed")
    func life() async throws {
        try await withStore { store, folder in
            let entries = try store.list()
            #expect(entries.map(\.name) == ["self"] && entries.first?.peer == identity.peerID)
            #expect(try store.key("self").peerID == identity.peerID)
            let blog = try store.generate("blog")
            let odd = try store.generate("..ä \u{1F30D}\n")
            #expect(try store.list().map(\.name) == ["self", "..ä \u{1F30D}\n", "blog"])
            #expect(try store.key("blog").peerID == blog.peer)
            for text in [blog.peer.description, blog.peer.cid.description, blog.peer.cid.text(in: .base32)] {
                #expect(try store.key(text).peerID == blog.peer)
            }
            #expect(try store.key(identity.peerID.description).peerID == identity.peerID)
            // It is all on the disk.
            let again = KeyStore(repository: folder.path, identity: identity)
            #expect(try again.key(of: odd.peer)?.peerID == odd.peer)
            #expect(throws: KeyStoreError.taken("blog")) { try again.generate("blog") }
            #expect(throws: KeyStoreError.taken("blog")) { try again.rename("..ä \u{1F30D}\n", to: "blog") }
            let renamed = try again.rename("blog", to: "diary")
            #expect(renamed.entry == KeyStore.Entry(name: "diary", peer: blog.peer) && !renamed.didOverwrite)
            #expect(throws: KeyStoreError.unknown("blog")) { try again.key("blog") }
            let replaced = try again.rename("..ä \u{1F30D}\n", to: "diary", overwriting: true)
            #expect(replaced.didOverwrite && replaced.entry.peer == odd.peer)
            #expect(try store.list().map(\.peer) == [identity.peerID, odd.peer])
            #expect(try store.remove("diary").peer == odd.peer)
            #expect(throws: KeyStoreError.unknown("diary")) { try store.remove("diary") }
            #expect(try store.list().count == 1)
        }
    }

    @Test("Files are for their owner only, and one that is not is refused")
    func permissions() async throws {
        try await withStore { store, folder in
            _ = try store.generate("a")
            let keystore = folder.appendingPathComponent("keystore")
            let files = try FileManager.default.contentsOfDirectory(atPath: keystore.path)
            #expect(files == ["key_me.pem"])
            func mode(_ url: URL) throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: url.path)[.posixPermissions] as? Int
            }
            let file = keystore.appendingPathComponent("key_me.pem")
            #expect(try mode(keystore) == 0o700)
            #expect(try mode(file) == 0o600)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
            #expect(throws: KeyStoreError.self) { try store.key("a") }
        }
    }

    @Test("Names follow the rules, and the identity stays")
    func names() async throws {
        try await withStore { store, _ in
            for name in ["", "a/b", "/", String(repeating: "x", count: 129)] {
                #expect(throws: KeyStoreError.self) { try store.generate(name) }
            }
            #expect(try store.generate(String(repeating: "x", count: 128)).name.count == 128)
            #expect(throws: KeyStoreError.isIdentity("create")) { try store.generate("self") }
            #expect(throws: KeyStoreError.isIdentity("remove")) { try store.remove("self") }
            #expect(throws: KeyStoreError.isIdentity("rename")) { try store.rename("self", to: "me") }
            _ = try store.generate("b")
            #expect(throws: KeyStoreError.isIdentity("overwrite")) {
                try store.rename("b", to: "self", overwriting: true)
            }
        }
    }

    @Test("A key comes in as PEM or protobuf and is the same key")
    func imports() async throws {
        try await withStore { store, _ in
            let key = KeyPair(seed: [UInt8](repeating: 5, count: 32))
            let pem = try store.add(Array(key.pem.utf8), as: "pem")
            let protobuf = try store.add(key.privateProtobuf, as: "protobuf")
            #expect(pem.peer == key.peerID && protobuf.peer == key.peerID)
            let stored = try store.key("pem")
            #expect(stored.privateProtobuf == key.privateProtobuf)
            #expect(throws: KeyStoreError.self) { try store.add([1, 2, 3], as: "nonsense") }
            #expect(throws: KeyStoreError.self) { try store.add([UInt8](repeating: 45, count: 1 << 20), as: "long") }
            let count = try store.list().count
            #expect(count == 3)
        }
    }
}
