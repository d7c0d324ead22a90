import Foundation

/// Text as searches compare it: lower case, without accents, words separated by single spaces.
enum SearchWords {
    /// The longest text that is searched for or indexed, in bytes of UTF-8.
    static let maximumLength = 512

    static func fold(_ text: String) -> String {
        let text = text.utf8.count > maximumLength ? String(text.unicodeScalars.prefix(maximumLength)) : text
        let folded =
            isPlain(text)
            ? text.lowercased()
            : text.folding(options: [.caseInsensitive, .diacriticInsensitive, .widthInsensitive], locale: nil)
        return folded.split(whereSeparator: { $0.isWhitespace || $0 == "\0" }).joined(separator: " ")
    }

    /// Whether it is ASCII, which needs no tables to fold.
    private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { $0 < 0x80 } }
}
