import DHT
import Foundation
import Logging
import Multiformats
import PeerCrypto
import PeerNode
import SansIO
import Swarm

/// Finding who has what: the core alone, and ten nodes that talk over loopback.
enum RoutingBench {
    static func run(_ folder: Folders, into table: inout ResultTable) async throws {
        core(into: &table)
        for (name, listen) in BenchSwarm.transports {
            // The last one only asks, so that no record lies on itself.
            try await BenchSwarm.with(count: 11, listen: listen, asker: true, in: folder.memory + "/routing") {
                try await $0.waitForTables(atLeast: 9)
                try await measure(name, $0.nodes, into: &table)
            }
        }
    }

    // MARK: The core

    /// What one peer costs to take into the table, and what one answer's closest twenty cost to find.
    private static func core(into table: inout ResultTable) {
        let peers = (0..<20_000).map { index in
            KeyPair(seed: ContentHash.sha256(Array("bench \(index)".utf8)).digest).peerID
        }
        let address = try? [Multiaddr("/ip4/192.0.2.1/tcp/4101")]
        var core = Kademlia(
            KademliaConfiguration(), peer: peers[0], epoch: KadTime(milliseconds: 1_700_000_000_000), start: .zero,
            seed: 1)
        var effects: [Kademlia.Effect] = []
        var now = Instant.zero
        let seconds = Scratch.seconds {
            for peer in peers.dropFirst() {
                now = now + .milliseconds(50)
                effects.removeAll(keepingCapacity: true)
                core.handle(.found(peer, addresses: address ?? []), now: now, into: &effects)
                var answers: [CallID] = []
                for case .call(let id, _, _, _) in effects { answers.append(id) }
                for id in answers {
                    core.handle(
                        .answered(id, KadMessage(.findNode), CallReport(transport: .datagram)), now: now, into: &effects
                    )
                }
            }
        }
        table.note(
            "a peer met, probed and (of \(peers.count)) \(core.table.count) kept",
            String(format: "%.0f ns", seconds / Double(peers.count) * 1e9))
        let targets = (0..<2_000).map { KadKey(hashing: Array("target \($0)".utf8)) }
        var found = 0
        let search = Scratch.seconds {
            for _ in 0..<10 { for target in targets { found += core.table.closest(to: target, count: 20).count } }
        }
        table.note(
            "the closest 20 of \(core.table.count) peers",
            String(format: "%.0f ns", search / Double(targets.count * 10) * 1e9),
            "\(found / (targets.count * 10)) found")
    }

    // MARK: Ten nodes

    private static func measure(_ name: String, _ nodes: [Node], into table: inout ResultTable) async throws {
        var providing: [Double] = []
        var finding: [Double] = []
        for index in 0..<200 {
            let cid = CID(codec: .raw, multihash: ContentHash.sha256(Array("\(name) \(index)".utf8)))
            providing.append(
                try await Scratch.seconds { for try await _ in try nodes[index % 10].provideNow(cid) {} } * 1e3)
            finding.append(
                try await Scratch.seconds { _ = try await BenchSwarm.find(cid, from: nodes[10]) } * 1e3)
        }
        table.note(
            "provide to 10 nodes, \(name), median and p99",
            String(format: "%.2f, %.2f ms", Scratch.median(providing), Scratch.percentile(providing, 0.99)))
        table.atMost("find a provider among 10 nodes, \(name), median", Scratch.median(finding), 1, unit: "ms")
        table.note(
            "find a provider among 10 nodes, \(name), p99",
            String(format: "%.2f ms", Scratch.percentile(finding, 0.99)))
    }
}
