import Foundation
import Logging
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import SansIO
import Swarm

/// Single small blocks, and new connections: what a resident feels first.
enum LatencyBench {
    static func run(_ folder: Folders, into table: inout ResultTable) async throws {
        let root = folder.memory + "/latency"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let peer = try NodeProcess(index: 0, seed: 1, folder: root)
        defer {
            peer.terminate()
            peer.waitUntilGone()
        }
        try peer.waitUntilReady()
        let cids = try blocks(500, on: peer, in: root)

        let own = root + "/own"
        try RepositoryFolder.create(at: own, network: "testnet", ifNeeded: true)
        var configuration = try NodeConfiguration.load(repository: own)
        configuration.network.listen = []
        let node = try await Node.open(configuration, logger: Logger(label: "bench"))
        try await node.start()
        let address = try Multiaddr(peer.state.addresses[0])

        var connecting: [Double] = []
        for _ in 0..<100 {
            connecting.append(try await Scratch.seconds { try await node.connect(address) } * 1e3)
            try await node.disconnect(PeerID(peer.state.peerID))
        }
        table.atMost("new connection with identify, median", Scratch.median(connecting), 2, unit: "ms")

        try await node.connect(address)
        var fetching: [Double] = []
        for cid in cids {
            let session = node.fetchSession()
            fetching.append(try await Scratch.seconds { _ = try await session.get(cid) } * 1e3)
            session.close()
        }
        table.atMost("one fresh 1 KiB block, median", Scratch.median(fetching), 1, unit: "ms")
        table.note("one fresh 1 KiB block, p99", String(format: "%.2f ms", Scratch.percentile(fetching, 0.99)))

        var pings: [Double] = []
        let id = try PeerID(peer.state.peerID)
        for _ in 0..<200 { pings.append(try await node.ping(id).milliseconds) }
        table.note("ping, median", String(format: "%.2f ms", Scratch.median(pings)))
        await node.stop()
    }

    /// Adds `count` blocks of 1 KiB to the peer.
    private static func blocks(_ count: Int, on peer: NodeProcess, in root: String) throws -> [CID] {
        let source = root + "/blocks"
        try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
        var cids: [CID] = []
        for index in 0..<count {
            let path = source + "/\(index)"
            Scratch.writeNoise(to: path, count: 1024, seed: UInt64(index) &+ 77)
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            cids.append(CID(codec: .raw, multihash: ContentHash.sha256(ByteBuffer(bytes: bytes))))
        }
        _ = try Program.output(["--repo", peer.repo, "add", "--quiet", source])
        return cids
    }
}
