import GRDB
import Multiformats

extension UpdateLog {
    /// What one step of erasing did.
    package struct Sweep: Sendable {
        /// Bodies that went, and their bytes.
        package var erased = 0
        package var bytes: Int64 = 0
        /// Where the next step goes on; `nil` when all authors have been seen.
        package var next: Int64?
    }

    /// Erases bodies that nobody needs any more, author by author from `start` on: of what was deleted or forgotten
    /// 72 hours ago, and of what newer updates superseded 30 days ago. Until then a rotate can undo what a thief of
    /// a key has deleted or overwritten.
    ///
    /// Headers stay, and so do bodies of rights, of deletions, and of what first made an entity (of each author who
    /// did, since a right may go). It also forgives half of the work that authors have caused. One transaction.
    package func sweep(from start: Int64 = 0, authors limit: Int = 16, now: UInt64) throws(CatalogError) -> Sweep {
        try transaction(now: now) { writer, state in
            let database = writer.database
            let authors = try database.sql("SELECT key, id, work FROM log_authors WHERE key > ? ORDER BY key LIMIT ?")
                .bind(start, 1).bind(Int64(clamping: limit), 2)
                .all { ($0.number(0), AuthorID(try $0.digest(1)), $0.number(2)) }
            var sweep = Sweep()
            for (key, author, work) in authors {
                if work > 0, try state.authors.state(of: author, in: database) != nil {
                    state.authors.change(author) { $0.work /= 2 }
                }
                var rows = try Self.forgotten(key, before: Self.earlier(now, self.limits.deletedTime), database)
                rows += try Self.obsolete(author, self.limits, now, database)
                for row in rows {
                    guard let bytes = try writer.eraseBody(row) else { continue }
                    sweep.erased += 1
                    sweep.bytes += bytes
                }
                sweep.next = key
            }
            if authors.count < limit { sweep.next = nil }
            return sweep
        }
    }

    /// Makes room: drops the updates of authors in this order, the farthest first, until no more than `limit` bytes
    /// are kept. Rights and ids stay, as of what never found room. Returns the bytes that are kept then, and whose
    /// turn was the last; `nil` when nobody's was.
    package func makeRoom(
        _ authors: [AuthorID], limit: Int64, now: UInt64
    ) throws(CatalogError) -> (kept: Int64, last: AuthorID?) {
        try transaction(now: now) { writer, state in
            var last: AuthorID?
            for author in authors where state.authors.heldBytes > limit && !state.authors.followed.contains(author) {
                try writer.drop(author, wholly: true)
                last = author
            }
            return (state.authors.heldBytes, last)
        }
    }

    /// Has what found no room of these authors asked for, as far as their quotas allow.
    package func want(_ authors: [AuthorID], now: UInt64) throws(CatalogError) {
        try transaction(now: now) { writer, state in
            for author in authors {
                guard let known = try state.authors.state(of: author, in: writer.database),
                    known.held < self.limits.authorUpdates, known.bytes < self.limits.authorBytes
                else { continue }
                try writer.want(author)
            }
        }
    }

    /// Bytes that are kept of all authors, followed or not.
    package func heldBytes() throws(CatalogError) -> Int64 {
        try database.read { try $0.sql("SELECT sum(bytes) FROM log_authors").one { $0.number(0) } ?? 0 }
    }

    /// The bytes that are kept of each author, where there are any.
    package func sizes() throws(CatalogError) -> [(author: AuthorID, bytes: Int64)] {
        try database.read { database in
            try database.sql("SELECT id, bytes FROM log_authors WHERE bytes > 0")
                .all { (AuthorID(try $0.digest(0)), $0.number(1)) }
        }
    }

