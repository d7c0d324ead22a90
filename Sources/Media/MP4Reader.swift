/// Reads M4A files: an MP4 container (ISO 14496-12) with iTunes' list of tags. The index of samples is not read.
enum MP4Reader {
    private static let maximumAtoms = 20_000
    private static let maximumTracks = 64
    /// What readers look for atoms in.
    private static let containers: Set<String> = [
        "moov", "udta", "mdia", "meta", "ilst", "stbl", "minf", "moof", "traf", "trak", "stsd",
    ]

    // MARK: What it is

    /// Whether the file's brand is one that audio files have. Generic brands count: `holdsOnlyAudio` decides there.
    static func isAudioBrand(_ head: ArraySlice<UInt8>) -> Bool { isOwnBrand(head) || isGenericBrand(head) }

    private static func isOwnBrand(_ head: ArraySlice<UInt8>) -> Bool {
        head.holds("M4A ", at: 8) || head.holds("M4B ", at: 8) || head.holds("M4P ", at: 8)
    }

    private static func isGenericBrand(_ head: ArraySlice<UInt8>) -> Bool {
        head.holds("isom", at: 8) || head.holds("iso", at: 8) || head.holds("mp4", at: 8) || head.holds("dash", at: 8)
            || head.holds("MSNV", at: 8) || head.holds("3gp", at: 8) || head.holds("avc1", at: 8)
    }

    /// Whether an MP4 file is an audio file: one of Apple's audio brands (whose video tracks are chapter pictures), or
    /// sound and no video; and not locked.
    static func holdsOnlyAudio(_ source: MediaSource) -> Bool {
        let head = source.bytes(at: 0, upTo: 16)
        var walk = Walk(source)
        guard let movie = walk.find("moov", in: 0..<source.count) else { return isOwnBrand(head[...]) }
        var sound = false
        var video = false
        for track in walk.tracks(of: movie) {
            if track.handler.holds("soun") {
                sound = true
                if track.format == "drms" { return false }
            }
            if track.handler.holds("vide") { video = true }
        }
        return sound && (!video || isOwnBrand(head[...]))
    }

    /// What an MP4 file that is not published as audio is.
    static func words(_ head: [UInt8]) -> String {
        if head.holds("qt  ", at: 8) { return "a QuickTime video" }
        if head.holds("heic", at: 8) || head.holds("mif1", at: 8) || head.holds("heix", at: 8) {
            return "a HEIC picture"
        }
        if head.holds("avif", at: 8) { return "an AVIF picture" }
        if isOwnBrand(head[...]) { return "an M4A file without sound, or one that is locked (DRM)" }
        return "an MP4 video"
    }

    // MARK: Tags

    static func read(_ source: MediaSource, into found: inout TagCollector) {
        var walk = Walk(source)
        guard let movie = walk.find("moov", in: 0..<source.count) else { return }
        for track in walk.tracks(of: movie) where track.handler.holds("soun") && found.codec == nil {
            found.codec = track.codec
            found.channels = track.channels
            found.sampleRate = track.sampleRate
            found.milliseconds = track.milliseconds
        }
        if let data = walk.find("mdat", in: 0..<source.count), let milliseconds = found.milliseconds, milliseconds > 0 {
            found.bitrate = Int(Int64(data.count) * 8 / milliseconds)
        }
        if let list = walk.tagList(of: movie) { tags(list, &walk, into: &found) }
        found.isWhole = walk.isRegular(0..<source.count)
    }

    private static func tags(_ list: Range<Int>, _ walk: inout Walk, into found: inout TagCollector) {
        var rest = list
        while let item = walk.next(&rest) {
            if item.name == "covr" {
                guard found.wantsPicture else { continue }
                var values = item.content
                while let data = walk.next(&values) {
                    guard data.name == "data", let bytes = walk.content(data)?.dropFirst(8) else { continue }
                    found.offer(EmbeddedPicture(type: 3, bytes: Array(bytes)))
                }
                continue
            }
            guard let field = fields[item.name] else { continue }
            var values = item.content
            while let data = walk.next(&values) {
                guard data.name == "data", data.content.count <= TagText.maximumBytes, let bytes = walk.content(data),
                    bytes.count >= 8
                else { continue }
                take(field, bytes.dropFirst(8), into: &found)
            }
        }
    }

    /// "©" is one byte of MacRoman in these names, and `Walk` gives their bytes as Latin-1.
    private static let fields: [String: TagCollector.Field] = [
        "\u{a9}nam": .title, "\u{a9}ART": .artist, "\u{a9}alb": .album, "aART": .albumArtist, "\u{a9}gen": .genre,
        "\u{a9}day": .date, "trkn": .track, "disk": .disc, "\u{a9}cmt": .comment,
    ]

    private static func take(_ field: TagCollector.Field, _ value: ArraySlice<UInt8>, into found: inout TagCollector) {
        guard field == .track || field == .disc else { return found.add(field, TextEncoding.utf8.decode(value)) }
        // Two zero bytes, the number, how many there are.
        guard value.count >= 4 else { return }
        let number = value.dropFirst(2).prefix(2).big
        let total = value.count >= 6 ? value.dropFirst(4).prefix(2).big : 0
        if number > 0 { found.add(field, total > 0 ? "\(number)/\(total)" : "\(number)") }
    }

    // MARK: Atoms

    /// An atom: its name (four bytes as Latin-1) and where its content lies.
    struct Atom {
        let name: String
        let content: Range<Int>
    }

    struct Track {
        var handler: [UInt8] = []
        /// The name of its first sample description.
        var format = ""
        var channels: Int?
        var sampleRate: Int?
        var milliseconds: Int64?

