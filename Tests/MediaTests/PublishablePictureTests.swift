import Foundation
import Media
import SansIO
import TestSupport
import Testing

/// What is published of a picture: its pixels, and nothing about whoever took it.
@Suite struct PublishablePictureTests {
    func holds(_ bytes: [UInt8], _ text: String) -> Bool {
        let text = Array(text.utf8)
        return bytes.indices.contains { bytes[$0...].starts(with: text) }
    }

    /// Made by Pillow: a camera's name, a place on Earth, a way up, comments.
    @Test(arguments: [("exif-jpg", MediaKind.jpeg), ("exif-webp", .webp), ("exif-png", .png), ("comment-gif", .gif)])
    func leavesOutWhoMadeIt(_ name: String, _ kind: MediaKind) throws {
        let bytes = try ForeignFilesTests.bytes("media-image/" + name)
        let (image, clean) = try ImageCheck.publishable(bytes)
        #expect(image.kind == kind && image.width == 24 && image.height == 16 && image.length == clean.count)
        #expect(clean.count < bytes.count)
        for text in ["Camera", "made by me", "Author", "hello", "EXIF", "tEXt", "zTXt", "eXIf"] {
            #expect(!holds(clean, text), "\(text)")
        }
        // There is nothing left to leave out.
        let again = try ImageCheck.publishable(clean)
        #expect(again.bytes == clean && again.image == image)
    }

    /// A photograph stays the right way up: of its camera data, only that is left.
    @Test func keepsTheWayUp() throws {
        let clean = try ImageCheck.publishable(try ForeignFilesTests.bytes("media-image/exif-jpg")).bytes
        let start = try #require(clean.indices.first { clean[$0...].starts(with: Array("Exif".utf8)) })
        let tiff = Array(clean[(start + 6)..<(start + 32)])
        #expect(tiff == hex("4d4d002a00000008 0001 0112000300000001 00060000 00000000"))
        // Upright needs no word, and rubbish says nothing.
        for orientation in [1, 0, 9, 700] {
            let exif: [UInt8] =
                Array("Exif".utf8) + [0, 0] + hex("49492a0008000000 0100 1201030001000000")
                + AudioFiles.little(orientation, 4) + [0, 0, 0, 0]
            let plain = Pictures.jpeg()
            let picture = Array(plain.prefix(2)) + Pictures.segment(0xe1, exif) + plain.dropFirst(2)
            let published = try ImageCheck.publishable(picture).bytes
            #expect(published == plain, "\(orientation)")
        }
    }

    /// Pictures without such things are published as they are.
    @Test func leavesOthersAlone() throws {
        for sample in ImageCheckTests.good where !sample.name.contains("with") {
            let published = try ImageCheck.publishable(sample.bytes + [1, 2, 3]).bytes
            #expect(published == sample.bytes, "\(sample.name)")
        }
        for name in ["cover-png", "palette-png", "cover-jpg", "moving-gif", "moving-webp", "alpha-webp", "lossy-webp"] {
            let bytes = try ForeignFilesTests.bytes("media-image/" + name)
            let published = try ImageCheck.publishable(bytes).bytes
            #expect(published == bytes, "\(name)")
        }
    }

    /// Whatever is accepted, what is published of it is accepted again, and has the same size.
    @Test func damagedOnesStayPublishable() throws {
        let seed: UInt64 = 0xc0de
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var accepted = 0
        for name in ["exif-jpg", "exif-webp", "exif-png", "comment-gif", "moving-webp", "progressive-jpg"] {
            let bytes = try ForeignFilesTests.bytes("media-image/" + name)
            for _ in 0..<1000 {
                guard let first = try? ImageCheck.publishable(HostileTests.damaged(bytes, &random)) else { continue }
                accepted += 1
                let again = try ImageCheck.publishable(first.bytes)
                #expect(again.image == first.image && again.bytes == first.bytes)
            }
        }
        #expect(accepted > 100)
    }
}