    /// Whose updates the operator does not want: what is here of them goes, but for headers and rights, and of what
    /// comes only the ids are kept, so that peers do not offer it again and again.
    package func block(_ author: AuthorID, now: UInt64) throws(CatalogError) {
        try transaction(now: now, durable: true) { writer, state in
            try writer.database.sql("INSERT OR IGNORE INTO log_blocks (author) VALUES (?)").bind(author.digest, 1).run()
            state.authors.blocked.insert(author)
            try writer.drop(author)
        }
    }

    /// Takes a block back; `missing` then names what is to be asked for.
    package func unblock(_ author: AuthorID, now: UInt64) throws(CatalogError) {
        try transaction(now: now, durable: true) { writer, state in
            try writer.database.sql("DELETE FROM log_blocks WHERE author = ?").bind(author.digest, 1).run()
            state.authors.blocked.remove(author)
            try writer.want(author)
        }
    }

    /// Whom the operator has blocked, in order.
    package func blocked() throws(CatalogError) -> [AuthorID] {
        try database.read { database in
            try database.sql("SELECT author FROM log_blocks ORDER BY author").all { AuthorID(try $0.digest(0)) }
        }
    }

    // MARK: What may go

    private static func earlier(_ now: UInt64, _ time: UInt64) -> Int64 { Int64(clamping: now > time ? now - time : 0) }

    private static func forgotten(_ author: Int64, before limit: Int64, _ database: Database) throws -> [Int64] {
        try database.sql(
            """
            SELECT DISTINCT u.row FROM log_forgets f JOIN log_updates g ON g.row = f.row
                JOIN log_updates u ON u.digest = f.digest AND u.author = f.author
                WHERE f.author = ? AND g.arrived <= ? AND u.flags & 4 AND u.body IS NOT NULL
            """
        ).bind(author, 1).bind(limit, 2).all { $0.number(0) }
    }

    /// Rows of updates on the author's entities that were deleted or superseded long enough ago.
    private static func obsolete(
        _ owner: AuthorID, _ limits: LogLimits, _ now: UInt64, _ database: Database
    ) throws -> [Int64] {
        let (deleted, superseded) = (earlier(now, limits.deletedTime), earlier(now, limits.supersededTime))
        var updates: [(row: Int64, arrived: Int64, update: Update)] = []
        try LogReading.countedRows(of: owner, in: database) { updates.append(($0, $1, $2)) }
        // The latest first, so that what an update writes can be looked up among what was written later.
        updates.sort { ($0.update.time, $0.update.id) > ($1.update.time, $1.update.id) }
        var gone: Set<Reference> = []
        for (_, arrived, update) in updates where arrived <= deleted {
            if update.body?.isDelete == true, let entity = update.body?.entity(of: owner) { gone.insert(entity) }
        }
        var first: [Beginning: UpdateID] = [:]
        for (_, _, update) in updates {
            if let beginning = Beginning(update, of: owner) { first[beginning] = update.id }
        }
        var written: Set<Register> = []
        var rows: [Int64] = []
        for (row, arrived, update) in updates {
            guard let body = update.body, !update.kind.isRights, !body.isDelete else { continue }
            let entity = body.entity(of: owner)
            if let entity, gone.contains(entity) {
                rows.append(row)
                continue
            }
            let registers = body.registers(of: owner)
            let isFirst = Beginning(update, of: owner).map { first[$0] == update.id } ?? false
            if !isFirst, !registers.isEmpty, registers.isSubset(of: written) { rows.append(row) }
            if arrived <= superseded { written.formUnion(registers) }
        }
        return rows
    }
}

/// What makes an entity, by whom: the first of these tells when it was made, so its body stays.
private struct Beginning: Hashable {
    let entity: Reference
    let author: AuthorID

    /// `nil` for what changes something that has to be there.
    init?(_ update: Update, of owner: AuthorID) {
        switch update.body {
        case .content, .list, .comment, .profile: break
        default: return nil
        }
        guard let entity = update.body?.entity(of: owner) else { return nil }
        self.entity = entity
        author = update.author
    }
}

