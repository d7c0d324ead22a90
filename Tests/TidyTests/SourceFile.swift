import Foundation
import TestSupport

/// One source file as the rules see it.
struct SourceFile {
    /// Where it is below the package, with `/` between the parts.
    let path: String
    /// The lines as written.
    let lines: [String]
    /// The lines without comments and without what string literals hold, so that prose never breaks a rule.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.components(separatedBy: "\n")
        code = Self.strip(text).components(separatedBy: "\n")
    }

    /// The folder below `Sources` (or the top folder): the room.
    var room: String {
        let parts = path.split(separator: "/").map(String.init)
        return parts.first == "Sources" && parts.count > 1 ? parts[1] : parts.first ?? ""
    }

    var isSource: Bool { path.hasPrefix("Sources/") || path.hasPrefix("testnet/") }
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The modules that the file imports, with their line numbers (from 1).
    var imports: [(line: Int, module: String)] {
        code.enumerated().compactMap { index, line in
            let words = line.split(separator: " ").map(String.init)
            guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
                words[..<at].allSatisfy({
                    $0.hasPrefix("@") || ["package", "public", "internal", "private"].contains($0)
                })
            else { return nil }
            let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let name = kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
            return (index + 1, String(name.prefix { $0 != "." && $0 != ";" }))
        }
    }

    /// Replaces comments and the insides of string literals with spaces; lines stay where they are.
    static func strip(_ text: String) -> String {
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        result.reserveCapacity(bytes.count)
        var index = 0
        var blockDepth = 0
        /// What closes the literal that the position is in; empty outside of literals.
        var closing: [UInt8] = []
        func starts(_ what: [UInt8]) -> Bool { bytes[index...].starts(with: what) }
        let quote = UInt8(ascii: "\"")
        let hash = UInt8(ascii: "#")
        let newline = UInt8(ascii: "\n")
        while index < bytes.count {
            let byte = bytes[index]
            if byte == newline {
                result.append(newline)
                if closing.count == 1 { closing = [] }
                index += 1
            } else if blockDepth > 0 {
                if starts(Array("*/".utf8)) {
                    blockDepth -= 1; index += 2
                } else if starts(Array("/*".utf8)) {
                    blockDepth += 1; index += 2
                } else {
                    index += 1
                }
            } else if !closing.isEmpty {
                if byte == UInt8(ascii: "\\"), closing.last != hash {
                    index += 2
                } else if starts(closing) {
                    index += closing.count
                    closing = []
                    result.append(quote)
                } else {
                    index += 1
                }
            } else if starts(Array("//".utf8)) {
                while index < bytes.count, bytes[index] != newline { index += 1 }
            } else if starts(Array("/*".utf8)) {
                blockDepth = 1
                index += 2
            } else if byte == quote || byte == hash {
                let hashes = bytes[index...].prefix { $0 == hash }.count
                let quotes = bytes[(index + hashes)...].prefix(3)
                guard quotes.first == quote else {
                    result.append(byte)
                    index += 1
                    continue
                }
                let long = quotes.count == 3 && quotes.allSatisfy { $0 == quote }
                closing = [UInt8](repeating: quote, count: long ? 3 : 1) + [UInt8](repeating: hash, count: hashes)
                index += closing.count
                result.append(quote)
            } else {
                result.append(byte)
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// The package's own files.
enum SourceTree {
    /// Every Swift file of ours.
    static let swift: [SourceFile] = files(
        below: ["Sources", "Tests", "testnet", "Fuzz", "Benchmarks"], ending: [".swift"])

    /// Every text that people read: documents, scripts, settings.
    static let prose: [SourceFile] =
        files(
            below: ["docs", "scripts", "interop", ".ci", "Fuzz", "testnet", "Benchmarks"],
            ending: [".md", ".py", ".txt", ".sh", ""])
        + ["README.md", "HANDBOOK.md", "Makefile", "Package.swift"].compactMap(file)

    static func file(_ path: String) -> SourceFile? {
        guard let text = try? String(contentsOf: packageRoot.appendingPathComponent(path), encoding: .utf8) else {
            return nil
        }
        return SourceFile(path: path, text: text)
    }

    private static func files(below folders: [String], ending suffixes: [String]) -> [SourceFile] {
        folders.flatMap { folder in
            (FileManager.default.enumerator(atPath: packageRoot.appendingPathComponent(folder).path)?
                .compactMap { $0 as? String } ?? [])
                .filter { path in
                    let name = path.split(separator: "/").last.map(String.init) ?? ""
                    return suffixes.contains { $0.isEmpty ? !name.contains(".") : name.hasSuffix($0) }
                        && !path.hasPrefix("corpus/")
                }
                .sorted()
                .compactMap { file("\(folder)/\($0)") }
        }
    }
}
