import Foundation
import Swarm

/// Ten thousand files of 4 KiB, added and fetched.
enum SmallFilesBench {
    static func run(_ folder: Folders, _ limits: Limits, into table: inout ResultTable) throws {
        let count = 10_000
        let source = folder.memory + "/small"
        try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
        for index in 0..<count {
            Scratch.writeNoise(to: source + "/file-\(index)", count: 4096, seed: UInt64(index))
        }
        let pair = try Pair(in: folder.disk + "/small-nodes")
        defer { pair.stop() }
        var cid = ""
        let adding = try Scratch.seconds {
            let output = try Program.output(["--repo", pair.sender.repo, "add", "--quiet", source])
            cid = output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
        }
        try pair.connect()
        let fetching = try Scratch.seconds {
            _ = try Program.output(["--repo", pair.receiver.repo, "pin", "add", cid])
        }
        table.note("10,000 files of 4 KiB: add, durable", String(format: "%.0f files/s", Double(count) / adding))
        table.note("10,000 files of 4 KiB: fetch, durable", String(format: "%.0f files/s", Double(count) / fetching))
    }
}
