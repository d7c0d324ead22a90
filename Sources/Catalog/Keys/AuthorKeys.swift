import Foundation
package import PeerCrypto
import Synchronization

/// The keys of the authors that this node's user is, apart from the node's own key.
///
/// One file of mode 0600 for each in a folder of the repo, locked when the user sets a passphrase, and one that says
/// which author is in use. Files are written whole and synced before anything else happens. Calls block on small
/// files, and for a fifth of a second where a passphrase is set.
package final class AuthorKeys: Sendable {
    /// An author as lists show it.
    package struct Entry: Hashable, Sendable {
        package let id: AuthorID
        /// The name that this user gave the author.
        package let name: String
        /// Whether a passphrase is needed to sign.
        package let isLocked: Bool
        /// Whether it is the one in use.
        package let isCurrent: Bool
    }

    /// An author who has just been made.
    package struct NewAuthor: Sendable {
        package let entry: Entry
        package let key: KeyPair
        /// To be shown once; it is kept nowhere.
        package let recovery: RecoveryKey
        /// To be put into the log with `UpdateLog.adopt`.
        package let first: Update
    }

    private let folder: String
    private let cost: PassphraseBox.Cost
    /// One change at a time.
    private let changes = Mutex(())

    /// The authors in `repository`. Nothing is created before there is something to keep.
    package init(repository: String, cost: PassphraseBox.Cost = .normal) {
        folder = repository + "/authors"
        self.cost = cost
    }

    /// All authors by name. Throws when a file cannot be read.
    package func list() throws(AuthorKeysError) -> [Entry] {
        let current = currentID
        return try files().map { Self.entry($0, current) }.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    }

    /// The author in use.
    package func current() throws(AuthorKeysError) -> Entry {
        guard let id = currentID else { throw .noCurrent }
        return Self.entry(try file(id.description), id)
    }

    /// The author with this name, this id, or the only one whose id begins so (12 characters at least).
    package func entry(_ text: String) throws(AuthorKeysError) -> Entry { Self.entry(try file(text), currentID) }

    /// Makes an author, who is then in use. The key is on the disk before the author exists anywhere else.
    package func create(_ name: String, passphrase: String? = nil, now: UInt64) throws(AuthorKeysError) -> NewAuthor {
        let seed = SecretBytes.random(32)
        let (key, recovery) = (KeyPair(seed: seed), RecoveryKey.generate())
        let first: Update
        do throws(UpdateError) {
            first = try Update.sign(
                .authorCreate(AuthorCreateBody(recovery: recovery.hash)), author: nil, prev: [], seq: 0, time: now,
                with: key)
        } catch {
            throw .malformed
        }
        let cost = cost
        let entry = try changing { () throws(AuthorKeysError) in
            try check(name)
            let file = try AuthorKeyFile(
                name: name, first: first, keys: [key], seeds: seed, passphrase: passphrase, cost: cost)
            try save(file, replacing: false)
            try setCurrent(file.author)
            return Self.entry(file, file.author)
        }
        return NewAuthor(entry: entry, key: key, recovery: recovery, first: first)
    }

    /// Takes an author into use.
    package func use(_ text: String) throws(AuthorKeysError) -> Entry {
        try changing { () throws(AuthorKeysError) in
            let file = try file(text)
            try setCurrent(file.author)
            return Self.entry(file, file.author)
        }
    }

    /// The author's key, to sign with.
    ///
    /// - Parameter inForce: the public key that the log says is in force; `nil` for the newest that is here.
    package func key(
        of author: AuthorID, passphrase: String? = nil, inForce: [UInt8]? = nil
    ) throws(AuthorKeysError) -> KeyPair {
        let keys = try file(author.description).keys(passphrase: passphrase)
        guard let key = inForce.map({ key in keys.last { $0.publicKey.data == key } }) ?? keys.last else {
            throw .keyNotInForce
        }
        return key
    }

    /// The author's first update, for a log that has lost it.
    package func first(of author: AuthorID) throws(AuthorKeysError) -> Update {
        try file(author.description).first
    }

    /// Keeps one more key of an author, to be done before a `rotate` names it: dying in between leaves both.
    package func addKey(seed: SecretBytes, to author: AuthorID, passphrase: String? = nil) throws(AuthorKeysError) {
        try changing { () throws(AuthorKeysError) in
            let old = try file(author.description)
            var seeds = try old.seeds(passphrase: passphrase).reveal() + seed.reveal()
            defer { Self.erase(&seeds) }
            let keys = try old.keys(passphrase: passphrase) + [KeyPair(seed: seed)]
            guard keys.count <= AuthorKeyFile.maximumKeys else { throw .malformed }
            try save(
                try AuthorKeyFile(
                    name: old.name, first: old.first, keys: keys, seeds: SecretBytes(seeds),
                    passphrase: old.isLocked ? passphrase : nil, cost: cost), replacing: true)
        }
    }

    /// Keeps `seed` as the only key of an author whose others are lost: their file is gone, or its passphrase
    /// forgotten. To be done before a `rotate` names it. The author is taken into use when none is.
    ///
    /// - Parameter name: what to call an author who is not here; one who is keeps the name.
    package func restart(
        _ first: Update, seed: SecretBytes, name: String, passphrase: String? = nil
    ) throws(AuthorKeysError) {
        let cost = cost
        try changing { () throws(AuthorKeysError) in
            let here = try? file(first.author.description)
            if here == nil { try check(name) }
            let file = try AuthorKeyFile(
                name: here?.name ?? name, first: first, keys: [KeyPair(seed: seed)], seeds: seed,
                passphrase: passphrase, cost: cost)
            try save(file, replacing: here != nil)
            if currentID == nil { try setCurrent(file.author) }
        }
    }

    /// Sets, changes or (with `nil`) removes the passphrase.
    package func setPassphrase(
        _ new: String?, of author: AuthorID, old passphrase: String? = nil
    ) throws(AuthorKeysError) {
        try changing { () throws(AuthorKeysError) in
            let old = try file(author.description)
            try save(
                try AuthorKeyFile(
                    name: old.name, first: old.first, keys: try old.keys(passphrase: passphrase),
                    seeds: try old.seeds(passphrase: passphrase), passphrase: new, cost: cost), replacing: true)
        }
    }

    /// The file as it is: a secret, and locked only if the author is.
    package func export(_ author: AuthorID) throws(AuthorKeysError) -> [UInt8] { try file(author.description).bytes }

    /// Keeps an author from another node; keys of an author who is here already are replaced by those of the file,
    /// if it has more. The author is taken into use when none is.
    ///
    /// - Parameter name: another name than that in the file.
    package func `import`(_ bytes: [UInt8], name: String? = nil) throws(AuthorKeysError) -> Entry {
        var file = try AuthorKeyFile(bytes)
        if let name { file.name = name }
        return try changing { () throws(AuthorKeysError) in
            if let here = try? self.file(file.author.description) {
                guard file.publicKeys.count >= here.publicKeys.count, file.publicKeys.starts(with: here.publicKeys)
                else { throw .keyNotInForce }
                if name == nil { file.name = here.name }
                try save(file, replacing: true)
            } else {
                try check(file.name)
                try save(file, replacing: false)
            }
            if currentID == nil { try setCurrent(file.author) }
            return Self.entry(file, currentID)
        }
    }

    /// Whether this can be the name of an author.
    package static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.unicodeScalars.count <= UpdateLimits.name && !name.contains { $0.isNewline }
            && name.trimmingCharacters(in: .whitespaces) == name
    }

    // MARK: Files

    private static func entry(_ file: AuthorKeyFile, _ current: AuthorID?) -> Entry {
        Entry(id: file.author, name: file.name, isLocked: file.isLocked, isCurrent: file.author == current)
    }

    private func changing<T>(_ body: () throws(AuthorKeysError) -> T) throws(AuthorKeysError) -> T {
        let result: Result<T, AuthorKeysError> = changes.withLock { _ in
            do throws(AuthorKeysError) { return .success(try body()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// A name must be one, and free.
    private func check(_ name: String) throws(AuthorKeysError) {
        guard Self.isName(name) else { throw .badName }
        guard !(try files().contains { $0.name == name }) else { throw .taken(name) }
    }

    private func files() throws(AuthorKeysError) -> [AuthorKeyFile] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var files: [AuthorKeyFile] = []
        for name in names.sorted() where name.hasSuffix(".key") { files.append(try read(name)) }
        return files
    }

    private func read(_ name: String) throws(AuthorKeysError) -> AuthorKeyFile {
        let bytes: [UInt8]
        do {
            bytes = try PrivateFile.content(of: folder + "/" + name, limit: AuthorKeyFile.maximumLength)
        } catch {
            throw .file(error)
        }
        return try AuthorKeyFile(bytes)
    }

    private func file(_ text: String) throws(AuthorKeysError) -> AuthorKeyFile {
        if let id = AuthorID(text), FileManager.default.fileExists(atPath: path(of: id)) {
            return try read(id.description + ".key")
        }
        let files = try files()
        if let named = files.first(where: { $0.name == text }) { return named }
        let matching = text.utf8.count >= 12 ? files.filter { $0.author.description.hasPrefix(text) } : []
        guard matching.count == 1, let only = matching.first else { throw .unknown(text) }
        return only
    }

    private func path(of author: AuthorID) -> String { folder + "/" + author.description + ".key" }

    private func save(_ file: AuthorKeyFile, replacing: Bool) throws(AuthorKeysError) {
        try? FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        do {
            try PrivateFile.store(file.bytes, at: path(of: file.author), replacing: replacing)
        } catch {
            throw .file(error)
        }
    }

    private var currentID: AuthorID? {
        guard let bytes = try? PrivateFile.content(of: folder + "/current", limit: 64) else { return nil }
        return AuthorID(String(decoding: bytes, as: UTF8.self))
    }

    private func setCurrent(_ author: AuthorID) throws(AuthorKeysError) {
        do {
            try PrivateFile.store(Array(author.description.utf8), at: folder + "/current", replacing: true)
        } catch {
            throw .file(error)
        }
    }

    /// Overwrites a temporary copy of a secret.
    static func erase(_ bytes: inout [UInt8]) {
        for index in bytes.indices { bytes[index] = 0 }
    }
}
