/// Why a configuration cannot be used: what failed, why, and what to do, in one line.
package enum ConfigurationError: Error, Equatable, Sendable {
    /// The file is there but cannot be read or written.
    case unreadable(path: String, reason: String)
    /// The file is not TOML.
    case syntax(path: String, line: Int, column: Int, reason: String)
    case unknownKey(String, origin: NodeConfiguration.Origin, suggestion: String?)
    case invalidValue(String, value: String, expected: String, origin: NodeConfiguration.Origin)
    /// Two values contradict each other.
    case conflict(String)
}

extension ConfigurationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "cannot use \(path): \(reason); check that it is a readable file of yours"
        case .syntax(let path, let line, let column, let reason):
            "\(path), line \(line), column \(column): \(reason); correct that line"
        case .unknownKey(let key, let origin, let suggestion):
            "unknown key '\(key)' (\(origin)); "
                + (suggestion.map { "did you mean '\($0)'?" } ?? "`peernode config show` lists the keys")
        case .invalidValue(let key, let value, let expected, let origin):
            "\(key) cannot be '\(value)' (\(origin)): it must be \(expected)"
        case .conflict(let reason): reason
        }
    }
}

/// What a value should have been; the key and its origin are added by who knows them.
package struct ValueError: Error, Equatable, Sendable {
    package let expected: String

    package init(_ expected: String) {
        self.expected = expected
    }
}

/// The nearest of `candidates`, if it is near enough to be a slip of the pen.
package func nearestName(to name: String, in candidates: [String]) -> String? {
    let limit = max(2, name.count / 3)
    return candidates.map { ($0, editDistance(name, $0)) }
        .filter { $0.1 <= limit }
        .min { $0.1 < $1.1 }?.0
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two short texts.
private func editDistance(_ left: String, _ right: String) -> Int {
    let a = Array(left.utf8.prefix(100)), b = Array(right.utf8.prefix(100))
    var beforePrevious: [Int] = []
    var previous = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var cost = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforePrevious[j - 1] + 1) }
            row.append(cost)
        }
        beforePrevious = previous
        previous = row
    }
    return previous[b.count]
}
