import ArgumentParser
import Foundation
import HTTPAPI

/// Who signs.
struct AuthorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Who does it: a name or id of `author ls`; the author in use if not given.", valueName: "name"))
    var author: String?

    @OptionGroup var passphrase: PassphraseOptions

    /// Sends a command that signs, and gives its one answer.
    func value(
        _ command: String, _ arguments: [String], _ common: CommonOptions, _ options: [String: String] = [:]
    ) async throws -> JSON {
        try await signing(options) { try await common.value(command, arguments, $0) }
    }

    /// Sends a command that signs, and gives each of its answers to `body`.
    func events(
        _ command: String, _ arguments: [String], _ common: CommonOptions, _ options: [String: String] = [:],
        body: @escaping (JSON) -> Void
    ) async throws {
        try await signing(options) { options in
            try await common.withNode { try await $0.events(command, arguments, options) { body($0) } }
        }
    }

    /// Adds who signs.
    private func signing<R>(
        _ options: [String: String], _ body: ([String: String]) async throws -> R
    ) async throws -> R {
        var options = options
        options.put("author", author)
        return try await passphrase.opening(options, body)
    }
}

/// The passphrase of a key that is locked with one.
struct PassphraseOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file with the passphrase; else $PEERNODE_PASSPHRASE.", valueName: "file"))
    var passphraseFile: String?

    @Flag(help: "Ask nothing, on a terminal neither.")
    var noInput = false

    func parameters() throws -> [String: String] { try given().map { ["passphrase": $0] } ?? [:] }

    /// Adds the passphrase, if it was given. Where the key turns out to be locked and somebody can be asked, tries
    /// again with what they type: nothing was done yet.
    func opening<R>(
        _ options: [String: String], _ body: ([String: String]) async throws -> R
    ) async throws -> R {
        var options = options.merging(try parameters()) { $1 }
        do {
            return try await body(options)
        } catch {
            let reason = error as? RPCError ?? RPCError(describing: error)
            guard reason.kind == .locked, options["passphrase"] == nil, let typed = ask("Passphrase: ") else {
                throw error
            }
            options["passphrase"] = typed
            return try await body(options)
        }
    }

    /// What the user gave, without asking.
    func given() throws -> String? {
        if let passphraseFile {
            return String(try SmallFile.text(passphraseFile).prefix { !$0.isNewline })
        }
        return ProcessInfo.processInfo.environment["PEERNODE_PASSPHRASE"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Asks on the terminal; nil where there is none or that is not wanted, or nothing is typed.
    func ask(_ prompt: String) -> String? {
        guard !noInput, isatty(0) == 1, Messages.isTerminal, let typed = unsafe getpass(prompt) else { return nil }
        let text = unsafe String(cString: typed)
        return text.isEmpty ? nil : text
    }

    /// Asks for a new one, twice; nil as above.
    func askForNew() throws -> String? {
        guard let first = ask("Passphrase for the key (empty for none): ") else { return nil }
        guard ask("Once more: ") == first else { throw CommandFailure(.usage, "the passphrases differ") }
        return first
    }
}

/// Secrets that a user keeps in files.
enum SmallFile {
    private static let maximum = 64 << 10

    /// The text of a file; `-` is standard input.
    static func text(_ path: String) throws -> String {
        let handle: FileHandle
        if path == "-" {
            handle = .standardInput
        } else {
            guard let opened = FileHandle(forReadingAtPath: Paths.absolute(path)) else {
                let reason = unsafe String(cString: strerror(errno))
                throw CommandFailure(errno == ENOENT ? .notFound : .failure, "cannot read '\(path)': \(reason)")
            }
            handle = opened
        }
        let data: Data
        do {
            data = try handle.read(upToCount: maximum + 1) ?? Data()
        } catch {
            throw CommandFailure(.failure, "cannot read '\(path)': is it a file?")
        }
        guard data.count <= maximum, let text = String(validating: data, as: UTF8.self) else {
            throw CommandFailure(.usage, "'\(path)' is no short text: it should hold a secret")
        }
        return text
    }
}

/// Which part of a long answer is shown.
struct PageOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("How many are shown, 500 at most.", valueName: "count"))
    var limit: Int?

    @Option(help: ArgumentHelp("Where to go on, as the page before said.", valueName: "cursor"))
    var cursor: String?

    var parameters: [String: String] {
        var options: [String: String] = [:]
        if let limit { options["limit"] = String(limit) }
        if let cursor { options["cursor"] = cursor }
        return options
    }

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more") }
    }
}

extension [String: String] {
    /// Adds an option that was given.
    mutating func put(_ name: String, _ value: String?) {
        if let value { self[name] = value }
    }
}
