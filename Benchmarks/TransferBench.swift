import Foundation
import Swarm

/// A large file from one process's store into another's, over loopback with Noise.
enum TransferBench {
    static func run(_ folder: Folders, _ limits: Limits, into table: inout ResultTable) throws {
        var rates: [Double] = []
        var processor: [Double] = []
        var peaks: (sender: Int, receiver: Int) = (0, 0)
        for round in 0..<4 {
            let root = folder.memory + "/transfer\(round)"
            defer { try? FileManager.default.removeItem(atPath: root) }
            let pair = try Pair(in: root)
            defer { pair.stop() }
            let output = try Program.output(["--repo", pair.sender.repo, "add", "--quiet", folder.bigFile])
            let cid = output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
            // A fresh sender, so that its peak is the transfer's and not the import's.
            try pair.restartSender()
            try pair.connect()
            let before = try pair.cpu()
            let seconds = try Scratch.seconds {
                _ = try Program.output(["--repo", pair.receiver.repo, "pin", "add", cid])
            }
            // The first round warms the RAM disk.
            guard round > 0 else { continue }
            rates.append(Double(folder.size) / seconds)
            processor.append((try pair.cpu() - before) * Double(1 << 30) / Double(folder.size))
            peaks.sender = max(peaks.sender, try ProcessFigures(pid: pair.sender.state.pid).peak)
            peaks.receiver = max(peaks.receiver, try ProcessFigures(pid: pair.receiver.state.pid).peak)
        }
        table.rate(
            "transfer into the other's store", Scratch.median(rates), of: limits.aead, named: "ChaCha20-Poly1305",
            goal: 0.42)
        table.atMost("CPU of both sides a GiB", Scratch.median(processor), 3.6, unit: "s")
        table.atMost("peak resident, sender", Double(peaks.sender) / 1e6, 110, unit: "MB")
        table.atMost("peak resident, receiver", Double(peaks.receiver) / 1e6, 110, unit: "MB")
    }
}

/// Two nodes in processes of their own.
final class Pair {
    private(set) var sender: NodeProcess
    let receiver: NodeProcess
    private let folder: String

    init(in folder: String) throws {
        self.folder = folder
        sender = try NodeProcess(index: 0, seed: 1, folder: folder)
        receiver = try NodeProcess(index: 1, seed: 1, folder: folder)
        try sender.waitUntilReady()
        try receiver.waitUntilReady()
    }

    func restartSender() throws {
        sender.terminate()
        sender.waitUntilGone()
        sender = try NodeProcess(index: 0, seed: 1, folder: folder)
        try sender.waitUntilReady()
    }

    func connect() throws {
        _ = try Program.output(["--repo", receiver.repo, "swarm", "connect", sender.state.addresses[0]])
    }

    /// Processor seconds of both so far.
    func cpu() throws -> Double {
        try ProcessFigures(pid: sender.state.pid).cpu + ProcessFigures(pid: receiver.state.pid).cpu
    }

    func stop() {
        sender.terminate()
        receiver.terminate()
        sender.waitUntilGone()
        receiver.waitUntilGone()
    }
}
