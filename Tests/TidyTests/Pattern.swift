import Foundation
import Testing

/// A regular expression, written by the rules themselves.
struct Pattern {
    private let expression: NSRegularExpression

    init(_ text: String) {
        expression = try! NSRegularExpression(pattern: text)
    }

    func matches(_ text: String) -> Bool {
        expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
    }

    /// The first group of every match.
    func captures(_ text: String) -> [String] {
        expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap {
            Range($0.range(at: 1), in: text).map { String(text[$0]) }
        }
    }
}
