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

    func parameters() throws -> [String: String] {
        var options = try passphrase.parameters()
        if let author { options["author"] = author }
        return options
    }
}

/// The passphrase of a key that is locked with one.
struct PassphraseOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file with the passphrase; else $PEERNODE_PASSPHRASE.", valueName: "file"))
    var passphraseFile: String?

    func parameters() throws -> [String: String] { try given().map { ["passphrase": $0] } ?? [:] }

    /// What the user gave, without asking.
    func given() throws -> String? {
        if let passphraseFile {
            let text = try String(contentsOfFile: Paths.absolute(passphraseFile), encoding: .utf8)
            return String(text.prefix { !$0.isNewline })
        }
        return ProcessInfo.processInfo.environment["PEERNODE_PASSPHRASE"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Asks on the terminal; nil where there is none, or nothing is typed.
    static func ask(_ prompt: String) -> String? {
        guard isatty(0) == 1, Messages.isTerminal, let typed = unsafe getpass(prompt) else { return nil }
        let text = unsafe String(cString: typed)
        return text.isEmpty ? nil : text
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
