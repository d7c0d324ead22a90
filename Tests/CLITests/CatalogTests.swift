import Foundation
import TestSupport
import Testing

@Suite("The catalog with the program", .serialized)
struct CatalogTests {
    @Test("Content is described, listed, liked, commented, found and taken back, without a running node")
    func day() async throws {
        try await withProgram { program, folder in
            let long = "Night Train " + String(repeating: "in the long dark ", count: 9)
            let song = try Sounds.album(in: folder, "A", ["a.wav"]) + "/a.wav"
            #expect(try program.run("author", "new", "ada").status == 0)
            #expect(try program.run("profile", "set", "--handle", "ada", "--name", "Ada").status == 0)
            let title = long.trimmingCharacters(in: .whitespaces)
            let published = try program.run("publish", song, "--title", title, "--tags", "live, 1964", "--list", "Best")
            let id = try #require(
                published.output.split(separator: "\n").first?.split(separator: " ").dropFirst().first
            ).description
            // Elsewhere than on a terminal titles are whole, with tabs between the columns.
            let found = try program.run("search", "night", "train").output.split(separator: "\t").map(String.init)
            #expect(found.first == id && found.count == 5 && found[2] == title)
            let again = try program.run("publish", song, "--title", "Other")
            #expect(again.output.hasPrefix("already published") && again.messages.contains("content edit"))

            let edited = try program.run(
                "content", "edit", id, "--genre", "Jazz", "--clear", "tags", "--json"
            ).json.first
            #expect(edited?["genre"] as? String == "Jazz" && (edited?["tags"] as? [Any])?.isEmpty == true)
            #expect(try program.run("list", "new", "Empty").status == 0)
            #expect(try program.run("list", "add", "Empty", id, id).status == 0)
            #expect(try program.run("list", "move", "Empty", "2", "1").status == 0)
            #expect(try program.run("list", "remove", "Empty", "1").output == "removed 1\n")
            #expect(try program.run("list", "show", "Empty", "--json").json.count == 1)

            #expect(try program.run("author", "new", "bob").status == 0)
            for command in ["follow", "subscribe"] { #expect(try program.run(command, "ada").status == 0) }
            for command in ["save", "repost"] { #expect(try program.run(command, id).status == 0) }
            #expect(try program.run("comment", id, "What a bass line").status == 0)
            let feed = try program.run("feed", "--json").json
            #expect(feed.contains { $0["id"] as? String == id })
            let shown = try program.run("content", "show", id, "--json").json.first
            for count in ["saves", "reposts", "comments"] { #expect(shown?[count] as? Int == 1) }
            for command in ["unsave", "unrepost"] { #expect(try program.run(command, id).status == 0) }
            for command in ["unfollow", "unsubscribe"] { #expect(try program.run(command, "ada").status == 0) }
            #expect(try program.run("feed").messages == "nothing found\n")
            #expect(try program.run("content", "rm", id).status == 4)
            #expect(try program.run("content", "rm", id, "--author", "ada").status == 0)
            let gone = try program.run("content", "show", id)
            #expect(gone.status == 3 && gone.messages.contains("taken back"), "\(gone.messages)")
            #expect(try program.run("resolve", "ada", "--json").json.first?["type"] as? String == "user")
        }
    }

    @Test("Long answers come in pages; standard output has the items alone")
    func pages() async throws {
        try await withProgram { program, folder in
            let album = try Sounds.album(in: folder, "A", (1...5).map { "\($0).wav" }, samples: 80)
            #expect(try program.run("author", "new", "ada").status == 0)
            #expect(try program.run("publish", album).status == 0)
            let first = try program.run("content", "ls", "--limit", "3", "--json")
            #expect(first.json.count == 3)
            let next = try JSONSerialization.jsonObject(with: Data(first.messages.utf8)) as? [String: Any]
            let cursor = try #require(next?["next"] as? String)
            let second = try program.run("content", "ls", "--limit", "3", "--json", "--cursor", cursor)
            #expect(second.json.count == 2 && second.messages.isEmpty)
            let ids = (first.json + second.json).compactMap { $0["id"] as? String }
            #expect(Set(ids).count == 5)
        }
    }

    @Test(
        "Refusals are one line with the right code",
        arguments: [
            (["profile", "set"], 2), (["profile", "set", "--handle", "Ada L"], 2), (["profile", "show", "no.one"], 3),
            (["profile", "set", "--clear", "shoes"], 2), (["profile", "set", "--picture", "nowhere.png"], 3),
            (["content", "show", "nothing"], 3), (["content", "rm", "nothing"], 3), (["list", "new", ""], 2),
            (["list", "show", "nothing"], 3), (["list", "add", "nothing", "x"], 3), (["follow", "nobody"], 3),
            (["comment", "nothing", "  "], 3), (["search", "--kind", "shoes", "x"], 2), (["resolve", "no.one"], 3),
            (["search", "--cursor", "nonsense", "x"], 2), (["trending", "--time", "soon"], 2),
            (["feed", "--filter", "nice"], 2), (["updates", "show", "nonsense"], 2), (["updates", "log", "no.one"], 3),
            (["catalog", "import", "/nowhere/at/all"], 3), (["catalog", "import", "/etc/hostname"], 2),
            (["catalog", "export", "/nowhere/at/all"], 1), (["catalog", "sync"], 69),
            (["catalog", "block", "no.one"], 3),
            (["pubsub", "ls"], 69), (["pubsub", "peers"], 69), (["pubsub", "pub", "x"], 69),
            (["pubsub", "sub", "x"], 69),
            (["author", "unlock", "--passphrase-file", "/etc/hostname"], 69), (["author", "rotate", "ada"], 2),
            (["author", "passphrase", "ada"], 2), (["author", "export", "nobody"], 3),
            (["author", "import", "/nowhere"], 3), (["author", "new", "ada", "--passphrase-file", "/nowhere"], 3),
        ] as [([String], Int32)])
    func refusals(arguments: [String], status: Int32) async throws {
        try await withProgram { program, _ in
            #expect(try program.run("author", "new", "ada").status == 0)
            let outcome = try program.run(arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.messages)")
            #expect(outcome.output.isEmpty)
            #expect(outcome.messages.filter { $0 == "\n" }.count == 1, "\(outcome.messages)")
            #expect(outcome.messages.utf8.count < 400)
            let json = try program.run(arguments + ["--json"])
            #expect(json.status == status && json.output.isEmpty, "\(json.messages)")
            let told = (try? JSONSerialization.jsonObject(with: Data(json.messages.utf8))) as? [String: Any]
            #expect(told?["code"] as? Int == Int(status) && told?["error"] is String, "\(json.messages)")
        }
    }

    @Test("The operator hides authors and what others label, sees what is hidden, and takes it back")
    func hiding() async throws {
        try await withProgram { program, folder in
            let song = try Sounds.album(in: folder, "A", ["a.wav"]) + "/a.wav"
            let updates = folder.appendingPathComponent("all.updates").path
            let landlord = Program(repository: folder.appendingPathComponent("landlord").path)
            _ = try landlord.run("init", "--network", "test")
            let ada = try landlord.run("author", "new", "ada").lastWord
            #expect(try landlord.run("profile", "set", "--handle", "ada").status == 0)
            #expect(try landlord.run("publish", song, "--title", "Night Train").status == 0)
            #expect(try landlord.run("catalog", "export", updates).status == 0)
            // Of one's own, nobody else may have what a block drops.
            #expect(try landlord.run("catalog", "block", "ada").status == 2)
            #expect(try program.run("catalog", "import", updates).status == 0)
            #expect(try program.run("search", "night").output.contains("Night Train"))
            #expect(try program.run("catalog", "block", "ada", "--reason", "spam").status == 0)
            #expect(try program.run("search", "night").output.isEmpty)
            #expect(try program.run("catalog", "block").output == "\(ada)\tspam\n")
            #expect(try program.run("catalog", "block", "--json").json.first?["author"] as? String == ada)
            #expect(try program.run("catalog", "unblock", ada).status == 0)
            #expect(try program.run("catalog", "block").output.isEmpty)
            // What went is asked for again, or imported.
            #expect(try program.run("catalog", "import", updates).status == 0)
            #expect(try program.run("search", "night").output.contains("Night Train"))
            #expect(try program.run("catalog", "labels", ada, "spam").status == 0)
            #expect(try program.run("catalog", "labels", "--json").json.first?["label"] as? String == "spam")
            #expect(try program.run("catalog", "labels", ada, "spam", "--off").status == 0)
            #expect(try program.run("catalog", "labels").output.isEmpty)
        }
    }

    @Test("Published messages come out of a subscription byte for byte, each when it comes")
    func messages() async throws {
        try await withProgram { program, _ in
            let node = try RunningNode(program)
            defer { _ = node.stop() }
            let process = program.start(["pubsub", "sub", "news"])
            let stdout = Pipe()
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = stdout
            process.standardError = FileHandle.nullDevice
            try process.run()
            defer { process.terminate() }
            let deadline = ContinuousClock.now + .seconds(20)
            while try program.run("pubsub", "ls").output != "news\n", ContinuousClock.now < deadline {}
            for payload in [Data("one".utf8), Data([0, 255, 10, 13, 0]), Data("three\n".utf8)] {
                #expect(try program.run("pubsub", "pub", "news", input: payload).status == 0)
                // Nothing is added, and nothing waits for a line or for more.
                let got = try stdout.fileHandleForReading.read(upToCount: payload.count)
                #expect(got == payload)
            }
        }
    }

    @Test("A reader that goes away ends a long answer quietly")
    func brokenPipe() async throws {
        try await withProgram { program, folder in
            let album = try Sounds.album(in: folder, "A", (1...3).map { "\($0).wav" }, samples: 80)
            #expect(try program.run("author", "new", "ada").status == 0)
            #expect(try program.run("publish", album).status == 0)
            let process = program.start(["updates", "log", "--json"])
            let (stdout, stderr) = (Pipe(), Pipe())
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = stdout
            process.standardError = stderr
            try stdout.fileHandleForReading.close()
            try process.run()
            let messages = Collector(stderr)
            process.waitUntilExit()
            #expect(messages.text.isEmpty)
            // As every program that is in a pipe: by its own exit, or by the signal that says nobody reads.
            let isQuiet =
                process.terminationReason == .exit
                ? process.terminationStatus == 0 : process.terminationStatus == SIGPIPE
            #expect(isQuiet, "\(process.terminationReason) \(process.terminationStatus)")
        }
    }
}
