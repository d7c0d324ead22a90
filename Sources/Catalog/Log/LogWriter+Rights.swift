import GRDB

/// What an update is allowed to do: keys, grants and forgetting. All of it rests on ancestry, never on time, and
/// whatever the order in which updates arrive, the flags come out the same.
extension LogWriter {
    /// Settles what a stored update changes, for itself and for others. `flags` are the update's own.
    func settle(
        _ update: Update, _ own: Ancestor, parent: Era, prev: [Ancestor], _ flags: inout UpdateFlags
    ) throws {
        var mayChange = false
        switch update.body {
        case .rotate(let body):
            try insert(
                Era(row: own.row, key: body.key, recovery: body.recovery), author: own.author, parent: parent.row)
            try settleRotation(of: update.author, own, prev)
            mayChange = true
        case .grant:
            try database.sql("INSERT INTO log_grants (digest, row, author, body) VALUES (?, ?, ?, ?)")
                .bind(own.id, 1).bind(own.row, 2).bind(own.author, 3).bind(Array(update.bodyBytes), 4).run()
            try recount(grant: own.id, for: update.author)
        case .revoke(let body):
            try note(body, own)
            try recount(grant: body.grant, for: update.author)
        case .forget:
            try forget(update, own.row, own.author, counts: !flags.contains(.rotatedAway))
            mayChange = true
        default: break
        }
        if flags.contains(.acting), try !isAllowed(update, own.row) {
            flags.insert(.denied)
            try set(flags, own.row)
        }
        if authors.hasKeeps {
            let grants = try grants(keeping: own.id)
            for grant in grants { try recount(grant: grant, for: update.author) }
            mayChange = mayChange || !grants.isEmpty
        }
        if mayChange { flags = try self.flags(own.row) }
    }

    func flags(_ row: Int64) throws -> UpdateFlags {
        let flags = try database.sql("SELECT flags FROM log_updates WHERE row = ?").bind(row, 1).one { $0.number(0) }
        return UpdateFlags(rawValue: flags ?? 0)
    }

    // MARK: Keys

    func insert(_ era: Era, author: Int64, parent: Int64?) throws {
        let statement = try database.sql(
            "INSERT INTO log_eras (row, author, parent, key, recovery) VALUES (?, ?, ?, ?, ?)"
        ).bind(era.row, 1).bind(author, 2).bind(era.key, 4).bind(era.recovery, 5)
        if let parent { statement.bind(parent, 3) } else { statement.bindNull(3) }
        try statement.run()
    }

    func era(_ row: Int64) throws -> Era? {
        try database.sql("SELECT key, recovery FROM log_eras WHERE row = ?").bind(row, 1).one {
            Era(row: row, key: $0.blob(0), recovery: try $0.digest(1))
        }
    }

    /// Of rival rotates the one counts that others follow, else the one with the smaller CID: of all those that no
    /// other follows the one with the smallest.
    private func settleRotation(of author: AuthorID, _ rotate: Ancestor, _ prev: [Ancestor]) throws {
        let winner = try database.sql(
            """
            SELECT e.row FROM log_eras e JOIN log_updates u ON u.row = e.row
                WHERE e.author = ? AND e.parent IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM log_eras c WHERE c.parent = e.row)
                ORDER BY u.digest LIMIT 1
            """
        ).bind(rotate.author, 1).one { $0.number(0) }
        guard let winner, let state = try authors.state(of: author, in: database), winner != state.era.row,
            let era = try era(winner)
        else { return }
        let headRows = Set(state.heads.map(\.row))
        let parent = try database.sql("SELECT parent FROM log_eras WHERE row = ?").bind(winner, 1).one { $0.number(0) }
        if winner == rotate.row, parent == state.era.row, !state.notes.contains(.manyHeads),
            headRows.isSubset(of: prev.map(\.row))
        {
            // The usual case: it knows all that counted, so all of that still does.
            try set(try flags(rotate.row).subtracting(.rotatedAway), rotate.row)
            authors.change(author) { state in
                state.era = era
                state.heads = [rotate]
            }
            return
        }
        try recount(author, era)
    }

