import Testing

/// Something that a rule found: the file, the line (from 1; 0 for the whole file) and what is wrong.
struct Finding: CustomStringConvertible {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// One house rule that a machine can check. The HANDBOOK says why each exists.
struct Rule: Sendable, CustomTestStringConvertible {
    let name: String
    /// The files that the rule speaks about.
    let applies: @Sendable (SourceFile) -> Bool
    let check: @Sendable (SourceFile) -> [Finding]

    var testDescription: String { name }

    func findings(in files: [SourceFile]) -> [Finding] {
        files.filter(applies).flatMap(check)
    }

    /// A rule about single lines of code: it finds every line that `pattern` matches, unless `excused` says so.
    static func lines(
        _ name: String, in applies: @escaping @Sendable (SourceFile) -> Bool, matching pattern: String,
        message: String, excused: @escaping @Sendable (SourceFile, Int) -> Bool = { _, _ in false }
    ) -> Rule {
        Rule(name: name, applies: applies) { file in
            let regex = Pattern(pattern)
            return file.code.indices.filter { regex.matches(file.code[$0]) && !excused(file, $0) }
                .map { Finding(path: file.path, line: $0 + 1, message: message) }
        }
    }
}
