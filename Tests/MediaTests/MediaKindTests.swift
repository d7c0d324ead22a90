import Foundation
import Media
import TestSupport
import Testing

@Suite struct MediaKindTests {
    static let audio: [Sample<MediaKind>] = [
        Sample("mp3", AudioFiles.mp3(), .mp3),
        Sample("mp3 with a tag", AudioFiles.mp3(ID3Tag(AudioFiles.Tags(), version: 3, encoding: 1).bytes), .mp3),
        Sample("flac", AudioFiles.flac(), .flac),
        Sample("flac with a tag", ID3Tag(AudioFiles.Tags(), version: 3, encoding: 1).bytes + AudioFiles.flac(), .flac),
        Sample("vorbis", AudioFiles.vorbis(), .oggVorbis), Sample("opus", AudioFiles.opus(), .oggOpus),
        Sample("m4a", M4AFile.make(), .m4a), Sample("mp4 with sound alone", M4AFile.make(brand: "isom"), .m4a),
        Sample("audiobook with chapter pictures", M4AFile.make(brand: "M4B ", handlers: ["soun", "vide"]), .m4a),
        Sample("wav", AudioFiles.wav(), .wav), Sample("rf64", AudioFiles.wav(large: true), .wav),
        Sample("png", Pictures.png(), .png), Sample("jpeg", Pictures.jpeg(), .jpeg),
        Sample("gif", Pictures.gif(), .gif),
        Sample("webp", Pictures.webp([("VP8 ", Pictures.lossy())]), .webp),
    ]

    @Test(arguments: audio)
    func isKnownByItsBytes(_ sample: Sample<MediaKind>) {
        let (bytes, kind) = (sample.bytes, sample.expected)
        #expect(MediaKind(MediaSource(bytes)) == kind)
        #expect(MediaKind(head: bytes) == kind)
        #expect(MediaKind(head: bytes.dropFirst(0)[...]) == kind)
    }

    /// Whatever is cut off, the first bytes still say what it is, or nothing; never something else.
    @Test(arguments: audio)
    func neverTurnsIntoSomethingElse(_ sample: Sample<MediaKind>) {
        let (bytes, kind) = (sample.bytes, sample.expected)
        for length in 0..<min(bytes.count, 600) {
            let found = MediaKind(head: bytes.prefix(length))
            // Behind a tag of ID3 alone, MP3 is the best guess.
            let allowed: Set<MediaKind> =
                bytes.starts(with: Array("ID3".utf8)) ? [kind, .other, .mp3] : [kind, .other]
            #expect(allowed.contains(found), "\(length) bytes")
        }
    }

    static let others: [Sample<String>] = [
        Sample("nothing", [], "an empty file"), Sample("pdf", Array("%PDF-1.7 ...".utf8), "a PDF document"),
        Sample("zip", [0x50, 0x4b, 3, 4, 0, 0], "a ZIP archive or office document"),
        Sample("text", Array("Grüße aus Köln, dear all".utf8), "a text file"),
        Sample(
            "svg", Array("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>".utf8), "an SVG picture"),
        Sample("html", Array("<!DOCTYPE html><html></html>".utf8), "a web page"),
        Sample(
            "aiff", Array("FORM".utf8) + [0, 0, 0, 9] + Array("AIFF".utf8), "an AIFF file (convert it to FLAC or WAV)"),
        Sample("program", [0x7f, 0x45, 0x4c, 0x46, 2, 1], "a program"),
        Sample("adts", [0xff, 0xf1, 0x50, 0x80, 0, 0x1f, 0xfc], "a raw AAC stream (put it into an M4A container)"),
        Sample("video", M4AFile.make(brand: "isom", handlers: ["vide", "soun"]), "an MP4 video"),
        Sample("quicktime", M4AFile.make(brand: "qt  "), "a QuickTime video"),
        Sample("locked", M4AFile.make(format: "drms"), "an M4A file without sound, or one that is locked (DRM)"),
        Sample("heic", M4AFile.atom("ftyp", Array("heic".utf8) + [0, 0, 0, 0]), "a HEIC picture"),
        Sample(
            "theora", AudioFiles.ogg([[0x80] + Array("theora".utf8) + [3, 2, 1]], granule: 5),
            "an Ogg file with neither Vorbis nor Opus alone in it"
        ),
        Sample(
            "noise", (0..<4000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435 >> 7) }, "a file of an unknown type"),
        Sample(
            "one stray header", [0xff, 0xfb, 0x90, 0x44] + [UInt8](repeating: 1, count: 900),
            "a file of an unknown type"
        ),
        Sample("7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4], "a 7z archive"),
        Sample("jpeg", Pictures.jpeg(), "a JPEG picture"),
    ]

    @Test(arguments: others)
    func refusesWhatIsNotAudio(_ sample: Sample<String>) async throws {
        let (bytes, what) = (sample.bytes, sample.expected)
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("track.mp3").path
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            #expect(throws: MediaError.notAudio(NotAudio(path: path, what: what))) { try AudioTags.read(path: path) }
        }
    }

    @Test func saysWhatToDo() {
        let error = MediaError.notAudio(NotAudio(path: "a.pdf", what: "a PDF document"))
        #expect(error.description == "'a.pdf' is a PDF document, not audio: to publish it all the same, add --as file")
    }

    /// A pipe would wait for ever, a folder cannot be read: both are said at once.
    @Test func refusesWhatIsNoFile() async throws {
        try await withTemporaryFolder { folder in
            let pipe = folder.appendingPathComponent("pipe.mp3").path
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(throws: MediaError.notAFile(path: pipe)) { try AudioTags.read(path: pipe) }
            #expect(throws: MediaError.notAFile(path: folder.path)) { try AudioTags.read(path: folder.path) }
            let missing = folder.path + "/missing.mp3"
            #expect(throws: MediaError.fileSystem(action: "open", path: missing, code: ENOENT)) {
                try AudioTags.read(path: missing)
            }
        }
    }

    @Test func everyKindHasItsNames() {
        for kind in MediaKind.allCases {
            #expect(!(kind.isAudio && kind.isImage))
            #expect((kind.codec != nil) == kind.isAudio)
            #expect(kind.mimeType.hasPrefix(kind.isAudio ? "audio/" : kind.isImage ? "image/" : "application/"))
        }
    }
}
