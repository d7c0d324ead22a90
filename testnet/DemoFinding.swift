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

    /// Does something by which `node` gets bytes; gives how long it took, and the nodes that sent them by the ledgers
    /// of `node`. Throws `Failure` when nobody did.
    static func served(
        _ node: ClusterState.Node, of nodes: [ClusterState.Node], _ what: String, _ body: () throws -> Void
    ) throws -> (seconds: Double, copy: String) {
        let before = try received(by: node, from: nodes)
        let watch = Stopwatch()
        try body()
        let seconds = watch.seconds
        let after = try received(by: node, from: nodes)
        let copies = nodes.indices.filter { after[$0] > before[$0] }.map { "node \(nodes[$0].index)" }
        guard !copies.isEmpty else { throw Failure("Node \(node.index) has \(what), but no peer sent it.") }
        return (seconds, copies.joined(separator: ", "))
    }

    /// How many bytes `node` has received from each of `nodes`, by its own ledger.
    private static func received(by node: ClusterState.Node, from nodes: [ClusterState.Node]) throws -> [Int] {
        try nodes.map { other in
            guard other.index != node.index else { return 0 }
            return try node.answer(["bitswap", "ledger", other.peerID]).number("recv")
        }
    }
}
