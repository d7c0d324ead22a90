import Multiformats

/// The fields of a map that are taken out one by one by name; what is left over is unknown here and kept.
struct BodyFields {
    /// How one field's value is read; throws `badField` with the name it is given.
    typealias Parser<Value> = (DAGValue, String) throws(UpdateError) -> Value

    private(set) var left: [DAGEntry]

    init(_ entries: [DAGEntry]) { left = entries }

    /// The fields of a map inside a field.
    init(_ value: DAGValue, named field: String) throws(UpdateError) {
        guard case .map(let entries) = value else { throw .badField(field) }
        left = entries
    }

    private mutating func take(_ key: String) -> DAGValue? {
        guard let index = left.firstIndex(where: { $0.key == key }) else { return nil }
        return left.remove(at: index).value
    }

    /// A field that must be there.
    mutating func required<Value>(_ key: String, _ parse: Parser<Value>) throws(UpdateError) -> Value {
        guard let value = take(key) else { throw .missingField(key) }
        return try parse(value, key)
    }

    /// A field that may be absent.
    mutating func optional<Value>(_ key: String, _ parse: Parser<Value>) throws(UpdateError) -> Value? {
        guard let value = take(key) else { return nil }
        return try parse(value, key)
    }

    /// A field that may be absent (unchanged) or null (cleared).
    mutating func patch<Value>(_ key: String, _ parse: Parser<Value>) throws(UpdateError) -> Patch<Value> {
        guard let value = take(key) else { return .unchanged }
        if case .null = value { return .cleared }
        return .set(try parse(value, key))
    }

    /// Inside a field there is no room for unknown ones: they would be lost when the whole field is replaced.
    func expectNoMore(in field: String) throws(UpdateError) {
        guard left.isEmpty else { throw .badField(field) }
    }

    // MARK: Values

    /// Text of so many Unicode scalars: unlike characters, their number is the same under every Unicode version.
    static func text(_ count: ClosedRange<Int>) -> Parser<String> {
        { (value, field) throws(UpdateError) in
            guard case .string(let text) = value else { throw .badField(field) }
            let bytes = text.utf8.count
            guard bytes <= count.upperBound * 4, bytes >= count.lowerBound else { throw .badField(field) }
            // There are no more scalars than bytes, so as a rule nothing needs counting.
            if bytes <= count.upperBound, count.lowerBound <= 1 { return text }
            guard count.contains(text.unicodeScalars.count) else { throw .badField(field) }
            return text
        }
    }

    /// The id of an entity: 1 to 64 bytes.
    static func id(_ value: DAGValue, _ field: String) throws(UpdateError) -> String {
        guard case .string(let text) = value, (1...UpdateLimits.id).contains(text.utf8.count) else {
            throw .badField(field)
        }
        return text
    }

    static func author(_ value: DAGValue, _ field: String) throws(UpdateError) -> AuthorID {
        guard case .bytes(let bytes) = value, let author = AuthorID(bytes) else { throw .badField(field) }
        return author
    }

    /// The CID of an update.
    static func update(_ value: DAGValue, _ field: String) throws(UpdateError) -> UpdateID {
        guard case .link(let cid) = value, let id = UpdateID(cid) else { throw .badField(field) }
        return id
    }

    /// The CID of any block whose hash may be used.
    static func cid(_ value: DAGValue, _ field: String) throws(UpdateError) -> CID {
        guard case .link(let cid) = value, cid.multihash.isAllowed else { throw .badField(field) }
        return cid
    }

    static func flag(_ value: DAGValue, _ field: String) throws(UpdateError) -> Bool {
        guard case .bool(let flag) = value else { throw .badField(field) }
        return flag
    }

    /// A number from 0 to 2^53 - 1, which every reader of JSON can hold.
    static func number(_ value: DAGValue, _ field: String) throws(UpdateError) -> UInt64 {
        guard case .integer(let integer) = value, let number = integer.uint64, number <= UpdateLimits.number else {
            throw .badField(field)
        }
        return number
    }

    static func bytes(_ count: ClosedRange<Int>) -> Parser<[UInt8]> {
        { (value, field) throws(UpdateError) in
            guard case .bytes(let bytes) = value, count.contains(bytes.count) else { throw .badField(field) }
            return bytes
        }
    }

    /// A list of so many elements.
    static func list<Value>(_ count: ClosedRange<Int>, of parse: @escaping Parser<Value>) -> Parser<[Value]> {
        { (value, field) throws(UpdateError) in
            guard case .list(let values) = value, count.contains(values.count) else { throw .badField(field) }
            var result: [Value] = []
            result.reserveCapacity(values.count)
            for value in values { result.append(try parse(value, field)) }
            return result
        }
    }
}

/// The fields of a map that is being written.
struct BodyWriter {
    private(set) var entries: [DAGEntry]

    /// Starts with the fields that were unknown when the body was read.
    init(keeping extra: [DAGEntry]) { entries = extra }

    mutating func put(_ key: String, _ value: DAGValue) { entries.append(DAGEntry(key, value)) }
    mutating func put(_ key: String, _ text: String) { put(key, .string(text)) }
    mutating func put(_ key: String, _ number: UInt64) { put(key, .integer(DAGInteger(number))) }

    mutating func put<Value>(_ key: String, _ patch: Patch<Value>, _ value: (Value) -> DAGValue) {
        switch patch {
        case .unchanged: break
        case .cleared: put(key, .null)
        case .set(let new): put(key, value(new))
        }
    }

    mutating func put(_ key: String, _ patch: Patch<String>) { put(key, patch) { .string($0) } }
    mutating func put(_ key: String, _ patch: Patch<CID>) { put(key, patch) { .link($0) } }
    mutating func put(_ key: String, _ patch: Patch<Bool>) { put(key, patch) { .bool($0) } }
    mutating func put(_ key: String, _ patch: Patch<UInt64>) { put(key, patch) { .integer(DAGInteger($0)) } }
}