    /// Settles for every update of an author whether it counts under the rotation in force, and what is a head.
    private func recount(_ author: AuthorID, _ era: Era) throws {
        guard let state = try authors.state(of: author, in: database) else { return }
        let kept = try ancestors(of: [era.row])
        var changed: [Changed] = []
        var counting: [Int64] = []
        var followed: Set<Int64> = []
        try database.sql(
            "SELECT row, flags, era, prev, kind, digest FROM log_updates WHERE author = ?"
        ).bind(state.key, 1).run {
            let (row, flags) = ($0.number(0), UpdateFlags(rawValue: $0.number(1)))
            let counts = $0.number(2) == era.row || kept.contains(row)
            if counts {
                counting.append(row)
                followed.formUnion(RowList.rows($0.blob(3)))
            }
            if counts == flags.contains(.rotatedAway) {
                changed.append(
                    Changed(
                        row: row, id: try $0.digest(5), kind: UpdateKind(rawValue: $0.text(4)),
                        flags: flags.symmetricDifference(.rotatedAway)))
            }
        }
        let heads = counting.filter { !followed.contains($0) }
        let kept64 = try heads.suffix(AuthorState.maximumHeads).map {
            try AuthorStates.ancestor($0, in: database)
        }
        authors.change(author) { state in
            state.era = era
            state.heads = kept64
            state.notes.remove(.manyHeads)
            if heads.count > kept64.count { state.notes.insert(.manyHeads) }
        }
        var grants: Set<UpdateID> = []
        var didForget = false
        for update in changed {
            try set(update.flags, update.row)
            // Whether its bytes are here or beyond a quota: rights are settled alike on all nodes.
            switch update.kind {
            case .grant: grants.insert(update.id)
            case .revoke:
                let revoked = try database.sql("SELECT grant FROM log_revokes WHERE row = ?").bind(update.row, 1)
                grants.formUnion(try revoked.all { try $0.digest(0) })
            case .forget: didForget = true
            default: break
            }
            if !update.flags.contains(.acting) {
                remade.insert(author)
            } else if let whole = try LogReading.update(update.row, in: database) {
                remade.insert(whole.subject)
            }
        }
        charge(author, rows: kept.count + counting.count + changed.count)
        for grant in grants.sorted() { try recount(grant: grant, for: author) }
        if didForget { try recountForgotten(state.key) }
    }

    /// An update that counts from now on, or does not any more.
    private struct Changed {
        let row: Int64
        let id: UpdateID
        let kind: UpdateKind
        let flags: UpdateFlags
    }

    /// The rows and all that comes before them in their author's log.
    private func ancestors(of rows: [Int64]) throws -> Set<Int64> {
        var found = Set(rows)
        var open = rows
        while let row = open.popLast() {
            let prev = try database.sql("SELECT prev FROM log_updates WHERE row = ?").bind(row, 1).one { $0.blob(0) }
            for parent in RowList.rows(prev ?? []) where found.insert(parent).inserted { open.append(parent) }
        }
        return found
    }

    // MARK: Grants

    /// Notes that an update acts for somebody by a grant that may be here or not.
    func noteActing(_ update: Update, _ row: Int64) throws {
        guard let acting = update.header.acting else { return }
        try database.sql("INSERT OR IGNORE INTO log_acting (grant, row, owner) VALUES (?, ?, ?)")
            .bind(acting.grant, 1).bind(row, 2).bind(acting.owner.digest, 3).run()
    }

    private func note(_ body: RevokeBody, _ own: Ancestor) throws {
        var keep: [UInt8] = []
        for head in body.keep {
            head.append(to: &keep)
            try database.sql("INSERT OR IGNORE INTO log_keeps (digest, grant) VALUES (?, ?)").bind(head, 1)
                .bind(body.grant, 2).run()
            authors.hasKeeps = true
        }
        try database.sql("INSERT INTO log_revokes (grant, row, author, keep) VALUES (?, ?, ?, ?)").bind(body.grant, 1)
            .bind(own.row, 2).bind(own.author, 3).bind(keep, 4).run()
    }

    /// The grants of which a `revoke` keeps what comes up to this update.
    func grants(keeping id: UpdateID) throws -> [UpdateID] {
        try database.sql("SELECT grant FROM log_keeps WHERE digest = ? ORDER BY grant").bind(id, 1)
            .all { try $0.digest(0) }
    }

    /// Settles for every update done by a grant whether it was allowed; `author` has made that necessary.
    private func recount(grant: UpdateID, for author: AuthorID) throws {
        let rows = try database.sql("SELECT row FROM log_acting WHERE grant = ? ORDER BY row").bind(grant, 1)
            .all { $0.number(0) }
        guard !rows.isEmpty else { return }
        let right = try right(grant)
        charge(author, rows: rows.count + (right?.kept.reduce(0) { $0 + $1.count } ?? 0))
        for row in rows {
            guard let update = try LogReading.update(row, in: database) else { continue }
            let flags = try self.flags(row)
            let allowed = right?.covers(update, row) ?? false
            guard allowed == flags.contains(.denied) else { continue }
            let new = flags.symmetricDifference(.denied)
            try set(new, row)
            if flags.counts != new.counts { remade.insert(update.subject) }
        }
    }

    /// Whether the grant that an update names covers it, and no revoke ends it.
    func isAllowed(_ update: Update, _ row: Int64) throws -> Bool {
        guard let acting = update.header.acting else { return true }
        return try right(acting.grant)?.covers(update, row) ?? false
    }

