/// Makes text from strangers' files fit for the catalog: no control characters, no tricks with the writing
/// direction, no more than it may hold.
package enum TagText {
    /// The most Unicode scalars of a title, an artist's or an album's name: the catalog's limit for titles.
    package static let titleLimit = 200
    /// A genre, a mood: the catalog's limit for one word.
    package static let wordLimit = 64
    /// A comment, which becomes a description: the catalog's limit for it.
    package static let descriptionLimit = 2_500
    /// How many bytes of one field are looked at at all.
    static let maximumBytes = 16 << 10

    /// `text` on one line (or on its own lines, with `keepsLines`), trimmed and cut to `limit` scalars between two
    /// characters; `nil` when nothing is left.
    package static func clean(_ text: String, limit: Int, keepsLines: Bool = false) -> String? {
        var result = String.UnicodeScalarView()
        // White space is written when something follows it, so that none stands at an end.
        var space: Unicode.Scalar?
        var count = 0
        for scalar in text.unicodeScalars.prefix(maximumBytes) {
            if scalar.properties.isWhitespace || isControl(scalar) {
                guard scalar.properties.isWhitespace || scalar == "\0" else { continue }
                let isLine = keepsLines && (scalar == "\n" || scalar == "\u{2028}" || scalar == "\u{2029}")
                if isLine || space == nil { space = isLine ? "\n" : " " }
                continue
            }
            if isHidden(scalar) { continue }
            if let pending = space, !result.isEmpty {
                result.append(pending)
                count += 1
            }
            space = nil
            result.append(scalar)
            count += 1
            // One more than the limit shows whether the cut falls inside a character.
            if count > limit { break }
        }
        guard !result.isEmpty else { return nil }
        return count <= limit ? String(result) : cut(String(result), limit: limit)
    }

    private static func cut(_ text: String, limit: Int) -> String? {
        var end = text.startIndex
        var count = 0
        for index in text.indices {
            count += text[index].unicodeScalars.count
            guard count <= limit else { break }
            end = text.index(after: index)
        }
        var kept = text[..<end]
        // A single character with endless accents: some of it is better than none.
        if kept.isEmpty { kept = Substring(String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit)))) }
        while kept.last?.isWhitespace == true { kept.removeLast() }
        return kept.isEmpty ? nil : String(kept)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .lineSeparator
            || scalar.properties.generalCategory == .paragraphSeparator
    }

    /// Marks that turn the writing direction or that nobody can see. Joiners stay: emoji and Indic scripts need
    /// them.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x202a...0x202e, 0x2066...0x2069, 0x200b, 0x2060...0x2064, 0x206a...0x206f, 0xfeff, 0xfff9...0xfffb: true
        case 0xe0000...0xe007f: false  // the flags of Scotland and Wales are made of them
        default: scalar.properties.isNoncharacterCodePoint || scalar.properties.generalCategory == .privateUse
        }
    }
}

/// Decodes the text encodings that tags have. Nothing is refused: what cannot be read becomes U+FFFD.
enum TextEncoding {
    case latin1
    /// With a byte order mark; little-endian without one.
    case utf16
    case utf16Big
    case utf8

    /// The first byte of ID3v2's text frames.
    init?(id3 byte: UInt8) {
        switch byte {
        case 0: self = .latin1
        case 1: self = .utf16
        case 2: self = .utf16Big
        case 3: self = .utf8
        default: return nil
        }
    }

    func decode(_ bytes: ArraySlice<UInt8>) -> String {
        let bytes = bytes.prefix(TagText.maximumBytes)
        switch self {
        case .latin1: return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        case .utf8: return String(decoding: bytes, as: UTF8.self)
        case .utf16Big: return Self.utf16(bytes, isBig: true)
        case .utf16:
            if bytes.starts(with: [0xfe, 0xff]) { return Self.utf16(bytes.dropFirst(2), isBig: true) }
            return Self.utf16(bytes.starts(with: [0xff, 0xfe]) ? bytes.dropFirst(2) : bytes, isBig: false)
        }
    }

    /// The text up to its terminator, and what follows that; all of it is text when there is none.
    func split(_ bytes: ArraySlice<UInt8>) -> (text: String, rest: ArraySlice<UInt8>) {
        switch self {
        case .latin1, .utf8:
            guard let end = bytes.firstIndex(of: 0) else { return (decode(bytes), bytes.suffix(0)) }
            return (decode(bytes[..<end]), bytes[(end + 1)...])
        case .utf16, .utf16Big:
            var index = bytes.startIndex
            while index + 1 < bytes.endIndex {
                if bytes[index] == 0, bytes[index + 1] == 0 { return (decode(bytes[..<index]), bytes[(index + 2)...]) }
                index += 2
            }
            return (decode(bytes), bytes.suffix(0))
        }
    }

    /// The texts between terminators, without empty ones.
    func values(_ bytes: ArraySlice<UInt8>) -> [String] {
        var rest = bytes.prefix(TagText.maximumBytes)
        var values: [String] = []
        while !rest.isEmpty, values.count < 32 {
            let (text, next) = split(rest)
            if !text.isEmpty { values.append(text) }
            rest = next
        }
        return values
    }

    private static func utf16(_ bytes: ArraySlice<UInt8>, isBig: Bool) -> String {
        var units: [UInt16] = []
        units.reserveCapacity(bytes.count / 2)
        var index = bytes.startIndex
        while index + 1 < bytes.endIndex {
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            units.append(isBig ? first << 8 | second : second << 8 | first)
            index += 2
        }
        return String(decoding: units, as: UTF16.self)
    }
}
