import Foundation
import Logging
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Swarm

/// Nodes of this process that talk over loopback and know one of them to begin with.
struct BenchSwarm {
    let nodes: [Node]
    /// Where the first listens.
    let firstAddresses: [Multiaddr]

    static let transports = [
        ("UDP", ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0"]), ("TCP", ["/ip4/127.0.0.1/tcp/0"]),
    ]

    /// Runs `body` on `count` nodes, the last of them a client if there is to be an `asker`, and stops them.
    static func with(
        count: Int, listen: [String], asker: Bool, in root: String, _ body: (BenchSwarm) async throws -> Void
    ) async throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        var nodes: [Node] = []
        var first: [Multiaddr] = []
        do {
            for index in 0..<count {
                let own = root + "/node\(index)"
                try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
                try RepositoryFolder.create(at: own, network: "testnet", ifNeeded: true)
                var configuration = try NodeConfiguration.load(repository: own)
                configuration.network.listen = listen
                configuration.network.bootstrap = first.map(\.description)
                if asker, index == count - 1 { configuration.dht.mode = "client" }
                var logger = Logger(label: "bench")
                logger.logLevel = .error
                let node = try await Node.open(configuration, logger: logger)
                nodes.append(node)
                let addresses = try await node.start()
                if index == 0 { first = addresses }
            }
            try await body(BenchSwarm(nodes: nodes, firstAddresses: first))
        } catch {
            for node in nodes { await node.stop() }
            throw error
        }
        for node in nodes { await node.stop() }
    }

    /// Waits until every node knows `least` others that serve.
    func waitForTables(atLeast least: Int) async throws {
        for _ in 0..<1200 {
            var isReady = true
            for node in nodes where isReady {
                let known = try await node.dhtStatus().reduce(0) { $0 + $1.buckets.reduce(0) { $0 + $1.peers.count } }
                isReady = known >= least
            }
            if isReady { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Failure("The \(nodes.count) nodes did not find each other within a minute.")
    }

    /// Whether `node` finds somebody who provides `cid`.
    static func find(_ cid: CID, from node: Node) async throws -> Bool {
        for try await event in try node.findProviders(of: cid, limit: 1) {
            if case .provider = event { return true }
        }
        return false
    }
}
