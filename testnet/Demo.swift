import ArgumentParser
import Foundation
import Swarm

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Watch real content being found and moved in a swarm, and check every byte.",
        discussion: """
            Eight nodes, each of which knows one bootstrap peer. A song and a folder are added to one; another, which
            knows nothing but their CIDs, finds who has them and fetches both; the first is killed; a third finds
            them again, now at the second. Everything is compared. Exits with 1 when anything differs.

            EXAMPLE
              testnet demo
            """)

    @Option(help: "The same seed gives the same content and identities.") var seed: UInt64 = 1

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("coliving-demo-\(getpid())").path
        let signals = SignalWatch()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let demo = Demo(folder: folder, seed: seed)
        // Whichever comes first: the end of the story, or Ctrl-C.
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await demo.run()
                return true
            }
            group.addTask {
                await signals.wait()
                return false
            }
            guard try await group.next() == true else {
                demo.abandon()
                throw ExitCode(130)
            }
            group.cancelAll()
        }
    }
}

/// The demo's story. Each step is a plain `peernode` command, as a user would type it.
final class Demo: @unchecked Sendable {  // one task runs it; `abandon` only ends processes, which is safe at any time
    private struct Row {
        let what: String
        let size: Int
        let cid: String
        let seconds: Double
        /// How it was found.
        let found: String
        let copy: String
    }

    private let folder: String
    private let seed: UInt64
    private var cluster: Cluster?

    init(folder: String, seed: UInt64) {
        self.folder = folder
        self.seed = seed
    }

