package import Catalog
package import PeerCrypto
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

    /// The key that signs for an author now: for whoever does much before the first signature, and many.
    ///
    /// Throws what signing would throw: that the key is locked, is not the one in force, that the clock is wrong.
    package func signingKey(of author: AuthorID, passphrase: String? = nil) async throws -> KeyPair {
        try checkClock()
        let (store, authors) = (store, authors)
        let unlocked = state.withLock { $0.unlocked[author] }
        return try await plane.blocking {
            // A log that has lost the author begins with the first update, whose key is the first.
            let inForce = try store.log.author(author)?.key ?? authors.first(of: author).header.key
            if let unlocked, unlocked.publicKey.data == inForce { return unlocked }
            return try Self.key(of: author, passphrase, inForce: inForce, authors)
        }
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
    ///   - key: what `signingKey` gave; it is looked for when it is not, or no longer, the one in force.
    ///   - acting: whom it is done for, and by which grant.
    ///   - overwritten: a time that the update must be later than, beside that of the values it replaces.
    package func publish(
        _ body: UpdateBody, as author: AuthorID? = nil, passphrase: String? = nil, key: KeyPair? = nil,
        acting: UpdateHeader.Acting? = nil, overwritten: UInt64 = 0
    ) async throws -> Update {
        let reader = reader
        return try await publish(as: author, passphrase, key, acting) { owner in
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
        try await publish(as: author, passphrase, nil, acting, overwritten: { _ in overwritten }, body: body)
    }

    private func publish(
        as author: AuthorID?, _ passphrase: String?, _ given: KeyPair?, _ acting: UpdateHeader.Acting?,
        overwritten: @escaping @Sendable (AuthorID) throws -> UInt64, body: @escaping BodyMaker
    ) async throws -> Update {
        guard let author = try author ?? currentAuthor() else { throw CatalogServiceError.noAuthor }
        await settle(author)
        try checkClock()
        let (store, authors) = (store, authors)
        let unlocked = given ?? state.withLock { $0.unlocked[author] }
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

    /// What the log knows of an own author; a log that has lost the author begins with the first update again.
    static func known(
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
    func spread(_ updates: [Update]) {
        guard let gossip = state.withLock({ $0.gossip }) else { return }
        for update in updates { gossip.publish(update.block) }
        desk.published(updates.count)
    }
}
