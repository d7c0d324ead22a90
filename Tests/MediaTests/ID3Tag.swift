/// Writes ID3v2 tags of every version.
struct ID3Tag {
    var version: UInt8 = 4
    /// Whether 0xff is followed by zeros that are no content.
    var isUnsynchronised = false
    var hasExtendedHeader = false
    /// Sizes as old iTunes wrote them into 2.4.
    var hasPlainSizes = false
    var padding = 0
    private(set) var frames: [(name: String, content: [UInt8], flags: UInt8)] = []

    init(version: UInt8 = 4) { self.version = version }

    /// Text in the encoding of that number: 0 Latin-1, 1 UTF-16 with a mark, 2 UTF-16 big-endian, 3 UTF-8.
    static func encode(_ text: String, _ encoding: UInt8, terminated: Bool = false) -> [UInt8] {
        let end: [UInt8] = terminated ? (encoding == 1 || encoding == 2 ? [0, 0] : [0]) : []
        switch encoding {
        case 0: return text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } + end
        case 1: return [0xff, 0xfe] + text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] } + end
        case 2: return text.utf16.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] } + end
        default: return Array(text.utf8) + end
        }
    }

    mutating func add(_ name: String, _ content: [UInt8], flags: UInt8 = 0) { frames.append((name, content, flags)) }

    mutating func text(_ name: String, _ text: String, encoding: UInt8) {
        if !text.isEmpty { add(name, [encoding] + Self.encode(text, encoding)) }
    }

    mutating func comment(_ text: String, about: String = "", encoding: UInt8) {
        add(
            version == 2 ? "COM" : "COMM",
            [encoding] + Array("eng".utf8) + Self.encode(about, encoding, terminated: true)
                + Self.encode(text, encoding))
    }

    mutating func picture(_ bytes: [UInt8], type: UInt8 = 3, encoding: UInt8 = 0, mime: String = "image/png") {
        let form = version == 2 ? Array("PNG".utf8) : Array(mime.utf8) + [0]
        add(
            version == 2 ? "PIC" : "APIC",
            [encoding] + form + [type] + Self.encode("front", encoding, terminated: true) + bytes)
    }

    /// All the tags, in the version's own frames.
    init(_ tags: AudioFiles.Tags, version: UInt8, encoding: UInt8) {
        self.version = version
        let names =
            version == 2
            ? ["TT2", "TP1", "TAL", "TP2", "TCO", "TYE", "TRK", "TPA", "TRC"]
            : ["TIT2", "TPE1", "TALB", "TPE2", "TCON", version == 4 ? "TDRC" : "TYER", "TRCK", "TPOS", "TSRC"]
        let date = version == 4 ? tags.date : String(tags.date.prefix(4))
        let texts = [
            tags.title, tags.artist, tags.album, tags.albumArtist, tags.genre, date, tags.track, tags.disc, tags.isrc,
        ]
        for (name, text) in zip(names, texts) { self.text(name, text, encoding: encoding) }
        if !tags.comment.isEmpty { comment(tags.comment, encoding: encoding) }
        if let picture = tags.picture { self.picture(picture, encoding: encoding) }
    }

    var bytes: [UInt8] {
        var body: [UInt8] = []
        if hasExtendedHeader {
            body += version == 3 ? AudioFiles.big(6, 4) + [0, 0, 0, 0, 0, 0] : AudioFiles.synchsafe(6) + [1, 0]
        }
        for frame in frames {
            let isOwn = isUnsynchronised && version == 4
            let content = isOwn ? Self.unsynchronised(frame.content) : frame.content
            body += Array(frame.name.utf8)
            switch version {
            case 2: body += AudioFiles.big(content.count, 3)
            case 3: body += AudioFiles.big(content.count, 4) + [0, frame.flags]
            default:
                body += hasPlainSizes ? AudioFiles.big(content.count, 4) : AudioFiles.synchsafe(content.count)
                body += [0, frame.flags | (isOwn ? 2 : 0)]
            }
            body += content
        }
        if isUnsynchronised, version < 4 { body = Self.unsynchronised(body) }
        body += [UInt8](repeating: 0, count: padding)
        let flags: UInt8 = (isUnsynchronised ? 0x80 : 0) | (hasExtendedHeader ? 0x40 : 0)
        return Array("ID3".utf8) + [version, 0, flags] + AudioFiles.synchsafe(body.count) + body
    }

    /// A zero behind every 0xff that something follows which could be taken for sound, or a zero.
    static func unsynchronised(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            result.append(byte)
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            if byte == 0xff, next == 0 || next >= 0xe0 { result.append(0) }
        }
        return result
    }
}
