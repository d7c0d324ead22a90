import ArgumentParser
import Foundation
import HTTPAPI
import PeerNode

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The configuration: show, get, set, check.",
        discussion: """
            A value comes from the first of: flag, environment (PEERNODE_SECTION_KEY), config.toml in the repo,
            default. A running node reads its configuration when it starts.
            """,
        subcommands: [Show.self, Get.self, Set.self, Check.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show every key and its value.",
            discussion: "EXAMPLES\n  peernode config show --origin")

        @Flag(help: "Say where each value comes from.")
        var origin = false
        @OptionGroup var common: CommonOptions

        func run() throws {
            let configuration = try common.configuration()
            if common.json {
                for setting in Setting.all { Output.line(line(of: setting, in: configuration)) }
                return
            }
            var section = ""
            for setting in Setting.all {
                if setting.section != section {
                    Output.line((section.isEmpty ? "" : "\n") + "[\(setting.section)]")
                    section = setting.section
                }
                let name = setting.key.dropFirst(section.count + 1)
                let from = origin ? "  # " + (configuration.origins[setting.key]?.description ?? "default") : ""
                Output.line("\(name) = \(setting.read(configuration).toml)\(from)")
            }
        }

        private func line(of setting: Setting, in configuration: NodeConfiguration) -> JSON {
            var members: [JSON.Member] = [
                .init("key", .string(setting.key)), .init("value", JSON(setting.read(configuration))),
            ]
            if origin {
                members.append(
                    .init("origin", .string(configuration.origins[setting.key]?.description ?? "default")))
            }
            return .object(members)
        }
    }

    struct Get: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get", abstract: "Print one value.",
            discussion: "EXAMPLES\n  peernode config get api.listen")

        @Argument(help: "The key, such as network.listen.")
        var key: String
        @OptionGroup var common: CommonOptions

        func run() throws {
            guard let setting = Setting.named(key) else {
                throw ConfigurationError.unknownKey(key, origin: .flag, suggestion: Setting.suggestion(for: key))
            }
            let value = setting.read(try common.configuration())
            if common.json {
                Output.line(["key": .string(key), "value": JSON(value)])
            } else {
                Output.line(value.description)
            }
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Write one value to config.toml, after checking it.",
            discussion: """
                EXAMPLES
                  peernode config set storage.quota 50GB
                  peernode config set network.listen /ip4/0.0.0.0/tcp/4101,/ip6/::/tcp/4101
                """)

        @Argument(help: "The key, such as network.listen.")
        var key: String
        @Argument(help: "The value; lists with commas between.")
        var value: String
        @OptionGroup var common: CommonOptions

        func run() throws {
            let repository = common.repository
            let path = repository + "/" + NodeConfiguration.fileName
            guard FileManager.default.fileExists(atPath: path) else { throw NodeError.noRepository(repository) }
            // Checked against the file alone: the environment of this moment is not what is written.
            var configuration = try NodeConfiguration.load(repository: repository)
            try configuration.set(key, to: .text(value), origin: .flag)
            guard let setting = Setting.named(key) else { return }
            try ConfigurationFile.write(key, setting.read(configuration), repository: repository)
            if common.json { Output.line(["key": .string(key), "value": JSON(setting.read(configuration))]) }
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Check config.toml and the environment; exits 78 if something is wrong.",
            discussion: "EXAMPLES\n  peernode config check")

        @OptionGroup var common: CommonOptions

        func run() throws {
            _ = try common.configuration()
            if common.json { Output.line(["ok": true]) } else { Messages.write("the configuration is fine") }
        }
    }
}

extension JSON {
    init(_ value: SettingValue) {
        self =
            switch value {
            case .text(let text): .string(text)
            case .number(let number): .int(number)
            case .flag(let flag): .bool(flag)
            case .list(let items): .array(items.map { .string($0) })
            }
    }
}
