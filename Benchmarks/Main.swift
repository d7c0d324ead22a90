import Foundation
import Swarm

/// `bench`: what the node does a second, each figure beside a limit that was measured in the same run.
///
///     make bench                    everything, about four minutes
///     make bench ONLY=transfer      one suite: limits import transfer stream small latency start datagrams routing hundred
///                                   gossip catalog queries
///     make bench SIZE=256           MiB instead of 1024
///     make bench CATALOG=1000000    updates instead of 100,000
@main
struct Bench {
    static func main() async {
        let environment = ProcessInfo.processInfo.environment
        if CommandLine.arguments.dropFirst().first == "stream-peer" {
            await StreamBench.servePeer()
            return
        }
        let only = environment["ONLY"].map { Set($0.split(separator: ",").map(String.init)) }
        let size = (environment["SIZE"].flatMap { Int($0) } ?? 1024) << 20
        let folder = Folders(size: size)
        defer { folder.remove() }
        var table = ResultTable()
        do {
            let limits = try Limits.measure(folder: folder)
            limits.report(into: &table)
            func wanted(_ suite: String) -> Bool { only?.contains(suite) ?? true }
            if wanted("import") { try ImportBench.run(folder, limits, into: &table) }
            if wanted("transfer") { try TransferBench.run(folder, limits, into: &table) }
            if wanted("stream") { try await StreamBench.run(folder, limits, into: &table) }
            if wanted("small") { try SmallFilesBench.run(folder, limits, into: &table) }
            if wanted("latency") { try await LatencyBench.run(folder, into: &table) }
            if wanted("start") { try StartBench.run(folder, into: &table) }
            if wanted("datagrams") { try await DatagramBench.run(into: &table) }
            if wanted("routing") { try await RoutingBench.run(folder, into: &table) }
            if wanted("gossip") { try GossipBench.run(into: &table) }
            if wanted("catalog") { try await CatalogBench.run(folder, into: &table) }
            if wanted("queries") {
                try CatalogQueryBench(folder: folder.disk, count: CatalogBench.size).run(into: &table)
            }
            if wanted("hundred") { try await HundredBench.run(folder, into: &table) }
        } catch {
            Output.message("bench: \(error)")
            table.print()
            folder.remove()
            exit(1)
        }
        table.print()
    }
}

/// Scratch space: one folder in memory, one on disk, and the file that is imported.
struct Folders {
    /// How large the big file is, in bytes.
    let size: Int
    /// In RAM (`/dev/shm`), whose pages a first pass has touched.
    let memory: String
    /// On the disk that holds the temporary folder.
    let disk: String
    let bigFile: String

    init(size: Int) {
        self.size = size
        memory = "/dev/shm/coliving-bench-\(getpid())"
        disk = FileManager.default.temporaryDirectory.appendingPathComponent("coliving-bench-\(getpid())").path
        bigFile = memory + "/big"
        for path in [memory, disk] {
            try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        Scratch.writeNoise(to: bigFile, count: size)
    }

    func remove() {
        for path in [memory, disk] { try? FileManager.default.removeItem(atPath: path) }
    }
}

/// Rows of figures: what, how much, the goal, and whether it is met.
struct ResultTable {
    private var rows: [[String]] = [["what", "figure", "limit or goal", "verdict"]]

    /// A figure with no goal of its own.
    mutating func note(_ what: String, _ figure: String, _ limit: String = "") {
        rows.append([what, figure, limit, ""])
    }

    /// A rate that should reach `share` of `limit`.
    mutating func rate(_ what: String, _ figure: Double, of limit: Double, named name: String, goal share: Double) {
        let reached = figure / limit
        rows.append([
            what, String(format: "%.0f MB/s", figure / 1e6),
            String(format: "%.0f %% of %@ (%.0f MB/s), goal %.0f %%", reached * 100, name, limit / 1e6, share * 100),
            reached >= share ? "met" : "MISSED",
        ])
    }

    /// A figure that should be at most `goal`.
    mutating func atMost(_ what: String, _ figure: Double, _ goal: Double, unit: String) {
        rows.append([
            what, String(format: "%.2f %@", figure, unit), String(format: "goal at most %g %@", goal, unit),
            figure <= goal ? "met" : "MISSED",
        ])
    }

    func print() {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            Output.line(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }
}
