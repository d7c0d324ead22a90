import GRDB

extension CatalogReader {
    /// The time of what an update with this body would overwrite, in milliseconds since 1970; 0 when nothing.
    ///
    /// A new update must be later than that, or its author's other device, with a clock ahead, would win for ever.
    package func overwrittenTime(by body: UpdateBody, of owner: AuthorID) throws(CatalogError) -> UInt64 {
        try read { loader in
            func state(_ table: String, _ kind: EntityKind, _ id: String = "") throws -> UInt64 {
                guard let key = try loader.key(EntityID(kind, owner, id), kind) else { return 0 }
                return try loader.database.sql("SELECT state FROM \(table) WHERE key = ?").one([.integer(key)]) {
                    Registers(decoding: $0.blob(0)).updated
                } ?? 0
            }
            func time(_ sql: String, _ values: [SQLValue]) throws -> UInt64 {
                try loader.database.sql(sql).one(values) { UInt64(clamping: $0.number(0)) } ?? 0
            }
            let source = SQLValue(try loader.key(EntityID(.author, owner), .author))
            switch body {
            case .profile: return try state("authors", .author)
            case .content(let body): return try state("contents", .content, body.id)
            case .list(let body): return try state("lists", .list, body.id)
            case .comment(let body): return try state("comments", .comment, body.id)
            case .edge(let body):
                guard let relation = Relation(body.relation),
                    let target = try loader.key(EntityID(body.target), body.target.kind)
                else { return 0 }
                return try time(
                    "SELECT time FROM edges WHERE source = ? AND rel = ? AND target = ?",
                    [source, .integer(Int64(relation.rawValue)), .integer(target)])
            case .label(let body):
                guard let subject = try loader.key(EntityID(body.subject), body.subject.kind) else { return 0 }
                return try time(
                    "SELECT time FROM labels WHERE author = ? AND subject = ? AND label = ?",
                    [source, .integer(subject), .text(body.label)])
            case .listItem(let body):
                guard case .move(let tag, _) = body.change,
                    let list = try loader.key(EntityID(.list, owner, body.list), .list)
                else { return 0 }
                return try loader.database.sql("SELECT stamp FROM list_items WHERE list = ? AND tag = ?")
                    .one([.integer(list), .blob(tag.bytes)]) { Stamp($0.blob(0))?.time ?? 0 } ?? 0
            default: return 0
            }
        }
    }
}