        /// What the catalog calls it.
        var codec: String {
            switch format {
            case "mp4a": "aac"
            case "alac", "ac-3", "ec-3": format
            case "fLaC": "flac"
            case "Opus": "opus"
            case ".mp3": "mp3"
            default: "aac"
            }
        }
    }

    /// Steps through atoms, so many in all, whoever asks; never deeper than it is told.
    struct Walk {
        private let source: MediaSource
        private var left = MP4Reader.maximumAtoms
        /// Whether an atom did not fit into the one around it.
        private(set) var isDamaged = false

        init(_ source: MediaSource) { self.source = source }

        /// The next atom in `range`, which is shortened by it.
        mutating func next(_ range: inout Range<Int>) -> Atom? {
            guard range.count >= 8 else { return nil }
            guard left > 0, let header = source.bytes(at: range.lowerBound, count: 8) else {
                isDamaged = true
                return nil
            }
            left -= 1
            var length = header[..<4].big
            var start = range.lowerBound + 8
            if length == 1 {
                // The size follows, in eight bytes of which one can be set only in files that do not exist.
                guard let long = source.bytes(at: start, count: 8), long[0] == 0 else {
                    isDamaged = true
                    return nil
                }
                length = long[1...].big
                start += 8
            } else if length == 0 {
                length = range.count
            }
            guard length >= start - range.lowerBound, length <= range.count else {
                isDamaged = true
                return nil
            }
            let end = range.lowerBound + length
            range = end..<range.upperBound
            return Atom(name: TextEncoding.latin1.decode(header[4...]), content: start..<end)
        }

        /// The content of the first atom of that name.
        mutating func find(_ name: String, in range: Range<Int>) -> Range<Int>? {
            var rest = range
            while let atom = next(&rest) { if atom.name == name { return atom.content } }
            return nil
        }

        /// Whether all atoms fit into each other, no deeper than files are: what other readers of MP4 descend into,
        /// however deep it goes.
        mutating func isRegular(_ range: Range<Int>, depth: Int = 0) -> Bool {
            guard depth < 12 else { return false }
            var rest = range
            while let atom = next(&rest) {
                guard MP4Reader.containers.contains(atom.name) else { continue }
                let skip = atom.name == "meta" ? metaHeader(atom.content) : atom.name == "stsd" ? 8 : 0
                guard isRegular(atom.content.dropFirst(skip), depth: depth + 1) else { return false }
            }
            // Too little for an atom: zeros end some lists.
            return !isDamaged && source.bytes(at: rest.lowerBound, upTo: rest.count).allSatisfy { $0 == 0 }
        }

        func content(_ atom: Atom) -> [UInt8]? { source.bytes(at: atom.content.lowerBound, count: atom.content.count) }

        /// The list of tags; "meta" is sometimes written without the four bytes of a full atom.
        mutating func tagList(of movie: Range<Int>) -> Range<Int>? {
            guard let user = find("udta", in: movie), let meta = find("meta", in: user), meta.count >= 8 else {
                return nil
            }
            return find("ilst", in: meta.dropFirst(metaHeader(meta)))
        }

        /// How many bytes stand before the atoms in "meta": four, which QuickTime leaves out. What an atom that may
        /// come first is called, where its name would be, says so (as in TagLib).
        private func metaHeader(_ meta: Range<Int>) -> Int {
            let name = TextEncoding.latin1.decode(source.bytes(at: meta.lowerBound + 4, upTo: 4)[...])
            return ["hdlr", "ilst", "mhdr", "ctry", "lang"].contains(name) ? 0 : 4
        }

        mutating func tracks(of movie: Range<Int>) -> [Track] {
            var tracks: [Track] = []
            var rest = movie
            while tracks.count < MP4Reader.maximumTracks, let atom = next(&rest) {
                if atom.name == "trak", let media = find("mdia", in: atom.content) { tracks.append(track(media)) }
            }
            return tracks
        }

        private mutating func track(_ media: Range<Int>) -> Track {
            var track = Track()
            var rest = media
            while let atom = next(&rest) {
                switch atom.name {
                case "hdlr": track.handler = source.bytes(at: atom.content.lowerBound + 8, upTo: 4)
                case "mdhd": track.milliseconds = duration(source.bytes(at: atom.content.lowerBound, upTo: 32))
                case "minf":
                    if let table = find("stbl", in: atom.content), let list = find("stsd", in: table), list.count > 8 {
                        describe(list.dropFirst(8), &track)
                    }
                default: break
                }
            }
            return track
        }

        /// Version, flags, two times, the ticks a second, the length in ticks; 32 or 64 bits each.
        private func duration(_ bytes: [UInt8]) -> Int64? {
            var rest = ByteCursor(bytes)
            guard let version = rest.byte(), rest.skip(version == 1 ? 19 : 11), let scale = rest.big32(), scale > 0,
                let length = rest.take(version == 1 ? 8 : 4), version == 0 || length.first == 0
            else { return nil }
            let (ticks, overflow) = Int64(length.suffix(7).big).multipliedReportingOverflow(by: 1000)
            return overflow || ticks == 0 ? nil : ticks / Int64(scale)
        }

        /// The first sample description: its name, channels and sample rate (16.16).
        private mutating func describe(_ list: Range<Int>, _ track: inout Track) {
            var rest = list
            guard let entry = next(&rest) else { return }
            track.format = entry.name
            let bytes = source.bytes(at: entry.content.lowerBound, upTo: min(28, entry.content.count))
            guard bytes.count == 28 else { return }
            track.channels = bytes[16..<18].big
            track.sampleRate = bytes[24..<26].big
        }
    }
}
