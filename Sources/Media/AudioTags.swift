/// What an audio file says of itself, fit for the catalog's fields.
///
/// Text is one line (a comment may have several), without control characters, cut to the catalog's limits; numbers
/// that cannot be true are left out. Nothing of it is to be believed: whoever made the file wrote it.
package struct AudioTags: Hashable, Sendable {
    /// The container, by its bytes.
    package let kind: MediaKind
    /// The codec's usual name: "mp3", "flac", "vorbis", "opus", "aac", "alac", "pcm"...
    package let codec: String
    /// The file's length in bytes.
    package let size: Int

    /// At most `TagText.titleLimit` scalars; as for artists and albums.
    package var title: String?
    /// Several artists with a comma between them.
    package var artist: String?
    package var album: String?
    package var albumArtist: String?
    /// At most `TagText.wordLimit` scalars; as for the mood.
    package var genre: String?
    package var mood: String?
    /// At most `TagText.descriptionLimit` scalars, perhaps over several lines.
    package var comment: String?
    /// 1500 to 2200.
    package var year: Int?
    /// `YYYY-MM-DD`, when the tag has the whole date.
    package var date: String?
    /// 1 to 9,999.
    package var track: Int?
    /// 1 to 999.
    package var disc: Int?
    /// Twelve capital letters and digits (ISO 3901), without hyphens.
    package var isrc: String?

    /// The length of the sound; at most a week.
    package var milliseconds: Int64?
    /// The mean, in kbit/s.
    package var bitrate: Int?
    /// In hertz.
    package var sampleRate: Int?
    package var channels: Int?

    /// Reads the file at `path`.
    ///
    /// Blocks for as long as the disk takes: call it where that is allowed. Throws `.notAudio` for a file of another
    /// type, `.notAFile` for folders and pipes, `.fileSystem` when it cannot be read. Damaged audio gives what could
    /// be read.
    ///
    /// With a `helper`, TagLib runs in a process of its own: for programs that hold keys or must not fall.
    package static func read(path: String, helper: TagHelper? = nil) throws(MediaError) -> AudioTags {
        try read(MediaSource(opening: path), helper: helper)
    }

    /// Reads an open file, or bytes in memory, which TagLib is not asked about.
    package static func read(_ source: MediaSource, helper: TagHelper? = nil) throws(MediaError) -> AudioTags {
        let kind = MediaKind(source)
        guard kind.isAudio else {
            throw .notAudio(NotAudio(path: source.path, what: Unpublishable.words(source, kind: kind)))
        }
        var found = TagCollector(wantsPicture: false)
        Containers.read(source, kind: kind, into: &found)
        var foreign: TagLibReader.Reading?
        if found.isWhole {
            // What the helper does not find is not looked for here.
            foreign =
                if let helper { helper.read(source, kind: kind) } else { TagLibReader.read(source, kind: kind) }
        }
        return AudioTags(kind, size: source.count, found, foreign)
    }

    /// TagLib's text and properties where it gives some, else our own reading; where only we can tell, that.
    private init(_ kind: MediaKind, size: Int, _ found: TagCollector, _ foreign: TagLibReader.Reading?) {
        func text(_ field: TagCollector.Field, _ theirs: String?, _ limit: Int) -> String? {
            // It runs several values together, with a space between.
            let ours = found.text(field)
            let best = found.isRepeated(field) ? ours : theirs.flatMap { $0.isEmpty ? nil : $0 } ?? ours
            return best.flatMap { TagText.clean($0, limit: limit, keepsLines: field == .comment) }
        }
        func number(_ theirs: Int?, _ ours: Int?, _ range: ClosedRange<Int>) -> Int? {
            [theirs, ours].lazy.compactMap { $0 }.first { range.contains($0) }
        }
        self.kind = kind
        self.size = size
        codec = found.codec ?? kind.codec ?? kind.rawValue
        title = text(.title, foreign?.title, TagText.titleLimit)
        artist = text(.artist, foreign?.artist, TagText.titleLimit)
        album = text(.album, foreign?.album, TagText.titleLimit)
        albumArtist = text(.albumArtist, nil, TagText.titleLimit)
        genre = text(.genre, foreign?.genre, TagText.wordLimit)
        mood = text(.mood, nil, TagText.wordLimit)
        comment = text(
            .comment, foreign.map { Self.isMachineNote($0.comment) ? "" : $0.comment }, TagText.descriptionLimit)
        let date = found.text(.date).map { TagDate($0) }
        year = number(foreign?.year, date?.year, TagDate.years)
        self.date = date?.day
        track = number(foreign?.track, found.text(.track).flatMap(Self.leadingNumber), 1...9_999)
        disc = number(nil, found.text(.disc).flatMap(Self.leadingNumber), 1...999)
        isrc = found.text(.isrc).flatMap(Self.isrc)
        let length = found.milliseconds ?? foreign.map { Int64($0.seconds) * 1000 }
        milliseconds = length.flatMap { (1...7 * 86_400_000).contains($0) ? $0 : nil }
        bitrate = number(foreign?.bitrate, found.bitrate, 1...500_000)
        sampleRate = number(foreign?.sampleRate, found.sampleRate, 1_000...1_000_000)
        channels = number(foreign?.channels, found.channels, 1...64)
    }

    /// The number that "3", "03" and "3/12" start with.
    private static func leadingNumber(_ text: String) -> Int? {
        Int(text.drop { $0 == " " }.prefix { $0.isASCII && $0.isNumber })
    }

    /// Two letters, three letters or digits, seven digits.
    private static func isrc(_ text: String) -> String? {
        let code = Array(text.utf8).filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: " ") && $0 != 0 }
            .map { (0x61...0x7a).contains($0) ? $0 - 32 : $0 }
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        guard code.count == 12, code[..<2].allSatisfy(isLetter),
            code[2..<5].allSatisfy({ isLetter($0) || isDigit($0) }),
            code[5...].allSatisfy(isDigit)
        else { return nil }
        return String(decoding: code, as: UTF8.self)
    }

    /// Whether a comment is a row of hexadecimal numbers, as iTunes keeps its loudness in.
    private static func isMachineNote(_ text: String) -> Bool {
        text.utf8.count >= 32 && text.utf8.allSatisfy { $0 == 0x20 || Character(Unicode.Scalar($0)).isHexDigit }
    }
}

/// A date as tags write it: "2019", "2019-05-01", "2019-05-01T10:00:00Z", "20190501".
struct TagDate {
    /// What counts as a year.
    static let years = 1500...2200

    let year: Int?
    /// `YYYY-MM-DD`, when all three are there and such a day exists.
    let day: String?

    init(_ text: String) {
        let bytes = Array(text.utf8.drop { $0 == 0x20 }.prefix(10))
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= bytes.count else { return nil }
            let digits = bytes[range]
            guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }
        guard let year = number(0..<4), Self.years.contains(year) else {
            (self.year, day) = (nil, nil)
            return
        }
        self.year = year
        let hasSigns = bytes.count == 10 && bytes[4] == UInt8(ascii: "-") && bytes[7] == UInt8(ascii: "-")
        let month = hasSigns ? number(5..<7) : bytes.count == 8 ? number(4..<6) : nil
        let date = hasSigns ? number(8..<10) : bytes.count == 8 ? number(6..<8) : nil
        guard let month, let date, (1...12).contains(month), (1...Self.length(month, year)).contains(date) else {
            day = nil
            return
        }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        day = "\(year)-\(two(month))-\(two(date))"
    }

    private static func length(_ month: Int, _ year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }
}
