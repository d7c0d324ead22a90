import Foundation
import Swarm

/// How soon a node can serve, and what it weighs when idle.
enum StartBench {
    static func run(_ folder: Folders, into table: inout ResultTable) throws {
        let empty = try starts(folder.disk + "/start-empty", blocks: 0)
        table.atMost("start until ready, empty repo", empty.milliseconds, 50, unit: "ms")
        table.atMost("idle, resident", Double(empty.figures.resident) / 1e6, 45, unit: "MB")
        table.atMost("idle, anonymous", Double(empty.figures.anonymous) / 1e6, 15, unit: "MB")
        let full = try starts(folder.disk + "/start-full", blocks: 100_000)
        table.atMost("start until ready, 100,000 blocks", full.milliseconds, 150, unit: "ms")
    }

    private static func starts(_ root: String, blocks: Int) throws -> (milliseconds: Double, figures: ProcessFigures) {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let first = try NodeProcess(index: 0, seed: 1, folder: root)
        try first.waitUntilReady()
        first.terminate()
        first.waitUntilGone()
        if blocks > 0 {
            // One file in chunks of 1 KiB is the quickest way to that many blocks.
            let file = root + "/many"
            Scratch.writeNoise(to: file, count: blocks << 10)
            _ = try Program.output([
                "--repo", first.repo, "add", "--quiet", "--chunk-size", "1024", file,
            ])
        }
        var times: [Double] = []
        var figures: ProcessFigures?
        for _ in 0..<7 {
            let start = DispatchTime.now().uptimeNanoseconds
            let node = try NodeProcess(index: 0, seed: 1, folder: root)
            try node.waitUntilReady()
            times.append(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6)
            usleep(500_000)
            figures = try ProcessFigures(pid: node.state.pid)
            node.terminate()
            node.waitUntilGone()
        }
        guard let figures else { throw Failure("no start was measured") }
        return (Scratch.median(times), figures)
    }
}
