import ArgumentParser
import Foundation
import HTTPAPI

/// Recovery words on their way to and from the person who writes them down.
enum RecoveryWords {
    /// Shows the words of an answer, on standard error so that `ID=$(peernode author new ada)` has the id alone.
    static func show(_ answer: JSON) {
        let words = (answer["recovery_words"]?.elements ?? []).compactMap(\.text)
        Messages.write(
            "\nWrite down these words. They are shown once, and give you a new key when this one is lost:\n")
        for start in stride(from: 0, to: words.count, by: 6) {
            Messages.write("  " + words[start..<min(start + 6, words.count)].joined(separator: " "))
        }
        Messages.write("")
    }

    /// The words of a file or of standard input; on a terminal they are asked for, and may take several lines.
    static func read(_ file: String?) throws -> String {
        var text = ""
        if file == nil, isatty(0) == 1 {
            Messages.write("Type the 33 recovery words; the first four letters of each are enough.")
            while count(text) < 33, let line = readLine() { text += line + " " }
        } else {
            text = try SmallFile.text(file ?? "-")
        }
        guard count(text) > 0 else {
            throw CommandFailure(.usage, "give the 33 recovery words: on standard input, or in --words-file FILE")
        }
        return text
    }

    private static func count(_ text: String) -> Int { text.split { !$0.isLetter }.count }
}

extension AuthorCommand {
    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Give an author a new key, by the recovery words.",
            discussion: """
                For a key that was stolen, or lost with its machine or passphrase. The old key can sign nothing more;
                with --keep, what it signed after those updates does not count either. The author stays the same for
                everybody else. The words are used up: new ones are shown, once.

                They are read from standard input, unless --words-file names a file. An author whose key is not here
                any more is named by id or handle, and must be in this node's catalog.

                EXAMPLES
                  peernode author rotate ada
                  peernode author rotate ada --words-file words.txt --keep bafyrei...
                  peernode author rotate ada --lost-passphrase
                """)

        @Argument(help: ArgumentHelp("A name, handle or id; the author in use if not given.", valueName: "author"))
        var author: String?
        @Option(help: ArgumentHelp("A file with the words; - is standard input.", valueName: "file"))
        var wordsFile: String?
        @Option(help: ArgumentHelp("CIDs of your last own updates, with commas between.", valueName: "cids"))
        var keep: String?
        @Flag(help: "Leave the old keys behind: their passphrase is forgotten.")
        var lostPassphrase = false
        @Option(help: ArgumentHelp("What to call an author whose key was not here.", valueName: "name"))
        var name: String?
        @OptionGroup var passphrase: PassphraseOptions
        @OptionGroup var common: CommonOptions

        func run() async throws {
            var options: [String: String] = [:]
            options.put("keep", keep)
            options.put("name", name)
            options["leave-old-keys"] = String(lostPassphrase)
            options["words"] = try RecoveryWords.read(wordsFile)
            let answer = try await passphrase.opening(options) {
                try await common.value("author/rotate", author.map { [$0] } ?? [], $0)
            }
            if common.json { return Output.line(answer) }
            Output.line(answer["id"]?.text ?? "")
            RecoveryWords.show(answer)
        }
    }

    struct Passphrase: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "passphrase", abstract: "Lock an author's key with a passphrase, change it, or take it away.",
            discussion: """
                The old one, if there is one, comes as for any command; the new one is asked for on a terminal.

                EXAMPLES
                  peernode author passphrase ada
                  peernode author passphrase ada --passphrase-file old --new-passphrase-file new
                  peernode author passphrase ada --remove
                """)

        @Argument(help: ArgumentHelp("A name or an id; the author in use if not given.", valueName: "author"))
        var author: String?
        @Option(help: ArgumentHelp("A file with the new passphrase.", valueName: "file"))
        var newPassphraseFile: String?
        @Flag(help: "Lock the key no more.")
        var remove = false
        @OptionGroup var passphrase: PassphraseOptions
        @OptionGroup var common: CommonOptions

        func validate() throws {
            if remove, newPassphraseFile != nil {
                throw ValidationError("--remove and --new-passphrase-file exclude each other")
            }
        }

        func run() async throws {
            let arguments = author.map { [$0] } ?? []
            var options = try passphrase.parameters()
            if options.isEmpty, let typed = passphrase.ask("Passphrase that it has (empty for none): ") {
                options["passphrase"] = typed
            }
            options["new-passphrase"] = try chosen()
            let answer = try await common.value("author/passphrase", arguments, options)
            if common.json { return Output.line(answer) }
            Messages.write(answer["locked"]?.boolean == true ? "locked" : "not locked any more")
        }

        private func chosen() throws -> String {
            if remove { return "" }
            if let newPassphraseFile {
                let text = String(try SmallFile.text(newPassphraseFile).prefix { !$0.isNewline })
                guard !text.isEmpty else {
                    throw CommandFailure(
                        .usage, "'\(newPassphraseFile)' is empty: to lock the key no more, say --remove")
                }
                return text
            }
            guard let typed = try passphrase.askForNew() else {
                throw CommandFailure(.usage, "give the new passphrase with --new-passphrase-file FILE, or say --remove")
            }
            return typed
        }
    }
}
