import Foundation
import Media
import TestSupport
import Testing

/// Helpers that fail in every way, and one that answers. What the real one does in its process, `serve`, is the
/// program's hidden command.
@Suite struct TagHelperTests {
    static let bytes = AudioFiles.mp3(ID3Tag(AudioFiles.Tags(), version: 3, encoding: 1).bytes)

    static func shell(_ script: String, patience: Duration = .seconds(10)) -> TagHelper {
        TagHelper(program: "/bin/sh", arguments: ["-c", script], patience: patience)
    }

    /// Whatever it does instead of answering, our own reading is left, soon.
    @Test(arguments: [
        "exit 1", "kill -SEGV $$", "echo nonsense", "printf 'TAGS1'; exit 0", "head -c 1000000 /dev/zero",
        "printf 'TAGS1'; head -c 48 /dev/zero; printf '\\377\\377\\377\\377\\377\\377\\377\\377'",
    ])
    func survivesItsFailure(_ script: String) async throws {
        let tags = try await AudioTagsTests.onDisk(Self.bytes, as: "a.mp3") {
            try AudioTags.read(path: $0, helper: Self.shell(script))
        }
        #expect(tags == (try AudioTags.read(MediaSource(Self.bytes))))
    }

    /// One that hangs, or talks for ever without saying anything, is ended when patience is; nothing of it stays.
    @Test(arguments: ["exec tail -f /dev/null", "printf 'TAGS1'; exec tail -f /dev/null", "while :; do :; done"])
    func survivesItsSilence(_ script: String) async throws {
        let time = try await AudioTagsTests.onDisk(Self.bytes, as: "a.mp3") { path in
            let marked = path + ".pid"
            let helper = Self.shell("echo $$ > '\(marked)'; " + script, patience: .milliseconds(300))
            let clock = ContinuousClock()
            let time = try clock.measure {
                let tags = try AudioTags.read(path: path, helper: helper)
                #expect(tags.title == "Größe")
            }
            let text = try String(contentsOfFile: marked, encoding: .utf8).trimmingCharacters(in: .newlines)
            let process = try #require(pid_t(text))
            #expect(kill(process, 0) != 0 && errno == ESRCH)
            return time
        }
        #expect((.milliseconds(300) ... .seconds(5)).contains(time), "\(time)")
    }

    @Test func survivesItsAbsence() async throws {
        let helper = TagHelper(program: "/nonexistent/program", arguments: [])
        let tags = try await AudioTagsTests.onDisk(Self.bytes, as: "a.mp3") {
            try AudioTags.read(path: $0, helper: helper)
        }
        #expect(tags.title == "Größe")
    }

    /// What it answers is taken, and cleaned like all else; it is handed the file, its kind and its name.
    @Test func takesItsAnswer() async throws {
        // Six numbers (the year 1999, track 9), then five texts.
        func number(_ value: Int) -> String { AudioFiles.little(value, 8).map { "\\" + String($0, radix: 8) }.joined() }
        let numbers = [1999, 9, 0, 0, 0, 0].map(number).joined()
        let script = """
            test "$MEDIA_KIND" = mp3 && cmp -s /proc/self/fd/3 "$MEDIA_NAME" && head -c 3 <&3 | grep -q ID3 || exit 1
            printf 'TAGS1\(numbers)\(number(5))Of\\007it\(number(0))\(number(0))\(number(0))\(number(0))'
            """
        let tags = try await AudioTagsTests.onDisk(Self.bytes, as: "a.mp3") {
            try AudioTags.read(path: $0, helper: Self.shell(script))
        }
        #expect(tags.title == "Ofit" && tags.year == 1999 && tags.track == 9)
        #expect(tags.artist == "Ann Müller" && tags.milliseconds == 2612)
        let album = try await AudioTagsTests.onDisk(Self.bytes, as: "a.mp3") {
            try AlbumFolder.read([$0], helper: Self.shell(script))
        }
        #expect(album.tracks.map(\.title) == ["Ofit"])
    }
}
