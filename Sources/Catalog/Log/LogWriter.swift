import GRDB

/// One transaction of the log: checks updates against their ancestors, stores them and notes what has to be merged.
///
/// What an update may do is a matter of ancestry and rights (`LogWriter+Rights`), settled again whenever something
/// arrives that changes it. Author states are shared by all transactions of one log, and dropped when one fails.
final class LogWriter {
    let database: Database
    let limits: LogLimits
    let now: UInt64
    var authors: AuthorStates
    /// Updates of this transaction that count, in the order in which they were stored.
    private(set) var merged: [Update] = []
    /// Authors of whom something counts, or does not, that was otherwise before.
    var remade: Set<AuthorID> = []
    /// What this transaction adds to the set that peers compare.
    private(set) var added: [(time: UInt64, id: UpdateID)] = []

    init(_ database: Database, limits: LogLimits, now: UInt64, authors: AuthorStates) {
        self.database = database
        self.limits = limits
        self.now = now
        self.authors = authors
    }

    /// Checks an update against its ancestors, and stores it if all is well. Its own bytes have been checked.
    func add(_ update: Update) throws -> IngestResult {
        guard update.header.author != nil else { return try begin(update) }
        guard let state = try authors.state(of: update.author, in: database) else {
            return .held(missing: update.header.prev)
        }
        var prev: [Ancestor] = []
        var missing: [UpdateID] = []
        var isNews = true
        for id in update.header.prev {
            if let head = state.heads.first(where: { $0.id == id }) {
                prev.append(head)
                continue
            }
            // What follows nothing but heads is new, or it would be a head in their place.
            isNews = false
            if let ancestor = try ancestor(id) { prev.append(ancestor) } else { missing.append(id) }
        }
        if !isNews, let row = try row(of: update.id) { return try complete(update, row) }
        guard missing.isEmpty else { return .held(missing: missing) }
        guard let row = prev.first?.era, let era = row == state.era.row ? state.era : try era(row) else {
            throw CatalogError.damaged("an update without the keys in force")
        }
        do throws(UpdateError) { try check(update, prev, state, era) } catch { return .rejected(error) }
        guard try isWithinWork(update, state) else { return .ignored(.work) }
        return try store(update, state, era, prev)
    }

    /// Gives the view what has changed, and the author states to the database.
    func finish(_ sink: (any UpdateSink)?) throws {
        for owner in remade {
            guard let state = try authors.state(of: owner, in: database) else { continue }
            // An update that is merged again costs about as much as four rows.
            charge(owner, rows: 4 * state.held)
        }
        try authors.save(in: database)
        guard let sink else { return }
        let updates = remade.isEmpty ? merged : merged.filter { !remade.contains($0.subject) }
        if !updates.isEmpty { try sink.apply(updates, in: database) }
        for owner in remade.sorted() {
            try sink.remake(
                owner, from: { try LogReading.counted(of: owner, in: self.database, $0) }, in: database)
        }
    }

    // MARK: Checks

    /// An author's first update.
    private func begin(_ update: Update) throws -> IngestResult {
        if try authors.state(of: update.author, in: database) != nil {
            guard let row = try row(of: update.id) else { throw CatalogError.damaged("an author without a beginning") }
            return try complete(update, row)
        }
        guard case .authorCreate(let body) = update.body else { return .rejected(.bodyMissing) }
        guard try isRoomForIDs() else { return .ignored(.full) }
        let row = try nextRow()
        try database.sql(
            "INSERT INTO log_authors (id, era, heads, held, bytes, work, notes) VALUES (?, ?, zeroblob(0), 0, 0, 0, 0)"
        ).bind(update.author.digest, 1).bind(row, 2).run()
        let key = database.lastInsertedRowID
        let era = Era(row: row, key: update.header.key, recovery: body.recovery)
        try insert(era, author: key, parent: nil)
        let state = AuthorState(
            key: key, id: update.author, era: era, heads: [], held: 0, bytes: 0, work: 0, notes: [])
        authors.set(state)
        return try store(update, state, era, [])
    }

    /// What follows from the ancestors alone. `era` has the keys in force at the first of `prev`.
    private func check(
        _ update: Update, _ prev: [Ancestor], _ state: AuthorState, _ era: Era
    ) throws(UpdateError) {
        guard prev.allSatisfy({ $0.author == state.key }) else { throw .otherAuthor }
        guard prev.allSatisfy({ $0.era == era.row }) else { throw .headsDisagree }
        guard update.seq == (prev.map(\.seq).max() ?? 0) + 1 else { throw .badSequence }
        guard update.time > (prev.map(\.time).max() ?? 0) else { throw .badTime }
        if update.kind == .rotate {
            guard RecoveryKey.hash(publicKey: update.header.key) == era.recovery else { throw .keyNotInForce }
        } else {
            guard update.header.key == era.key else { throw .keyNotInForce }
        }
    }

    // MARK: Rows

