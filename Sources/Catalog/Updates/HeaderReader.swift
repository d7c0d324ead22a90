/// Reads a header at the beginning of some bytes: its fields, where it ends and where the signature lies.
struct HeaderReader {
    let header: UpdateHeader
    /// The header's length in bytes.
    let length: Int
    /// The entry `sig`, key and value.
    private let signed: Range<Int>
    private let count: Int

    /// The fields as they come; those that are required are missed at the end.
    private struct Fields {
        var version: UInt64?
        var acting: UpdateHeader.Acting?
        var key: [UInt8]?
        var seq: UInt64?
        var signature: [UInt8]?
        var body: Digest32?
        var kind: UpdateKind?
        var prev: [UpdateID]?
        var time: UInt64?
        var author: AuthorID?
    }

    /// Errors: everything that the bytes of the header alone can violate, but for the signature.
    init(_ bytes: [UInt8]) throws(UpdateError) {
        var cursor = CanonicalCBOR(bytes[...])
        var fields = Fields()
        var previous: Range<Int>?
        var signed = 0..<0
        let count = try cursor.map()
        guard count <= 10 else { throw .unknownField("") }
        for _ in 0..<count {
            let start = cursor.index
            let key = try cursor.key(after: previous)
            previous = key
            let name = String(decoding: bytes[key], as: UTF8.self)
            try HeaderReader.read(name, &cursor, bytes, into: &fields)
            if name == "sig" { signed = start..<cursor.index }
        }
        header = try HeaderReader.header(fields)
        length = cursor.index
        self.signed = signed
        self.count = count
    }

    /// What was signed: the domain, then the header without the entry `sig`.
    func message(_ bytes: [UInt8]) -> [UInt8] {
        var message = UpdateHeader.domain
        message.reserveCapacity(message.count + length)
        message.append(0xa0 + UInt8(truncatingIfNeeded: count - 1))
        message += bytes[1..<signed.lowerBound]
        message += bytes[signed.upperBound..<length]
        return message
    }

    private static func read(
        _ name: String, _ cursor: inout CanonicalCBOR, _ bytes: [UInt8], into fields: inout Fields
    ) throws(UpdateError) {
        switch name {
        case "v": fields.version = try cursor.number(name)
        case "for": fields.acting = try acting(&cursor, bytes)
        case "key": fields.key = try content(&cursor, bytes, 32, name)
        case "seq": fields.seq = try cursor.number(name)
        case "sig": fields.signature = try content(&cursor, bytes, 64, name)
        case "body": fields.body = try cursor.link(name)
        case "kind":
            let range = try cursor.text(name)
            guard (1...UpdateKind.maximumLength).contains(range.count),
                let kind = String(validating: bytes[range], as: UTF8.self)
            else { throw .badField(name) }
            fields.kind = UpdateKind(rawValue: kind)
        case "prev": fields.prev = try heads(&cursor)
        case "time": fields.time = try cursor.number(name)
        case "author": fields.author = AuthorID(try content(&cursor, bytes, 32, name))
        default: throw .unknownField(name)
        }
    }

    private static func content(
        _ cursor: inout CanonicalCBOR, _ bytes: [UInt8], _ length: Int, _ field: String
    ) throws(UpdateError) -> [UInt8] {
        let range = try cursor.byteString(field)
        guard range.count == length else { throw .badField(field) }
        return Array(bytes[range])
    }

    private static func acting(
        _ cursor: inout CanonicalCBOR, _ bytes: [UInt8]
    ) throws(UpdateError) -> UpdateHeader.Acting {
        guard try cursor.map() == 2 else { throw .badField("for") }
        guard bytes[try cursor.text("for")].elementsEqual("grant".utf8) else { throw .badField("for") }
        let grant = try cursor.link("for")
        guard bytes[try cursor.text("for")].elementsEqual("owner".utf8),
            let owner = AuthorID(try content(&cursor, bytes, 32, "for"))
        else { throw .badField("for") }
        return UpdateHeader.Acting(for: owner, by: grant)
    }

    private static func heads(_ cursor: inout CanonicalCBOR) throws(UpdateError) -> [UpdateID] {
        let count = try cursor.list("prev")
        guard count <= UpdateLimits.heads else { throw .badField("prev") }
        var heads: [UpdateID] = []
        heads.reserveCapacity(count)
        for _ in 0..<count {
            let head = try cursor.link("prev")
            if let last = heads.last, !(last < head) { throw .badField("prev") }
            heads.append(head)
        }
        return heads
    }

    private static func header(_ fields: Fields) throws(UpdateError) -> UpdateHeader {
        guard let version = fields.version else { throw .missingField("v") }
        guard version == 1 else { throw .badField("v") }
        guard let key = fields.key else { throw .missingField("key") }
        guard let seq = fields.seq else { throw .missingField("seq") }
        guard let signature = fields.signature else { throw .missingField("sig") }
        guard let body = fields.body else { throw .missingField("body") }
        guard let kind = fields.kind else { throw .missingField("kind") }
        guard let prev = fields.prev else { throw .missingField("prev") }
        guard let time = fields.time else { throw .missingField("time") }
        let isFirst = kind == .authorCreate
        guard isFirst == (fields.author == nil), isFirst == prev.isEmpty, isFirst == (seq == 0) else {
            throw .badBeginning
        }
        if let acting = fields.acting {
            guard kind.mayBeGranted, acting.owner != fields.author else { throw .badField("for") }
        }
        return UpdateHeader(
            author: fields.author, key: key, prev: prev, seq: seq, time: time, acting: fields.acting, kind: kind,
            body: body, signature: signature)
    }
}
