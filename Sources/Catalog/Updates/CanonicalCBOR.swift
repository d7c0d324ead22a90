import Multiformats

/// Walks over dag-cbor and accepts the one canonical form only, judged on the bytes as they are: shortest numbers
/// and lengths, keys of text sorted by length and then bytes, each once, no floats, links in one form, and lists and
/// maps nested at most 8 deep.
///
/// It builds nothing, so that what is refused costs little, and reads a header's few fields in place.
struct CanonicalCBOR {
    private let bytes: ArraySlice<UInt8>
    private(set) var index: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    var isAtEnd: Bool { index == bytes.endIndex }

    /// Checks that one map fills the bytes.
    mutating func wholeMap() throws(UpdateError) {
        guard let first = bytes.first, first >> 5 == 5 else { throw .notAMap }
        try skip(depth: 0)
        guard isAtEnd else { throw .encoding(.trailingBytes) }
    }

    // MARK: Single items

    /// The count of the map that begins here.
    mutating func map() throws(UpdateError) -> Int { Int(clamping: try argument(of: 5, else: .notAMap)) }

    /// The count of the list that begins here.
    mutating func list(_ field: String) throws(UpdateError) -> Int {
        Int(clamping: try argument(of: 4, else: .badField(field)))
    }

    /// A number from 0 to `UpdateLimits.number`.
    mutating func number(_ field: String) throws(UpdateError) -> UInt64 {
        let number = try argument(of: 0, else: .badField(field))
        guard number <= UpdateLimits.number else { throw .badField(field) }
        return number
    }

    /// Where the content of the byte string that begins here lies.
    mutating func byteString(_ field: String) throws(UpdateError) -> Range<Int> {
        try span(try argument(of: 2, else: .badField(field)))
    }

    /// Where the content of the text that begins here lies; it is not checked to be UTF-8.
    mutating func text(_ field: String) throws(UpdateError) -> Range<Int> {
        try span(try argument(of: 3, else: .badField(field)))
    }

    /// The digest of the link to a dag-cbor block by SHA-256 that begins here.
    mutating func link(_ field: String) throws(UpdateError) -> Digest32 {
        let start = index
        let prefix = Self.linkPrefix
        guard bytes.endIndex - start >= prefix.count + 32 else { throw .badField(field) }
        for offset in 0..<prefix.count where bytes[start + offset] != prefix[offset] { throw .badField(field) }
        index = start + prefix.count + 32
        return digest(at: start + prefix.count)
    }

    /// Tag 42, a string of 37 bytes, multibase "binary", CID version 1, dag-cbor, SHA-256 of 32 bytes.
    static let linkPrefix: [UInt8] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20]

    /// The 32 bytes at a position that was returned by the functions above.
    func digest(at start: Int) -> Digest32 {
        func word(_ offset: Int) -> UInt64 {
            var value: UInt64 = 0
            for index in offset..<offset + 8 { value = value << 8 | UInt64(bytes[index]) }
            return value
        }
        return Digest32(words: (word(start), word(start + 8), word(start + 16), word(start + 24)))
    }

    // MARK: Anything

    /// Checks the item that begins here and moves behind it.
    mutating func skip(depth: Int) throws(UpdateError) {
        guard index < bytes.endIndex else { throw .encoding(.truncated) }
        let first = bytes[index]
        switch first >> 5 {
        case 0, 1: _ = try argument(of: first >> 5, else: .notAMap)
        case 2: _ = try span(try argument(of: 2, else: .notAMap))
        case 3:
            let range = try span(try argument(of: 3, else: .notAMap))
            guard isUTF8(range) else { throw .encoding(.invalidUTF8) }
        case 4:
            guard depth < UpdateLimits.depth else { throw .encoding(.tooDeep) }
            for _ in 0..<(try count(of: 4, each: 1)) { try skip(depth: depth + 1) }
        case 5:
            guard depth < UpdateLimits.depth else { throw .encoding(.tooDeep) }
            var previous: Range<Int>?
            for _ in 0..<(try count(of: 5, each: 2)) {
                previous = try key(after: previous)
                try skip(depth: depth + 1)
            }
        case 6: try skipLink()
        default:
            switch first {
            case 0xf4, 0xf5, 0xf6: index += 1
            case 0xf9, 0xfa, 0xfb: throw .hasFloat
            default: throw .encoding(.unsupportedItem(first))
            }
        }
    }

    /// The key that begins here, which must come behind `previous`.
    mutating func key(after previous: Range<Int>?) throws(UpdateError) -> Range<Int> {
        let range = try span(try argument(of: 3, else: .encoding(.keyIsNotText)))
        guard isUTF8(range) else { throw .encoding(.invalidUTF8) }
        guard let previous, previous.count >= range.count else { return range }
        guard previous.count == range.count else { throw .encoding(.notCanonical) }
        for (left, right) in zip(previous, range) where bytes[left] != bytes[right] {
            guard bytes[left] < bytes[right] else { throw .encoding(.notCanonical) }
            return range
        }
        throw .encoding(.duplicateKey(String(decoding: bytes[range], as: UTF8.self)))
    }

    private mutating func skipLink() throws(UpdateError) {
        let tag = try argument(of: 6, else: .notAMap)
        guard tag == 42 else { throw .encoding(.unsupportedTag(tag)) }
        let range = try span(try argument(of: 2, else: .encoding(.invalidLink)))
        guard range.count > 1, range.count <= CID.maximumWireLength, bytes[range.lowerBound] == 0 else {
            throw .encoding(.invalidLink)
        }
        // A CID has several encodings where its numbers are padded; only the one that comes back is canonical.
        let content = Array(bytes[range.dropFirst()])
        guard let cid = try? CID(content), cid.bytes == content else { throw .encoding(.invalidLink) }
    }

    private func isUTF8(_ range: Range<Int>) -> Bool {
        // Most text is ASCII, for which no validation is needed.
        if bytes[range].allSatisfy({ $0 < 0x80 }) { return true }
        return String(validating: bytes[range], as: UTF8.self) != nil
    }

    /// A count that the remaining bytes could hold.
    private mutating func count(of major: UInt8, each: Int) throws(UpdateError) -> Int {
        let count = try argument(of: major, else: .notAMap)
        guard count <= UInt64((bytes.endIndex - index) / each) else { throw .encoding(.truncated) }
        return Int(count)
    }

    private mutating func span(_ length: UInt64) throws(UpdateError) -> Range<Int> {
        guard length <= UInt64(bytes.endIndex - index) else { throw .encoding(.truncated) }
        let start = index
        index += Int(length)
        return start..<index
    }

    /// The number in or behind an item's first byte, whose major type must be this.
    private mutating func argument(of major: UInt8, else error: UpdateError) throws(UpdateError) -> UInt64 {
        guard index < bytes.endIndex else { throw .encoding(.truncated) }
        let first = bytes[index]
        guard first >> 5 == major else { throw error }
        index += 1
        let short = first & 0x1f
        if short < 24 { return UInt64(short) }
        guard short < 28 else { throw .encoding(.unsupportedItem(first)) }
        let length = 1 << Int(short - 24)
        guard length <= bytes.endIndex - index else { throw .encoding(.truncated) }
        var value: UInt64 = 0
        for byte in bytes[index..<index + length] { value = value << 8 | UInt64(byte) }
        index += length
        let isShortest = length == 1 ? value >= 24 : value >> UInt64(length * 4) != 0
        guard isShortest else { throw .encoding(.notCanonical) }
        return value
    }
}
