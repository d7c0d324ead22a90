package import Catalog
import PeerCrypto
import Synchronization

// What this node's authors say: on the disk before anybody hears of it.
extension CatalogService {
    /// Makes up a body for the time that the update will have.
    package typealias BodyMaker = @Sendable (_ time: UInt64) throws(UpdateError) -> UpdateBody

    /// The author in use; `nil` when there is none. It holds over a restart.
    package func currentAuthor() throws -> AuthorID? {
        do throws(AuthorKeysError) { return try authors.current().id } catch {
            guard error == .noCurrent else { throw error }
            return nil
        }
    }

    /// Makes an author, who is then in use. The recovery key is returned to be shown once; it is kept nowhere.
    package func createAuthor(
        name: String, passphrase: String? = nil
    ) async throws -> (author: AuthorID, recovery: RecoveryKey) {
        try checkClock()
        let (store, authors) = (store, authors)
        let made = try await store.writing {
            let made = try authors.create(name, passphrase: passphrase, now: store.now())
            try store.log.adopt(made.first, now: store.now())
            store.took([made.first])
            return made
        }
        if passphrase != nil { state.withLock { $0.unlocked[made.entry.id] = made.key } }
        spread([made.first])
        return (made.entry.id, made.recovery)
    }

    /// Keeps the key of an author with a passphrase at hand until the node stops.
    package func unlock(_ author: AuthorID, passphrase: String) async throws {
        let authors = authors
        let key = try await plane.blocking { try authors.key(of: author, passphrase: passphrase) }
        state.withLock { $0.unlocked[author] = key }
    }

    /// Signs and stores an update of an author of this node, and tells the network. It is on the disk when this
    /// returns, and goes out again by pulls for as long as peers lack it.
    ///
    /// - Parameters:
    ///   - author: whose; the author in use when `nil`.
    ///   - passphrase: for a key that is locked and was not unlocked before.
    ///   - acting: whom it is done for, and by which grant.
    ///   - overwritten: a time that the update must be later than, beside that of the values it replaces.
    package func publish(
        _ body: UpdateBody, as author: AuthorID? = nil, passphrase: String? = nil,
        acting: UpdateHeader.Acting? = nil, overwritten: UInt64 = 0
    ) async throws -> Update {
        let reader = reader
        return try await publish(as: author, passphrase, acting) { owner in
            max(overwritten, try reader.overwrittenTime(by: body, of: owner))
        } body: { _ in
            body
        }
    }

    /// The same for several bodies in order; all that were stored before one that fails stay.
    package func publish(
        _ bodies: [UpdateBody], as author: AuthorID? = nil, passphrase: String? = nil
    ) async throws -> [Update] {
        var updates: [Update] = []
        for body in bodies { updates.append(try await publish(body, as: author, passphrase: passphrase)) }
        return updates
    }

    /// The same with a body that depends on the update's time.
    package func publish(
        as author: AuthorID?, passphrase: String? = nil, acting: UpdateHeader.Acting? = nil,
        overwritten: UInt64 = 0, _ body: @escaping BodyMaker
    ) async throws -> Update {
        try await publish(as: author, passphrase, acting, overwritten: { _ in overwritten }, body: body)
    }

    private func publish(
        as author: AuthorID?, _ passphrase: String?, _ acting: UpdateHeader.Acting?,
        overwritten: @escaping @Sendable (AuthorID) throws -> UInt64, body: @escaping BodyMaker
    ) async throws -> Update {
        guard let author = try author ?? currentAuthor() else { throw CatalogServiceError.noAuthor }
        await settle(author)
        try checkClock()
        let (store, authors) = (store, authors)
        let unlocked = state.withLock { $0.unlocked[author] }
        let update = try await store.writing {
            let known = try Self.known(author, store, authors)
            let key: KeyPair
            if let unlocked, unlocked.publicKey.data == known.key {
                key = unlocked
            } else {
                key = try Self.key(of: author, passphrase, inForce: known.key, authors)
            }
            let update = try store.log.publish(
                author: author, key: key, acting: acting,
                overwritten: try overwritten(acting?.owner ?? author), now: store.now(), body: body)
            store.took([update])
            return update
        }
        spread([update])
        if case .edge(let edge) = update.body, edge.relation == .follow { noteFollowed() }
        return update
    }

    /// Gives an author a new key, by the recovery key's words; undoes what a thief of the old key did since `heads`.
    ///
    /// Returns the update and the next recovery key, to be shown once.
    package func rotate(
        _ author: AuthorID, recovery old: RecoveryKey, heads: [UpdateID]? = nil, passphrase: String? = nil
    ) async throws -> (update: Update, recovery: RecoveryKey) {
        await settle(author)
        try checkClock()
        let (store, authors) = (store, authors)
        let (seed, next) = (SecretBytes.random(32), RecoveryKey.generate())
        let key = KeyPair(seed: seed)
        let update = try await store.writing {
            // The key first: dying in between leaves one too many, not one too few.
            try authors.addKey(seed: seed, to: author, passphrase: passphrase)
            let update = try store.log.rotate(
                author: author, to: key, recovery: next.hash, with: old, heads: heads, now: store.now())
            store.took([update])
            return update
        }
        state.withLock { if $0.unlocked[author] != nil { $0.unlocked[author] = key } }
        spread([update])
        return (update, next)
    }

    /// What the log knows of an own author; a log that has lost the author begins with the first update again.
    private static func known(
        _ author: AuthorID, _ store: CatalogStore, _ authors: AuthorKeys
    ) throws -> UpdateLog.AuthorSummary {
        if let known = try store.log.author(author) { return known }
        let first = try authors.first(of: author)
        try store.log.adopt(first, now: store.now())
        store.took([first])
        guard let known = try store.log.author(author) else { throw CatalogError.unknownAuthor(author) }
        return known
    }

    private static func key(
        of author: AuthorID, _ passphrase: String?, inForce key: [UInt8], _ authors: AuthorKeys
    ) throws -> KeyPair {
        do throws(AuthorKeysError) {
            return try authors.key(of: author, passphrase: passphrase, inForce: key)
        } catch {
            if case .locked = error { throw CatalogServiceError.locked(author) }
            throw error
        }
    }

    /// Tells the network of updates of this node; offline they go out by the pulls of the next start.
    private func spread(_ updates: [Update]) {
        guard let gossip = state.withLock({ $0.gossip }) else { return }
        for update in updates { gossip.publish(update.block) }
        desk.published(updates.count)
    }
}