    func abandon() {
        cluster?.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    func run() async throws {
        let sources = folder + "/sources"
        Output.message("Making a song and a folder of small files...")
        let items = try DemoContent.write(to: sources, seed: seed)

        Output.message("Starting \(Self.size) nodes on loopback. Each knows one bootstrap peer: node 0.")
        let cluster = try await Cluster.start(
            count: Self.size, seed: seed, folder: folder + "/nodes", bootstrap: true)
        self.cluster = cluster
        defer { cluster.stop() }
        let landlord = cluster.nodes[1]
        let operatorNode = cluster.nodes[Self.size / 2]
        let resident = cluster.nodes[Self.size - 1]
        var rows: [Row] = []

        var cids: [String] = []
        for item in items {
            let (cid, seconds) = try timed { try add(item.path, to: landlord) }
            cids.append(cid)
            rows.append(
                Row(
                    what: "add \(item.name) on node \(landlord.index)", size: item.size, cid: cid, seconds: seconds,
                    found: "-", copy: "-"))
        }

        Output.message(
            "Node \(operatorNode.index), which was never told of node \(landlord.index), has only the CIDs...")
        rows += try fetch(items, cids, by: operatorNode, from: cluster.nodes, provider: landlord)
        // Others must be able to find the second copy before the first one goes.
        for cid in cids { _ = try lookUp(cid, by: cluster.nodes[0], until: operatorNode) }

        Output.message(
            "Node \(landlord.index) is killed (SIGKILL). Node \(resident.index) finds both at node \(operatorNode.index), "
                + "which provides them now...")
        cluster.processes[landlord.index].killAtOnce()
        rows += try fetch(items, cids, by: resident, from: cluster.nodes, provider: operatorNode)

        print(rows)
        Output.line(
            "Every byte is the same on the disks of nodes \(landlord.index), \(operatorNode.index) and \(resident.index)."
        )
    }

    /// How many nodes the swarm has.
    private static let size = 8

    /// How a provider was found.
    private struct Finding {
        let milliseconds: Double
        let hops: Int
    }

    /// Asks the DHT who has `cid`, until `wanted` is among the answers; gives what the last look-up took.
    ///
    /// A provider tells the network on its own time, so that the first question may come too early.
    private func lookUp(_ cid: String, by node: ClusterState.Node, until wanted: ClusterState.Node) throws -> Finding {
        struct Event: Decodable {
            let event: String
            let peer_id: String
            let hops: Int?
            let time_ms: Double?
        }
        let deadline = ContinuousClock.now + .seconds(30)
        repeat {
            let command = ["--repo", node.repo, "routing", "findprovs", cid, "--json", "--timeout", "10s"]
            let text = (try? Program.output(command, quiet: true)) ?? ""
            for line in text.split(separator: "\n") {
                let event = try JSONDecoder().decode(Event.self, from: Data(line.utf8))
                guard event.event == "provider", event.peer_id == wanted.peerID else { continue }
                return Finding(milliseconds: event.time_ms ?? 0, hops: event.hops ?? 0)
            }
            usleep(50_000)
        } while ContinuousClock.now < deadline
        throw Failure("Node \(node.index) did not find that node \(wanted.index) has \(cid) within 30 seconds.")
    }

    private func add(_ path: String, to node: ClusterState.Node) throws -> String {
        let output = try Program.output(["--repo", node.repo, "add", "--quiet", path])
        guard let cid = output.split(whereSeparator: \.isWhitespace).last else {
            throw Failure("`add \(path)` printed no CID.")
        }
        return String(cid)
    }

    /// Finds who has every item, fetches it, compares it with its source and says which copy it came from.
    private func fetch(
        _ items: [DemoContent.Item], _ cids: [String], by node: ClusterState.Node, from nodes: [ClusterState.Node],
        provider: ClusterState.Node
    ) throws -> [Row] {
        var rows: [Row] = []
        for (item, cid) in zip(items, cids) {
            let finding = try lookUp(cid, by: node, until: provider)
            let before = try received(by: node, from: nodes)
            let out = folder + "/fetched-\(node.index)-\(item.name)"
            let (_, seconds) = try timed {
                _ = try Program.output(["--repo", node.repo, "get", cid, "-o", out])
            }
            try Comparison.requireEqual(item.path, out)
            let after = try received(by: node, from: nodes)
            let copies = zip(before, after).enumerated().filter { $1.1 > $1.0 }.map { "node \($0.offset)" }
            rows.append(
                Row(
                    what: "get \(item.name) on node \(node.index)", size: item.size, cid: cid, seconds: seconds,
                    found: "\(String(format: "%.1f", finding.milliseconds)) ms, \(finding.hops) hops",
                    copy: copies.isEmpty ? "nobody" : copies.joined(separator: ", ")))
            guard !copies.isEmpty else { throw Failure("Node \(node.index) has \(item.name), but no peer sent it.") }
        }
        return rows
    }

    /// How many bytes `node` has received from each of `nodes`, by its own ledger.
    private func received(by node: ClusterState.Node, from nodes: [ClusterState.Node]) throws -> [UInt64] {
        struct Ledger: Decodable { let recv: UInt64 }
        return try nodes.map { other in
            guard other.index != node.index else { return 0 }
            let text = try Program.output(["--repo", node.repo, "bitswap", "ledger", other.peerID, "--json"])
            return try JSONDecoder().decode(Ledger.self, from: Data(text.utf8)).recv
        }
    }

    private func timed<R>(_ body: () throws -> R) rethrows -> (R, Double) {
        let clock = ContinuousClock()
        let start = clock.now
        let result = try body()
        let (seconds, attoseconds) = (clock.now - start).components
        return (result, Double(seconds) + Double(attoseconds) / 1e18)
    }

    private func print(_ rows: [Row]) {
        let cells =
            [["what", "size", "CID", "seconds", "MB/s", "provider found in", "served by"]]
            + rows.map { row in
                let rate = Double(row.size) / 1e6 / max(row.seconds, 0.001)
                return [
                    row.what, String(format: "%.1f MB", Double(row.size) / 1e6), row.cid,
                    String(format: "%.2f", row.seconds), String(format: "%.1f", rate), row.found, row.copy,
                ]
            }
        let widths = cells[0].indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        for row in cells {
            let text = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            Output.line(text.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }
}
