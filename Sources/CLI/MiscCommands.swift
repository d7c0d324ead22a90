import ArgumentParser
import Foundation
import HTTPAPI

struct IDCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "Say who the node is, and where.",
        discussion: "EXAMPLES\n  peernode id\n  peernode id --json\n  peernode id 12D3KooW...")

    @Argument(help: ArgumentHelp("Another, connected peer.", valueName: "peer"))
    var peer: String?
    @OptionGroup var common: CommonOptions

    func run() async throws {
        let value = try await common.value("id", peer.map { [$0] } ?? [])
        if common.json {
            Output.line([
                "peer_id": value["ID"] ?? .null, "public_key": value["PublicKey"] ?? .null,
                "addresses": value["Addresses"] ?? .null, "agent": value["AgentVersion"] ?? .null,
                "protocols": value["Protocols"] ?? .null,
            ])
        } else {
            Output.line("PeerID: \(value["ID"]?.text ?? "")")
            Output.line("Agent: \(value["AgentVersion"]?.text ?? "")")
            for address in value["Addresses"]?.elements ?? [] { Output.line("Address: \(address.text ?? "")") }
        }
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Say which version this is.",
        discussion: "EXAMPLES\n  peernode version --json")

    @OptionGroup var common: CommonOptions

    func run() {
        Output.line(
            common.json
                ? JSON.object([.init("version", .string(API.version)), .init("agent", .string(API.agent))]).description
                : "peernode \(API.version)")
    }
}

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "The log of the running node: level.", subcommands: [Level.self])

    struct Level: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "level", abstract: "Change what the running node logs.",
            discussion: "EXAMPLES\n  peernode log level debug\n  peernode log level exchange debug")

        @Argument(help: "Optionally a subsystem ('all' for every one), then the level.")
        var words: [String]
        @OptionGroup var common: CommonOptions

        func validate() throws {
            guard (1...2).contains(words.count) else {
                throw ValidationError("name a level, or a subsystem and a level")
            }
        }

        func run() async throws {
            let arguments = words.count == 1 ? ["all"] + words : words
            let answer = try await common.value("log/level", arguments)["Message"]?.text ?? ""
            let message = answer.trimmingCharacters(in: .newlines)
            if common.json { Output.line(["message": .string(message)]) } else { Messages.write(message) }
        }
    }
}

struct ShutdownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shutdown", abstract: "Stop the node that runs on the repo.",
        discussion: "EXAMPLES\n  peernode shutdown")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        guard let node = try await RemoteNode.connect(repository: common.repository) else {
            throw CommandFailure(.unavailable, "no node is running on \(common.repository)")
        }
        try await node.events("shutdown") { _ in }
        if common.json { Output.line(["stopping": true]) }
    }
}

struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a completion script for a shell.",
        discussion: """
            EXAMPLES
              peernode completion bash > /etc/bash_completion.d/peernode
              peernode completion fish > ~/.config/fish/completions/peernode.fish
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: String
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard CompletionShell(rawValue: shell) != nil else {
            throw ValidationError("'\(shell)' is not bash, zsh or fish")
        }
    }

    func run() throws {
        guard let shell = CompletionShell(rawValue: shell) else { return }
        let script = PeerNodeCommand.completionScript(for: shell)
        Output.line(common.json ? JSON.object([.init("script", .string(script))]).description : script)
    }
}
