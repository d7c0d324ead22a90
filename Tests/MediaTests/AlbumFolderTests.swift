import Foundation
import Media
import TestSupport
import Testing

@Suite struct AlbumFolderTests {
    /// Writes files at their paths below a folder and reads what `names` (the folder itself without) name.
    func read(
        _ files: [(String, [UInt8])], _ names: [String] = [""], as form: AlbumFolder.Form = .audio,
        _ body: (AlbumFolder, String) throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let root = folder.appendingPathComponent("Summer").path
            for (path, bytes) in files {
                let url = URL(fileURLWithPath: root + "/" + path)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(bytes).write(to: url)
            }
            try body(try AlbumFolder.read(names.map { $0.isEmpty ? root : root + "/" + $0 }, as: form), root)
        }
    }

    static func song(
        _ title: String, track: String = "", disc: String = "", artist: String = "Ann", album: String = "Lights",
        albumArtist: String = "", picture: [UInt8]? = nil
    ) -> [UInt8] {
        AudioFiles.flac(
            AudioFiles.Tags(
                title: title, artist: artist, album: album, albumArtist: albumArtist, track: track, disc: disc,
                picture: picture))
    }

    func names(_ album: AlbumFolder, _ root: String) -> [String] {
        album.tracks.map { String($0.path.dropFirst(root.count + 1)) }
    }

    @Test func ordersByTags() async throws {
        let files = [
            ("a.flac", Self.song("Last", track: "1", disc: "2")),
            ("b.flac", Self.song("Second", track: "2", disc: "1")),
            ("c.flac", Self.song("First", track: "1/2", disc: "1")), ("d.flac", Self.song("Third", disc: "1")),
        ]
        try await read(files) { album, root in
            #expect(album.tracks.map(\.title) == ["First", "Second", "Third", "Last"])
            #expect(album.name == "Lights" && album.artist == "Ann" && album.isAlbum && album.cover == nil)
            #expect(album.skipped.isEmpty)
        }
    }

    @Test func ordersByNames() async throws {
        let wav = AudioFiles.wav()
        let files = ["10 Ten.wav", "2 Two.wav", "01 - One.wav", "Bonus.wav", "bonus 2.wav"].map { ($0, wav) }
        try await read(files) { album, root in
            #expect(names(album, root) == ["01 - One.wav", "2 Two.wav", "10 Ten.wav", "bonus 2.wav", "Bonus.wav"])
            #expect(album.tracks.map(\.title) == ["One", "Two", "Ten", "bonus 2", "Bonus"])
            #expect(album.name == "Summer" && album.artist == nil)
        }
    }

    @Test func ordersDiscsByTheirFolders() async throws {
        let files = [
            ("CD 10/01.flac", Self.song("e", track: "1")), ("CD 2/02.flac", Self.song("d", track: "2")),
            ("CD 2/01.flac", Self.song("c", track: "1")), ("CD1/2.flac", Self.song("b", track: "2")),
            ("CD1/1.flac", Self.song("a", track: "1")),
        ]
        try await read(files) { album, _ in #expect(album.tracks.map(\.title) == ["a", "b", "c", "d", "e"]) }
    }

    @Test func leavesOutAndSaysWhy() async throws {
        let files = [
            ("1.flac", Self.song("One")), (".hidden.flac", Self.song("No")), ("notes.txt", Array("hello".utf8)),
            ("cover.jpg", Pictures.jpeg()), (".git/config", Array("x".utf8)),
            ("video.mp4", M4AFile.make(brand: "isom", handlers: ["vide"])),
            ("empty.mp3", []), ("back.png", Pictures.png()),
        ]
        try await withTemporaryFolder { folder in
            let other = folder.appendingPathComponent("link.flac").path
            try await read(files) { _, root in
                try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: root + "/1.flac")
                try FileManager.default.createSymbolicLink(atPath: root + "/link.flac", withDestinationPath: "1.flac")
                try FileManager.default.createSymbolicLink(atPath: root + "/up", withDestinationPath: "..")
                #expect(mkfifo(root + "/pipe.mp3", 0o600) == 0)
                let album = try AlbumFolder.read([root + "//"])
                #expect(album.tracks.map(\.title) == ["One"])
                let reasons = Dictionary(
                    uniqueKeysWithValues: album.skipped.map { (String($0.path.dropFirst(root.count + 1)), $0.reason) })
                #expect(
                    reasons == [
                        ".hidden.flac": .hidden, ".git": .hidden, "notes.txt": .notAudio("a text file"),
                        "video.mp4": .notAudio("an MP4 video"), "empty.mp3": .notAudio("an empty file"),
                        "back.png": .notAudio("a PNG picture"), "link.flac": .symlink, "up": .symlink,
                        "pipe.mp3": .notAFile("a pipe"),
                    ])
                #expect(album.cover?.image.kind == .jpeg)
                // A symlink that the user names is followed.
                let followed = try AlbumFolder.read([other])
                #expect(followed.tracks.count == 1)
            }
        }
    }

    @Test func refusesNamedFilesThatAreNotAudio() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("letter.pdf").path
            try Data(Array("%PDF-1.4".utf8)).write(to: URL(fileURLWithPath: path))
            #expect(throws: MediaError.notAudio(NotAudio(path: path, what: "a PDF document"))) {
                try AlbumFolder.read([path])
            }
            let file = try AlbumFolder.read([path], as: .file)
            #expect(file.tracks.map(\.title) == ["letter"] && file.tracks[0].tags == nil && !file.isAlbum)
            #expect(file.tracks[0].kind == .other && file.tracks[0].size == 8)
            #expect(throws: MediaError.self) { try AlbumFolder.read([folder.path]) }
            #expect(throws: MediaError.nothingToPublish(path: "", skipped: [])) { try AlbumFolder.read([]) }
        }
    }

    @Test func saysWhoMadeIt() async throws {
        try await read([("1.flac", Self.song("a", artist: "Ann")), ("2.flac", Self.song("b", artist: "Bo"))]) {
            album, _ in
            #expect(album.artist == "Various Artists")
        }
        let guests = [
            ("1.flac", Self.song("a", artist: "Ann", albumArtist: "Ann")),
            ("2.flac", Self.song("b", artist: "Ann & Bo", albumArtist: "ANN")),
        ]
        try await read(guests) { album, _ in #expect(album.artist == "Ann") }
        let mixed = [
            ("1.flac", Self.song("a", album: "X")), ("2.flac", Self.song("b", album: "Y")),
            ("3.flac", Self.song("c", album: "Z")),
        ]
        try await read(mixed) { album, _ in #expect(album.name == "Summer") }
        // Loose files have no folder that could give a name.
        try await read(mixed, ["1.flac", "2.flac", "3.flac", "1.flac"]) { album, _ in
            #expect(album.name == nil && album.tracks.count == 3 && album.isAlbum)
        }
    }

    // MARK: Covers

    @Test func prefersCoverFilesToEmbeddedOnes() async throws {
        let (inside, outside) = (Pictures.png(width: 5, height: 5), Pictures.png(width: 7, height: 7))
        let song = ("1.flac", Self.song("a", picture: inside))
        try await read([song]) { album, root in
            #expect(album.cover?.bytes == inside && album.cover?.origin == .embedded(path: root + "/1.flac"))
        }
        try await read([song, ("Folder.PNG", outside)]) { album, root in
            #expect(album.cover?.bytes == outside && album.cover?.origin == .file(path: root + "/Folder.PNG"))
        }
        try await read([
            song, ("folder.jpg", Pictures.jpeg()), ("cover.webp", Pictures.webp([("VP8L", Pictures.lossless())])),
        ]) { album, _ in
            #expect(album.cover?.image.kind == .webp)
        }
        // Bad ones are passed over, and said.
        let bad = [song, ("cover.jpg", Array("<svg/>".utf8)), ("cover.png", Pictures.png(claimed: (99_999, 1)))]
        try await read(bad) { album, root in
            #expect(album.cover?.bytes == inside)
            #expect(
                album.skipped == [
                    AlbumFolder.Skipped(path: root + "/cover.jpg", reason: .badPicture(.notAnImage("an SVG picture"))),
                    AlbumFolder.Skipped(
                        path: root + "/cover.png", reason: .badPicture(.tooLarge(width: 99_999, height: 1))),
                ])
        }
        try await read([("CD1/1.flac", Self.song("a")), ("CD1/cover.png", outside)]) { album, _ in
            #expect(album.cover?.bytes == outside)
        }
    }

    @Test func cutsWhatFollowsACover() async throws {
        let picture = Pictures.jpeg()
        try await read([("1.wav", AudioFiles.wav()), ("cover.jpg", picture + Array("PK\u{3}\u{4}".utf8))]) {
            album, root in
            #expect(album.cover?.bytes == picture)
            let named = try CoverImage.read(path: root + "/cover.jpg")
            #expect(named.bytes == picture)
            #expect(CoverImage.find(beside: root + "/1.wav").cover?.bytes == picture)
            #expect(throws: MediaError.badPicture(path: root + "/1.wav", .notAnImage("a WAV file"))) {
                try CoverImage.read(path: root + "/1.wav")
            }
        }
    }

    /// With `--as file` everything that is not hidden goes along, and audio keeps its tags.
    @Test func takesAnyFile() async throws {
        let files = [("b.txt", Array("words".utf8)), ("a.flac", Self.song("Song")), (".x", [1])]
        try await read(files, as: .file) { album, root in
            #expect(names(album, root) == ["a.flac", "b.txt"])
            #expect(album.tracks.map(\.title) == ["Song", "b"])
        }
    }
}
