import Foundation
import Swarm

/// One large file into the store: to memory (how fast we think) and to disk (how fast we keep).
enum ImportBench {
    static func run(_ folder: Folders, _ limits: Limits, into table: inout ResultTable) throws {
        // The first pass touches the RAM disk's pages; untouched ones cost as much as the work itself.
        _ = try seconds(folder, in: folder.memory + "/warm-up")
        let memory = try Scratch.median((0..<3).map { try seconds(folder, in: folder.memory + "/import\($0)") })
        table.rate(
            "import to RAM (warm pages)", Double(folder.size) / memory, of: limits.sha256, named: "SHA-256", goal: 0.7)
        let disk = try Scratch.median((0..<3).map { try seconds(folder, in: folder.disk + "/import\($0)") })
        table.rate(
            "import to disk, durable", Double(folder.size) / disk, of: limits.append, named: "plain append", goal: 0.8)
    }

    /// Seconds of `peernode add`, start of the program included.
    private static func seconds(_ folder: Folders, in repo: String) throws -> Double {
        _ = try Program.output(["--repo", repo, "init"])
        defer { try? FileManager.default.removeItem(atPath: repo) }
        return try Scratch.seconds { _ = try Program.output(["--repo", repo, "add", "--quiet", folder.bigFile]) }
    }
}
