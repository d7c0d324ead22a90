import Foundation
import Media
import TestSupport
import Testing

/// Files that other programs made: LAME, libFLAC, libvorbis, libopus and FFmpeg encoded a third of a second of a tone
/// (a hundredth for WAV), Mutagen wrote the tags, Pillow the pictures. The expectations are what Mutagen reads.
@Suite struct ForeignFilesTests {
    struct File: Sendable, CustomTestStringConvertible {
        let name: String
        let ending: String
        let kind: MediaKind
        let codec: String
        let milliseconds: Int64
        var bitrate: ClosedRange<Int>
        var artist = "Ann Müller, Bo"
        var date: String? = "2019-05-01"
        var isrc: String? = "GBAYE0601498"
        var sampleRate = 44_100
        var testDescription: String { name }
    }

    /// The folder that holds `Package.swift`.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: root.appendingPathComponent("Fuzz/corpus/" + path)))
    }

    @Test(arguments: [
        File(
            name: "lame-id3v23", ending: "mp3", kind: .mp3, codec: "mp3", milliseconds: 300, bitrate: 30...60,
            artist: "Ann Müller", date: nil),
        File(name: "lame-id3v24", ending: "mp3", kind: .mp3, codec: "mp3", milliseconds: 300, bitrate: 30...60),
        File(name: "flac", ending: "flac", kind: .flac, codec: "flac", milliseconds: 300, bitrate: 90...120),
        File(name: "vorbis", ending: "ogg", kind: .oggVorbis, codec: "vorbis", milliseconds: 300, bitrate: 10...90),
        File(
            name: "opus", ending: "opus", kind: .oggOpus, codec: "opus", milliseconds: 300, bitrate: 20...90,
            sampleRate: 48_000),
        File(
            name: "m4a", ending: "m4a", kind: .m4a, codec: "aac", milliseconds: 323, bitrate: 30...100,
            isrc: nil),
        File(name: "wav-id3", ending: "wav", kind: .wav, codec: "pcm", milliseconds: 10, bitrate: 705...706),
    ])
    func readsThem(_ file: File) async throws {
        let bytes = try Self.bytes("media-audio/" + file.name)
        let memory = try AudioTags.read(MediaSource(bytes))
        let disk = try await AudioTagsTests.onDisk(bytes, as: "a." + file.ending) { try AudioTags.read(path: $0) }
        for tags in [memory, disk] {
            #expect(tags.kind == file.kind && tags.codec == file.codec)
            #expect(tags.title == "Größe" && tags.album == "Lights" && tags.albumArtist == "The Lamps")
            #expect(tags.artist == file.artist)
            #expect(tags.genre == "Ambient" && tags.comment == "Made at home")
            #expect(tags.track == 3 && tags.disc == 2 && tags.year == 2019)
            #expect(tags.date == file.date)
            #expect(tags.isrc == file.isrc)
            // An encoder's padding counts or not, by who reads it.
            #expect(abs((tags.milliseconds ?? 0) - file.milliseconds) <= 60, "\(tags.milliseconds ?? 0)")
            #expect(tags.sampleRate == file.sampleRate && tags.channels == 1)
            #expect(file.bitrate.contains(tags.bitrate ?? 0), "\(tags.bitrate ?? 0)")
        }
        let picture = try #require(EmbeddedPicture.read(MediaSource(bytes), kind: file.kind))
        let expected = try Self.bytes("media-image/cover-png")
        #expect(picture.bytes == expected)
        #expect(picture.isFrontCover)
    }

    @Test func readsFloatingPointWAV() throws {
        let tags = try AudioTags.read(MediaSource(try Self.bytes("media-audio/wav-float")))
        #expect(tags.codec == "pcm_float" && tags.milliseconds == 10 && tags.channels == 1)
    }

    @Test(arguments: [
        ("cover-png", MediaKind.png), ("palette-png", .png), ("cover-jpg", .jpeg), ("progressive-jpg", .jpeg),
        ("cover-gif", .gif), ("moving-gif", .gif), ("lossy-webp", .webp), ("lossless-webp", .webp),
        ("moving-webp", .webp), ("alpha-webp", .webp),
    ])
    func checksTheirPictures(_ name: String, _ kind: MediaKind) throws {
        let bytes = try Self.bytes("media-image/" + name)
        let image = try ImageCheck.check(bytes)
        #expect(image.kind == kind && image.width == 24 && image.height == 16 && image.length == bytes.count)
    }
}
