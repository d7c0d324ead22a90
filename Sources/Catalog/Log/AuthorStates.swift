import GRDB

/// The states of the authors who are busy, and what is known of the log as a whole.
///
/// Confined to the database's writer, which runs one transaction at a time.
final class AuthorStates {
    /// The row of the update that arrived last.
    var lastRow: Int64 = 0
    /// Bytes of all updates that are kept.
    var heldBytes: Int64 = 0
    /// Authors whom somebody here follows or is: no quota applies.
    var followed: Set<AuthorID> = []
    /// Authors whose updates the operator does not want.
    var blocked: Set<AuthorID> = []
    /// Whether there is any `revoke` that keeps something, which must then be looked for.
    var hasKeeps = false

    private var states: [AuthorID: AuthorState] = [:]
    /// Whose states differ from what the database has.
    private var changed: Set<AuthorID> = []
    private static let capacity = 20_000

    /// Reads what the log as a whole is like; also after a transaction has failed.
    func load(from database: Database) throws {
        states.removeAll()
        changed.removeAll()
        lastRow = try database.sql("SELECT max(row) FROM log_updates").one { $0.number(0) } ?? 0
        heldBytes = try database.sql("SELECT sum(bytes) FROM log_authors").one { $0.number(0) } ?? 0
        hasKeeps = try database.sql("SELECT EXISTS (SELECT 1 FROM log_keeps)").one { $0.number(0) != 0 } ?? false
        blocked = Set(try database.sql("SELECT author FROM log_blocks").all { AuthorID(try $0.digest(0)) })
    }

    /// The state of an author; `nil` when nothing of the author is here.
    func state(of author: AuthorID, in database: Database) throws -> AuthorState? {
        if let state = states[author] { return state }
        guard let state = try AuthorStates.read(author, in: database) else { return nil }
        states[author] = state
        return state
    }

    /// Keeps the state of an author who is new.
    func set(_ state: AuthorState) {
        states[state.id] = state
        changed.insert(state.id)
    }

    /// Changes the state of an author, which must have been read.
    func change(_ author: AuthorID, _ body: (inout AuthorState) -> Void) {
        guard let index = states.index(forKey: author) else { return }
        body(&states.values[index])
        changed.insert(author)
    }

    /// Writes what has changed.
    func save(in database: Database) throws {
        for author in changed {
            guard let state = states[author] else { continue }
            try database.sql(
                "UPDATE log_authors SET era = ?, heads = ?, held = ?, bytes = ?, notes = ?, work = ? WHERE key = ?"
            ).bind(state.era.row, 1).bind(RowList.bytes(state.heads.map(\.row)), 2).bind(Int64(state.held), 3)
                .bind(state.bytes, 4).bind(state.notes.rawValue, 5).bind(state.work, 6).bind(state.key, 7).run()
        }
        changed.removeAll(keepingCapacity: true)
        if states.count > Self.capacity { states.removeAll(keepingCapacity: true) }
    }

    /// The state of an author as the database has it.
    static func read(_ author: AuthorID, in database: Database) throws -> AuthorState? {
        let row = try database.sql(
            """
            SELECT a.key, a.heads, a.held, a.bytes, a.notes, e.row, e.key, e.recovery, a.work
                FROM log_authors a JOIN log_eras e ON e.row = a.era WHERE a.id = ?
            """
        ).bind(author.digest, 1).one { row in
            (
                AuthorState(
                    key: row.number(0), id: author,
                    era: Era(row: row.number(5), key: row.blob(6), recovery: try row.digest(7)), heads: [],
                    held: Int(row.number(2)), bytes: row.number(3), work: row.number(8),
                    notes: AuthorState.Notes(rawValue: row.number(4))), row.blob(1)
            )
        }
        guard let (found, heads) = row else { return nil }
        var state = found
        state.heads = try RowList.rows(heads).map { try ancestor($0, in: database) }
        return state
    }

    static func ancestor(_ row: Int64, in database: Database) throws -> Ancestor {
        let found = try database.sql("SELECT digest, author, seq, time, era FROM log_updates WHERE row = ?")
            .bind(row, 1).one {
                Ancestor(
                    row: row, id: try $0.digest(0), author: $0.number(1), seq: UInt64(clamping: $0.number(2)),
                    time: UInt64(clamping: $0.number(3)), era: $0.number(4))
            }
        guard let found else { throw CatalogError.damaged("a head without its row") }
        return found
    }
}
