/// Reads ID3v2 tags: 2.2, 2.3 and 2.4 (id3.org), with unsynchronisation, extended headers and the mistakes that
/// real writers made. Compressed and encrypted frames are passed over, and make a tag one that is not shown to other
/// readers: a small one can unpack to anything.
enum ID3v2 {
    /// The longest tag that is read, in bytes: a cover at its limit and some text.
    static let maximumLength = 24 << 20
    private static let maximumFrames = 4096

    /// The ten bytes before a tag.
    struct Header {
        static let length = 10
        let version: UInt8
        let flags: UInt8
        /// Bytes between the header and the footer.
        let bodyLength: Int

        init?(_ head: some RandomAccessCollection<UInt8>) {
            let head = Array(head.prefix(Header.length))
            guard head.count == Header.length, head.holds("ID3"), (2...4).contains(head[3]), head[4] != 0xff,
                let length = ID3v2.synchsafe(head[6...])
            else { return nil }
            version = head[3]
            flags = head[5]
            bodyLength = length
        }

        /// With the header, and the footer of 2.4.
        var totalLength: Int { Header.length + bodyLength + (version == 4 && flags & 0x10 != 0 ? 10 : 0) }
        var isUnsynchronised: Bool { flags & 0x80 != 0 }
    }

    /// Reads the tag at `offset`, if one is there. Returns its length with its header, 0 without a tag; `false` for
    /// one that contradicts itself or does not fit.
    static func read(_ source: MediaSource, at offset: Int, into found: inout TagCollector) -> (
        length: Int, isWhole: Bool
    ) {
        guard let header = Header(source.bytes(at: offset, upTo: Header.length)) else { return (0, true) }
        guard header.bodyLength <= maximumLength,
            let body = source.bytes(at: offset + Header.length, count: header.bodyLength)
        else { return (header.totalLength, false) }
        return (header.totalLength, read(body, header, into: &found))
    }

    /// Reads a tag's frames; `false` when something in it contradicts itself, or could lead another reader astray:
    /// packed frames, which grow without measure; chapters, which TagLib 1.13 follows until its stack ends; and what is
    /// read differently by others, so that they would see frames that were not looked at here. What was read is kept.
    static func read(_ body: [UInt8], _ header: Header, into found: inout TagCollector) -> Bool {
        // Version 2.2 has a flag here for a compression that was never defined.
        if header.version == 2, header.flags & 0x40 != 0 { return false }
        let plain = header.isUnsynchronised && header.version < 4 ? resynchronised(body[...]) : body
        var rest = ByteCursor(plain)
        var isTame = true
        if header.version > 2, header.flags & 0x40 != 0 {
            // 2.3 counts what follows the size, which TagLib overlooks; 2.4 the size as well.
            guard let size = rest.take(4), let length = header.version == 3 ? size.big : synchsafe(size),
                header.version == 3 || length >= 6, rest.skip(header.version == 3 ? length : length - 4)
            else { return false }
            isTame = header.version == 4
        }
        for _ in 0..<maximumFrames {
            // Padding, or too few bytes for a frame.
            guard let first = rest.rest.first, first != 0, rest.count > headerLength(header) else { return isTame }
            guard let frame = Frame(&rest, header) else { return false }
            // Chapters hold frames, which could hold chapters, and so on.
            if frame.isAmbiguous || frame.name == "CHAP" || frame.name == "CTOC" { isTame = false }
            if let content = frame.content(header) {
                take(frame.name, content, into: &found)
            } else {
                isTame = false
            }
        }
        return false
    }

    private static func headerLength(_ header: Header) -> Int { header.version == 2 ? 6 : 10 }

    // MARK: Frames

    private struct Frame {
        let name: String
        /// Whether others may take it to be of another length.
        let isAmbiguous: Bool
        private let flags: UInt8
        private let bytes: ArraySlice<UInt8>

