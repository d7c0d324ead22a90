import Foundation
import Swarm

/// Who has something, how that is found, and who sent it.
struct DemoFinding {
    /// How a provider was found.
    struct Finding: CustomStringConvertible {
        let milliseconds: Double
        let hops: Int

        var description: String { "\(String(format: "%.1f", milliseconds)) ms, \(hops) hops" }
    }

    /// Asks the DHT who has `cid`, until `wanted` is among the answers; gives what the last look-up took.
    ///
    /// A provider tells the network on its own time, so that the first question may come too early.
    static func lookUp(
        _ cid: String, by node: ClusterState.Node, until wanted: ClusterState.Node
    ) throws -> Finding {
        struct Event: Decodable {
            let event: String
            let peer_id: String
            let hops: Int?
            let time_ms: Double?
        }
        let complaint = "Node \(node.index) did not find that node \(wanted.index) has \(cid)"
        return try Stopwatch.wait(30, complaint) {
            let command = ["routing", "findprovs", cid, "--json", "--timeout", "10s"]
            let text = (try? node.output(command, quiet: true)) ?? ""
            for line in text.split(separator: "\n") {
                let event = try JSONDecoder().decode(Event.self, from: Data(line.utf8))
                guard event.event == "provider", event.peer_id == wanted.peerID else { continue }
                return Finding(milliseconds: event.time_ms ?? 0, hops: event.hops ?? 0)
            }
            return nil
        }
    }
}

/// Who sent a node its bytes, by the node's own ledgers.
struct DemoLedgers {
    private let node: ClusterState.Node
    private let others: [ClusterState.Node]
    /// Bytes from each of the others.
    private var last: [Int]

    init(of node: ClusterState.Node, with nodes: [ClusterState.Node]) throws {
        self.node = node
        others = nodes.filter { $0.index != node.index }
        last = try Self.read(node, others)
    }

    /// Does something by which the node gets bytes; gives how long it took, and the nodes that sent them. Throws
    /// `Failure` when nobody did.
    mutating func during(_ what: String, _ body: () throws -> Void) throws -> (seconds: Double, copy: String) {
        let watch = Stopwatch()
        try body()
        let seconds = watch.seconds
        let now = try Self.read(node, others)
        let copies = others.indices.filter { now[$0] > last[$0] }.map { "node \(others[$0].index)" }
        last = now
        guard !copies.isEmpty else { throw Failure("Node \(node.index) has \(what), but no peer sent it.") }
        return (seconds, copies.joined(separator: ", "))
    }

    private static func read(_ node: ClusterState.Node, _ others: [ClusterState.Node]) throws -> [Int] {
        try others.map { try node.answer(["bitswap", "ledger", $0.peerID]).number("recv") }
    }
}
