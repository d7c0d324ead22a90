import Foundation
import PeerNode
import TestSupport
import Testing

@Suite("Configuration")
struct ConfigurationTests {
    private static func load(
        _ text: String, environment: [String: String] = [:], overrides: [String: SettingValue] = [:]
    ) async throws -> NodeConfiguration {
        try await withTemporaryFolder { folder in
            try Data(text.utf8).write(to: folder.appendingPathComponent("config.toml"))
            return try NodeConfiguration.load(
                repository: folder.path, environment: environment, overrides: overrides)
        }
    }

    @Test("A folder without a file has the defaults")
    func defaults() async throws {
        try await withTemporaryFolder { folder in
            let configuration = try NodeConfiguration.load(repository: folder.path)
            #expect(configuration == NodeConfiguration(repository: folder.path))
        }
    }

    @Test("Every default is a value that its own setting accepts")
    func defaultsAreValid() throws {
        let defaults = NodeConfiguration(repository: "/r")
        for setting in Setting.all {
            var copy = defaults
            try copy.set(setting.key, to: setting.read(defaults), origin: .flag)
            #expect(setting.read(copy) == setting.read(defaults), "\(setting.key)")
        }
    }

    @Test("A flag beats the environment, which beats the file, which beats the default; origins are told")
    func precedence() async throws {
        let file = "[api]\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"debug\"\n[storage]\nquota = \"10GB\"\n"
        let configuration = try await Self.load(
            file,
            environment: ["PEERNODE_API_LISTEN": "127.0.0.1:2", "PEERNODE_LOG_LEVEL": "error", "PEERNODE_REPO": "/x"],
            overrides: ["api.listen": .text("127.0.0.1:3")])
        #expect(configuration.api.listen == "127.0.0.1:3")
        #expect(configuration.log.level == "error")
        #expect(configuration.storage.quota == 10_000_000_000)
        #expect(configuration.origins["api.listen"] == .flag)
        #expect(configuration.origins["log.level"] == .environment("PEERNODE_LOG_LEVEL"))
        #expect(configuration.origins["storage.quota"]?.description.hasSuffix("config.toml") == true)
        #expect(configuration.origins["network.name"] == nil)
    }

