import Foundation
import TestSupport
import Testing

@Suite("Publishing with the program", .serialized)
struct PublishTests {
    /// Ids and titles of what the author in use has published.
    private static func contents(_ program: Program) throws -> [(id: String, title: String)] {
        try program.run("content", "ls", "--json", "--limit", "500").json.compactMap { row in
            guard let id = row["id"] as? String, let title = row["title"] as? String else { return nil }
            return (id, title)
        }
    }

    /// Starts a publish and kills it with SIGKILL as soon as `event` was told for the `count`th time; gives all that
    /// it told.
    private static func interrupted(
        _ program: Program, _ path: String, at event: String, count: Int
    ) throws -> [[String: Any]] {
        let process = program.start(["publish", path, "--json"])
        let stdout = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = stdout
        process.standardError = FileHandle.nullDevice
        try process.run()
        var (text, seen) = (Data(), 0)
        while let byte = try stdout.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
            text += byte
            guard byte.first == UInt8(ascii: "\n") else { continue }
            let lines = text.split(separator: UInt8(ascii: "\n"))
            let told = lines.last.flatMap { try? JSONSerialization.jsonObject(with: Data($0)) } as? [String: Any]
            if told?["event"] as? String == event { seen += 1 }
            if seen == count { break }
        }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        return text.split(separator: UInt8(ascii: "\n")).compactMap {
            (try? JSONSerialization.jsonObject(with: Data($0))) as? [String: Any]
        }
    }

    @Test(
        "Killed at any point, a publish shows nothing that is not on the disk, and the same command goes on",
        arguments: [
            ("found", 1), ("bytes", 2), ("stored", 1), ("stored", 5), ("verified", 1), ("published", 1),
            ("published", 4),
        ])
    func interruption(event: String, count: Int) async throws {
        try await withProgram { program, folder in
            let tracks = (1...5).map { "0\($0) - Track \($0).wav" }
            let album = try Sounds.album(in: folder, "Long Album", tracks, samples: 3 << 20)
            #expect(try program.run("author", "new", "ada").status == 0)
            let told = try Self.interrupted(program, album, at: event, count: count)
            #expect(told.last?["event"] as? String == event, "it ended before: \(told)")

            // What is public is on the disk, block for block; before the blocks were read back nothing is.
            let early = try Self.contents(program)
            if ["found", "bytes"].contains(event) { #expect(early.isEmpty) }
            let order = told.compactMap { $0["event"] as? String }
            if let first = order.firstIndex(of: "published") { #expect(order[..<first].contains("verified")) }
            #expect(early.count >= told.filter { $0["event"] as? String == "published" }.count)
            for (id, _) in early {
                let cid = try #require(
                    try program.run("content", "show", id, "--json").json.first?["cid"] as? String)
                #expect(try program.run("cat", cid).status == 0)
            }
            let again = try program.run("publish", album, "--json")
            #expect(again.status == 0, "\(again.messages)")
            let published = again.json.filter { $0["event"] as? String == "published" }
            #expect(published.filter { $0["new"] as? Bool == true }.count == 5 - early.count)
            let all = try Self.contents(program)
            #expect(all.map(\.title).sorted() == (1...5).map { "Track \($0)" })
            let lists = try program.run("list", "ls", "--json").json
            #expect(lists.count == 1)
            let items = try program.run("list", "show", "Long Album", "--json").json.first?["items"] as? [[String: Any]]
            #expect(items?.compactMap { $0["title"] as? String } == (1...5).map { "Track \($0)" })
            // As many updates as without the interruption: the author, five tracks, a list and its five items.
            #expect(try program.run("catalog", "stat", "--json").json.first?["updates"] as? Int == 12)
            #expect(try program.run("updates", "verify").status == 0)
            #expect(try program.run("pin", "verify").status == 0)
        }
    }

    @Test("A node that is killed while it publishes goes on after its restart")
    func killedNode() async throws {
        try await withProgram { program, folder in
            let album = try Sounds.album(in: folder, "Album", (1...4).map { "\($0).wav" }, samples: 1 << 20)
            #expect(try program.run("author", "new", "ada").status == 0)
            let node = try RunningNode(program)
            let process = program.start(["publish", album, "--json"])
            let stdout = Pipe()
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = stdout
            process.standardError = FileHandle.nullDevice
            try process.run()
            // The first words mean that it is at work.
            _ = try stdout.fileHandleForReading.read(upToCount: 1)
            #expect(node.stop(SIGKILL).status == SIGKILL)
            let rest = Collector(stdout)
            process.waitUntilExit()
            #expect(process.terminationStatus == 69 || rest.text.contains("listed"))
            let next = try RunningNode(program)
            defer { _ = next.stop() }
            let again = try program.run("publish", album)
            #expect(again.status == 0, "\(again.messages)")
            #expect(try Self.contents(program).map(\.title).sorted() == ["1", "2", "3", "4"])
            #expect(try program.run("updates", "verify").status == 0)
        }
    }

    @Test("The cover beside the files is published without what a camera wrote; a broken one is named and left out")
    func covers() async throws {
        try await withProgram { program, folder in
            #expect(try program.run("author", "new", "ada").status == 0)
            func artwork(_ album: String, _ more: [String] = []) throws -> (cid: String?, messages: String) {
                let outcome = try program.run(["publish", album] + more)
                #expect(outcome.status == 0, "\(outcome.messages)")
                let id = outcome.output.split(separator: "\n").first { $0.hasPrefix("published ") }?
                    .split(separator: " ")[1]
                let shown = try program.run("content", "show", String(id ?? ""), "--json").json.first
                return (shown?["artwork"] as? String, outcome.messages)
            }
            for (index, name) in ["cover.png", "Folder.PNG"].enumerated() {
                let album = try Sounds.album(in: folder, name, ["a.wav"], seed: 10 + UInt64(index))
                try (Sounds.png + Data("<script>".utf8)).write(to: URL(fileURLWithPath: album + "/" + name))
                let cid = try #require(try artwork(album).cid, "\(name)")
                #expect(try program.run("get", cid, "-o", folder.path + "/got").status == 0)
                #expect(FileManager.default.contents(atPath: folder.path + "/got") == Sounds.png)
                try FileManager.default.removeItem(atPath: folder.path + "/got")
            }
            let broken = try Sounds.album(in: folder, "broken", ["a.wav"], seed: 20)
            try Data("<svg onload='x()'/>".utf8).write(to: URL(fileURLWithPath: broken + "/cover.jpg"))
            let without = try artwork(broken)
            #expect(without.cid == nil && without.messages.contains("cover.jpg"), "\(without.messages)")

            let named = try Sounds.album(in: folder, "named", ["a.wav"], seed: 30)
            let picture = folder.path + "/mine.png"
            try Sounds.png.write(to: URL(fileURLWithPath: picture))
            #expect(try artwork(named, ["--cover", picture]).cid != nil)
            let refused = try program.run("publish", named, "--cover", broken + "/cover.jpg")
            #expect(refused.status == 2 && refused.messages.contains("SVG"), "\(refused.messages)")
        }
    }

    @Test("What cannot be published is refused in one line, before anything is stored")
    func refusals() async throws {
        try await withProgram { program, folder in
            let song = try Sounds.album(in: folder, "Album", ["a.wav"]) + "/a.wav"
            let text = folder.path + "/talk.txt"
            try Data("words".utf8).write(to: URL(fileURLWithPath: text))
            let empty = folder.path + "/empty"
            try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: false)
            let nobody = try program.run("publish", song)
            #expect(nobody.status == 3 && nobody.messages.contains("peernode author new"), "\(nobody.messages)")
            #expect(try program.run("author", "new", "ada").status == 0)
            let long = String(repeating: "x", count: 201)
            let cases: [([String], Int32, String)] = [
                ([text], 2, "--as file"), ([empty], 2, "empty"), ([folder.path + "/nowhere"], 3, "nowhere"),
                (["/dev/null"], 2, "neither"), ([song, "--title", long], 2, "200"),
                ([song, "--title", ""], 2, "title"),
                ([song, "--genre", long], 2, "64"), ([song, "--list", long], 2, "200"),
                ([song, "--tags", (0..<31).map { "t\($0)" }.joined(separator: ",")], 2, "30"),
                ([song, "--profile", "nope"], 2, "profile"), ([song, "--author", "bob"], 3, "author ls"),
                ([song, "--cover", text], 2, "picture"), ([song, "--cover", song + ".png"], 3, "a.wav.png"),
            ]
            for (arguments, status, words) in cases {
                let outcome = try program.run(["publish"] + arguments)
                #expect(outcome.status == status, "\(arguments): \(outcome.messages)")
                #expect(outcome.output.isEmpty && outcome.messages.contains(words), "\(outcome.messages)")
                #expect(outcome.messages.filter { $0 == "\n" }.count == 1, "\(outcome.messages)")
            }
            #expect(try program.run("repo", "stat", "--json").json.first?["blocks"] as? Int == 0)
            let file = try program.run("publish", text, "--as", "file", "-q")
            #expect(file.status == 0 && file.output.split(separator: "\n").count == 1, "\(file.messages)")
        }
    }

    @Test("What one node publishes another finds by search, fetches and plays; forty paths fit into one command")
    func online() async throws {
        try await withProgram { one, folder in
            let other = Program(repository: folder.appendingPathComponent("other").path)
            _ = try other.run("init", "--network", "test")
            let first = try RunningNode(one)
            defer { _ = first.stop() }
            let found = try one.run("swarm", "addrs", "local").output.split(separator: "\n").map(String.init)
                .first { $0.contains("/tcp/") }
            #expect(try other.run("bootstrap", "add", try #require(found)).status == 0)
            let second = try RunningNode(other)
            defer { _ = second.stop() }
            #expect(try one.run("author", "new", "ada").status == 0)
            let name = String(repeating: "Größe", count: 20)
            let album = try Sounds.album(in: folder, "Lichtung", (1...40).map { "\(name) \($0).wav" }, samples: 800)
            let paths = (1...40).map { "\(album)/\(name) \($0).wav" }
            let published = try one.run(["publish"] + paths + ["--title", "Lichtung", "--description", name])
            #expect(published.status == 0, "\(published.messages)")
            #expect(published.output.split(separator: "\n").count == 41)

            let deadline = ContinuousClock.now + .seconds(20)
            var albums: [[String: Any]] = []
            while albums.first?["items"] as? Int != 40, ContinuousClock.now < deadline {
                albums = try other.run("search", "lichtung", "--kind", "albums", "--json").json
            }
            #expect(albums.first?["items"] as? Int == 40)
            let row = try other.run("search", "\(name) 7", "--json", "--limit", "50").json.first {
                $0["title"] as? String == "\(name) 7"
            }
            let cid = try #require(row?["cid"] as? String)
            #expect(try other.run("get", cid, "-o", folder.path + "/got").status == 0)
            let source = FileManager.default.contents(atPath: "\(album)/\(name) 7.wav")
            #expect(FileManager.default.contents(atPath: folder.path + "/got") == source)
            // Equal as soon as the last update is there.
            var digests: [String] = []
            while Set(digests).count != 1, ContinuousClock.now < deadline {
                digests = try [one, other].compactMap {
                    try $0.run("catalog", "stat", "--json").json.first?["digest"] as? String
                }
            }
            #expect(Set(digests).count == 1 && digests.count == 2)
        }
    }
}
