package import Catalog
import PeerCrypto
import Synchronization

// A new key for an author, by the words that were written down when the author was made.
extension CatalogService {
    /// What becomes of the keys that the author had.
    package enum OldKeys: Sendable {
        /// They stay in the file beside the new one: what needs its passphrase when it is locked.
        case kept
        /// The file is begun anew: its passphrase is forgotten.
        case left
    }

    /// Gives an author a new key, by the recovery key's words; undoes what a thief of the old key did since `heads`.
    ///
    /// Returns the update and the next recovery key, to be shown once. An author whose file is lost comes back so,
    /// provided that the catalog knows them.
    ///
    /// - Parameters:
    ///   - heads: the last updates that are the author's own; all that are known here when `nil`.
    ///   - passphrase: of the file, where it is locked and kept; else what the new one is locked with.
    ///   - name: what to call an author whose file is lost.
    package func rotate(
        _ author: AuthorID, recovery old: RecoveryKey, heads: [UpdateID]? = nil, passphrase: String? = nil,
        oldKeys: OldKeys = .kept, name: String? = nil
    ) async throws -> (update: Update, recovery: RecoveryKey) {
        await settle(author)
        try checkClock()
        let (store, authors) = (store, authors)
        let (seed, next) = (SecretBytes.random(32), RecoveryKey.generate())
        let key = KeyPair(seed: seed)
        let update = try await store.writing {
            let first = try Self.check(author, old, heads, store, authors)
            // The key first: dying in between leaves one too many, not one too few.
            if let first = oldKeys == .left ? first.update : first.isHere ? nil : first.update {
                try authors.restart(first, seed: seed, name: name ?? author.short, passphrase: passphrase)
            } else {
                try authors.addKey(seed: seed, to: author, passphrase: passphrase)
            }
            let update = try store.log.rotate(
                author: author, to: key, recovery: next.hash, with: old, heads: heads, now: store.now())
            store.took([update])
            return update
        }
        state.withLock { if $0.unlocked[author] != nil { $0.unlocked[author] = key } }
        spread([update])
        return (update, next)
    }

    /// Makes sure, before a key is touched, that the words and the updates are this author's. Gives the first update,
    /// and whether a file with keys is here.
    private static func check(
        _ author: AuthorID, _ old: RecoveryKey, _ heads: [UpdateID]?, _ store: CatalogStore, _ authors: AuthorKeys
    ) throws -> (update: Update, isHere: Bool) {
        let isHere = (try? authors.entry(author.description)) != nil
        let found = isHere ? try known(author, store, authors) : try store.log.author(author)
        guard let found, let first = try store.log.entry(author.digest)?.update else {
            throw CatalogError.unknownAuthor(author)
        }
        guard found.recovery == old.hash else { throw CatalogServiceError.wrongWords(author) }
        for head in heads ?? [] {
            let update = try store.log.entry(head)?.update
            guard update?.author == author else { throw CatalogServiceError.notTheirs(head, author) }
        }
        return (first, isHere)
    }
}
