import GRDB
import Multiformats

/// Merges updates into the tables of the view, within one transaction of the writer.
///
/// Every change is a maximum over stamps or counts, or final, so the tables hold the same whatever the order, and an
/// update that is applied twice changes nothing. One writer serves one transaction: it remembers keys
/// that a rollback would take back.
final class ViewWriter {
    let database: Database
    private var authorKeys: [AuthorID: Int64] = [:]
    private var entityKeys: [EntityID: Int64] = [:]
    private let hasBlocks: Bool
    private let hasLabelers: Bool

    /// The most plays that one author can report of one content and day: forged tallies must not overflow sums.
    static let maximumPlays: UInt64 = 1_000_000
    /// How many keys are remembered; a longer transaction starts over.
    private static let maximumKeys = 50_000

    init(_ database: Database) throws {
        self.database = database
        hasBlocks = try database.sql("SELECT EXISTS (SELECT 1 FROM view_blocks)").one { $0.flag(0) } ?? false
        hasLabelers = try database.sql("SELECT EXISTS (SELECT 1 FROM view_labelers)").one { $0.flag(0) } ?? false
    }

    /// Merges one update.
    func apply(_ update: CountedUpdate) throws {
        let (owner, stamp) = (try key(of: update.owner), update.stamp)
        switch update.body {
        case .authorCreate: try setProfile(owner, [], stamp)
        case .profile(let body): try setProfile(owner, body.entries, stamp)
        case .content(let body): try setContent(update.owner, body, stamp)
        case .contentDelete(let body): try deleteContent(update.owner, body.id)
        case .list(let body): try setList(update.owner, body, stamp)
        case .listDelete(let body): try deleteList(update.owner, body.id)
        case .listItem(let body): try changeItems(update.owner, body, stamp)
        case .edge(let body): try setEdge(owner, body, stamp)
        case .comment(let body): try setComment(update.owner, body, stamp)
        case .commentDelete(let body): try deleteComment(update.owner, body.id)
        case .plays(let body): try addPlays(owner, body)
        case .node(let body): try announce(owner, body, stamp)
        case .label(let body): try setLabel(owner, body, stamp)
        case .forget, .grant, .revoke, .rotate, .unknown: break
        }
    }

    // MARK: Keys

    /// The key of an author, made when it is new.
    func key(of author: AuthorID) throws -> Int64 {
        if let key = authorKeys[author] { return key }
        let key = try stored(EntityID(.author, author), .author, nil, author.bytes)
        if authorKeys.count >= ViewWriter.maximumKeys { authorKeys.removeAll(keepingCapacity: true) }
        authorKeys[author] = key
        return key
    }

    /// The key of an author's entity, made when it is new, even if nothing was put under it yet.
    func key(_ kind: EntityKind, _ author: AuthorID, _ name: String) throws -> Int64 {
        let id = EntityID(kind, author, name)
        if let key = entityKeys[id] { return key }
        let key = try stored(id, kind, try key(of: author), Array(name.utf8))
        if entityKeys.count >= ViewWriter.maximumKeys { entityKeys.removeAll(keepingCapacity: true) }
        entityKeys[id] = key
        return key
    }

    func key(_ kind: EntityKind, _ entity: EntityRef) throws -> Int64 { try key(kind, entity.author, entity.id) }

    func key(_ reference: Reference) throws -> Int64 {
        guard let id = reference.id else { return try key(of: reference.author) }
        return try key(reference.kind, reference.author, id)
    }

    private func stored(_ id: EntityID, _ kind: EntityKind, _ author: Int64?, _ name: [UInt8]) throws -> Int64 {
        let found = try database.sql("SELECT key FROM entities WHERE id = ?").one([.text(id.description)]) {
            $0.number(0)
        }
        if let found { return found }
        try database.sql("INSERT INTO entities (id, kind, author, name) VALUES (?, ?, ?, ?)").run([
            .text(id.description), .integer(Int64(kind.rawValue)), author.map { .integer($0) } ?? 0, .blob(name),
        ])
        let key = database.lastInsertedRowID
        if author == nil {
            try database.sql("UPDATE entities SET author = key WHERE key = ?").run([.integer(key)])
        }
        if hasBlocks { try Hiding.refresh(key, in: database) }
        return key
    }

    // MARK: Edges, plays, nodes, labels

    private func setEdge(_ source: Int64, _ body: EdgeBody, _ stamp: Stamp) throws {
        guard let relation = Relation(body.relation) else { return }
        try database.sql(
            """
            INSERT INTO edges (source, rel, target, active, time, id) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (source, rel, target) DO UPDATE
                SET active = excluded.active, time = excluded.time, id = excluded.id
                WHERE (excluded.time, excluded.id) > (edges.time, edges.id)
            """
        ).run([
            .integer(source), .integer(Int64(relation.rawValue)), .integer(try key(body.target)), SQLValue(body.isOn),
            SQLValue(stamp.time), .blob(stamp.id.bytes),
        ])
    }

    private func addPlays(_ author: Int64, _ body: PlaysBody) throws {
        for row in body.rows where row.count > 0 {
            try database.sql(
                """
                INSERT INTO plays (author, content, day, count) VALUES (?, ?, ?, ?)
                    ON CONFLICT (author, day, content) DO UPDATE SET count = excluded.count
                    WHERE excluded.count > plays.count
                """
            ).run([
                .integer(author), .integer(try key(.content, row.content)), SQLValue(row.day),
                SQLValue(min(row.count, ViewWriter.maximumPlays)),
            ])
        }
    }

    private func announce(_ author: Int64, _ body: NodeBody, _ stamp: Stamp) throws {
        try database.sql(
            """
            INSERT INTO announcements (peer, author, time, id, body) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (peer, author) DO UPDATE
                SET time = excluded.time, id = excluded.id, body = excluded.body
                WHERE (excluded.time, excluded.id) > (announcements.time, announcements.id)
            """
        ).run([
            .blob(body.peer.multihash.bytes), .integer(author), SQLValue(stamp.time), .blob(stamp.id.bytes),
            .blob(try DagCBOR.encode(.map(body.entries))),
        ])
    }

    private func setLabel(_ author: Int64, _ body: LabelBody, _ stamp: Stamp) throws {
        let subject = try key(body.subject)
        try database.sql(
            """
            INSERT INTO labels (author, subject, label, reason, active, time, id) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (author, subject, label) DO UPDATE
                SET reason = excluded.reason, active = excluded.active, time = excluded.time, id = excluded.id
                WHERE (excluded.time, excluded.id) > (labels.time, labels.id)
            """
        ).run([
            .integer(author), .integer(subject), .text(body.label), SQLValue(body.reason), SQLValue(body.isOn),
            SQLValue(stamp.time), .blob(stamp.id.bytes),
        ])
        if hasLabelers { try Hiding.refresh(subject, in: database) }
    }
}

extension SQLValue {
    /// A time or count; SQLite's numbers have a sign.
    init(_ number: UInt64) { self = .integer(Int64(clamping: number)) }
}
