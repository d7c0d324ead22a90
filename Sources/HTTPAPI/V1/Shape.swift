import Catalog
import Multiformats

/// What a kind of row looks like in JSON. The answers and the OpenAPI document are made from the same fields, so
/// neither can name one that the other does not have.
struct Shape<Row>: Sendable {
    /// The name of its schema.
    let name: String
    let about: String
    let fields: [Field]

    struct Field: Sendable {
        let name: String
        let type: ValueType
        /// Only in answers below `/v1/full`.
        let isFull: Bool
        let value: @Sendable (Row, ShapeContext) -> JSON
    }

    init(_ name: String, _ about: String, _ fields: [[Field]]) {
        self.name = name
        self.about = about
        self.fields = fields.flatMap { $0 }
    }

    func json(_ row: Row, _ context: ShapeContext) -> JSON {
        var members: [JSON.Member] = []
        members.reserveCapacity(fields.count)
        for field in fields where context.isFull || !field.isFull {
            members.append(JSON.Member(field.name, field.value(row, context)))
        }
        return .object(members)
    }

    var schema: JSON {
        .object([
            .init("type", "object"), .init("description", .string(about)),
            .init("required", .array(fields.filter { !$0.isFull }.map { .string($0.name) })),
            .init("properties", .object(fields.map { .init($0.name, $0.type.schema) })),
        ])
    }
}

/// What decides how a row is shown, besides the row.
struct ShapeContext: Sendable {
    /// What links begin with: `http://127.0.0.1:5101`.
    let base: String
    let isFull: Bool
}

// Short words for tables of fields.
extension Shape.Field {
    static func text(_ name: String, _ value: @escaping @Sendable (Row) -> String) -> Self {
        Self(name: name, type: .string, isFull: false) { row, _ in .string(value(row)) }
    }

    /// Text that may be missing: null then.
    static func maybe(_ name: String, _ value: @escaping @Sendable (Row) -> String?) -> Self {
        Self(name: name, type: .optional(.string), isFull: false) { row, _ in value(row).map { .string($0) } ?? .null }
    }

    static func count(_ name: String, _ value: @escaping @Sendable (Row) -> Int) -> Self {
        Self(name: name, type: .integer, isFull: false) { row, _ in .int(value(row)) }
    }

    static func flag(_ name: String, _ value: @escaping @Sendable (Row) -> Bool) -> Self {
        Self(name: name, type: .boolean, isFull: false) { row, _ in .bool(value(row)) }
    }

    /// A time in milliseconds since 1970, shown as RFC 3339.
    static func time(_ name: String, _ value: @escaping @Sendable (Row) -> UInt64) -> Self {
        Self(name: name, type: .time, isFull: false) { row, _ in .time(value(row)) }
    }

    static func value(
        _ name: String, _ type: ValueType, full: Bool = false,
        _ value: @escaping @Sendable (Row, ShapeContext) -> JSON
    ) -> Self { Self(name: name, type: type, isFull: full, value: value) }

    /// The same for every row: what the original has and this network has not.
    static func fixed(_ name: String, _ type: ValueType, _ value: JSON, full: Bool = true) -> Self {
        Self(name: name, type: type, isFull: full) { _, _ in value }
    }
}

extension JSON {
    /// A time in milliseconds since 1970 as RFC 3339 in UTC.
    static func time(_ milliseconds: UInt64) -> JSON {
        .string(CivilTime(secondsSince1970: Int64(clamping: milliseconds / 1000)).text + "Z")
    }

    /// The text, or null.
    static func maybe(_ value: (some CustomStringConvertible)?) -> JSON {
        value.map { .string($0.description) } ?? .null
    }
}

/// The type of a JSON value, as a schema says it.
indirect enum ValueType: Sendable {
    case string, integer, number, boolean, time, url, any
    /// A schema of the document by name.
    case named(String)
    case list(ValueType)
    case object([(String, ValueType)])
    case optional(ValueType)

    var schema: JSON {
        switch self {
        case .string: ["type": "string"]
        case .integer: ["type": "integer"]
        case .number: ["type": "number"]
        case .boolean: ["type": "boolean"]
        case .time: ["type": "string", "format": "date-time"]
        case .url: ["type": "string", "format": "uri"]
        case .any: [:]
        case .named(let name): ["$ref": .string("#/components/schemas/\(name)")]
        case .list(let type): ["type": "array", "items": type.schema]
        case .object(let fields):
            [
                "type": "object", "required": .array(fields.map { .string($0.0) }),
                "properties": .object(fields.map { .init($0.0, $0.1.schema) }),
            ]
        case .optional(let type): ["anyOf": [type.schema, ["type": "null"]]]
        }
    }
}

/// Pictures, which the original has in several sizes; here each size is the one picture that the author gave.
enum Pictures {
    static let square = ["150x150", "480x480", "1000x1000"]
    static let wide = ["640x", "2000x"]

    static func type(_ sizes: [String]) -> ValueType {
        .optional(.object(sizes.map { ($0, .url) } + [("mirrors", .list(.string))]))
    }

    /// Links to the picture; null without one. `path` is below `/v1/`.
    static func json(_ cid: CID?, _ path: String, _ sizes: [String], _ context: ShapeContext) -> JSON {
        guard let cid else { return .null }
        // The CID makes the link another one when the picture changes, so that it can be kept for ever.
        let link = JSON.string("\(context.base)/v1/\(path)?cid=\(cid)")
        return .object(sizes.map { .init($0, link) } + [.init("mirrors", [])])
    }
}
