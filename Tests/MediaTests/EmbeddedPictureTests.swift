import Foundation
import Media
import TestSupport
import Testing

@Suite struct EmbeddedPictureTests {
    static let png = Pictures.png(width: 200, height: 40)
    static let tags = AudioFiles.Tags(picture: png)

    static func mp3(_ version: UInt8, _ change: (inout ID3Tag) -> Void = { _ in }) -> [UInt8] {
        var tag = ID3Tag(tags, version: version, encoding: version == 2 ? 0 : 1)
        change(&tag)
        return AudioFiles.mp3(tag.bytes)
    }

    static let large = Pictures.png(width: 400, height: 400)

    @Test(arguments: [
        Sample("ID3v2.2", mp3(2), png), Sample("ID3v2.3", mp3(3), png), Sample("ID3v2.4", mp3(4), png),
        Sample("ID3v2.2 unsynchronised", mp3(2) { $0.isUnsynchronised = true }, png),
        Sample("ID3v2.3 unsynchronised", mp3(3) { $0.isUnsynchronised = true }, png),
        Sample("ID3v2.4 unsynchronised", mp3(4) { $0.isUnsynchronised = true }, png),
        Sample("ID3v2.4 with plain sizes", mp3(4) { $0.hasPlainSizes = true }, png),
        Sample("FLAC", AudioFiles.flac(tags), png), Sample("Vorbis", AudioFiles.vorbis(tags), png),
        Sample("Opus", AudioFiles.opus(tags), png), Sample("M4A", M4AFile.make(tags), png),
        Sample("M4A without a type", M4AFile.make(tags, pictureType: 0), png),
        Sample("WAV with ID3", AudioFiles.wav(id3: ID3Tag(tags, version: 3, encoding: 0).bytes), png),
        Sample("the old comment", AudioFiles.flac(comments: ["COVERART=" + AudioFiles.base64(png)]), png),
        Sample("over many pages", AudioFiles.vorbis(AudioFiles.Tags(picture: large)), large),
    ])
    func findsThePicture(_ sample: Sample<[UInt8]>) throws {
        let source = MediaSource(sample.bytes)
        let found = try #require(EmbeddedPicture.read(source, kind: MediaKind(source)))
        #expect(found.bytes == sample.expected)
        #expect(try ImageCheck.check(found.bytes).kind == .png)
    }

    /// The picture of every length goes through Base64 and unsynchronisation unharmed.
    @Test func keepsEveryByte() throws {
        for length in 0..<70 {
            let trap = [0xff, 0x00, 0xff, 0xe0, 0xff, 0xff, 0x00, 0x00] as [UInt8]
            let picture = Self.png + (0..<length).map { trap[$0 % trap.count] }
            let tags = AudioFiles.Tags(picture: picture)
            var tag = ID3Tag(tags, version: 4, encoding: 0)
            tag.isUnsynchronised = true
            var old = ID3Tag(tags, version: 3, encoding: 0)
            old.isUnsynchronised = true
            for file in [
                AudioFiles.mp3(tag.bytes), AudioFiles.mp3(old.bytes), AudioFiles.opus(tags), AudioFiles.flac(tags),
                M4AFile.make(tags),
            ] {
                let source = MediaSource(file)
                let kind = MediaKind(source)
                #expect(EmbeddedPicture.read(source, kind: kind)?.bytes == picture, "\(kind), \(length)")
            }
        }
    }

    /// The front cover is taken, wherever it stands; else the first.
    @Test func prefersTheFrontCover() throws {
        let (other, front) = (Pictures.jpeg(), Pictures.png(width: 9, height: 9))
        func read(_ types: [UInt8]) -> EmbeddedPicture? {
            var tag = ID3Tag(version: 3)
            for type in types { tag.picture(type == 3 ? front : other, type: type) }
            return EmbeddedPicture.read(MediaSource(AudioFiles.mp3(tag.bytes)), kind: .mp3)
        }
        #expect(read([4, 3, 0])?.bytes == front)
        #expect(read([3, 4])?.bytes == front)
        #expect(read([0, 4])?.type == 0)
        #expect(read([]) == nil)
    }

    /// Links, packed and locked frames, SVG and rubbish are no pictures.
    @Test func passesOverWhatIsNoPicture() {
        func read(_ change: (inout ID3Tag) -> Void) -> EmbeddedPicture? {
            var tag = ID3Tag(version: 4)
            change(&tag)
            return EmbeddedPicture.read(MediaSource(AudioFiles.mp3(tag.bytes)), kind: .mp3)
        }
        #expect(read { $0.picture(Array("http://127.0.0.1/x.png".utf8), mime: "-->") } == nil)
        #expect(
            read { $0.picture(Array("<svg xmlns='http://www.w3.org/2000/svg'/>".utf8), mime: "image/svg+xml") } == nil)
        #expect(read { $0.add("APIC", [0] + Array("image/png".utf8) + [0, 3, 0] + Self.png, flags: 0x08) } == nil)
        #expect(read { $0.add("APIC", [0] + Array("image/png".utf8) + [0, 3, 0] + Self.png, flags: 0x04) } == nil)
        #expect(read { $0.add("APIC", [9] + Array("image/png".utf8) + [0, 3, 0] + Self.png) } == nil)
        #expect(read { $0.picture(Self.png) } != nil)
        let long = AudioFiles.flac(pictureBlock: AudioFiles.flacPicture(Self.png).dropLast(1))
        #expect(EmbeddedPicture.read(MediaSource(long), kind: .flac) == nil)
    }
}
