import Foundation
import Logging
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import SansIO
import TestSupport

/// A node on loopback in a folder of its own, with deterministic identity.
func makeNode(
    _ folder: URL, _ name: String, online: Bool = true, change: (inout NodeConfiguration) -> Void = { _ in }
) async throws -> Node {
    let repo = folder.appendingPathComponent(name).path
    if !FileManager.default.fileExists(atPath: repo) {
        try FileManager.default.createDirectory(atPath: repo, withIntermediateDirectories: true)
        let seed = ContentHash.sha256(Array("test node \(name)".utf8)).digest
        try KeyPair(seed: seed).save(to: RepositoryFolder.identityFile(repo))
        try RepositoryFolder.create(at: repo, network: "test", ifNeeded: false)
    }
    var configuration = try NodeConfiguration.load(repository: repo)
    configuration.network.listen = ["/ip4/127.0.0.1/tcp/0"]
    configuration.content.fetchTimeout = .seconds(20)
    change(&configuration)
    var logger = Logger(label: name)
    logger.logLevel = .critical
    let node = try await Node.open(configuration, logger: logger)
    if online {
        do {
            try await node.start()
        } catch {
            await node.stop()
            throw error
        }
    }
    return node
}

/// Runs `body` with nodes of these names, and stops them whatever happens.
func withNodes<R>(_ names: String..., body: ([Node], URL) async throws -> R) async throws -> R {
    try await withTemporaryFolder { folder in
        var nodes: [Node] = []
        for name in names { nodes.append(try await makeNode(folder, name)) }
        do {
            let result = try await body(nodes, folder)
            for node in nodes { await node.stop() }
            return result
        } catch {
            for node in nodes { await node.stop() }
            throw error
        }
    }
}

/// `count` bytes that do not repeat.
func noise(_ count: Int, seed: UInt64) -> ByteBuffer {
    var random = SeededGenerator(seed: seed)
    var buffer = ByteBuffer()
    buffer.reserveCapacity(count + 8)
    while buffer.readableBytes < count { buffer.writeInteger(random.next()) }
    return buffer.readSlice(length: count) ?? ByteBuffer()
}

extension Node {
    /// Adds `bytes` as a file and pins it.
    func add(_ bytes: ByteBuffer, chunk: Int = 256 << 10) async throws -> CID {
        var profile = ImportProfile.v1_2025
        profile.chunkSize = chunk
        let importer = try Importer(profile: profile)
        let cid = try await withImport { session in
            try await importer.add(bytes, put: { try await session.put($0) }).cid
        }
        try await pin(cid, recursive: true)
        return cid
    }

    /// The whole file below `cid`.
    func content(_ cid: CID, timeout: Duration? = nil) async throws -> ByteBuffer {
        let session = fetchSession(timeout: timeout)
        defer { session.close() }
        var all = ByteBuffer()
        for try await piece in reader(session).bytes(of: cid) { all.writeImmutableBuffer(piece) }
        return all
    }
}
