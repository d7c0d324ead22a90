import Foundation
import TestSupport
import Testing

@Suite("The process that reads tags", .serialized)
struct TagHelperTests {
    /// What it answers to a file that lies on descriptor 3, how it ended, and how long that took.
    private static func read(_ file: String, kind: String) throws -> (status: Int32, answer: Data, time: Duration) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "exec \"$0\" tag-helper 3<\"$1\"", Program.path, file]
        process.environment = ["MEDIA_KIND": kind, "MEDIA_NAME": file]
        let stdout = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = stdout
        process.standardError = FileHandle.nullDevice
        let clock = ContinuousClock()
        let start = clock.now
        try process.run()
        let answer = try stdout.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let isExit = process.terminationReason == .exit
        return (isExit ? process.terminationStatus : -process.terminationStatus, answer, clock.now - start)
    }

    /// A WAV file whose title is in an ID3v2.3 tag, as TagLib reads it by the name's ending.
    private static func tagged(_ title: String) -> Data {
        func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }
        let text = [0] + Array(title.utf8)
        let frame = Array("TIT2".utf8) + [0, 0, 0, UInt8(text.count), 0, 0] + text
        let tag = Array("ID3".utf8) + [3, 0, 0, 0, 0, 0, UInt8(frame.count)] + frame
        var file = Sounds.wav(seed: 1, samples: 800)
        file += Data(Array("id3 ".utf8) + little(tag.count, 4) + tag + (tag.count % 2 == 1 ? [0] : []))
        file.replaceSubrange(4..<8, with: little(file.count - 8, 4))
        return file
    }

    @Test("It says what TagLib found; without a file, or with one of another kind, it says nothing")
    func answers() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.path + "/song.wav"
            try Self.tagged("Night Train").write(to: URL(fileURLWithPath: path))
            let found = try Self.read(path, kind: "wav")
            #expect(found.status == 0 && found.answer.starts(with: Data("TAGS1".utf8)))
            #expect(found.answer.range(of: Data("Night Train".utf8)) != nil)
            for (file, kind) in [(path, "nonsense"), ("/dev/null", "wav"), ("/", "wav")] {
                let refused = try Self.read(file, kind: kind)
                #expect(refused.status == 2 && refused.answer.isEmpty, "\(file) \(kind)")
            }
            // Audio of another kind than was said: whatever it finds, it ends in order.
            for kind in ["mp3", "flac", "m4a", "oggVorbis"] { #expect(try Self.read(path, kind: kind).status >= 0) }
        }
    }

    @Test("Damaged files cost no more than their process, and that little time")
    func damaged() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.path + "/song.wav"
            let whole = Self.tagged("Night Train")
            var state: UInt64 = 0x7a65
            print("seed \(state)")
            func random(_ limit: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % limit
            }
            for _ in 0..<40 {
                var file = whole
                for _ in 0..<4 {
                    // In the head and in the tag, where lengths are.
                    let place = random(2) == 0 ? random(44) : file.count - 1 - random(40)
                    file[place] = UInt8(random(256))
                }
                try file.write(to: URL(fileURLWithPath: path))
                let outcome = try Self.read(path, kind: "wav")
                #expect(outcome.time < .seconds(12) && outcome.answer.count <= 128 << 10)
            }
            // The program that started it lives on, and publishes by its own reading.
            let program = Program(repository: folder.path + "/repo")
            _ = try program.run("init", "--network", "test")
            #expect(try program.run("author", "new", "ada").status == 0)
            var claim = whole
            claim.replaceSubrange(40..<44, with: [0xff, 0xff, 0xff, 0x7f])
            try claim.write(to: URL(fileURLWithPath: path))
            let published = try program.run("publish", path)
            #expect(published.status == 0 && published.output.hasPrefix("published"), "\(published.messages)")
        }
    }

    @Test("It needs little memory and time")
    func frugal() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.path + "/song.wav"
            try Self.tagged("Night Train").write(to: URL(fileURLWithPath: path))
            // Less than it allows itself.
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = [
                "-c", "ulimit -v 1500000; ulimit -t 5; exec \"$0\" tag-helper 3<\"$1\"", Program.path, path,
            ]
            process.environment = ["MEDIA_KIND": "wav", "MEDIA_NAME": path]
            let stdout = Pipe()
            process.standardOutput = stdout
            try process.run()
            let answer = try stdout.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0 && answer.starts(with: Data("TAGS1".utf8)))
        }
    }
}
