import Foundation
import Media
import SansIO
import TestSupport
import Testing

/// Damaged and invented files: every reader answers with a value or an error, soon, and never traps.
@Suite struct HostileTests {
    static let files: [Sample<String>] = {
        let tags = AudioFiles.Tags(picture: Pictures.png())
        var tag = ID3Tag(tags, version: 4, encoding: 1)
        tag.isUnsynchronised = true
        tag.hasExtendedHeader = true
        return [
            Sample("ID3v2.2", AudioFiles.mp3(ID3Tag(tags, version: 2, encoding: 0).bytes, frames: 4), "a.mp3"),
            Sample("ID3v2.3", AudioFiles.mp3(ID3Tag(tags, version: 3, encoding: 1).bytes, frames: 4, xing: 9), "a.mp3"),
            Sample("ID3v2.4", AudioFiles.mp3(tag.bytes, frames: 4), "a.mp3"),
            Sample("FLAC", AudioFiles.flac(tags).dropLast(19_900), "a.flac"),
            Sample("Vorbis", AudioFiles.vorbis(tags).dropLast(28_000), "a.ogg"),
            Sample("Opus", AudioFiles.opus(tags).dropLast(28_000), "a.opus"),
            Sample("M4A", M4AFile.make(tags).dropLast(159_000), "a.m4a"),
            Sample("WAV", AudioFiles.wav(tags, frames: 50, id3: tag.bytes), "a.wav"),
        ]
    }()

    func readAll(_ bytes: [UInt8]) {
        let source = MediaSource(bytes)
        if let tags = try? AudioTags.read(source) { check(tags) }
        for kind in MediaKind.allCases { _ = EmbeddedPicture.read(source, kind: kind) }
        _ = Unpublishable.words(source, kind: .other)
    }

    /// What every reading keeps to, whatever the file says.
    func check(_ tags: AudioTags) {
        for text in [tags.title, tags.artist, tags.album, tags.albumArtist] {
            #expect((text?.unicodeScalars.count ?? 1) <= TagText.titleLimit && text?.isEmpty != true)
            #expect(text?.contains(where: \.isNewline) != true)
        }
        #expect((1500...2200).contains(tags.year ?? 2000) && (1...9999).contains(tags.track ?? 1))
        #expect((1...604_800_000).contains(tags.milliseconds ?? 1) && (1...64).contains(tags.channels ?? 1))
    }

    @Test(arguments: files)
    func cutAtEveryByte(_ file: Sample<String>) {
        for length in 0..<min(file.bytes.count, 2500) { readAll(Array(file.bytes.prefix(length))) }
        readAll(file.bytes)
    }

    @Test(arguments: files)
    func flippedAndRearranged(_ file: Sample<String>) {
        let seed: UInt64 = 0x7a65
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<1500 { readAll(Self.damaged(file.bytes, &random)) }
    }