    @Test("Lists come from the file as lists, from the environment with commas")
    func lists() async throws {
        let file = "[network]\nlisten = [\n  \"/ip4/127.0.0.1/tcp/1\", # one\n  \"/ip4/127.0.0.1/udp/2/quic-v1\",\n]\n"
        #expect(try await Self.load(file).network.listen == ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/2/quic-v1"])
        let environment = ["PEERNODE_NETWORK_LISTEN": "/ip4/1.2.3.4/tcp/1, /ip6/::1/tcp/2"]
        #expect(
            try await Self.load("", environment: environment).network.listen == [
                "/ip4/1.2.3.4/tcp/1", "/ip6/::1/tcp/2",
            ])
        #expect(try await Self.load("", environment: ["PEERNODE_NETWORK_LISTEN": ""]).network.listen == [])
    }

    @Test(
        "Unknown keys are errors, with a suggestion where one is near",
        arguments: [
            ("[netwrok]\nlisten = []", nil, "network.listen"), ("[network]\nlisen = []", nil, "network.listen"),
            ("", "PEERNODE_API_LISTN", "api.listen"), ("listen = \"x\"", nil, "network.listen"),
            ("[limits]\nconections_high = 1", nil, "limits.connections_high"),
        ])
    func unknownKeys(file: String, variable: String?, suggestion: String) async throws {
        let environment = variable.map { [$0: "x"] } ?? [:]
        await #expect {
            _ = try await Self.load(file, environment: environment)
        } throws: { error in
            guard case .unknownKey(_, _, let found)? = error as? ConfigurationError else { return false }
            return found == suggestion && "\(error)".contains("did you mean '\(suggestion)'")
        }
    }

    @Test(
        "Values of the wrong kind are errors that say what is right",
        arguments: [
            "[api]\nlisten = 5101", "[api]\nlisten = \"localhost\"", "[api]\nlisten = \"h:99999\"",
            "[network]\nlisten = [\"x\"]",
            "[network]\nbootstrap = [\"/ip4/1.2.3.4/tcp/1\"]", "[network]\nname = \"Not A Name\"",
            "[limits]\nwantlist = -1",
            "[limits]\nwantlist = \"many\"", "[limits]\nupgrade_timeout = \"5\"", "[storage]\nquota = \"10 apples\"",
            "[log]\nlevel = \"loud\"", "[api]\nrequire_token = \"perhaps\"", "[api]\nallowed_origins = [\"evil.com\"]",
            "[limits]\nexempt = [\"everyone\"]", "[limits]\nwantlist = 1.5", "[network]\nlisten = [[1]]",
            "[storage]\ngc_watermark = 101",
        ])
    func wrongValues(file: String) async throws {
        await #expect {
            _ = try await Self.load(file)
        } throws: { error in
            guard case .invalidValue? = error as? ConfigurationError else { return false }
            return "\(error)".contains("must be")
        }
    }

    @Test("What is not TOML is an error with its line")
    func syntax() async throws {
        await #expect {
            _ = try await Self.load("[api]\nlisten = \n")
        } throws: { error in
            guard case .syntax(_, let line, _, _)? = error as? ConfigurationError else { return false }
            return line == 2
        }
    }

    @Test("Values that contradict each other are an error")
    func conflicts() async throws {
        await #expect(throws: ConfigurationError.self) {
            _ = try await Self.load("[limits]\nconnections_low = 100\nconnections_high = 50\n")
        }
    }

    @Test("Setting a key keeps comments and everything else")
    func editing() throws {
        let file =
            "# mine\n[network]\n# where\nlisten = [ # two\n  \"/ip4/1.2.3.4/tcp/1\",\n]\nname = \"a\"\n\n[log]\nlevel = \"info\" # loud\n"
        let listen = ConfigurationFile.setting("network.listen", to: .list(["/ip4/5.6.7.8/tcp/2"]), in: file)
        #expect(
            listen
                == "# mine\n[network]\n# where\nlisten = [\"/ip4/5.6.7.8/tcp/2\"]\nname = \"a\"\n\n[log]\nlevel = \"info\" # loud\n"
        )
        let bootstrap = ConfigurationFile.setting("network.bootstrap", to: .list([]), in: file)
        #expect(bootstrap.contains("name = \"a\"\nbootstrap = []\n"))
        let api = ConfigurationFile.setting("api.listen", to: .text("h\"\\:1"), in: file)
        #expect(api.hasSuffix("\n\n[api]\nlisten = \"h\\\"\\\\:1\"\n"))
        for text in [listen, bootstrap, api] {
            #expect(throws: Never.self) { try ConfigurationFile(parsing: text, path: "t") }
        }
    }

    @Test("Sizes and times are read as people write them, and written so that they are read back")
    func quantities() {
        let sizes: [(String, Int?)] = [
            ("0", 0), ("10GB", 10_000_000_000), ("10GiB", 10 << 30), ("1.5 KiB", 1536), ("7", 7),
            ("2tb", 2_000_000_000_000),
            ("-1", nil), ("", nil), ("GB", nil), ("1e9", nil), ("99999999999999999999", nil),
            ("9223372036854775807KB", nil),
            ("1.5.5MB", nil), ("0x10", nil),
        ]
        for (text, bytes) in sizes { #expect(Quantity.bytes(text) == bytes, "\(text)") }
        let times: [(String, Duration?)] = [
            ("36h", .seconds(129_600)), ("1h30m", .seconds(5400)), ("250ms", .milliseconds(250)),
            ("2d", .seconds(172_800)),
            ("1.5s", .milliseconds(1500)), ("0", .zero), ("5", nil), ("h", nil), ("", nil), ("-1s", nil), ("1 h", nil),
            ("9999999999999999999d", nil),
        ]
        for (text, time) in times {
            #expect(Quantity.duration(text) == time, "\(text)")
            if let time { #expect(Quantity.duration(Quantity.describe(time)) == time, "\(text)") }
        }
    }
}
