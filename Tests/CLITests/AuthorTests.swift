import Foundation
import TestSupport
import Testing

@Suite("Authors and their keys with the program", .serialized)
struct AuthorTests {
    @Test("Authors are made, listed, taken into use and moved between repos, without a running node or a question")
    func life() async throws {
        try await withProgram { program, folder in
            let made = try program.run("author", "new", "Ada Lovelace", "--json").json.first
            #expect((made?["recovery_words"] as? [String])?.count == 33)
            let ada = try #require(made?["id"] as? String)
            // The id alone is data; the words are shown all the same, since they never come again.
            let bob = try program.run("author", "new", "bob")
            #expect(bob.status == 0 && bob.output.split(separator: "\n").count == 1)
            #expect(bob.messages.split { !$0.isLetter }.count > 33)
            let list = try program.run("author", "ls", "--json").json
            #expect(list.compactMap { $0["name"] as? String } == ["Ada Lovelace", "bob"])
            #expect(list.compactMap { $0["current"] as? Bool } == [false, true])
            #expect(try program.run("author", "use", "Ada Lovelace").output == ada + "\n")
            #expect(try program.run("author", "new", "bob").status == 6)
            #expect(try program.run("author", "use", "nobody").status == 3)
            #expect(try program.run("author", "new", "").status == 2)

            let file = folder.appendingPathComponent("ada.author").path
            #expect(try program.run("author", "export", "Ada Lovelace", "-o", file).status == 0)
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try program.run("author", "export", "Ada Lovelace", "-o", file).status == 6)
            let other = Program(repository: folder.appendingPathComponent("other").path)
            _ = try other.run("init", "--network", "test")
            #expect(try other.run("author", "import", file, "--name", "countess").output == ada + "\n")
            #expect(try other.run("author", "ls", "--json").json.first?["name"] as? String == "countess")
            #expect(try other.run("author", "import", "/etc/hostname").status == 2)
            #expect(try other.run("profile", "set", "--handle", "ada").status == 0)
        }
    }

    @Test("A passphrase locks the key; a publish that lacks it ends before anything is stored")
    func passphrase() async throws {
        try await withProgram { program, folder in
            let secret = folder.appendingPathComponent("secret").path
            try Data("open sesame\n".utf8).write(to: URL(fileURLWithPath: secret))
            let album = try Sounds.album(in: folder, "Album", ["a.wav"])
            #expect(try program.run("author", "new", "ada").status == 0)
            #expect(try program.run("author", "passphrase", "--new-passphrase-file", secret).status == 0)
            #expect(try program.run("author", "ls", "--json").json.first?["locked"] as? Bool == true)

            let refused = try program.run("publish", album, "--json")
            #expect(refused.status == 4, "\(refused.messages)")
            #expect(refused.output.isEmpty && refused.messages.contains("--passphrase-file"))
            #expect(try program.run("repo", "stat", "--json").json.first?["blocks"] as? Int == 0)
            var wrong = program
            wrong.environment = ["PEERNODE_PASSPHRASE": "open barley"]
            #expect(try wrong.run("publish", album).status == 4)
            #expect(try program.run("publish", album, "--passphrase-file", secret).status == 0)
            // There is no node that could keep it.
            #expect(try program.run("author", "unlock", "--passphrase-file", secret).status == 69)

            let node = try RunningNode(program)
            defer { _ = node.stop() }
            #expect(try program.run("profile", "set", "--handle", "ada").status == 4)
            #expect(try program.run("author", "unlock", "--passphrase-file", secret).status == 0)
            #expect(try program.run("profile", "set", "--handle", "ada").status == 0)
            let removed = try program.run("author", "passphrase", "--remove", "--passphrase-file", secret)
            #expect(removed.status == 0, "\(removed.messages)")
            #expect(try program.run("author", "ls", "--json").json.first?["locked"] as? Bool == false)
        }
    }

    @Test("The recovery words give an author a new key; what a thief signs with the old one does not count")
    func rotate() async throws {
        try await withProgram { program, folder in
            let file = folder.appendingPathComponent("ada.author").path
            let updates = folder.appendingPathComponent("all.updates").path
            let made = try program.run("author", "new", "ada", "--json").json.first
            let words = try #require(made?["recovery_words"] as? [String])
            #expect(try program.run("profile", "set", "--handle", "ada", "--name", "Ada").status == 0)
            let last = try #require(try program.run("updates", "log", "--json").json.last?["cid"] as? String)
            #expect(try program.run("author", "export", "ada", "-o", file).status == 0)
            // The thief has a copy of the key, and the same catalog.
            let thief = Program(repository: folder.appendingPathComponent("thief").path)
            _ = try thief.run("init", "--network", "test")
            #expect(try thief.run("author", "import", file).status == 0)
            #expect(try program.run("catalog", "export", updates).status == 0)
            #expect(try thief.run("catalog", "import", updates).status == 0)
            #expect(try thief.run("profile", "set", "--name", "Eve").status == 0)
            #expect(try thief.run("catalog", "export", updates).status == 0)
            #expect(try program.run("catalog", "import", updates).status == 0)
            #expect(try program.run("profile", "show", "ada", "--json").json.first?["name"] as? String == "Eve")

            func rotate(_ words: [String], _ more: String...) throws -> Program.Outcome {
                try program.run(["author", "rotate", "ada"] + more, input: Data(words.joined(separator: " ").utf8))
            }
            #expect(try rotate([]).status == 2)
            #expect(try rotate(Array(words.dropLast())).status == 2)
            let other = try thief.run("author", "new", "other", "--json").json.first?["recovery_words"] as? [String]
            #expect(try rotate(try #require(other)).status == 4)
            #expect(
                try rotate(words, "--keep", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy").status == 2)
            let rotated = try rotate(words, "--keep", last, "--json")
            #expect(rotated.status == 0, "\(rotated.messages)")
            let next = rotated.json.first?["recovery_words"] as? [String]
            #expect(next?.count == 33 && next != words)
            #expect(try program.run("profile", "show", "ada", "--json").json.first?["name"] as? String == "Ada")
            #expect(try program.run("profile", "set", "--name", "Ada L.").status == 0)
            // The words are used up, and so is the key.
            #expect(try rotate(words).status == 4)
            #expect(try program.run("catalog", "export", updates).status == 0)
            #expect(try thief.run("catalog", "import", updates).status == 0)
            let late = try thief.run("profile", "set", "--name", "Eve", "--author", "ada")
            #expect(late.status == 6, "\(late.messages)")
        }
    }

    @Test("An author whose machine is lost comes back by the words alone, on any node that has the catalog")
    func lost() async throws {
        try await withProgram { program, folder in
            let updates = folder.appendingPathComponent("all.updates").path
            let made = try program.run("author", "new", "ada", "--json").json.first
            let (id, words) = (made?["id"] as? String, made?["recovery_words"] as? [String])
            #expect(try program.run("profile", "set", "--handle", "ada").status == 0)
            #expect(try program.run("catalog", "export", updates).status == 0)
            let other = Program(repository: folder.appendingPathComponent("other").path)
            _ = try other.run("init", "--network", "test")
            let paper = folder.appendingPathComponent("words").path
            try Data(try #require(words).joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: paper))
            #expect(try other.run("author", "rotate", "ada", "--words-file", paper).status == 3)
            #expect(try other.run("catalog", "import", updates).status == 0)
            let back = try other.run("author", "rotate", "ada", "--words-file", paper, "--name", "ada")
            #expect(back.status == 0 && back.output == (id ?? "") + "\n", "\(back.messages)")
            let list = try other.run("author", "ls", "--json").json
            #expect(list.count == 1 && list.first?["current"] as? Bool == true)
            #expect(try other.run("profile", "set", "--name", "Ada").status == 0)
        }
    }
}
