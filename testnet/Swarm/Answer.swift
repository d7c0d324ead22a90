package import Foundation

/// What a command says with `--json`, or a route below `/v1`: an object whose members are looked up by name.
package struct Answer {
    private let members: [String: Any]

    /// Reads one object; of an array with one element, that.
    package init(_ data: Data) throws {
        let value = try JSONSerialization.jsonObject(with: data)
        guard let members = value as? [String: Any] ?? (value as? [[String: Any]])?.first else {
            throw Failure("This is no object: \(String(decoding: data.prefix(200), as: UTF8.self))")
        }
        self.members = members
    }

    private init(members: [String: Any]) { self.members = members }

    /// Reads what was printed: one object a line.
    package static func lines(_ text: String) throws -> [Answer] {
        try text.split(separator: "\n").map { try Answer(Data($0.utf8)) }
    }

    /// A text; empty when there is none of that name.
    package subscript(_ name: String) -> String { members[name] as? String ?? "" }

    /// A number; -1 when there is none of that name.
    package func number(_ name: String) -> Int { (members[name] as? NSNumber)?.intValue ?? -1 }

    /// Whether a flag is set.
    package func flag(_ name: String) -> Bool { (members[name] as? NSNumber)?.boolValue ?? false }

    /// An object within it, or the first of several.
    package func part(_ name: String) -> Answer? {
        if let members = members[name] as? [String: Any] { return Answer(members: members) }
        return parts(name).first
    }

    /// Objects within it.
    package func parts(_ name: String) -> [Answer] {
        (members[name] as? [[String: Any]] ?? []).map(Answer.init(members:))
    }

    /// Texts within it.
    package func texts(_ name: String) -> [String] { members[name] as? [String] ?? [] }

    /// Every text anywhere in it.
    package var everyText: [String] { Self.texts(in: members) }

    private static func texts(in value: Any) -> [String] {
        switch value {
        case let text as String: [text]
        case let members as [String: Any]: members.values.flatMap(texts)
        case let elements as [Any]: elements.flatMap(texts)
        default: []
        }
    }
}

extension ClusterState.Node {
    /// Runs a command on this node; gives what it printed. Throws `Failure` when it fails.
    package func output(_ command: [String], quiet: Bool = false) throws -> String {
        try Program.output(["--repo", repo] + command, quiet: quiet)
    }

    /// Runs a command on this node with `--json`; gives each object that it printed.
    package func answers(_ command: [String], quiet: Bool = false) throws -> [Answer] {
        try Answer.lines(try output(command + ["--json"], quiet: quiet))
    }

    /// The same for a command that prints one.
    package func answer(_ command: [String], quiet: Bool = false) throws -> Answer {
        guard let answer = try answers(command, quiet: quiet).first else {
            throw Failure("`peernode \(command.joined(separator: " "))` printed nothing.")
        }
        return answer
    }

    /// Asks this node's API for what stands at a path, such as `/v1/tracks/ID`: the `data` of its answer.
    package func data(at path: String) throws -> Answer {
        let answer = try HTTPGet(api + path)
        guard answer.status == 200, let data = try Answer(answer.body).part("data") else {
            throw Failure("GET \(path) on node \(index) gave \(answer.status).")
        }
        return data
    }
}
