import Foundation

/// Makes albums to publish: WAV tracks with tags and a cover, all of it the same for the same seed.
///
/// The tracks sound like music, so that one hears whether what arrived is whole. Tags stand twice, as an INFO list and
/// as ID3v2, as music programs write them.
package struct AlbumMaker {
    /// What was made, to compare it with what arrives elsewhere.
    package struct Album: Sendable {
        package let title: String
        package let artist: String
        package let genre: String
        package let year: Int
        /// The folder with the tracks and the cover.
        package let folder: String
        /// In order.
        package let tracks: [Track]
        /// The path of the cover, a PNG picture.
        package let cover: String
    }

    /// One track of an album.
    package struct Track: Sendable {
        package let title: String
        package let path: String
        /// Its length in milliseconds.
        package let milliseconds: Int
        /// Its length in bytes.
        package let size: Int
    }

    private static let rate = 44_100
    private var luck: Luck

    private init(seed: UInt64) { luck = Luck(state: seed) }

    /// Writes an album of so many tracks, each of so many seconds (about 176 kB a second), into a folder of its own
    /// below `parent`.
    package static func make(in parent: String, seed: UInt64, tracks: Int = 8, seconds: Int = 10) throws -> Album {
        var maker = AlbumMaker(seed: seed)
        return try maker.make(parent, tracks, seconds)
    }

    private mutating func make(_ parent: String, _ count: Int, _ seconds: Int) throws -> Album {
        let title = name() + " " + luck.pick(["Sessions", "Hours", "Letters", "Rooms", "Tides", "Machines"])
        let artist = luck.pick(["Ada", "Noor", "Mïra", "Jonas", "Yuki", "Tomás", "Zoë"]) + " & the " + name() + "s"
        let genre = luck.pick(["Ambient", "Electronic", "Folk", "Jazz", "Dub", "Classical"])
        let year = 1990 + luck.below(35)
        let folder = parent + "/" + title
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var tracks: [Track] = []
        for number in 1...max(1, count) {
            // The number makes titles that meet by chance different.
            let song =
                name() + " " + luck.pick(["Song", "Waltz", "Drift", "Morning", "Signal", "Garden"]) + " No. \(number)"
            let tags = Tags(
                title: song, artist: artist, album: title, genre: genre, year: year, number: number, of: count)
            let path = folder + "/" + String(format: "%02d", number) + " " + song + ".wav"
            let file = self.file(tags, seconds: max(1, seconds))
            try file.write(to: URL(fileURLWithPath: path))
            tracks.append(Track(title: song, path: path, milliseconds: max(1, seconds) * 1000, size: file.count))
        }
        let cover = folder + "/cover.png"
        try picture(side: 512).write(to: URL(fileURLWithPath: cover))
        return Album(
            title: title, artist: artist, genre: genre, year: year, folder: folder, tracks: tracks, cover: cover)
    }

    private mutating func name() -> String {
        luck.pick(["Amber", "Silver", "Hollow", "Paper", "Northern", "Velvet", "Distant", "Copper", "Quiet", "Salt"])
            + " "
            + luck.pick(["Harbour", "Lantern", "River", "Window", "Orchard", "Signal", "Meadow", "Engine", "Comet"])
    }

    // MARK: Sound

    private struct Tags {
        let title: String
        let artist: String
        let album: String
        let genre: String
        let year: Int
        let number: Int
        let of: Int
    }

    /// A RIFF file: format, tags, 16-bit stereo.
    private mutating func file(_ tags: Tags, seconds: Int) -> Data {
        let sound = self.sound(seconds: seconds)
        var body = Data("WAVE".utf8)
        body += Self.chunk(
            "fmt ",
            Self.little(1, 2) + Self.little(2, 2) + Self.little(Self.rate, 4)
                + Self.little(Self.rate * 4, 4) + Self.little(4, 2) + Self.little(16, 2))
        body += Self.chunk("LIST", Self.info(tags))
        body += Self.chunk("id3 ", Self.id3(tags))
        body += Self.chunk("data", sound)
        return Data("RIFF".utf8) + Data(Self.little(body.count, 4)) + body
    }

    private static func info(_ tags: Tags) -> [UInt8] {
        let fields = [
            ("INAM", tags.title), ("IART", tags.artist), ("IPRD", tags.album), ("IGNR", tags.genre),
            ("ICRD", "\(tags.year)"), ("IPRT", "\(tags.number)"),
        ]
        return fields.reduce(into: Array("INFO".utf8)) { $0 += chunk($1.0, Array($1.1.utf8) + [0]) }
    }

    /// ID3v2.4 in UTF-8; sizes have seven bits a byte.
    private static func id3(_ tags: Tags) -> [UInt8] {
        let fields = [
            ("TIT2", tags.title), ("TPE1", tags.artist), ("TPE2", tags.artist), ("TALB", tags.album),
            ("TCON", tags.genre), ("TDRC", "\(tags.year)"), ("TRCK", "\(tags.number)/\(tags.of)"), ("TPOS", "1/1"),
        ]
        func size(_ count: Int) -> [UInt8] { [21, 14, 7, 0].map { UInt8(count >> $0 & 0x7f) } }
        var frames: [UInt8] = []
        for (name, text) in fields {
            frames += Array(name.utf8) + size(text.utf8.count + 1) + [0, 0, 3] + Array(text.utf8)
        }
        return Array("ID3".utf8) + [4, 0, 0] + size(frames.count) + frames
    }

    /// A bass, a chord and a melody over them, each note fading.
    private mutating func sound(seconds: Int) -> [UInt8] {
        let frames = Self.rate * seconds
        let beat = Self.rate / 2
        let scale = [0, 2, 4, 7, 9, 12, 14, 16]
        let chords = [[0, 4, 7], [9, 12, 16], [5, 9, 12], [7, 11, 14]]
        let key = luck.below(12)
        let shift = luck.below(chords.count)
        // One oscillator per voice: a wave table read at a step of 16.16, in whole numbers.
        let table: [Int32] = (0..<1024).map { index in
            let angle = Double(index) / 1024 * 2 * Double.pi
            return Int32((sin(angle) * 0.77 + sin(2 * angle) * 0.23) * 8000)
        }
        func step(_ semitone: Int, _ base: Double) -> UInt32 {
            UInt32(base * pow(2, Double(semitone + key) / 12) / Double(Self.rate) * 1024 * 65_536)
        }
        var phases = [UInt32](repeating: 0, count: 5)
        var bytes = [UInt8]()
        bytes.reserveCapacity(frames * 4)
        for start in stride(from: 0, to: frames, by: beat) {
            let chord = chords[(start / beat / 4 + shift) % chords.count]
            let steps = [
                step(chord[0], 55), step(chord[0], 220), step(chord[1], 220), step(chord[2], 220),
                step(scale[luck.below(scale.count)], 440),
            ]
            let length = min(beat, frames - start)
            for frame in 0..<length {
                for voice in 0..<5 { phases[voice] &+= steps[voice] }
                let low = table[Int(phases[0] >> 16 & 1023)]
                let middle =
                    (table[Int(phases[1] >> 16 & 1023)] + table[Int(phases[2] >> 16 & 1023)]
                        + table[Int(phases[3] >> 16 & 1023)]) / 3
                let high = table[Int(phases[4] >> 16 & 1023)] * Int32(beat - frame) / Int32(beat)
                let left = low + middle + high * 3 / 4
                let right = low + middle * 3 / 4 + high
                for sample in [left, right] {
                    bytes.append(UInt8(truncatingIfNeeded: sample))
                    bytes.append(UInt8(truncatingIfNeeded: sample >> 8))
                }
            }
        }
        return bytes
    }

    private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        Array(name.utf8) + little(content.count, 4) + content + (content.count % 2 == 1 ? [0] : [])
    }

    private static func little(_ value: Int, _ bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    // MARK: Picture

    /// A PNG of rings in a palette of 256 colours. The pixels are stored unpacked, which needs no library.
    private mutating func picture(side: Int) -> Data {
        let centre = (luck.below(side), luck.below(side))
        let width = 300 + luck.below(900)
        let from = (0..<3).map { _ in luck.below(256) }
        let to = (0..<3).map { _ in luck.below(256) }
        var palette: [UInt8] = []
        for step in 0..<256 {
            for (low, high) in zip(from, to) { palette.append(UInt8(low + (high - low) * step / 255)) }
        }
        var rows: [UInt8] = []
        rows.reserveCapacity(side * (side + 1))
        for y in 0..<side {
            rows.append(0)
            for x in 0..<side {
                let (dx, dy) = (x - centre.0, y - centre.1)
                rows.append(UInt8(truncatingIfNeeded: (dx * dx + dy * dy) / width))
            }
        }
        func big(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
        func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
            let body = Array(name.utf8) + content
            return big(content.count) + body + big(Int(Self.crc(body)))
        }
        return Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
            + Data(chunk("IHDR", big(side) + big(side) + [8, 3, 0, 0, 0])) + Data(chunk("PLTE", palette))
            + Data(chunk("IDAT", Self.zlib(rows))) + Data(chunk("IEND", []))
    }

    /// A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4).
    private static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        for start in stride(from: 0, to: bytes.count, by: 65_535) {
            let end = min(start + 65_535, bytes.count)
            stream.append(end == bytes.count ? 1 : 0)
            stream += little(end - start, 2) + little(~(end - start), 2) + bytes[start..<end]
        }
        var (a, b) = (1, 0)
        for byte in bytes { (a, b) = ((a + Int(byte)) % 65_521, (b + a + Int(byte)) % 65_521) }
        return stream + [b >> 8, b, a >> 8, a].map { UInt8(truncatingIfNeeded: $0) }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        let table: [UInt32] = (0..<256).map { index in
            (0..<8).reduce(UInt32(index)) { value, _ in value & 1 != 0 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
        }
        return ~bytes.reduce(UInt32.max) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
}

/// SplitMix64: all the luck that an album needs.
private struct Luck {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func pick(_ choices: [String]) -> String { choices[below(choices.count)] }
}
