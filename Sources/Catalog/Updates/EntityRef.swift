import Multiformats

/// Somebody's entity: the author who owns it and the id that the author gave it.
package struct EntityRef: Hashable, Sendable {
    package let author: AuthorID
    /// Unique among the author's entities of the same sort; 1 to 64 bytes of UTF-8.
    package let id: String

    package init(_ author: AuthorID, _ id: String) {
        self.author = author
        self.id = id
    }
}

/// What an edge, a grant or a label points at.
package enum Reference: Hashable, Sendable {
    case author(AuthorID)
    case content(EntityRef)
    case list(EntityRef)
    case comment(EntityRef)

    /// Who is pointed at or owns what is.
    package var author: AuthorID {
        switch self {
        case .author(let author): author
        case .content(let entity), .list(let entity), .comment(let entity): entity.author
        }
    }

    /// The entity's id; `nil` for an author.
    package var id: String? {
        switch self {
        case .author: nil
        case .content(let entity), .list(let entity), .comment(let entity): entity.id
        }
    }

    /// The name of the sort: `author`, `content`, `list` or `comment`.
    package var type: String {
        switch self {
        case .author: "author"
        case .content: "content"
        case .list: "list"
        case .comment: "comment"
        }
    }
}

// MARK: Bytes

extension EntityRef {
    init(_ value: DAGValue, field: String) throws(UpdateError) {
        var fields = try BodyFields(value, named: field)
        author = try fields.required("author", BodyFields.author)
        id = try fields.required("id", BodyFields.id)
        try fields.expectNoMore(in: field)
    }

    var value: DAGValue { .map([DAGEntry("id", .string(id)), DAGEntry("author", .bytes(author.bytes))]) }
}

extension Reference {
    init(_ value: DAGValue, field: String) throws(UpdateError) {
        var fields = try BodyFields(value, named: field)
        let type = try fields.required("type", BodyFields.text(1...16))
        let author = try fields.required("author", BodyFields.author)
        if type == "author" {
            self = .author(author)
        } else {
            let entity = EntityRef(author, try fields.required("id", BodyFields.id))
            switch type {
            case "content": self = .content(entity)
            case "list": self = .list(entity)
            case "comment": self = .comment(entity)
            default: throw .badField(field)
            }
        }
        try fields.expectNoMore(in: field)
    }

    var value: DAGValue {
        var entries = [DAGEntry("type", .string(type)), DAGEntry("author", .bytes(author.bytes))]
        if let id { entries.append(DAGEntry("id", .string(id))) }
        return .map(entries)
    }
}
