package import Multiformats

/// The fields of one entity, each with the update that set it last: what many updates of a profile, a piece of
/// digital content, a list or a comment merge into.
///
/// Setting is commutative, associative and idempotent: per field the greatest stamp stays, whatever the order.
/// Most entities are set by one update, so stamps are kept once and named by index.
package struct Registers: Sendable, Equatable {
    /// One field's winner.
    struct Register: Sendable, Equatable {
        let field: UInt8
        var stamp: Stamp
        /// `null` where the winner cleared the field.
        var value: DAGValue
    }

    /// Sorted by field.
    private(set) var registers: [Register] = []
    /// The time of the first update that counts, in milliseconds since 1970; `nil` before any.
    package private(set) var created: UInt64?

    package init() {}

    /// Whether no update has counted yet.
    package var isEmpty: Bool { created == nil }

    /// The time of the last winner, in milliseconds since 1970; 0 before any.
    package var updated: UInt64 { registers.reduce(created ?? 0) { max($0, $1.stamp.time) } }

    /// Notes that an update of that time made or changed the entity.
    package mutating func touch(_ time: UInt64) { created = min(created ?? time, time) }

    /// Sets `field` to `value` (`null` clears it) unless a greater stamp has set it.
    package mutating func set(_ field: some RawRepresentable<UInt8>, _ value: DAGValue, _ stamp: Stamp) {
        set(field.rawValue, value, stamp)
    }

    private mutating func set(_ field: UInt8, _ value: DAGValue, _ stamp: Stamp) {
        guard let index = registers.firstIndex(where: { $0.field >= field }) else {
            registers.append(Register(field: field, stamp: stamp, value: value))
            return
        }
        if registers[index].field != field {
            registers.insert(Register(field: field, stamp: stamp, value: value), at: index)
        } else if registers[index].stamp < stamp {
            registers[index].stamp = stamp
            registers[index].value = value
        }
    }

    /// The value of `field`; `nil` when it was never set or is cleared.
    package func value(_ field: some RawRepresentable<UInt8>) -> DAGValue? {
        let number = field.rawValue
        guard let register = registers.first(where: { $0.field == number }), register.value != .null else { return nil }
        return register.value
    }

    /// `value` where it is text.
    package func text(_ field: some RawRepresentable<UInt8>) -> String? {
        if case .string(let text) = value(field) { text } else { nil }
    }

    /// `value` where it is a number of 64 bits with a sign.
    package func number(_ field: some RawRepresentable<UInt8>) -> Int64? {
        if case .integer(let number) = value(field) { number.int64 } else { nil }
    }

    /// `value` where it is a link.
    package func link(_ field: some RawRepresentable<UInt8>) -> CID? {
        if case .link(let cid) = value(field) { cid } else { nil }
    }

    /// Whether `value` is `true`.
    package func flag(_ field: some RawRepresentable<UInt8>) -> Bool { value(field) == .bool(true) }

    /// The texts in a list value; what is not text is left out.
    package func texts(_ field: some RawRepresentable<UInt8>) -> [String] {
        guard case .list(let values) = value(field) else { return [] }
        return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }
}

// MARK: Bytes

extension Registers {
    /// The form that the view stores: DAG-CBOR of [creation time, stamps, [field, index of its stamp, value, ...]].
    func encoded() throws(DAGError) -> [UInt8] {
        var stamps: [Stamp] = []
        var fields: [DAGValue] = []
        fields.reserveCapacity(3 * registers.count)
        for register in registers {
            let index = stamps.firstIndex(of: register.stamp) ?? stamps.count
            if index == stamps.count { stamps.append(register.stamp) }
            fields += [.integer(DAGInteger(Int(register.field))), .integer(DAGInteger(index)), register.value]
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Stamp.byteCount * stamps.count)
        for stamp in stamps { stamp.append(to: &bytes) }
        let time = created.map { DAGValue.integer(DAGInteger($0)) } ?? .null
        return try DagCBOR.encode(.list([time, .bytes(bytes), .list(fields)]))
    }

    /// Reads `encoded()`; bytes that are something else give no fields, and a rebuild of the view repairs that.
    init(decoding bytes: [UInt8]) {
        guard case .list(let parts) = try? DagCBOR.decode(bytes), parts.count == 3,
            case .bytes(let stamps) = parts[1], case .list(let fields) = parts[2]
        else { return }
        if case .integer(let time) = parts[0] { created = time.uint64 }
        registers.reserveCapacity(fields.count / 3)
        for start in stride(from: 0, to: fields.count - 2, by: 3) {
            guard case .integer(let field) = fields[start], case .integer(let index) = fields[start + 1],
                let field = field.int64.flatMap(UInt8.init(exactly:)), let index = index.int64,
                index >= 0, index < 1 << 16, let stamp = Stamp(stamps, at: Int(index) * Stamp.byteCount)
            else { continue }
            registers.append(Register(field: field, stamp: stamp, value: fields[start + 2]))
        }
    }
}

// MARK: Fields

/// The fields of a profile. Numbers are stored: never change one.
package enum ProfileField: UInt8, CaseIterable, Sendable {
    case handle = 1, name, bio, location, website, picture, cover, deactivated
}

/// The fields of a piece of digital content. Numbers are stored: never change one.
package enum ContentField: UInt8, CaseIterable, Sendable {
    case title = 1, description, genre, mood, tags, releaseDate, license, isrc, duration, media, artwork, unlisted
    case remixOf, stemOf, access, replicas
}

/// The fields of a content list. Numbers are stored: never change one.
package enum ListField: UInt8, CaseIterable, Sendable {
    case name = 1, description, artwork, isAlbum
}

/// The fields of a comment. Numbers are stored: never change one.
package enum CommentField: UInt8, CaseIterable, Sendable {
    case content = 1, parent, text
}

extension Registers {
    /// Sets every field in `entries` that the enumeration names; others are unknown here and ignored.
    package mutating func set<Field>(_ entries: [DAGEntry], _ fields: FieldNames<Field>, _ stamp: Stamp) {
        for entry in entries {
            if let field = fields[entry.key] { set(field, entry.value, stamp) }
        }
    }
}

/// Finds a field by the name that bodies give it.
package struct FieldNames<Field: CaseIterable & RawRepresentable<UInt8> & Sendable>: Sendable {
    private let fields: [String: Field]

    /// The cases' names are those of the bodies' fields.
    package init() {
        fields = Dictionary(Field.allCases.map { ("\($0)", $0) }, uniquingKeysWith: { first, _ in first })
    }

    package subscript(name: String) -> Field? { fields[name] }
}

extension ProfileField {
    package static let names = FieldNames<ProfileField>()
}
extension ContentField {
    package static let names = FieldNames<ContentField>()
}
extension ListField {
    package static let names = FieldNames<ListField>()
}
extension CommentField {
    package static let names = FieldNames<CommentField>()
}
