import Catalog
import HTTPAPI
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Synchronization

/// Files in memory, in blocks of 1,000 bytes, whose arrival a test can hold up.
final class MemoryMedia: CatalogMedia {
    struct File: Sendable {
        let cid: CID
        let bytes: [UInt8]
    }

    private struct State {
        var blocks: [CID: ByteBuffer] = [:]
        /// Blocks that nobody has.
        var missing: Set<CID> = []
        var order: [CID] = []
        var asked: [CID] = []
        var readWhole: [CID] = []
        var providers: [CID: [PeerID]] = [:]
        /// Blocks that come only when the gate opens.
        var late: Set<CID> = []
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    /// Imports a file.
    func add(_ bytes: [UInt8]) async throws -> File {
        let profile = ImportProfile(
            name: "test", cidVersion: 1, hash: .sha2_256, rawLeaves: true, chunkSize: 1_000, maximumLinks: 4,
            shardingThreshold: nil, shardingRule: .links, fanout: 256)
        let node = try await Importer(profile: profile).add(ByteBuffer(bytes: bytes)) { blocks in
            self.state.withLock { state in
                for block in blocks where state.blocks.updateValue(block.data, forKey: block.cid) == nil {
                    state.order.append(block.cid)
                }
            }
        }
        return File(cid: node.cid, bytes: bytes)
    }

    func open(_ cid: CID) async throws -> MediaFile {
        try await MediaFile(cid, DAGReader { try await self.get($0) }) {
            self.state.withLock { $0.readWhole.append(cid) }
        }
    }

    func holder(of files: [CID]) async throws -> PeerID? {
        if files.isEmpty { return nil }
        let isHere = state.withLock { state in files.allSatisfy { state.blocks[$0] != nil } }
        return isHere ? CatalogSample.nodeKey.peerID : nil
    }

    func providers(of file: CID) async -> [PeerID] { state.withLock { $0.providers[file] ?? [] } }

    /// Lets the network name these peers for a file.
    func provide(_ file: CID, by peers: [PeerID]) { state.withLock { $0.providers[file] = peers } }

    private func get(_ cid: CID) async throws -> ByteBuffer {
        let isLate = state.withLock { state in
            state.asked.append(cid)
            return state.late.contains(cid)
        }
        if isLate {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    if state.late.isEmpty { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if isOpen { continuation.resume() }
            }
        }
        let found = state.withLock { $0.missing.contains(cid) ? nil : $0.blocks[cid] }
        guard let found else { throw NodeError.notFound(cid) }
        return found
    }

    // MARK: What a test does

    /// The leaf of a file that holds these bytes, which are a chunk of it.
    static func leaf(_ bytes: ArraySlice<UInt8>) -> CID {
        CID(codec: .raw, multihash: ContentHash.sha256(Array(bytes)))
    }

    func lose(_ cid: CID) { state.withLock { _ = $0.missing.insert(cid) } }
    func holdUp(_ cids: some Sequence<CID>) { state.withLock { $0.late.formUnion(cids) } }

    func openGate() {
        let waiting = state.withLock { state in
            state.late = []
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    var allBlocks: [Block] {
        state.withLock { state in
            state.order.compactMap { cid in state.blocks[cid].map { Block(cid: cid, data: $0) } }
        }
    }

    /// Blocks that were asked for so far.
    var asked: [CID] { state.withLock { $0.asked } }
    /// Files that were read whole.
    var readWhole: [CID] { state.withLock { $0.readWhole } }
}

/// A catalog's reader and a stream of updates that a test feeds.
struct SampleSource: CatalogSource {
    let reader: CatalogReader
    let news: TestNews

    func news(after id: Int64?) -> any AsyncSequence<CatalogNews, Never> { news.follow(after: id) }
}

/// Updates in the order in which a test says that they came.
final class TestNews: Sendable {
    private struct State {
        var all: [CatalogNews] = []
        var followers: [AsyncStream<CatalogNews>.Continuation] = []
    }
    private let state = Mutex(State())

    func post(_ update: Update) {
        state.withLock { state in
            let news = CatalogNews(id: Int64(state.all.count + 1), update: update)
            state.all.append(news)
            for follower in state.followers { follower.yield(news) }
        }
    }

    func follow(after id: Int64?) -> AsyncStream<CatalogNews> {
        let (stream, continuation) = AsyncStream.makeStream(of: CatalogNews.self)
        state.withLock { state in
            if let id { for news in state.all where news.id > id { continuation.yield(news) } }
            state.followers.append(continuation)
        }
        return stream
    }

    /// Ends all streams, as a closed catalog does.
    func close() { for follower in state.withLock({ $0.followers }) { follower.finish() } }

    /// How many streams were begun.
    var followers: Int { state.withLock { $0.followers.count } }
}
