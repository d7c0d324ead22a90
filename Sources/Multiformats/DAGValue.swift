/// One value of the IPLD data model: what dag-cbor and dag-json blocks hold.
///
/// Equality is that of the encoded bytes: strings compare by UTF-8 and floats by bits, and a map's
/// order counts (the encoders sort, so equal blocks give equal values).
/// Source: https://ipld.io/docs/data-model/
package enum DAGValue: Sendable {
    case null
    case bool(Bool)
    case integer(DAGInteger)
    /// Never NaN nor infinite in a block.
    case float(Double)
    case string(String)
    case bytes([UInt8])
    case list([DAGValue])
    /// The pairs in the order they came or were given; no key may come twice.
    case map([DAGEntry])
    // In a box, so that a CID's size does not become that of every number.
    indirect case link(CID)

    /// The deepest nesting of lists and maps that is read or written.
    package static let maximumDepth = 1024
}

/// One pair of a map.
package struct DAGEntry: Sendable, Equatable {
    package let key: String
    package let value: DAGValue

    package init(_ key: String, _ value: DAGValue) {
        self.key = key
        self.value = value
    }

    package static func == (left: DAGEntry, right: DAGEntry) -> Bool {
        left.key.utf8.elementsEqual(right.key.utf8) && left.value == right.value
    }
}

/// An integer from -2^64 to 2^64 - 1, the range that CBOR can write.
package struct DAGInteger: Hashable, Sendable {
    package let isNegative: Bool
    /// The number, or, for a negative one, what is left of it above -1: `-1 - number`.
    package let raw: UInt64

    package init(isNegative: Bool, raw: UInt64) {
        self.isNegative = isNegative
        self.raw = raw
    }

    package init(_ value: Int) {
        isNegative = value < 0
        raw = UInt64(bitPattern: Int64(value < 0 ? ~value : value))
    }

    package init(_ value: UInt64) {
        isNegative = false
        raw = value
    }

    /// `nil` outside the range.
    package init?(exactly value: Int128) {
        guard let raw = UInt64(exactly: value < 0 ? ~value : value) else { return nil }
        self.init(isNegative: value < 0, raw: raw)
    }

    /// The number, whatever it is.
    package var int128: Int128 { isNegative ? ~Int128(raw) : Int128(raw) }
    /// The number where it fits into 64 bits with a sign.
    package var int64: Int64? { Int64(exactly: int128) }
    /// The number where it is not negative.
    package var uint64: UInt64? { isNegative ? nil : raw }
}

extension DAGInteger: CustomStringConvertible, ExpressibleByIntegerLiteral {
    package var description: String { int128.description }
    package init(integerLiteral value: Int) { self.init(value) }
}

extension DAGValue: Equatable {
    package static func == (left: DAGValue, right: DAGValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.float(let a), .float(let b)): a.bitPattern == b.bitPattern
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        case (.bytes(let a), .bytes(let b)): a == b
        case (.list(let a), .list(let b)): a == b
        case (.map(let a), .map(let b)): a == b
        case (.link(let a), .link(let b)): a == b
        default: false
        }
    }
}

extension DAGValue {
    /// Every link in the value, in order, repeated ones too.
    package var links: [CID] {
        var result: [CID] = []
        collectLinks(into: &result)
        return result
    }

    private func collectLinks(into result: inout [CID]) {
        switch self {
        case .link(let cid): result.append(cid)
        case .list(let values): for value in values { value.collectLinks(into: &result) }
        case .map(let entries): for entry in entries { entry.value.collectLinks(into: &result) }
        default: break
        }
    }

    /// A map's value for `key`.
    package subscript(key: String) -> DAGValue? {
        guard case .map(let entries) = self else { return nil }
        return entries.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// What a path segment leads to: a map's value, or a list's element by its decimal index.
    package func child(_ segment: String) -> DAGValue? {
        guard case .list(let values) = self else { return self[segment] }
        guard let index = Int(segment), values.indices.contains(index), String(index) == segment else { return nil }
        return values[index]
    }
}

/// Why bytes or text are no dag-cbor or dag-json, or why a value has no such form. Scope: the block.
package enum DAGError: Error, Hashable, Sendable {
    case truncated
    case trailingBytes
    /// Lists and maps nested more than `DAGValue.maximumDepth` deep.
    case tooDeep
    case tooManyValues
    /// Another form of the same value is the only one that strict readers take.
    case notCanonical
    case duplicateKey(String)
    case keyIsNotText
    /// A CBOR tag other than 42.
    case unsupportedTag(UInt64)
    /// A CBOR item that the data model has no place for: indefinite lengths, `undefined`, other simple values.
    case unsupportedItem(UInt8)
    case notFinite
    case invalidUTF8
    case invalidLink
    /// JSON that is not well formed, at a byte offset.
    case syntax(offset: Int)
    case numberOutOfRange
    /// A map with the single key "/", which dag-json needs for links and bytes.
    case reservedKey
}

extension DAGError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .truncated: "it ends too early"
        case .trailingBytes: "bytes follow its end"
        case .tooDeep: "it is nested too deeply"
        case .tooManyValues: "it has too many values"
        case .notCanonical: "it is not in canonical form"
        case .duplicateKey(let key): "the map key '\(key)' comes twice"
        case .keyIsNotText: "a map key is not text"
        case .unsupportedTag(let tag): "tag \(tag) is not allowed"
        case .unsupportedItem(let byte): "0x\(String(byte, radix: 16)) starts nothing that is allowed"
        case .notFinite: "a number in it is not finite"
        case .invalidUTF8: "text in it is not UTF-8"
        case .invalidLink: "a link in it is no CID"
        case .syntax(let offset): "it is not JSON from byte \(offset) on"
        case .numberOutOfRange: "a number in it is out of range"
        case .reservedKey: "a map with the single key '/' is reserved for links and bytes"
        }
    }
}

// MARK: Keys

/// The two orders of map keys.
enum KeyOrder {
    /// Shorter keys first, then by bytes: dag-cbor, from RFC 7049.
    static func lengthFirst(_ left: String, _ right: String) -> Bool {
        let (a, b) = (left.utf8.count, right.utf8.count)
        return a == b ? bytewise(left, right) : a < b
    }

    /// By UTF-8 bytes: dag-json.
    static func bytewise(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    /// `entries` in that order; throws when a key comes twice.
    static func sorted(
        _ entries: [DAGEntry], by precedes: (String, String) -> Bool
    ) throws(DAGError) -> [DAGEntry] {
        var result = entries
        var isSorted = true
        for index in entries.indices.dropFirst() where !precedes(entries[index - 1].key, entries[index].key) {
            isSorted = false
            break
        }
        if isSorted { return result }
        result.sort { precedes($0.key, $1.key) }
        for index in result.indices.dropFirst() where !precedes(result[index - 1].key, result[index].key) {
            throw .duplicateKey(result[index].key)
        }
        return result
    }
}
