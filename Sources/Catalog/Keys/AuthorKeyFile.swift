import Multiformats
package import PeerCrypto

/// What the file of one author's key holds: dag-cbor, so that it can be copied to another node as it is.
///
/// The first update is part of it: a node that has the file can go on with the author even if it has no log.
struct AuthorKeyFile {
    static let maximumLength = 64 * 1024
    /// Keys that an author may have had.
    static let maximumKeys = 64

    /// The name that this user gave the author; others never see it.
    var name: String
    /// The author's first update.
    let first: Update
    /// The public keys, the oldest first.
    var publicKeys: [[UInt8]]
    /// The seeds of these keys, 32 bytes each, one behind the other: as they are, or in a box.
    var secret: [UInt8]
    var isLocked: Bool

    var author: AuthorID { first.author }

    init(
        name: String, first: Update, keys: [KeyPair], seeds: SecretBytes, passphrase: String?, cost: PassphraseBox.Cost
    )
        throws(AuthorKeysError)
    {
        self.name = name
        self.first = first
        publicKeys = keys.map(\.publicKey.data)
        isLocked = passphrase != nil
        guard let passphrase else {
            secret = seeds.reveal()
            return
        }
        do { secret = try PassphraseBox.seal(seeds, passphrase: passphrase, cost: cost) } catch {
            throw .passphrase(error)
        }
    }

    init(_ bytes: [UInt8]) throws(AuthorKeysError) {
        guard bytes.count <= Self.maximumLength, let map = try? DagCBOR.decode(bytes, mode: .strict),
            case .integer(1) = map["v"], case .string(let name) = map["name"], case .bytes(let block) = map["first"],
            case .list(let keys) = map["keys"], keys.count <= Self.maximumKeys, !keys.isEmpty,
            case .bytes(let secret) = map["secret"], case .bool(let isLocked) = map["locked"],
            AuthorKeys.isName(name), let first = try? Update(verifying: block), first.kind == .authorCreate
        else { throw .malformed }
        self.name = name
        self.first = first
        publicKeys = []
        for key in keys {
            guard case .bytes(let bytes) = key, bytes.count == 32 else { throw .malformed }
            publicKeys.append(bytes)
        }
        self.secret = secret
        self.isLocked = isLocked
        guard isLocked ? PassphraseBox.isBox(secret) : secret.count == 32 * publicKeys.count else { throw .malformed }
    }

    var bytes: [UInt8] {
        let value = DAGValue.map([
            DAGEntry("v", .integer(1)), DAGEntry("name", .string(name)), DAGEntry("first", .bytes(first.block)),
            DAGEntry("keys", .list(publicKeys.map { .bytes($0) })), DAGEntry("secret", .bytes(secret)),
            DAGEntry("locked", .bool(isLocked)),
        ])
        // Encoding fails for floats, deep nesting and repeated keys, none of which is here.
        return (try? DagCBOR.encode(value)) ?? []
    }

    /// All seeds, one behind the other.
    func seeds(passphrase: String?) throws(AuthorKeysError) -> SecretBytes {
        let seeds: SecretBytes
        if isLocked {
            guard let passphrase else { throw .locked(name) }
            do { seeds = try PassphraseBox.open(secret, passphrase: passphrase) } catch { throw .passphrase(error) }
        } else {
            seeds = SecretBytes(secret)
        }
        guard seeds.count == 32 * publicKeys.count else { throw .malformed }
        return seeds
    }

    /// The key pairs, the oldest first.
    func keys(passphrase: String?) throws(AuthorKeysError) -> [KeyPair] {
        var seeds = try seeds(passphrase: passphrase).reveal()
        defer { AuthorKeys.erase(&seeds) }
        var keys: [KeyPair] = []
        for (index, publicKey) in publicKeys.enumerated() {
            let key = KeyPair(seed: SecretBytes(Array(seeds[(32 * index)..<(32 * index + 32)])))
            guard key.publicKey.data == publicKey else { throw .malformed }
            keys.append(key)
        }
        return keys
    }
}

/// Why an author's key cannot be had or kept.
package enum AuthorKeysError: Error, Hashable, Sendable {
    /// No author of this name or id has a key here.
    case unknown(String)
    /// No author is in use.
    case noCurrent
    /// Another author has this name already.
    case taken(String)
    case badName
    /// The key is locked, and no passphrase was given.
    case locked(String)
    case passphrase(PassphraseError)
    /// The file is not one of these, or was changed.
    case malformed
    /// No key of this author is the one in force.
    case keyNotInForce
    case file(KeyFileError)
}

extension AuthorKeysError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknown(let text): "no author '\(text)' has a key here: see `peernode author ls`"
        case .noCurrent: "no author is in use: make one with `peernode author new NAME`"
        case .taken(let name): "an author named '\(name)' is here already: choose another name"
        case .badName: "a name has 1 to 100 characters on one line, without spaces around them"
        case .locked(let name):
            "the key of '\(name)' is locked: name the file of its passphrase with --passphrase-file"
        case .passphrase(let error): "\(error)"
        case .malformed: "this is no author's key, or the file is damaged"
        case .keyNotInForce: "the author has another key by now; import it, or rotate with the recovery words"
        case .file(let error): "\(error)"
        }
    }
}