    /// The same with TagLib, which is only shown what our readers find sound.
    @Test(arguments: files)
    func damagedOnDisk(_ file: Sample<String>) async throws {
        let seed: UInt64 = 0xd15c
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent(file.expected).path
            for _ in 0..<150 {
                try Data(Self.damaged(file.bytes, &random)).write(to: URL(fileURLWithPath: path))
                if let tags = try? AudioTags.read(path: path) { check(tags) }
            }
        }
    }

    /// One to four small damages: bits, bytes, cuts, repeats, large numbers.
    static func damaged(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var result = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !result.isEmpty {
            // Mostly near the start, where the structure is.
            let reach = Bool.random(using: &random) ? result.count : min(result.count, 400)
            let at = Int.random(in: 0..<reach, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: result[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: result[at] = UInt8.random(in: 0...255, using: &random)
            case 2: result.removeSubrange(at..<min(result.count, at + Int.random(in: 1...8, using: &random)))
            case 3: result.insert(contentsOf: [0xff, 0xff, 0xff, 0xff], at: at)
            case 4: result.insert(contentsOf: result[at..<min(result.count, at + 40)], at: at)
            default: result.replaceSubrange(at..<min(result.count, at + 4), with: [0x7f, 0xff, 0xff, 0xff])
            }
        }
        return result
    }

    // MARK: What was made to harm

    /// Atoms inside atoms, as deep as the file is long: a reader that descends without end runs out of stack.
    @Test func survivesDeepAtoms() async throws {
        var nest: [UInt8] = []
        for depth in 0..<100_000 { nest += AudioFiles.big(800_000 - depth * 8, 4) + Array("moov".utf8) }
        let bytes = M4AFile.make(more: nest)
        let tags = try await AudioTagsTests.onDisk(bytes, as: "a.m4a") { try AudioTags.read(path: $0) }
        #expect(tags.title == "Größe")
    }

    /// Chapters inside chapters, each of them a frame that holds frames.
    @Test func survivesDeepChapters() async throws {
        var chapter: [UInt8] = []
        for depth in 0..<70_000 {
            let head = Array("CHAP".utf8) + AudioFiles.synchsafe((70_000 - depth) * 28 - 10) + [0, 0]
            chapter += head + [0x61, 0] + [UInt8](repeating: 0, count: 16)
        }
        var tag = ID3Tag(version: 4)
        tag.text("TIT2", "Deep", encoding: 3)
        let body = tag.bytes.dropFirst(10) + chapter
        let bytes = AudioFiles.mp3(Array("ID3".utf8) + [4, 0, 0] + AudioFiles.synchsafe(body.count) + body)
        let tags = try await AudioTagsTests.onDisk(bytes, as: "a.mp3") { try AudioTags.read(path: $0) }
        #expect(tags.title == "Deep")
    }

    /// A packed frame can be a million times as long when it is unpacked: files with one are kept from TagLib, which
    /// would read this one.
    @Test func unpacksNothing() async throws {
        // Stored, not packed: the length, its complement, the bytes, their Adler-32.
        let text = [3] + Array("Packed".utf8)
        var zlib: [UInt8] =
            [0x78, 0x01, 1] + AudioFiles.little(text.count, 2) + AudioFiles.little(~text.count & 0xffff, 2)
        let (a, b) = text.reduce((1, 0)) { (($0.0 + Int($1)) % 65_521, ($0.1 + $0.0 + Int($1)) % 65_521) }
        zlib += text + AudioFiles.big(b << 16 | a, 4)
        var tag = ID3Tag(version: 4)
        tag.add("TIT2", AudioFiles.synchsafe(text.count) + zlib, flags: 0x09)
        tag.text("TALB", "Plain", encoding: 3)
        let bytes = AudioFiles.mp3(tag.bytes)
        let tags = try await AudioTagsTests.onDisk(bytes, as: "a.mp3") { try AudioTags.read(path: $0) }
        #expect(tags.title == nil && tags.album == "Plain" && tags.milliseconds == 2612)
    }

    /// Claims of billions: of comments, of frames, of bytes. Nothing is allocated for a claim.
    @Test func survivesLargeClaims() throws {
        let full = [UInt8](repeating: 0xff, count: 4)
        let claims: [[UInt8]] = [
            Array("ID3".utf8) + [3, 0, 0, 0x7f, 0x7f, 0x7f, 0x7f] + AudioFiles.mp3Frame(),
            Array("fLaC".utf8) + [0x84, 0xff, 0xff, 0xff],
            AudioFiles.ogg(
                [Array("OpusHead".utf8) + [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], Array("OpusTags".utf8) + full + full],
                granule: .max),
            AudioFiles.ogg(
                [
                    Array("OpusHead".utf8) + [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    Array("OpusTags".utf8) + [0, 0, 0, 0] + full,
                ], granule: -1),
            Array("RIFF".utf8) + full + Array("WAVEfmt ".utf8) + full + [1, 0],
            M4AFile.atom("ftyp", Array("M4A ".utf8)) + [0, 0, 0, 1] + Array("moov".utf8) + full + full,
            M4AFile.atom("ftyp", Array("M4A ".utf8)) + M4AFile.atom("moov", [0, 0, 0, 0] + Array("trak".utf8)),
            AudioFiles.mp3(frames: 3, xing: 0xffff_ffff),
        ]
        for claim in claims { readAll(claim) }
    }

    /// A file of nothing but the start of frames costs no more than its length.
    @Test func isDoneSoon() {
        let clock = ContinuousClock()
        let syncs = [UInt8](repeating: 0xff, count: 3 << 20)
        let tagged = Array("ID3".utf8) + [3, 0, 0, 0, 0, 0, 0]
        let almost = (0..<700_000).flatMap { _ in [0xff, 0xfb, 0x90, 0x44] as [UInt8] }
        let pages = AudioFiles.opus() + (0..<300_000).flatMap { _ in Array("OggS".utf8) + [0, 0, 0, 0] }
        let time = clock.measure { for bytes in [syncs, tagged + syncs, tagged + almost, pages] { readAll(bytes) } }
        #expect(time < .seconds(5), "\(time)")
    }

    @Test func damagedPictures() {
        let seed: UInt64 = 0x916
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for sample in ImageCheckTests.good {
            for _ in 0..<1000 {
                let bytes = Self.damaged(sample.bytes, &random)
                guard let image = try? ImageCheck.check(bytes) else { continue }
                #expect(
                    image.length <= bytes.count && (1...10_000).contains(image.width)
                        && (1...10_000).contains(image.height))
            }
        }
    }
}
