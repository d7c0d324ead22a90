import Foundation
import TOMLKit

/// `config.toml`: read whole, changed one line at a time so that comments survive.
package struct ConfigurationFile: Sendable {
    /// The values by dotted key, in the file's order of keys.
    package let values: [(key: String, value: SettingValue)]

    private static let maximumLength = 1 << 20

    /// Reads the file at `path`; nil when there is none.
    package init?(reading path: String) throws(ConfigurationError) {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw .unreadable(path: path, reason: "it cannot be read")
        }
        guard data.count <= Self.maximumLength, let text = String(bytes: data, encoding: .utf8) else {
            throw .unreadable(path: path, reason: "it is not text of at most 1 MiB")
        }
        try self.init(parsing: text, path: path)
    }

    /// Parses TOML; `path` is for messages only.
    package init(parsing text: String, path: String) throws(ConfigurationError) {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw .syntax(
                path: path, line: error.source.begin.line, column: error.source.begin.column,
                reason: error.description)
        } catch {
            throw .unreadable(path: path, reason: "it is not TOML")
        }
        var values: [(key: String, value: SettingValue)] = []
        try Self.flatten(table, prefix: "", path: path, into: &values, depth: 0)
        self.values = values
        // The tables inside point into this one.
        withExtendedLifetime(table) {}
    }

    private static func flatten(
        _ table: TOMLTable, prefix: String, path: String,
        into values: inout [(key: String, value: SettingValue)], depth: Int
    ) throws(ConfigurationError) {
        for name in table.keys {
            guard let node = table[name] else { continue }
            let key = prefix + name
            if node.type == .table, depth < 4, let inner = node.table {
                try flatten(inner, prefix: key + ".", path: path, into: &values, depth: depth + 1)
            } else if let value = scalar(node) {
                values.append((key, value))
            } else if node.type == .array, let array = node.array {
                var items: [String] = []
                for item in array {
                    guard let text = scalar(item) else {
                        throw .invalidValue(
                            key, value: item.debugDescription, expected: "a list of texts", origin: .file(path))
                    }
                    items.append(text.description)
                }
                values.append((key, .list(items)))
            } else {
                throw .invalidValue(
                    key, value: node.debugDescription, expected: "a text, number, boolean or list",
                    origin: .file(path))
            }
        }
    }

    private static func scalar(_ node: any TOMLValueConvertible) -> SettingValue? {
        switch node.type {
        case .string: node.string.map { .text($0) }
        case .int: node.int.map { .number($0) }
        case .bool: node.bool.map { .flag($0) }
        default: nil
        }
    }
}

extension ConfigurationFile {
    /// Sets one key in the repository's file, replacing the file at once and whole.
    ///
    /// Throws when the file is missing or cannot be written, or would then be wrong.
    package static func write(
        _ key: String, _ value: SettingValue, repository: String
    ) throws(ConfigurationError) {
        let path = repository + "/" + NodeConfiguration.fileName
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .unreadable(path: path, reason: "it cannot be read")
        }
        let text = setting(key, to: value, in: String(decoding: data, as: UTF8.self))
        _ = try ConfigurationFile(parsing: text, path: path)
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw .unreadable(path: path, reason: "it cannot be written")
        }
    }

    /// `text` with `key` (`section.name`) set to `value`: its line is replaced, or one is added to its section.
    package static func setting(_ key: String, to value: SettingValue, in text: String) -> String {
        let parts = key.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return text }
        let line = "\(parts[1]) = \(value.toml)"
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var section = ""
        var end: Int?
        var index = 0
        while index < lines.count {
            let trimmed = lines[index].trimmingCharacters(in: .whitespaces)
            if trimmed.hasPrefix("[") {
                section = trimmed.drop { $0 == "[" }.prefix { $0 != "]" }.trimmingCharacters(in: .whitespaces)
                if section == parts[0] { end = index + 1 }
            } else if section == parts[0], !trimmed.isEmpty {
                let last = lastLine(ofValueAt: index, in: lines)
                let name = trimmed.prefix { $0 != "=" }.trimmingCharacters(in: .whitespaces)
                if !trimmed.hasPrefix("#"), name == parts[1] {
                    lines.replaceSubrange(index...last, with: [line])
                    return lines.joined(separator: "\n")
                }
                index = last
                end = index + 1
            }
            index += 1
        }
        if let end {
            lines.insert(line, at: end)
            return lines.joined(separator: "\n")
        }
        let gap = text.isEmpty || text.hasSuffix("\n\n") ? "" : text.hasSuffix("\n") ? "\n" : "\n\n"
        return text + gap + "[\(parts[0])]\n\(line)\n"
    }

    /// The last line of a value that may be a list over several lines.
    private static func lastLine(ofValueAt index: Int, in lines: [String]) -> Int {
        var depth = 0
        for line in index..<lines.count {
            var quote: Character?
            for character in lines[line] {
                if let open = quote {
                    if character == open { quote = nil }
                } else if character == "\"" || character == "'" {
                    quote = character
                } else if character == "#" {
                    break
                } else if character == "[" {
                    depth += 1
                } else if character == "]" {
                    depth -= 1
                }
            }
            if depth <= 0 { return line }
        }
        return index
    }
}
