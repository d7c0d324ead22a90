import Foundation
import Media
import TestSupport
import Testing

/// Reads files whose every byte the tests wrote, by our own readers (from memory) and with TagLib (from disk).
@Suite struct AudioTagsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        /// With its ending.
        let file: String
        let bytes: [UInt8]
        let milliseconds: Int64
        let sampleRate: Int
        var channels = 2
        let codec: String
        /// Whether the format has a place for the album artist, the disc and the ISRC.
        var hasAll = true
        var hasISRC = true
        var isYearAlone = false
        var testDescription: String { name }
    }

    static func mp3(_ version: UInt8, _ encoding: UInt8, change: (inout ID3Tag) -> Void = { _ in }) -> Case {
        var tag = ID3Tag(AudioFiles.Tags(), version: version, encoding: encoding)
        change(&tag)
        return Case(
            name: "ID3v2.\(version), encoding \(encoding), unsynchronised \(tag.isUnsynchronised)", file: "a.mp3",
            bytes: AudioFiles.mp3(tag.bytes), milliseconds: 2612, sampleRate: 44_100, codec: "mp3",
            isYearAlone: version < 4)
    }

    static let cases: [Case] = [
        mp3(2, 0), mp3(2, 1), mp3(3, 0), mp3(3, 1), mp3(4, 0), mp3(4, 1), mp3(4, 2), mp3(4, 3),
        mp3(2, 1) { $0.isUnsynchronised = true }, mp3(3, 1) { $0.isUnsynchronised = true },
        mp3(4, 1) { $0.isUnsynchronised = true }, mp3(3, 1) { $0.hasExtendedHeader = true },
        mp3(4, 3) { $0.hasExtendedHeader = true }, mp3(4, 3) { $0.padding = 500 },
        Case(
            name: "FLAC", file: "a.flac", bytes: AudioFiles.flac(), milliseconds: 5000, sampleRate: 44_100,
            codec: "flac"),
        Case(
            name: "FLAC behind ID3", file: "a.flac",
            bytes: ID3Tag(AudioFiles.Tags(title: "Not this"), version: 3, encoding: 0).bytes + AudioFiles.flac(),
            milliseconds: 5000, sampleRate: 44_100, codec: "flac"),
        Case(
            name: "Ogg Vorbis", file: "a.ogg", bytes: AudioFiles.vorbis(), milliseconds: 3000, sampleRate: 44_100,
            codec: "vorbis"),
        Case(
            name: "Ogg Opus", file: "a.opus", bytes: AudioFiles.opus(), milliseconds: 3000, sampleRate: 48_000,
            codec: "opus"),
        Case(
            name: "M4A", file: "a.m4a", bytes: M4AFile.make(), milliseconds: 10_000, sampleRate: 44_100, codec: "aac",
            hasISRC: false),
        Case(
            name: "Apple Lossless, index last", file: "a.m4a",
            bytes: M4AFile.make(brand: "mp42", format: "alac", long: true, moovLast: true), milliseconds: 10_000,
            sampleRate: 44_100, codec: "alac", hasISRC: false),
        Case(
            name: "WAV with INFO", file: "a.wav", bytes: AudioFiles.wav(AudioFiles.Tags()), milliseconds: 1000,
            sampleRate: 8000, channels: 1, codec: "pcm", hasAll: false),
        Case(
            name: "WAV with ID3", file: "a.wav",
            bytes: AudioFiles.wav(id3: ID3Tag(AudioFiles.Tags(), version: 4, encoding: 3).bytes), milliseconds: 1000,
            sampleRate: 8000, channels: 1, codec: "pcm"),
    ]

    static func onDisk<R>(_ bytes: [UInt8], as file: String, _ body: (String) throws -> R) async throws -> R {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent(file).path
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            return try body(path)
        }
    }

    @Test(arguments: cases)
    func readsEveryField(_ example: Case) async throws {
        let memory = try AudioTags.read(MediaSource(example.bytes))
        let disk = try await Self.onDisk(example.bytes, as: example.file) { try AudioTags.read(path: $0) }
        for tags in [memory, disk] {
            #expect(tags.title == "Größe")
            #expect(tags.artist == "Ann Müller")
            #expect(tags.album == "Lights")
            #expect(tags.genre == "Ambient")
            #expect(tags.comment == "Made at home")
            #expect(tags.year == 2019)
            #expect(tags.date == (example.isYearAlone ? nil : "2019-05-01"))
            #expect(tags.track == 3)
            #expect(tags.albumArtist == (example.hasAll ? "The Lamps" : nil))
            #expect(tags.disc == (example.hasAll ? 2 : nil))
            #expect(tags.isrc == (example.hasAll && example.hasISRC ? "GBAYE0601498" : nil))
            #expect(tags.milliseconds == example.milliseconds)
            #expect(tags.sampleRate == example.sampleRate)
            #expect(tags.channels == example.channels)
            #expect(tags.codec == example.codec)
            #expect(tags.size == example.bytes.count)
            #expect(tags.bitrate != nil)
        }
    }

    /// Where both can read, they read the same.
    @Test(arguments: cases)
    func agreesWithTagLib(_ example: Case) async throws {
        var memory = try AudioTags.read(MediaSource(example.bytes))
        var disk = try await Self.onDisk(example.bytes, as: example.file) { try AudioTags.read(path: $0) }
        // TagLib counts the whole file or the encoder's wish; the mean over the sound is near it.
        (memory.bitrate, disk.bitrate) = (0, 0)
        #expect(memory == disk)
    }

    /// What only TagLib knows is there, so it is asked: ID3v1, and genres by number.
    @Test func asksTagLib() async throws {
        var old = Array("TAG".utf8)
        for (text, length) in [
            ("Old title", 30), ("Old artist", 30), ("Old album", 30), ("1997", 4), ("Old comment", 30),
        ] {
            old += Array(text.utf8) + [UInt8](repeating: 0, count: length - text.utf8.count)
        }
        old += [17]
        let tags = try await Self.onDisk(AudioFiles.mp3() + old, as: "a.mp3") { try AudioTags.read(path: $0) }
        #expect(tags.title == "Old title")
        #expect(tags.artist == "Old artist")
        #expect(tags.year == 1997)
        #expect(tags.genre == "Rock")
        #expect(tags.comment == "Old comment")
        #expect(tags.milliseconds == 2612)

        var tag = ID3Tag(version: 3)
        tag.text("TCON", "(17)", encoding: 0)
        let numbered = try await Self.onDisk(AudioFiles.mp3(tag.bytes), as: "a.mp3") { try AudioTags.read(path: $0) }
        #expect(numbered.genre == "Rock")
        #expect(try AudioTags.read(MediaSource(AudioFiles.mp3(tag.bytes))).genre == nil)
    }

    /// The name's ending does not decide: TagLib is told what the file is, or left out.
    @Test(arguments: [
        Sample("song.mp3", AudioFiles.flac(), ()), Sample("song.flac", AudioFiles.vorbis(), ()),
        Sample("song.wav", AudioFiles.opus(), ()),
        Sample("song.opus", AudioFiles.wav(AudioFiles.Tags()), ()), Sample("song.ogg", M4AFile.make(), ()),
        Sample("song", AudioFiles.wav(AudioFiles.Tags()), ()),
        Sample("song.MP3", AudioFiles.mp3(ID3Tag(AudioFiles.Tags(), version: 3, encoding: 1).bytes), ()),
    ])
    func readsMisnamedFiles(_ sample: Sample<Void>) async throws {
        let tags = try await Self.onDisk(sample.bytes, as: sample.name) { try AudioTags.read(path: $0) }
        #expect(tags.title == "Größe")
        #expect((tags.milliseconds ?? 0) >= 1000)
    }

    // MARK: Lengths

    @Test(arguments: [

        Sample("counted by the encoder", AudioFiles.mp3(frames: 10, xing: 4594), 120_006),
        Sample("counted frame by frame", AudioFiles.mp3(frames: 383), 10_004),
        Sample("of changing bitrates", AudioFiles.mp3(frames: 300, bitrates: [32, 320, 96]), 7836),
        Sample(
            "with rubbish between",
            AudioFiles.mp3(frames: 100) + [UInt8](repeating: 0x11, count: 777) + AudioFiles.mp3(frames: 100), 5224
        ),
        Sample("cut in the last frame", AudioFiles.mp3(frames: 100).dropLast(200), 2612),
    ])
    func measuresMP3(_ sample: Sample<Int64>) throws {
        #expect(try AudioTags.read(MediaSource(sample.bytes)).milliseconds == sample.expected)
    }

    @Test func measuresMeanBitrate() throws {
        let bytes = AudioFiles.mp3(frames: 300, bitrates: [32, 320, 128])
        #expect(try AudioTags.read(MediaSource(bytes)).bitrate == 160)
        #expect(try AudioTags.read(MediaSource(AudioFiles.wav())).bitrate == 128)
    }

    /// Recorders that were unplugged leave sizes open.
    @Test func measuresOpenWAV() throws {
        for bytes in [AudioFiles.wav(openEnd: true), AudioFiles.wav(large: true), AudioFiles.wav() + [1]] {
            #expect(try AudioTags.read(MediaSource(bytes)).milliseconds == 1000)
        }
    }

    // MARK: Text and numbers

    @Test func cleansText() {
        #expect(TagText.clean("  A\u{7}\r\n  B\u{202e}C\u{feff} ", limit: 100) == "A BC")
        #expect(TagText.clean("\u{0}\u{1}\n\t ", limit: 100) == nil)
        #expect(TagText.clean("one\r\ntwo\n\nthree", limit: 100, keepsLines: true) == "one\ntwo\nthree")
        #expect(
            TagText.clean("family \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", limit: 100)
                == "family \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}")
        #expect(TagText.clean(String(repeating: "x", count: 300), limit: 200)?.count == 200)
        // A cut falls between characters.
        #expect(TagText.clean("ab\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", limit: 5) == "ab")
        #expect(TagText.clean("abcd e\u{301}", limit: 6) == "abcd")
        #expect(TagText.clean("e" + String(repeating: "\u{301}", count: 5000), limit: 200)?.unicodeScalars.count == 200)
        #expect(TagText.clean("e\u{301}", limit: 2) == "e\u{301}")
        #expect(
            TagText.clean("\u{645}\u{648}\u{633}\u{64a}\u{642}\u{649}", limit: 64)
                == "\u{645}\u{648}\u{633}\u{64a}\u{642}\u{649}")
    }

    @Test func repairsText() async throws {
        var tag = ID3Tag(version: 4)
        tag.add("TIT2", [3] + Array("bad ".utf8) + [0xff, 0xfe, 0x80] + Array(" text\u{7}".utf8))
        tag.add("TPE1", [1, 0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00])
        tag.add("TALB", [3] + [UInt8](repeating: 0x61, count: 60_000))
        let bytes = AudioFiles.mp3(tag.bytes)
        let disk = try await Self.onDisk(bytes, as: "a.mp3") { try AudioTags.read(path: $0) }
        for tags in [try AudioTags.read(MediaSource(bytes)), disk] {
            #expect(tags.title?.hasPrefix("bad ") == true && tags.title?.hasSuffix(" text") == true)
            #expect(tags.artist?.hasSuffix("A") == true)
            #expect(tags.album == String(repeating: "a", count: 200))
        }
    }

    @Test func joinsSeveralArtists() async throws {
        let flac = AudioFiles.flac(AudioFiles.Tags(artist: "One"), comments: ["ARTIST=Two", "Artist=Three"])
        var tag = ID3Tag(version: 4)
        tag.add("TPE1", [3] + Array("One\u{0}Two\u{0}Three\u{0}".utf8))
        for (file, bytes) in [("a.flac", flac), ("a.mp3", AudioFiles.mp3(tag.bytes))] {
            let tags = try await Self.onDisk(bytes, as: file) { try AudioTags.read(path: $0) }
            #expect(tags.artist == "One, Two, Three")
        }
    }

    @Test func leavesOutWhatCannotBe() async throws {
        let tags = AudioFiles.Tags(date: "99999-13-40", track: "70000", disc: "-1", isrc: "not a code")
        for (file, bytes) in [("a.flac", AudioFiles.flac(tags)), ("a.ogg", AudioFiles.vorbis(tags))] {
            let read = try await Self.onDisk(bytes, as: file) { try AudioTags.read(path: $0) }
            #expect(read.title == "Größe")
            #expect(read.track == nil && read.disc == nil && read.isrc == nil && read.date == nil)
            #expect(read.year == nil || (1500...2200).contains(read.year!))
        }
        let dates: [(String, String?)] = [
            ("2020-02-29", "2020-02-29"), ("2019-02-29", nil), ("20200229", "2020-02-29"), ("2020-04-31", nil),
            ("2020", nil), ("2020-05-06T07:08:09Z", "2020-05-06"), ("0000-01-01", nil), ("2020/05/06", nil),
        ]
        for (text, expected) in dates {
            let read = try AudioTags.read(MediaSource(AudioFiles.flac(AudioFiles.Tags(date: text))))
            #expect(read.date == expected, "\(text)")
        }
        #expect(
            try AudioTags.read(MediaSource(AudioFiles.flac(AudioFiles.Tags(isrc: "gb-aye-06-01498")))).isrc
                == "GBAYE0601498")
    }

    /// What programs note for themselves is no comment.
    @Test func passesOverMachineNotes() async throws {
        var tag = ID3Tag(version: 3)
        let note = " 000003E8 000003E8 00002710 00002710 00000000 00000000 00007FFF 00007FFF"
        tag.comment(note, about: "iTunNORM", encoding: 0)
        let only = try await Self.onDisk(AudioFiles.mp3(tag.bytes), as: "a.mp3") { try AudioTags.read(path: $0) }
        #expect(only.comment == nil)
        tag.comment("Real", encoding: 0)
        let both = try await Self.onDisk(AudioFiles.mp3(tag.bytes), as: "a.mp3") { try AudioTags.read(path: $0) }
        #expect(both.comment == "Real")
    }

    /// The lower sample rates have frames of half as many samples, and other bitrates. 0xf3 is version 2, 0xe3 is 2.5.
    @Test(arguments: [(UInt8(0xf3), 22_050), (0xe3, 11_025)])
    func measuresLowRates(_ version: UInt8, _ rate: Int) async throws {
        // 64 kbit/s in mono, with padding in every other frame.
        let bytes = (0..<200).flatMap { index -> [UInt8] in
            let padding = index % 2
            let header: [UInt8] = [0xff, version, 0x80 | UInt8(padding) << 1, 0xc4]
            return header + [UInt8](repeating: 0, count: 72 * 64_000 / rate + padding - 4)
        }
        let disk = try await Self.onDisk(bytes, as: "a.mp3") { try AudioTags.read(path: $0) }
        for tags in [try AudioTags.read(MediaSource(bytes)), disk] {
            #expect(tags.kind == .mp3 && tags.sampleRate == rate && tags.channels == 1)
            #expect(tags.milliseconds == Int64(200 * 576 * 1000 / rate))
            #expect(tags.bitrate == 64)
        }
    }

    /// Old iTunes wrote plain sizes where synchsafe ones belong.
    @Test func readsPlainSizesInNewTags() throws {
        var tag = ID3Tag(version: 4)
        tag.hasPlainSizes = true
        tag.text("TALB", String(repeating: "long ", count: 60), encoding: 3)
        tag.text("TIT2", "After", encoding: 3)
        #expect(try AudioTags.read(MediaSource(AudioFiles.mp3(tag.bytes))).title == "After")
        // In the last frame, where no other follows that could tell, too; with padding behind it, the right size wins.
        tag.text("TPE1", String(repeating: "long ", count: 60), encoding: 3)
        let artist = try AudioTags.read(MediaSource(AudioFiles.mp3(tag.bytes))).artist
        #expect(artist?.count == 199)
    }
}