/// A place in the view that holds one value, which the latest update wins.
struct Register: Hashable {
    let entity: Reference?
    let name: String
}

extension UpdateBody {
    /// Whether it ends an entity.
    var isDelete: Bool {
        switch self {
        case .contentDelete, .listDelete, .commentDelete: true
        default: false
        }
    }

    /// What it writes, where all of that can be superseded; none for what adds up, such as items and plays.
    func registers(of owner: AuthorID) -> Set<Register> {
        let entity = entity(of: owner)
        switch self {
        case .profile, .content, .list, .comment:
            return Set(entries.filter { $0.key != "id" }.map { Register(entity: entity, name: $0.key) })
        case .edge(let edge): return [Register(entity: edge.target, name: "edge/" + edge.relation.rawValue)]
        case .label(let label): return [Register(entity: label.subject, name: "label/" + label.label)]
        case .node(let node): return [Register(entity: nil, name: "node/\(node.peer)")]
        case .listItem(let item):
            guard case .move(let tag, _) = item.change else { return [] }
            return [Register(entity: entity, name: "move/\(tag)")]
        default: return []
        }
    }
}

extension LogWriter {
    /// Erases a body for good; the bytes that it had, or `nil` when there was none.
    func eraseBody(_ row: Int64) throws -> Int64? {
        let found = try database.sql(
            """
            SELECT length(u.body), u.flags, a.id FROM log_updates u JOIN log_authors a ON a.key = u.author
                WHERE u.row = ? AND u.body IS NOT NULL
            """
        ).bind(row, 1).one { ($0.number(0), UpdateFlags(rawValue: $0.number(1)), AuthorID(try $0.digest(2))) }
        guard let (bytes, flags, author) = found else { return nil }
        try database.sql("UPDATE log_updates SET body = NULL, flags = ? WHERE row = ?")
            .bind(flags.union(.bodyErased).rawValue, 1).bind(row, 2).run()
        _ = try authors.state(of: author, in: database)
        authors.change(author) { $0.bytes -= bytes }
        authors.heldBytes -= bytes
        return bytes
    }

    /// Has what was not held of an author asked for.
    func want(_ author: AuthorID) throws {
        guard let state = try authors.state(of: author, in: database) else { return }
        try database.sql("UPDATE log_updates SET flags = flags & ~16 WHERE author = ? AND flags & 16")
            .bind(state.key, 1).run()
    }

    /// Drops the bodies of an author's updates, but those of rights; `wholly`: and their headers.
    func drop(_ author: AuthorID, wholly: Bool = false) throws {
        guard let state = try authors.state(of: author, in: database) else { return }
        let gone = wholly ? "ifnull(length(header), 0) + ifnull(length(body), 0)" : "length(body)"
        let (rows, bytes) =
            try database.sql(
                """
                SELECT count(header), sum(\(gone)) FROM log_updates
                    WHERE author = ? AND kind NOT IN ('author.create', 'rotate', 'grant', 'revoke')
                """
            ).bind(state.key, 1).one { ($0.number(0), $0.number(1)) } ?? (0, 0)
        // Whom they act for loses what was done, too.
        let owners = try database.sql(
            """
            SELECT DISTINCT a.owner FROM log_updates u JOIN log_acting a ON a.row = u.row
                WHERE u.author = ? AND u.flags & 32
            """
        ).bind(state.key, 1).all { AuthorID(try $0.digest(0)) }
        try database.sql(
            """
            UPDATE log_updates SET \(wholly ? "header = NULL, " : "")body = NULL, flags = flags | 16
                WHERE author = ? AND kind NOT IN ('author.create', 'rotate', 'grant', 'revoke')
            """
        ).bind(state.key, 1).run()
        authors.change(author) { state in
            state.bytes -= bytes
            if wholly { state.held -= Int(rows) }
        }
        authors.heldBytes -= bytes
        remade.formUnion(owners)
        remade.insert(author)
    }
}
