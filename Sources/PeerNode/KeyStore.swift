import Foundation
package import Multiformats
package import PeerCrypto
import Synchronization

/// The keys of a repo by name: what the node signs names with beside its identity, which is called "self".
///
/// Each is a PEM file of mode 0600 in the folder `keystore`. A file is called `key_`, the name in base32 and
/// `.pem`, as Kubo does it, so that any name fits any file system. Calls block on small files.
package final class KeyStore: Sendable {
    /// A key as lists show it.
    package struct Entry: Hashable, Sendable {
        package let name: String
        package let peer: PeerID

        package init(name: String, peer: PeerID) {
            self.name = name
            self.peer = peer
        }
    }

    /// The name of the node's identity.
    package static let identityName = "self"
    /// The longest name, in bytes of UTF-8.
    package static let maximumNameLength = 128

    private let folder: String
    private let identity: KeyPair
    /// One change at a time.
    private let changes = Mutex(())

    /// The keys of the repo in `repository`. Nothing is created before there is something to keep.
    package init(repository: String, identity: KeyPair) {
        folder = repository + "/keystore"
        self.identity = identity
    }

    /// All keys: "self" first, then by name. Throws when one cannot be read.
    package func list() throws(KeyStoreError) -> [Entry] {
        var entries = [Entry(name: Self.identityName, peer: identity.peerID)]
        for name in names { entries.append(Entry(name: name, peer: try load(name).peerID)) }
        return entries
    }

    /// The key of this name, or else the one whose PeerID the text is, in any of its forms.
    package func key(_ text: String) throws(KeyStoreError) -> KeyPair {
        if text == Self.identityName { return identity }
        do throws(KeyStoreError) {
            return try load(text)
        } catch {
            guard case .unknown = error else { throw error }
            guard let peer = try? PeerID(text), let key = try key(of: peer) else { throw .unknown(text) }
            return key
        }
    }

    /// The key with this PeerID; `nil` when there is none.
    package func key(of peer: PeerID) throws(KeyStoreError) -> KeyPair? {
        if identity.peerID == peer { return identity }
        for name in names {
            let key = try load(name)
            if key.peerID == peer { return key }
        }
        return nil
    }

    /// Makes a new key.
    package func generate(_ name: String) throws(KeyStoreError) -> Entry { try add(.generate(), as: name) }

    /// Keeps a key from elsewhere: PEM, or libp2p's protobuf (what `ipfs key export` writes).
    package func add(_ file: [UInt8], as name: String) throws(KeyStoreError) -> Entry {
        guard file.count <= KeyPair.maximumFileLength else { throw .notAKey(.malformed) }
        let key: KeyPair
        do throws(KeyError) {
            key = try KeyPair(fileContent: file)
        } catch {
            throw .notAKey(error)
        }
        return try add(key, as: name)
    }

    /// Keeps `key` under a name that is free.
    package func add(_ key: KeyPair, as name: String) throws(KeyStoreError) -> Entry {
        try check(name, to: "create")
        try changing { () throws(KeyStoreError) in try save(key, name, replacing: false) }
        return Entry(name: name, peer: key.peerID)
    }

    /// Removes a key for good.
    package func remove(_ name: String) throws(KeyStoreError) -> Entry {
        try check(name, to: "remove")
        return try changing { () throws(KeyStoreError) in
            let entry = Entry(name: name, peer: try load(name).peerID)
            try delete(name)
            return entry
        }
    }

    /// Gives a key another name. With `overwriting` a key of that name is replaced, and lost.
    package func rename(
        _ name: String, to newName: String, overwriting: Bool = false
    ) throws(KeyStoreError) -> (entry: Entry, didOverwrite: Bool) {
        try check(name, to: "rename")
        try check(newName, to: "overwrite")
        return try changing { () throws(KeyStoreError) in
            let key = try load(name)
            guard name != newName else { return (Entry(name: name, peer: key.peerID), false) }
            let didOverwrite = names.contains(newName)
            guard overwriting || !didOverwrite else { throw .taken(newName) }
            // The new file first: dying in between leaves the key under both names, never under none.
            try save(key, newName, replacing: overwriting)
            try delete(name)
            return (Entry(name: newName, peer: key.peerID), didOverwrite)
        }
    }

    // MARK: Files

    private func changing<R: Sendable>(_ body: () throws(KeyStoreError) -> R) throws(KeyStoreError) -> R {
        try changes.withLock { _ throws(KeyStoreError) in try body() }
    }

    /// The names of the files that are keys, sorted; others are passed over.
    private var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.compactMap { file in
            guard file.hasPrefix("key_"), file.hasSuffix(".pem"),
                let bytes = try? Base.base32.decode(String(file.dropFirst(4).dropLast(4)))
            else { return nil }
            return String(validating: bytes, as: UTF8.self)
        }.sorted()
    }

    private func path(_ name: String) -> String {
        folder + "/key_" + Base.base32.encode(Array(name.utf8)) + ".pem"
    }

    private func check(_ name: String, to action: String) throws(KeyStoreError) {
        guard !name.isEmpty else { throw .badName(name, "a name has at least one character") }
        guard !name.utf8.contains(UInt8(ascii: "/")) else { throw .badName(name, "a name has no slashes") }
        guard name.utf8.count <= Self.maximumNameLength else {
            throw .badName(name, "a name has at most \(Self.maximumNameLength) bytes")
        }
        guard name != Self.identityName else { throw .isIdentity(action) }
    }

    private func load(_ name: String) throws(KeyStoreError) -> KeyPair {
        guard !name.isEmpty, name.utf8.count <= Self.maximumNameLength else { throw .unknown(name) }
        do throws(KeyFileError) {
            return try KeyPair.load(from: path(name))
        } catch {
            if case .notFound = error { throw .unknown(name) }
            throw .file(error)
        }
    }

    private func save(_ key: KeyPair, _ name: String, replacing: Bool) throws(KeyStoreError) {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .folder(folder, error.localizedDescription)
        }
        do throws(KeyFileError) {
            try key.save(to: path(name), replacing: replacing)
        } catch {
            if case .alreadyExists = error { throw .taken(name) }
            throw .file(error)
        }
    }

    private func delete(_ name: String) throws(KeyStoreError) {
        do {
            try FileManager.default.removeItem(atPath: path(name))
        } catch {
            throw .folder(folder, error.localizedDescription)
        }
    }
}

/// What could not be done with a key.
package enum KeyStoreError: Error, Hashable, Sendable {
    case unknown(String)
    case taken(String)
    case badName(String, String)
    /// "self" is the identity and stays; the verb says what was tried.
    case isIdentity(String)
    case notAKey(KeyError)
    case file(KeyFileError)
    case folder(String, String)
}

extension KeyStoreError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .unknown(let name): "no key by the name '\(name)' was found: see `peernode key ls`"
        case .taken(let name): "a key by the name '\(name)' exists already"
        case .badName(let name, let why): "'\(name)' cannot be the name of a key: \(why)"
        case .isIdentity(let verb): "cannot \(verb) the key 'self': it is the node's identity"
        case .notAKey(let error): "it cannot be imported: \(error)"
        case .file(let error): error.description
        case .folder(let path, let why): "\(path) cannot be changed: \(why)"
        }
    }
}
