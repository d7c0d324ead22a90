import Foundation
import HTTPAPI

/// Rows of text for people and for other programs.
///
/// On a terminal the columns stand below each other and long texts are cut; elsewhere they are whole, with tabs
/// between. What strangers wrote cannot steer the terminal either way.
struct Columns {
    /// Whether standard output is a terminal.
    static let isTerminal = isatty(1) == 1

    private static let width: Int = {
        let text = ProcessInfo.processInfo.environment["COLUMNS"] ?? ""
        return max(40, Int(text) ?? 100)
    }()

    private var rows: [[String]] = []
    /// The column that is cut when a line is too long.
    private let flexible: Int

    init(flexible: Int) { self.flexible = flexible }

    mutating func add(_ cells: [String]) { rows.append(cells.map(Self.clean)) }

    func write() {
        guard Self.isTerminal else {
            for row in rows { Output.line(row.joined(separator: "\t")) }
            return
        }
        var widths: [Int] = []
        for row in rows {
            for (index, cell) in row.enumerated() {
                if index == widths.count { widths.append(0) }
                widths[index] = max(widths[index], cell.count)
            }
        }
        let total = widths.reduce(0, +) + 2 * max(0, widths.count - 1)
        if widths.indices.contains(flexible), total > Self.width {
            widths[flexible] = max(16, widths[flexible] - (total - Self.width))
        }
        for row in rows {
            let cells = row.enumerated().map { index, cell -> String in
                let text = cell.count > widths[index] ? String(cell.prefix(widths[index] - 1)) + "…" : cell
                if index == row.count - 1 { return text }
                return text + String(repeating: " ", count: widths[index] - text.count)
            }
            Output.line(cells.joined(separator: "  "))
        }
    }

    /// On one line, without what moves the cursor, changes colours or turns the writing direction.
    static func clean(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: result.append(" ")
            case .format where (0x202a...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
                continue
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    /// `3:07`, or `1:02:33`; empty for nothing.
    static func length(_ milliseconds: Int) -> String {
        guard milliseconds > 0 else { return "" }
        let seconds = (milliseconds + 500) / 1_000
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
        return seconds < 3_600
            ? "\(seconds / 60):\(two(seconds % 60))"
            : "\(seconds / 3_600):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }
}

/// Shows what the catalog's commands answer.
enum CatalogOutput {
    /// A page of anything: JSON lines, or columns.
    static func show(_ answer: JSON, _ common: CommonOptions) {
        let items = answer["items"]?.elements ?? []
        if common.json {
            for item in items { Output.line(item) }
        } else {
            var columns = Columns(flexible: 2)
            for item in items { columns.add(row(item)) }
            columns.write()
        }
        if let next = answer["next"]?.text {
            // Standard output has the items alone, whichever way they are read.
            Messages.write(
                common.json
                    ? JSON.object([.init("next", .string(next))]).description : "there is more: add --cursor \(next)")
        } else if items.isEmpty, !common.json {
            Messages.write("nothing found")
        }
    }

    /// One line about an item: id, sort, title, by whom, and what matters of its sort.
    private static func row(_ item: JSON) -> [String] {
        let id = item["id"]?.text ?? ""
        let liked =
            [("saves", "save"), ("reposts", "repost")].map { counted(item[$0.0]?.integer ?? 0, $0.1) }
            .joined(separator: ", ") + (item["reposted_by"]?.text.map { ", reposted by \($0)" } ?? "")
        switch item["type"]?.text {
        case "user":
            return [
                id, "user", item["name"]?.text ?? "", item["certain_handle"]?.text ?? "",
                counted(item["followers"]?.integer ?? 0, "follower"),
            ]
        case "list":
            let sort = item["is_album"]?.boolean == true ? "album" : "list"
            return [
                id, sort, item["name"]?.text ?? "", item["user"]?.text ?? "",
                "\(counted(item["items"]?.integer ?? 0, "item")), \(liked)",
            ]
        case "comment":
            return [id, "comment", item["text"]?.text ?? "", item["user"]?.text ?? "", item["created"]?.text ?? ""]
        default:
            let length = Columns.length(item["duration_ms"]?.integer ?? 0)
            return [
                id, "track", item["title"]?.text ?? "", item["user"]?.text ?? "",
                "\(length.isEmpty ? "-" : length), \(liked)",
            ]
        }
    }

    /// `1 item`, `2 items`.
    static func counted(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    /// Every member of an object on a line of its own, without those that are empty.
    static func details(_ value: JSON, _ common: CommonOptions, without hidden: Set<String> = ["type"]) {
        if common.json { return Output.line(value) }
        let members = value.members.filter { !hidden.contains($0.name) && !text($0.value).isEmpty }
        let width = members.map(\.name.count).max() ?? 0
        for member in members {
            let padding = String(repeating: " ", count: width - member.name.count + 2)
            Output.line(member.name.replacing("_", with: " ") + ":" + padding + Columns.clean(text(member.value)))
        }
    }

    private static func text(_ value: JSON) -> String {
        switch value {
        case .null: ""
        case .string(let text): text
        case .bool(let flag): flag ? "yes" : "no"
        case .array(let elements): elements.map(text).joined(separator: ", ")
        case .object(let members):
            members.filter { $0.value != .int(0) && !text($0.value).isEmpty }
                .map { "\($0.name.replacing("_", with: " ")) \(text($0.value))" }.joined(separator: ", ")
        default: value.description
        }
    }
}
