/// Names what is not audio, so that a refusal says more than "unknown".
package enum Unpublishable {
    /// What a file is, with its article: "a PDF document". `head` is its start, `MediaKind.headLength` bytes of it
    /// at best.
    package static func words(head: [UInt8], kind: MediaKind) -> String {
        if kind != .other { return kind.words }
        if head.isEmpty { return "an empty file" }
        for (magic, offset, words) in known where head.holds(magic, at: offset) { return words }
        if head.starts(with: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]) { return "a 7z archive" }
        if head.starts(with: [0x1f, 0x8b]) { return "a gzip archive" }
        if head.starts(with: [0x1a, 0x45, 0xdf, 0xa3]) { return "a Matroska or WebM video" }
        if head.starts(with: [0x30, 0x26, 0xb2, 0x75]) { return "a Windows Media file" }
        if head.starts(with: [0xff, 0xf1]) || head.starts(with: [0xff, 0xf9]) {
            return "a raw AAC stream (put it into an M4A container)"
        }
        if head.holds("OggS") { return "an Ogg file with neither Vorbis nor Opus alone in it" }
        if head.holds("ftyp", at: 4) { return MP4Reader.words(head) }
        if ID3v2.Header(head) != nil { return "an ID3 tag without audio that we know behind it" }
        return isText(head) ? textWords(head) : kind.words
    }

    /// What `source` is, with its article.
    package static func words(_ source: MediaSource, kind: MediaKind) -> String {
        words(head: source.bytes(at: 0, upTo: MediaKind.headLength), kind: kind)
    }

    private static let known: [(StaticString, Int, String)] = [
        ("%PDF-", 0, "a PDF document"), ("PK\u{3}\u{4}", 0, "a ZIP archive or office document"),
        ("Rar!", 0, "a RAR archive"), ("\u{7f}ELF", 0, "a program"),
        ("MZ", 0, "a Windows program"), ("FORM", 0, "an AIFF file (convert it to FLAC or WAV)"),
        ("MAC ", 0, "a Monkey's Audio file (convert it to FLAC)"), ("wvpk", 0, "a WavPack file (convert it to FLAC)"),
        ("MThd", 0, "a MIDI file"), ("ustar", 257, "a tar archive"), ("BM", 0, "a BMP picture"),
        ("AVI ", 8, "an AVI video"), ("RIFF", 0, "a RIFF file without sound"), ("SQLite format 3", 0, "a database"),
        ("#EXTM3U", 0, "a playlist"), ("DSD ", 0, "a DSD file (convert it to FLAC)"), ("CUE ", 0, "a cue sheet"),
    ]

    private static func isText(_ head: [UInt8]) -> Bool {
        // A character may be cut at the end of the head.
        let text = head.prefix(1024)
        guard !text.contains(where: { $0 < 9 || (14..<32).contains($0) }) else { return false }
        return (0..<4).contains { cut in String(validating: text.dropLast(min(cut, text.count)), as: UTF8.self) != nil }
    }

    private static func textWords(_ head: [UInt8]) -> String {
        let start = String(decoding: head.prefix(512), as: UTF8.self).lowercased()
        if start.contains("<svg") { return "an SVG picture" }
        if start.contains("<html") || start.contains("<!doctype html") { return "a web page" }
        return "a text file"
    }
}
