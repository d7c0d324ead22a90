import ArgumentParser
import Foundation
import HTTPAPI
import PeerNode

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The folder of the repo.", valueName: "dir"))
    var repo: String?

    @Flag(help: "Answer in JSON, one value a line.")
    var json = false

    /// The folder of the repo, absolute.
    var repository: String {
        let environment = ProcessInfo.processInfo.environment
        if let repo { return Paths.absolute(repo) }
        if let repo = environment["PEERNODE_REPO"], !repo.isEmpty { return Paths.absolute(repo) }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return data + "/peernode" }
        let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? NSHomeDirectory()
        return home + "/.local/share/peernode"
    }

    /// The configuration of the repo, with `overrides` from flags.
    func configuration(_ overrides: [String: SettingValue] = [:]) throws -> NodeConfiguration {
        try NodeConfiguration.load(
            repository: repository, environment: ProcessInfo.processInfo.environment, overrides: overrides)
    }

    /// Runs `body` with the node of the repo: the one that runs on it, else the repo itself.
    func withNode<R>(_ body: (any NodeClient) async throws -> R) async throws -> R {
        let repository = repository
        if let remote = try await RemoteNode.connect(repository: repository) { return try await body(remote) }
        let local = try await LocalNode.open(configuration())
        do {
            let result = try await body(local)
            await local.close()
            return result
        } catch {
            await local.close()
            throw error
        }
    }

    /// Sends a command that answers one value.
    func value(_ command: String, _ arguments: [String] = [], _ options: [String: String] = [:]) async throws -> JSON {
        try await withNode { try await $0.value(command, arguments, options) }
    }
}

/// Options of commands that may have to fetch.
struct FetchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How long to wait for a block, such as 30s.", valueName: "time"))
    var timeout: String?

    var parameters: [String: String] { timeout.map { ["timeout": $0] } ?? [:] }

    func validate() throws {
        if let timeout, Quantity.duration(timeout) == nil {
            throw ValidationError("'\(timeout)' is no time: write one like 30s or 2m")
        }
    }
}

enum Paths {
    /// `path` from the current folder, without `.` and `..`.
    static func absolute(_ path: String) -> String {
        let full = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        var parts: [Substring] = []
        for part in full.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
