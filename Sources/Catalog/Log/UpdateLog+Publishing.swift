package import PeerCrypto

extension UpdateLog {
    /// Begins an author: the first update, signed by `key`, with the hash of the recovery key that is kept offline.
    ///
    /// It is on the disk when this returns, and so is every update that the functions below return.
    package func create(
        key: KeyPair, recovery: Digest32, now: UInt64
    ) throws(CatalogError) -> Update {
        try transaction(now: now, durable: true) { writer, state in
            let body = UpdateBody.authorCreate(AuthorCreateBody(recovery: recovery))
            let update = try Update.sign(body, author: nil, prev: [], seq: 0, time: now, with: key)
            return try self.add(update, writer, state)
        }
    }

    /// Stores an update that was signed elsewhere by an author of this node, such as the first of one that
    /// `AuthorKeys` has made; nothing happens when it is here.
    package func adopt(_ update: Update, now: UInt64) throws(CatalogError) {
        _ = try transaction(now: now, durable: true) { writer, state in try self.add(update, writer, state) }
    }

    /// Signs and stores an update on the author's heads. Its time is `now`, or as much later as the heads and what
    /// is overwritten demand.
    ///
    /// - Parameters:
    ///   - acting: whom it is done for, and by which grant.
    ///   - overwritten: the greatest time of the values that it replaces, where those may be another author's doing.
    package func publish(
        _ body: UpdateBody, author: AuthorID, key: KeyPair, acting: UpdateHeader.Acting? = nil,
        overwritten: UInt64 = 0, now: UInt64
    ) throws(CatalogError) -> Update {
        try publish(author: author, key: key, acting: acting, overwritten: overwritten, now: now) { _ in body }
    }

    /// The same with a body that depends on the update's time, as that of `node.announce` does.
    package func publish(
        author: AuthorID, key: KeyPair, acting: UpdateHeader.Acting? = nil, overwritten: UInt64 = 0, now: UInt64,
        body: (_ time: UInt64) throws(UpdateError) -> UpdateBody
    ) throws(CatalogError) -> Update {
        try transaction(now: now, durable: true) { writer, state in
            let head = try self.place(author, writer, state)
            guard head.era.key == key.publicKey.data else { throw CatalogError.keyNotInForce }
            let time = max(now, head.time + 1, overwritten == 0 ? 0 : min(overwritten, UpdateLimits.number) + 1)
            let update = try Update.sign(
                try body(time), author: author, prev: head.prev, seq: head.seq, time: time, acting: acting, with: key)
            return try self.add(update, writer, state)
        }
    }

    /// Gives an author a new key, signed by the recovery key: undoes what a thief of the old key did.
    ///
    /// - Parameter heads: the updates that are still the author's own; `nil` for all that are known here. What is
    ///   neither among them nor an ancestor of them does not count any more.
    package func rotate(
        author: AuthorID, to key: KeyPair, recovery: Digest32, with old: RecoveryKey, heads: [UpdateID]? = nil,
        now: UInt64
    ) throws(CatalogError) -> Update {
        try transaction(now: now, durable: true) { writer, state in
            var place = try self.place(author, writer, state)
            if let heads { place = try self.place(heads, writer) }
            guard place.era.recovery == old.hash else { throw CatalogError.keyNotInForce }
            let body = UpdateBody.rotate(RotateBody(key: key.publicKey.data, recovery: recovery))
            let update = try Update.sign(
                body, author: author, prev: place.prev, seq: place.seq, time: max(now, place.time + 1),
                with: old.keyPair)
            return try self.add(update, writer, state)
        }
    }

    // MARK: Places

    /// Where the next update goes.
    private struct Place {
        let prev: [UpdateID]
        let seq: UInt64
        /// The greatest time of `prev`.
        let time: UInt64
        let era: Era

        init(_ heads: [Ancestor], _ era: Era) {
            prev = heads.map(\.id).sorted()
            seq = (heads.map(\.seq).max() ?? 0) + 1
            time = heads.map(\.time).max() ?? 0
            self.era = era
        }
    }

    private func place(_ author: AuthorID, _ writer: LogWriter, _ state: LogState) throws -> Place {
        guard let author = try state.authors.state(of: author, in: writer.database), !author.heads.isEmpty else {
            throw CatalogError.unknownAuthor(author)
        }
        // With more heads than fit the longest are joined; the next update joins others.
        let heads = author.heads.sorted { ($0.seq, $0.id) > ($1.seq, $1.id) }.prefix(UpdateLimits.heads)
        return Place(Array(heads), author.era)
    }

    private func place(_ heads: [UpdateID], _ writer: LogWriter) throws -> Place {
        let found = try heads.sorted().compactMap { try writer.ancestor($0) }
        guard found.count == heads.count, let first = found.first, let era = try writer.era(first.era) else {
            throw CatalogError.invalid(.badBeginning)
        }
        return Place(found, era)
    }

    private func add(_ update: Update, _ writer: LogWriter, _ state: LogState) throws -> Update {
        state.authors.followed.insert(update.author)
        var report = IngestReport()
        switch try state.take(update, from: .pull, writer, &report) {
        case .accepted, .known: return update
        case .rejected(let error): throw CatalogError.invalid(error)
        default: throw CatalogError.damaged("an update of one's own was not taken")
        }
    }
}