        init?(_ rest: inout ByteCursor, _ header: Header) {
            let isOld = header.version == 2
            guard let id = rest.take(isOld ? 3 : 4),
                id.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) }),
                let size = rest.take(isOld ? 3 : 4)
            else { return nil }
            var flags: UInt8 = 0
            if !isOld {
                guard rest.skip(1), let second = rest.byte() else { return nil }
                flags = second
            }
            let (length, isAmbiguous) = header.version == 4 ? Self.length(size, rest.rest) : (size.big, false)
            guard let bytes = rest.take(length) else { return nil }
            self.isAmbiguous = isAmbiguous
            name = String(decoding: id, as: UTF8.self)
            self.flags = flags
            self.bytes = bytes
        }

        /// Sizes of 2.4 are synchsafe, but some writers (old iTunes) wrote plain ones: whichever leads to a frame,
        /// padding or the end.
        private static func length(_ size: ArraySlice<UInt8>, _ rest: ArraySlice<UInt8>) -> (Int, isAmbiguous: Bool) {
            let plain = size.big
            guard let safe = ID3v2.synchsafe(size) else { return (plain, false) }
            let isPadding = safe <= rest.count && rest.dropFirst(safe).prefix(4).allSatisfy { $0 == 0 }
            guard safe != plain, !isFrame(rest.dropFirst(safe)),
                isFrame(rest.dropFirst(plain)) || plain == rest.count && !isPadding
            else { return (safe, false) }
            return (isPadding ? safe : plain, true)
        }

        /// Whether a frame's name stands at the start.
        private static func isFrame(_ rest: ArraySlice<UInt8>) -> Bool {
            rest.count >= 4 && rest.prefix(4).allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) }
        }

        /// The frame's content; `nil` when it is compressed or encrypted, or too short for its flags.
        func content(_ header: Header) -> ArraySlice<UInt8>? {
            var content = bytes
            switch header.version {
            case 3:
                guard flags & 0xc0 == 0 else { return nil }
                if flags & 0x20 != 0 { content = content.dropFirst() }
            case 4:
                guard flags & 0x0c == 0 else { return nil }
                let extra = (flags & 0x40 != 0 ? 1 : 0) + (flags & 0x01 != 0 ? 4 : 0)
                guard extra <= content.count else { return nil }
                content = content.dropFirst(extra)
                if flags & 0x02 != 0 || header.isUnsynchronised { content = ID3v2.resynchronised(content)[...] }
            default: break
            }
            return content
        }
    }

    private static func take(_ name: String, _ content: ArraySlice<UInt8>, into found: inout TagCollector) {
        switch name {
        case "APIC", "PIC":
            if found.wantsPicture, let picture = picture(content, isOld: name == "PIC") { found.offer(picture) }
        case "COMM", "COM": if let text = comment(content) { found.add(.comment, text) }
        default:
            guard let field = fields[name], let code = content.first, let encoding = TextEncoding(id3: code) else {
                return
            }
            for value in encoding.values(content.dropFirst()) {
                if field == .genre {
                    for genre in genres(value) { found.add(field, genre) }
                } else {
                    found.add(field, value)
                }
            }
        }
    }

    private static let fields: [String: TagCollector.Field] = [
        "TIT2": .title, "TT2": .title, "TPE1": .artist, "TP1": .artist, "TALB": .album, "TAL": .album,
        "TPE2": .albumArtist, "TP2": .albumArtist, "TCON": .genre, "TCO": .genre, "TDRC": .date, "TYER": .date,
        "TYE": .date, "TDRL": .date, "TRCK": .track, "TRK": .track, "TPOS": .disc, "TPA": .disc, "TSRC": .isrc,
        "TRC": .isrc, "TMOO": .mood,
    ]

    /// A genre without the references to the old list of numbers, "(17)Rock"; those TagLib knows.
    private static func genres(_ text: String) -> [String] {
        var rest = Substring(text)
        while rest.first == "(", let close = rest.firstIndex(of: ")") { rest = rest[rest.index(after: close)...] }
        return rest.isEmpty || rest.allSatisfy(\.isNumber) ? [] : [String(rest)]
    }

    /// Language, a short description, the text. What programs leave for themselves there is no comment.
    private static func comment(_ content: ArraySlice<UInt8>) -> String? {
        guard let code = content.first, let encoding = TextEncoding(id3: code), content.count > 4 else { return nil }
        let (about, text) = encoding.split(content.dropFirst(4))
        guard about.isEmpty else { return nil }
        return encoding.split(text).text
    }

    private static func picture(_ content: ArraySlice<UInt8>, isOld: Bool) -> EmbeddedPicture? {
        var rest = ByteCursor(content)
        guard let code = rest.byte(), let encoding = TextEncoding(id3: code) else { return nil }
        if isOld {
            guard rest.skip(3) else { return nil }
        } else {
            // A link instead of a picture.
            guard let mime = rest.untilZero(), !mime.elementsEqual("-->".utf8) else { return nil }
        }
        guard let type = rest.byte() else { return nil }
        let picture = encoding.split(rest.rest).rest
        return EmbeddedPicture(type: Int(type), bytes: Array(picture))
    }

    // MARK: Numbers

    /// Four bytes of seven bits each; `nil` when one has its eighth set.
    static func synchsafe(_ bytes: some Collection<UInt8>) -> Int? {
        bytes.contains { $0 >= 0x80 } ? nil : bytes.reduce(0) { $0 << 7 | Int($1) }
    }

    /// The bytes without the zero that unsynchronisation put behind each 0xff.
    static func resynchronised(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var wasFull = false
        for byte in bytes {
            if !(wasFull && byte == 0) { result.append(byte) }
            wasFull = byte == 0xff
        }
        return result
    }
}
