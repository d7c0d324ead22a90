import Foundation
import Swarm

/// What the demo tells at its end: what was typed where, what came of it, and every byte that moved.
struct DemoStory {
    /// One step.
    private struct Scene {
        let node: String
        let typed: String
        let outcome: String
        let seconds: Double
    }

    /// Something that was stored or fetched.
    struct Transfer {
        let what: String
        let size: Int
        let cid: String
        let seconds: Double
        /// How its provider was found.
        var found = "-"
        /// Who sent it.
        var copy = "-"
    }

    private var scenes: [Scene] = []
    private var transfers: [Transfer] = []

    /// Adds a step: a command as a user would type it. Told at once on stderr, too.
    mutating func add(_ command: [String], on node: ClusterState.Node, _ outcome: String, _ seconds: Double) {
        let words = command.map { word in
            // Paths of the demo's own folder say nothing to anybody but their last part.
            let word = word.hasPrefix("/") ? word.split(separator: "/").last.map { ".../\($0)" } ?? word : word
            return word.contains(" ") ? "\"\(word)\"" : word
        }
        add(typed: words.joined(separator: " "), on: "\(node.index)", outcome, seconds)
    }

    /// Adds a step that is no command of `peernode`.
    mutating func add(typed: String, on node: String, _ outcome: String, _ seconds: Double) {
        scenes.append(Scene(node: node, typed: typed, outcome: outcome, seconds: seconds))
        Output.message("node \(node)  \(typed): \(outcome)")
    }

    mutating func add(_ transfer: Transfer) { transfers.append(transfer) }

    func print() {
        Output.line("")
        table(
            ["node", "what was typed", "what came of it", "seconds"],
            scenes.map { [$0.node, $0.typed, $0.outcome, String(format: "%.2f", $0.seconds)] })
        Output.line("")
        table(
            ["what", "size", "CID", "seconds", "MB/s", "provider found in", "served by"],
            transfers.map { row in
                let rate = Double(row.size) / 1e6 / max(row.seconds, 0.001)
                return [
                    row.what, String(format: "%.2f MB", Double(row.size) / 1e6), row.cid,
                    String(format: "%.2f", row.seconds), String(format: "%.1f", rate), row.found, row.copy,
                ]
            })
        Output.line("")
    }

    private func table(_ head: [String], _ rows: [[String]]) {
        let cells = [head] + rows
        let widths = head.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        for row in cells {
            let text = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            Output.line(text.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }
}

/// Measures how long something takes.
struct Stopwatch {
    private let start = ContinuousClock.now

    /// Seconds since it was made.
    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    /// Repeats `body` until it gives something; throws `Failure` with `complaint` after `limit` seconds.
    static func wait<R>(_ limit: Double, _ complaint: String, for body: () throws -> R?) throws -> R {
        let watch = Stopwatch()
        repeat {
            if let result = try body() { return result }
            usleep(30_000)
        } while watch.seconds < limit
        throw Failure("\(complaint) within \(Int(limit)) seconds.")
    }
}
