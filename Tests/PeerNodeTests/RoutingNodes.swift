import DHT
import Foundation
import Multiformats
import NIOCore
import PeerNode
import TestSupport
import Testing

/// How the nodes of a test reach each other.
enum Ways: String, CaseIterable, CustomTestStringConvertible {
    case streams
    case datagrams

    var listen: [String] {
        switch self {
        case .streams: ["/ip4/127.0.0.1/tcp/0"]
        case .datagrams: ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0"]
        }
    }

    var testDescription: String { rawValue }
}

/// Nodes that know one bootstrap peer at most, in one folder; stopped at the end whatever happens.
final class TestSwarm {
    let folder: URL
    let ways: Ways
    private(set) var running: [String: Node] = [:]

    init(_ folder: URL, _ ways: Ways) {
        self.folder = folder
        self.ways = ways
    }

    /// Starts a node that knows `bootstrap` only.
    @discardableResult
    func start(
        _ name: String, bootstrap: Node? = nil, change: (inout NodeConfiguration) -> Void = { _ in }
    ) async throws -> Node {
        let node = try await makeNode(folder, name) { configuration in
            configuration.network.listen = ways.listen
            configuration.network.bootstrap = bootstrap?.addresses.map(\.description) ?? []
            change(&configuration)
        }
        running[name] = node
        return node
    }

    func stop(_ name: String) async { await running.removeValue(forKey: name)?.stop() }

    func stopAll() async { for name in running.keys.sorted() { await stop(name) } }
}

/// Runs `body` with an empty swarm, and stops its nodes whatever happens.
func withSwarm<R>(_ ways: Ways, _ body: (TestSwarm) async throws -> R) async throws -> R {
    try await withTemporaryFolder { folder in
        let swarm = TestSwarm(folder, ways)
        do {
            let result = try await body(swarm)
            await swarm.stopAll()
            return result
        } catch {
            await swarm.stopAll()
            throw error
        }
    }
}

extension Node {
    /// Everyone whom the DHT names as provider.
    func providers(of cid: CID, limit: Int = 0) async throws -> Set<PeerID> {
        var found: Set<PeerID> = []
        for try await event in try findProviders(of: cid, limit: limit) {
            if case .provider(let peer) = event { found.insert(peer.id) }
        }
        return found
    }

    /// Who is in the routing tables.
    func tablePeers() async throws -> Set<PeerID> {
        Set(try await dhtStatus().flatMap(\.buckets).flatMap(\.peers).map(\.id))
    }

    /// Waits until `peer` is in a routing table.
    func knows(_ peer: Node) async throws {
        let id = peer.peerID
        try await eventually { try await tablePeers().contains(id) }
    }

    /// Waits until the network names `provider` for `cid`.
    func learns(that provider: Node, has cid: CID) async throws {
        let id = provider.peerID
        try await eventually { (try? await providers(of: cid).contains(id)) == true }
    }
}
