import Multiformats
package import PeerCrypto

/// The key that can give an author a new one: made with the author, shown once as a list of words, kept offline by
/// the person, and never stored.
///
/// Only its hash is public. 32 bytes are 32 words, and a 33rd is the check of the others.
package struct RecoveryKey: Sendable {
    /// What the hash is made over, before the public key.
    static let domain = Array("coliving-recovery/1".utf8)

    let keyPair: KeyPair
    /// What the words stand for.
    package let seed: SecretBytes

    /// A new random key.
    package static func generate() -> RecoveryKey { RecoveryKey(seed: .random(32)) }

    /// The key of a 32-byte seed.
    package init(seed: SecretBytes) {
        self.seed = seed
        keyPair = KeyPair(seed: seed)
    }

    /// What `author.create` and `rotate` say of the key.
    package var hash: Digest32 { Self.hash(publicKey: keyPair.publicKey.data) }

    /// The hash of a recovery key by its public half, which a `rotate` reveals.
    package static func hash(publicKey: [UInt8]) -> Digest32 {
        Digest32(ContentHash.sha256(domain + publicKey)) ?? Digest32(words: (0, 0, 0, 0))
    }

    /// The 33 words that a person writes down.
    package var words: [String] {
        let bytes = seed.reveal()
        return (bytes + [Self.check(bytes)]).map { RecoveryWords.all[Int($0)] }
    }

    /// The key that a person has written down. Case, spaces, commas and line ends between words do not matter, and
    /// the first four letters of each word are enough.
    package init(words text: String) throws(RecoveryKeyError) {
        let words = text.lowercased().split { !$0.isLetter }.map(String.init)
        guard words.count == 33 else { throw .count(words.count) }
        var bytes: [UInt8] = []
        for (index, word) in words.enumerated() {
            guard let number = RecoveryWords.number(of: word) else { throw .unknownWord(word, position: index + 1) }
            bytes.append(number)
        }
        guard let check = bytes.popLast(), check == Self.check(bytes) else { throw .wrongCheck }
        self.init(seed: SecretBytes(bytes))
    }

    private static func check(_ bytes: [UInt8]) -> UInt8 { ContentHash.sha256(domain + bytes).digest[0] }
}

/// Why words are no recovery key.
package enum RecoveryKeyError: Error, Hashable, Sendable {
    /// There are not 33 of them.
    case count(Int)
    /// A word that is not in the list; positions count from 1.
    case unknownWord(String, position: Int)
    /// All are in the list, but one is another than was written down, or two have changed places.
    case wrongCheck
}

extension RecoveryKeyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .count(let count): "a recovery key has 33 words, and these are \(count)"
        case .unknownWord(let word, let position): "word \(position), '\(word)', is not in the list"
        case .wrongCheck: "the words do not fit together: one is wrong, or two have changed places"
        }
    }
}