    /// Stores a valid update and settles what it changes.
    private func store(
        _ update: Update, _ state: AuthorState, _ era: Era, _ prev: [Ancestor]
    ) throws -> IngestResult {
        guard try isRoomForIDs() else { return .ignored(.full) }
        let row = try nextRow()
        let isRotate = update.kind == .rotate
        var flags: UpdateFlags = update.header.acting == nil ? [] : .acting
        // What arrives after a rotate is none of its ancestors.
        if !isRotate, era.row != state.era.row { flags.insert(.rotatedAway) }
        if isRotate { flags.insert(.rotatedAway) }
        let isHeld = try isWithinQuota(update, state)
        if !isHeld { flags.insert(.notHeld) }
        if state.notes.contains(.forgets), try isForgotten(update, state.key) { flags.insert(.forgotten) }
        let before = database.totalChangesCount
        try database.sql(
            """
            INSERT INTO log_updates (row, digest, author, seq, time, era, flags, arrived, kind, prev, header, body)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """
        ).bind(row, 1).bind(update.id, 2).bind(state.key, 3).bind(Int64(clamping: update.seq), 4)
            .bind(Int64(clamping: update.time), 5).bind(isRotate ? row : era.row, 6).bind(flags.rawValue, 7)
            .bind(Int64(clamping: now), 8).bind(update.kind.rawValue, 9).bind(RowList.bytes(prev.map(\.row)), 10)
            .run(
                lending: update.block, (isHeld ? 0..<update.headerLength : nil, 11),
                (isHeld ? update.headerLength..<update.block.count : nil, 12))
        guard database.totalChangesCount > before else {
            // The same row again, which only a fork beside a rotate gets as far as here.
            guard let known = try self.row(of: update.id) else {
                throw CatalogError.damaged("an update was not stored")
            }
            return try complete(update, known)
        }
        authors.lastRow = row
        added.append((update.time, update.id))
        let own = Ancestor(
            row: row, id: update.id, author: state.key, seq: update.seq, time: update.time,
            era: isRotate ? row : era.row)
        authors.change(state.id) { state in
            if isHeld {
                state.held += 1
                state.bytes += Int64(update.block.count)
            }
            if !flags.contains(.rotatedAway) { state.follow(own, prev: prev) }
        }
        if isHeld { authors.heldBytes += Int64(update.block.count) }
        try noteActing(update, row)
        try settle(update, own, parent: era, prev: prev, &flags)
        if isHeld, update.body != nil, flags.counts { merged.append(update) }
        return isHeld ? .accepted : .notHeld
    }

    /// Adds what was missing of a known update.
    private func complete(_ update: Update, _ row: Int64) throws -> IngestResult {
        let known = try database.sql("SELECT flags, header IS NULL, body IS NULL FROM log_updates WHERE row = ?")
            .bind(row, 1).one { (UpdateFlags(rawValue: $0.number(0)), $0.number(1) != 0, $0.number(2) != 0) }
        guard let (before, noHeader, noBody) = known else { throw CatalogError.damaged("an update without its row") }
        var flags = before
        guard noBody, update.body != nil, flags.isDisjoint(with: [.bodyErased, .forgotten]),
            let state = try authors.state(of: update.author, in: database), try isWithinQuota(update, state)
        else { return .known }
        flags.remove(.notHeld)
        try database.sql("UPDATE log_updates SET flags = ?, header = ?, body = ? WHERE row = ?")
            .bind(flags.rawValue, 1).bind(row, 4)
            .run(
                lending: update.block, (0..<update.headerLength, 2), (update.headerLength..<update.block.count, 3))
        let more = Int64(noHeader ? update.block.count : update.bodyBytes.count)
        authors.heldBytes += more
        authors.change(update.author) { state in
            state.held += noHeader ? 1 : 0
            state.bytes += more
        }
        // What a right covers can depend on the body.
        if flags.contains(.acting) {
            let allowed = try isAllowed(update, row)
            flags = allowed ? flags.subtracting(.denied) : flags.union(.denied)
            try set(flags, row)
        }
        if update.kind == .forget { try forget(update, row, state.key, counts: !flags.contains(.rotatedAway)) }
        if flags.counts { merged.append(update) }
        return .completed
    }

    /// The row of an update; `nil` when it is not known.
    func row(of id: UpdateID) throws -> Int64? {
        try database.sql("SELECT row FROM log_updates WHERE digest = ?").bind(id, 1).one { $0.number(0) }
    }

    func ancestor(_ id: UpdateID) throws -> Ancestor? {
        try database.sql("SELECT row, author, seq, time, era FROM log_updates WHERE digest = ?").bind(id, 1).one {
            Ancestor(
                row: $0.number(0), id: id, author: $0.number(1), seq: UInt64(clamping: $0.number(2)),
                time: UInt64(clamping: $0.number(3)), era: $0.number(4))
        }
    }

    func set(_ flags: UpdateFlags, _ row: Int64) throws {
        try database.sql("UPDATE log_updates SET flags = ? WHERE row = ?").bind(flags.rawValue, 1).bind(row, 2).run()
    }

    private func nextRow() throws -> Int64 { authors.lastRow + 1 }

    // MARK: Quotas

    private func isRoomForIDs() throws -> Bool { authors.lastRow < limits.totalUpdates }

    /// Settling a rotate, a revoke or a forget again can mean reading all that an author has ever done. An author
    /// does that often only to keep others busy.
    private func isWithinWork(_ update: Update, _ state: AuthorState) throws -> Bool {
        if state.work <= limits.work || authors.followed.contains(state.id) { return true }
        if update.kind == .rotate || update.kind == .revoke || update.kind == .forget { return false }
        return try !authors.hasKeeps || grants(keeping: update.id).isEmpty
    }

    /// Notes work that an author's updates have caused.
    func charge(_ author: AuthorID, rows: Int) {
        authors.change(author) { $0.work += Int64(rows) }
    }

    private func isWithinQuota(_ update: Update, _ state: AuthorState) throws -> Bool {
        if authors.followed.contains(state.id) { return true }
        if authors.blocked.contains(state.id) { return false }
        return state.held < limits.authorUpdates
            && state.bytes + Int64(update.block.count) <= limits.authorBytes
            && authors.heldBytes + Int64(update.block.count) <= limits.totalBytes
    }
}
