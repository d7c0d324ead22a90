import Foundation
import Media
import TestSupport
import Testing

@Suite struct ImageCheckTests {
    struct Expected {
        let kind: MediaKind
        let width: Int
        let height: Int

        init(_ kind: MediaKind, _ width: Int, _ height: Int) {
            self.kind = kind
            self.width = width
            self.height = height
        }
    }

    static let good: [Sample<Expected>] = [
        Sample("png", Pictures.png(), Expected(.png, 3, 2)),
        Sample("png with text", Pictures.png(text: "1 < 2 <b>"), Expected(.png, 3, 2)),
        Sample("jpeg", Pictures.jpeg(), Expected(.jpeg, 640, 480)),
        Sample("progressive jpeg", Pictures.jpeg(progressive: true), Expected(.jpeg, 640, 480)),
        Sample("gif", Pictures.gif(), Expected(.gif, 20, 10)),
        Sample("gif with words", Pictures.gif(comment: "hello"), Expected(.gif, 20, 10)),
        Sample("lossy webp", Pictures.webp([("VP8 ", Pictures.lossy())]), Expected(.webp, 100, 50)),
        Sample("lossless webp", Pictures.webp([("VP8L", Pictures.lossless())]), Expected(.webp, 100, 50)),
        Sample(
            "extended webp",
            Pictures.webp([("VP8X", Pictures.extended()), ("ALPH", [1]), ("VP8 ", Pictures.lossy())]),
            Expected(.webp, 100, 50)),
        Sample("moving webp", moving, Expected(.webp, 100, 50)),
        Sample("the largest", Pictures.jpeg(width: 10_000, height: 10_000), Expected(.jpeg, 10_000, 10_000)),
    ]

    static let moving = Pictures.webp([
        ("VP8X", Pictures.extended()), ("ANIM", [0, 0, 0, 0, 0, 0]),
        ("ANMF", [0, 0, 0, 0, 0, 0, 99, 0, 0, 49, 0, 0, 10, 0, 0, 0] + Pictures.lossless()),
    ])

    @Test(arguments: good)
    func letsGoodOnesThrough(_ sample: Sample<Expected>) throws {
        let (bytes, expected) = (sample.bytes, sample.expected)
        let image = try ImageCheck.check(bytes)
        #expect(image.kind == expected.kind && image.width == expected.width && image.height == expected.height)
        #expect(image.length == bytes.count)
        // What is glued to the end is no part of it.
        let glued = try ImageCheck.check(bytes + Array("PK\u{3}\u{4}<script>alert(1)</script>".utf8))
        #expect(glued.length == bytes.count)
    }

    /// Not one of them survives without its last byte.
    @Test(arguments: good)
    func refusesWhatIsCut(_ sample: Sample<Expected>) {
        let bytes = sample.bytes
        for length in 0..<bytes.count {
            #expect(throws: ImageRefusal.self, "\(length)") { try ImageCheck.check(Array(bytes.prefix(length))) }
        }
    }

    static let bad: [Sample<ImageRefusal>] = [
        Sample("svg", Array("<svg/>".utf8), .notAnImage("an SVG picture")),
        Sample("pdf", Array("%PDF-1".utf8), .notAnImage("a PDF document")),
        Sample("audio", AudioFiles.wav(), .notAnImage("a WAV file")),
        Sample("wide", Pictures.png(claimed: (10_001, 1)), .tooLarge(width: 10_001, height: 1)),
        Sample(
            "a bomb", Pictures.png(claimed: (0x7fff_ffff, 0x7fff_ffff)),
            .tooLarge(width: 0x7fff_ffff, height: 0x7fff_ffff)),
        Sample("nothing high", Pictures.jpeg(height: 0), .damaged),
        Sample("high", Pictures.jpeg(height: 65_535), .tooLarge(width: 640, height: 65_535)),
        Sample("a page in a png", Pictures.png(text: "<HTML><body>"), .holdsMarkup),
        Sample("a script in a jpeg", Pictures.jpeg(comment: "*/<Script>alert(1)</script>"), .holdsMarkup),
        Sample("a page in a gif", Pictures.gif(comment: "<!DOCTYPE html>"), .holdsMarkup),
        Sample(
            "a page in a webp",
            Pictures.webp([("VP8L", Pictures.lossless()), ("XMP ", Array("<svg onload=x>".utf8))]), .holdsMarkup),
        Sample("a frame outside the screen", Pictures.gif(frame: (15, 0, 6, 1)), .damaged),
        Sample(
            "two sizes", Pictures.webp([("VP8X", Pictures.extended(width: 99)), ("VP8 ", Pictures.lossy())]), .damaged),
        Sample("no pixels", Pictures.webp([("VP8X", Pictures.extended())]), .damaged),
        Sample(
            "too many bytes", Pictures.jpeg() + [UInt8](repeating: 0, count: ImageCheck.maximumLength),
            .tooLong(bytes: ImageCheck.maximumLength + Pictures.jpeg().count)),
    ]

    @Test(arguments: bad)
    func refusesBadOnes(_ sample: Sample<ImageRefusal>) {
        #expect(throws: sample.expected) { try ImageCheck.check(sample.bytes) }
        #expect(!sample.expected.description.isEmpty)
    }

    /// A flipped bit outside the pixels of a PNG is always seen: its checksums say so.
    @Test func seesFlippedBits() {
        let png = Pictures.png(text: "words")
        let pixels = png.firstRange(of: Array("IDAT".utf8))!.lowerBound
        for index in png.indices where index < pixels - 4 || index >= png.count - 12 {
            for bit in 0..<8 {
                var copy = png
                copy[index] ^= 1 << UInt8(bit)
                #expect(throws: ImageRefusal.self, "byte \(index), bit \(bit)") { try ImageCheck.check(copy) }
            }
        }
    }
}

extension [UInt8] {
    fileprivate func firstRange(of pattern: [UInt8]) -> Range<Int>? {
        indices.first { self[$0...].starts(with: pattern) }.map { $0..<$0 + pattern.count }
    }
}