    /// A grant with the revokes of the same author; `nil` when it is not here or does not count.
    private func right(_ grant: UpdateID) throws -> Right? {
        let found = try database.sql(
            """
            SELECT g.author, g.body, u.flags, a.id FROM log_grants g JOIN log_updates u ON u.row = g.row
                JOIN log_authors a ON a.key = g.author WHERE g.digest = ?
            """
        ).bind(grant, 1).one {
            ($0.number(0), $0.blob(1), UpdateFlags(rawValue: $0.number(2)), AuthorID(try $0.digest(3)))
        }
        guard let (author, bytes, flags, owner) = found, !flags.contains(.rotatedAway),
            case .grant(let body) = try UpdateBody(bytes, kind: .grant)
        else { return nil }
        let keeps = try database.sql(
            """
            SELECT r.keep, u.flags FROM log_revokes r JOIN log_updates u ON u.row = r.row
                WHERE r.grant = ? AND r.author = ? ORDER BY r.row
            """
        ).bind(grant, 1).bind(author, 2).all { ($0.blob(0), UpdateFlags(rawValue: $0.number(1))) }
        let grantee = try authors.state(of: body.grantee, in: database)?.key
        var kept: [Set<Int64>] = []
        for (keep, flags) in keeps where !flags.contains(.rotatedAway) {
            var rows: [Int64] = []
            for start in stride(from: 0, to: keep.count, by: 32) {
                guard let id = UpdateID(keep, at: start), let head = try ancestor(id), head.author == grantee else {
                    continue
                }
                rows.append(head.row)
            }
            kept.append(try ancestors(of: rows))
        }
        return Right(owner: owner, body: body, kept: kept)
    }

    /// A grant, and for each revoke of it the rows that still count.
    private struct Right {
        let owner: AuthorID
        let body: GrantBody
        let kept: [Set<Int64>]

        func covers(_ update: Update, _ row: Int64) -> Bool {
            body.covers(update, of: owner) && kept.allSatisfy { $0.contains(row) }
        }
    }

    // MARK: Forgetting

    /// Remembers what a `forget` names, which may not be here yet, and hides it if the `forget` counts.
    func forget(_ update: Update, _ row: Int64, _ author: Int64, counts: Bool) throws {
        guard case .forget(let body) = update.body else { return }
        authors.change(update.author) { $0.notes.insert(.forgets) }
        for id in body.updates {
            try database.sql("INSERT OR IGNORE INTO log_forgets (author, digest, row) VALUES (?, ?, ?)")
                .bind(author, 1).bind(id, 2).bind(row, 3).run()
            if counts { try setForgotten(id, author, true) }
        }
    }

    /// Whether a `forget` that counts names an update.
    func isForgotten(_ update: Update, _ author: Int64) throws -> Bool {
        try !update.kind.isRights && isForgotten(update.id, author)
    }

    private func isForgotten(_ id: UpdateID, _ author: Int64) throws -> Bool {
        try database.sql(
            """
            SELECT EXISTS (SELECT 1 FROM log_forgets f JOIN log_updates u ON u.row = f.row
                WHERE f.author = ? AND f.digest = ? AND NOT u.flags & 1)
            """
        ).bind(author, 1).bind(id, 2).one { $0.number(0) != 0 } ?? false
    }

    private func recountForgotten(_ key: Int64) throws {
        let named = try database.sql("SELECT DISTINCT digest FROM log_forgets WHERE author = ? ORDER BY digest")
            .bind(key, 1).all { try $0.digest(0) }
        for id in named { try setForgotten(id, key, try isForgotten(id, key)) }
    }

    private func setForgotten(_ id: UpdateID, _ author: Int64, _ isForgotten: Bool) throws {
        guard let ancestor = try ancestor(id), ancestor.author == author else { return }
        let known = try database.sql("SELECT flags, kind FROM log_updates WHERE row = ?").bind(ancestor.row, 1).one {
            (UpdateFlags(rawValue: $0.number(0)), UpdateKind(rawValue: $0.text(1)))
        }
        guard let (flags, kind) = known, !kind.isRights else { return }
        let new = isForgotten ? flags.union(.forgotten) : flags.subtracting(.forgotten)
        guard new != flags else { return }
        try set(new, ancestor.row)
        // What is beyond a quota was never merged.
        guard flags.counts != new.counts, let update = try LogReading.update(ancestor.row, in: database) else { return }
        remade.insert(update.subject)
    }
}

extension GrantBody {
    /// Whether it lets its grantee do this for `owner`, who granted it.
    func covers(_ update: Update, of owner: AuthorID) -> Bool {
        guard let acting = update.header.acting, acting.owner == owner, update.author == grantee,
            update.kind.mayBeGranted, kinds.contains(update.kind), let body = update.body
        else { return false }
        guard let entity else { return true }
        return body.entity(of: owner) == entity
    }
}

extension UpdateBody {
    /// The one entity of `owner` that this is about; `nil` when there is none.
    package func entity(of owner: AuthorID) -> Reference? {
        switch self {
        case .content(let body): .content(EntityRef(owner, body.id))
        case .contentDelete(let body): .content(EntityRef(owner, body.id))
        case .list(let body): .list(EntityRef(owner, body.id))
        case .listDelete(let body): .list(EntityRef(owner, body.id))
        case .listItem(let body): .list(EntityRef(owner, body.list))
        case .comment(let body): .comment(EntityRef(owner, body.id))
        case .commentDelete(let body): .comment(EntityRef(owner, body.id))
        case .profile: .author(owner)
        default: nil
        }
    }
}
