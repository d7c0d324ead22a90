import ArgumentParser
import HTTPAPI

extension StatsCommand {
    /// `stats dht`: whom the node knows, and how well asking them goes.
    struct Tables: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dht", abstract: "Show the routing table by bucket, and how queries fare.",
            discussion: """
                A bucket holds the peers that share that many leading bits with this node. An '@' marks peers with
                an open connection.

                EXAMPLES
                  peernode stats dht
                  peernode stats dht --json
                """)

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.withNode { node in
                try await node.events("stats/dht") { table in
                    if common.json { Output.line(Self.json(table)) } else { Self.show(table) }
                }
            }
        }

        private static func show(_ table: JSON) {
            let buckets = table["Buckets"]?.elements ?? []
            let count = buckets.reduce(0) { $0 + ($1["Peers"]?.elements.count ?? 0) }
            let rate = (((table["QueriesPerSecond"]?.number ?? 0) * 100).rounded()) / 100
            let success = table["Success"]?.number.map { "\(Int(($0 * 100).rounded())) %" } ?? "no query yet"
            let calls = table["Calls"]
            func number(_ name: String) -> Int { calls?[name]?.integer ?? 0 }
            Output.line("DHT \(table["Name"]?.text ?? ""): \(count) peers, \(table["Mode"]?.text ?? "")")
            Output.line("  protocol   \(table["Protocol"]?.text ?? "")")
            Output.line("  queries    \(rate) a second, success \(success)")
            Output.line(
                "  requests   \(number("Sent")) sent, \(number("Answered")) answered, \(number("Failed")) failed")
            let served = (table["Served"]?.members ?? []).map { "\($0.value.integer ?? 0) \($0.name)" }
            Output.line("  served     \(served.isEmpty ? "none" : served.joined(separator: ", "))")
            for (index, bucket) in buckets.enumerated() {
                let peers = bucket["Peers"]?.elements ?? []
                guard !peers.isEmpty else { continue }
                Output.line("  bucket \(index) (\(peers.count))")
                for peer in peers {
                    let time = peer["RoundTrip"]?.integer.map { "\((Double($0) / 10_000).rounded() / 100) ms" } ?? "-"
                    let mark = peer["Connected"]?.boolean == true ? "@" : " "
                    let address = peer["Addrs"]?.elements.first?.text ?? ""
                    Output.line("    \(mark) \(peer["ID"]?.text ?? "")  \(time)  \(address)")
                }
            }
            if count == 0 {
                Messages.write(
                    "no peers are known: add a bootstrap peer (peernode bootstrap add /ip4/.../p2p/12D3KooW...)")
            }
        }

        private static func json(_ table: JSON) -> JSON {
            var buckets: [JSON] = []
            for (index, bucket) in (table["Buckets"]?.elements ?? []).enumerated() {
                let peers = (bucket["Peers"]?.elements ?? []).map { peer -> JSON in
                    [
                        "peer_id": peer["ID"] ?? .null, "connected": peer["Connected"] ?? .null,
                        "rtt_ns": peer["RoundTrip"] ?? .null, "addresses": peer["Addrs"] ?? [],
                        "agent": peer["AgentVersion"] ?? .null,
                    ]
                }
                if !peers.isEmpty { buckets.append(["common_prefix": .int(index), "peers": .array(peers)]) }
            }
            let calls = table["Calls"]
            return [
                "name": table["Name"] ?? .null, "mode": table["Mode"] ?? .null, "protocol": table["Protocol"] ?? .null,
                "peers": .int(buckets.reduce(0) { $0 + ($1["peers"]?.elements.count ?? 0) }),
                "buckets": .array(buckets), "queries_per_second": table["QueriesPerSecond"] ?? .null,
                "success": table["Success"] ?? .null, "requests_sent": calls?["Sent"] ?? .null,
                "requests_answered": calls?["Answered"] ?? .null, "requests_failed": calls?["Failed"] ?? .null,
                "requests_served": table["Served"] ?? .null,
            ]
        }
    }
}
