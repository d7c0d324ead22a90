import Foundation
import TestSupport
import Testing

@Suite("What the program promises to scripts", .serialized)
struct ConventionTests {
    private static let missing = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"

    @Test(
        "Exit codes say what went wrong, standard output stays empty, and words go to standard error",
        arguments: [
            (["bogus"], 2), (["add"], 2), (["cat", "x", "--offset", "-1"], 2), (["cat", "notacid"], 2),
            (["add", "/nowhere/at/all"], 3), (["pin", "rm", missing], 3), (["cat", missing], 69),
            (["swarm", "peers"], 69),
            (["shutdown"], 69), (["ping", "12D3KooWRNciW9maTQuZNCwEePPWRgP2bKvY2P7hpgDQZFDtJvjU"], 69), (["init"], 6),
            (["config", "get", "api.listn"], 78), (["config", "set", "api.listen", "nowhere"], 78),
            (["run", "--listen", "/ip4/nonsense"], 78), (["add", "--profile", "nope", "/etc/hostname"], 2),
            (["completion", "tcsh"], 2),
        ] as [([String], Int32)])
    func exitCodes(arguments: [String], status: Int32) async throws {
        try await withProgram { program, _ in
            let outcome = try program.run(arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.messages)")
            #expect(outcome.output.isEmpty)
            #expect(!outcome.messages.isEmpty)
            let json = try program.run(arguments + ["--json"])
            #expect(json.status == status, "\(arguments): \(json.messages)")
            #expect(json.output.isEmpty)
        }
    }

    @Test("Without a repo, commands say how to make one")
    func noRepository() async throws {
        try await withProgram(initialised: false) { program, _ in
            let outcome = try program.run("id")
            #expect(outcome.status == 3)
            #expect(outcome.messages.contains("peernode init"))
        }
    }

    @Test("Init is repeatable when asked, and keeps the identity")
    func initialising() async throws {
        try await withProgram(initialised: false) { program, _ in
            let first = try program.run("init", "--network", "lan-party", "--json").json.first
            let again = try program.run("init", "--if-needed", "--json").json.first
            #expect(first?["peer_id"] as? String == again?["peer_id"] as? String)
            #expect(try program.run("config", "get", "network.name").output == "lan-party\n")
            #expect(try program.run("id", "--json").json.first?["peer_id"] as? String == first?["peer_id"] as? String)
            let other = Program(repository: program.repository + "2")
            #expect(try other.run("init", "--network", "Not A Name").status == 78)
            #expect(!FileManager.default.fileExists(atPath: other.repository))
        }
    }

    @Test("The repo is found by flag, then PEERNODE_REPO, then XDG_DATA_HOME")
    func repository() async throws {
        try await withTemporaryFolder { folder in
            func path(_ environment: [String: String]) throws -> String? {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: Program.path)
                process.arguments = ["init", "--if-needed", "--json"]
                process.environment = environment
                let pipe = Pipe()
                process.standardOutput = pipe
                process.standardError = FileHandle.nullDevice
                try process.run()
                let data = pipe.fileHandleForReading.readDataToEndOfFile()
                process.waitUntilExit()
                return ((try? JSONSerialization.jsonObject(with: data)) as? [String: Any])?["repo"] as? String
            }
            let home = folder.path
            let cases: [([String: String], String)] = [
                (["HOME": home], home + "/.local/share/peernode"),
                (["HOME": home, "XDG_DATA_HOME": home + "/x"], home + "/x/peernode"),
                (["HOME": home, "XDG_DATA_HOME": home + "/x", "PEERNODE_REPO": home + "/y"], home + "/y"),
            ]
            for (environment, expected) in cases {
                let found = try path(environment)
                #expect(found == expected)
            }
        }
    }

    @Test("Configuration: flag over environment over file, origins, and errors with suggestions")
    func configuration() async throws {
        try await withProgram { program, _ in
            #expect(try program.run("config", "check").status == 0)
            #expect(try program.run("config", "set", "storage.quota", "50GB").status == 0)
            #expect(try program.run("config", "get", "storage.quota").output == "50000000000\n")
            var other = program
            other.environment = ["PEERNODE_STORAGE_QUOTA": "1GiB"]
            #expect(try other.run("config", "get", "storage.quota").output == "1073741824\n")
            let shown = try other.run("config", "show", "--origin").output
            #expect(shown.contains("quota = 1073741824  # environment PEERNODE_STORAGE_QUOTA"))
            #expect(shown.contains("# default"))
            #expect(shown.contains("name = \"test\"  # \(program.repository)/config.toml"))
            #expect(try other.run("config", "show", "--origin", "--json").json.count > 20)

            let file = program.repository + "/config.toml"
            try Data("[storage]\nquoat = \"1GB\"\n".utf8).write(to: URL(fileURLWithPath: file))
            let wrong = try program.run("config", "check")
            #expect(wrong.status == 78)
            #expect(wrong.messages.contains("did you mean 'storage.quota'?"))
            #expect(try program.run("add", "-q", "/etc/hostname").status == 78)
            try Data("[api]\nlisten = \"0.0.0.0:0\"\nrequire_token = false\n".utf8).write(
                to: URL(fileURLWithPath: file))
            let open = try program.run("run", "--listen", "/ip4/127.0.0.1/tcp/0")
            #expect(open.status == 78)
            #expect(open.messages.contains("require_token"))
        }
    }

    @Test("Every command has help with an example, and no option lacks words")
    func help() throws {
        let program = Program(repository: "/nowhere")
        var pending: [[String]] = [[]]
        var seen = 0
        while let path = pending.popLast() {
            try #require(path.count < 5, "\(path) leads nowhere")
            let outcome = try program.run(path + ["--help"])
            #expect(outcome.status == 0)
            #expect(outcome.messages.isEmpty)
            let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
            guard let start = lines.firstIndex(of: "SUBCOMMANDS:") else {
                seen += 1
                #expect(outcome.output.contains("EXAMPLES"), "\(path)")
                #expect(outcome.output.contains("--json"), "\(path)")
                continue
            }
            for line in lines[(start + 1)...].prefix(while: { !$0.isEmpty })
            where line.hasPrefix("  ") && line.dropFirst(2).first?.isLetter == true {
                // A command's other names follow its own: "ls, list".
                if let name = line.split(whereSeparator: { $0 == " " || $0 == "," }).first {
                    pending.append(path + [String(name)])
                }
            }
        }
        #expect(seen >= 40)
    }

    @Test("Completion scripts for three shells", arguments: ["bash", "zsh", "fish"])
    func completion(shell: String) throws {
        let outcome = try Program(repository: "/nowhere").run("completion", shell)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("peernode") && outcome.output.contains("swarm"))
    }

    @Test("Messages have no colour where there is no terminal")
    func colours() async throws {
        try await withProgram { program, _ in
            let cases: [([String: String], Bool)] = [
                ([:], false), (["CLICOLOR_FORCE": "1"], true), (["CLICOLOR_FORCE": "1", "NO_COLOR": "1"], false),
            ]
            for (environment, coloured) in cases {
                var other = program
                other.environment = environment
                let messages = try other.run("cat", "x").messages
                #expect(messages.contains("\u{1b}") == coloured)
            }
        }
    }
}
