package import Multiformats
import NIOCore

/// An entry of a folder.
package struct FolderEntry: Hashable, Sendable {
    /// Raw bytes, UTF-8 by custom.
    package let name: [UInt8]
    package let cid: CID
    /// What its blocks take in all, as its writer claims.
    package let tsize: UInt64

    /// The name for people.
    package var nameText: String { EntryName.text(name) }
}

/// A folder's entries; the shards of a large folder are fetched ahead, a window at once. Iterate once.
package struct FolderEntries: AsyncSequence, Sendable {
    package typealias Element = FolderEntry

    private let cid: CID
    private let limits: DAGLimits
    private let get: BlockGet

    init(_ cid: CID, limits: DAGLimits, get: @escaping BlockGet) {
        self.cid = cid
        self.limits = limits
        self.get = get
    }

    package func makeAsyncIterator() -> Iterator { Iterator(cid, limits, get) }

    /// Ends its fetches when it goes.
    package final class Iterator: AsyncIteratorProtocol {
        private let fetch: OrderedFetch<ShardPosition, FolderEntry>
        private let limit: Int
        private var count = 0

        fileprivate init(_ cid: CID, _ limits: DAGLimits, _ get: @escaping BlockGet) {
            limit = limits.entries
            let root = ShardPosition(entry: nil, fanout: nil, depth: 0)
            fetch = OrderedFetch([.init(cid: cid, item: root)], window: limits.window, get: get) {
                try $0.item.expand($0.cid, $1, limits)
            }
        }

        deinit { fetch.cancel() }

        package func next() async throws -> FolderEntry? {
            guard let entry = try await fetch.next() else { return nil }
            count += 1
            guard count <= limit else { throw DAGReadError.limit("a folder of more than \(limit) entries") }
            return entry
        }
    }
}

/// A place in a folder: the root, a shard below it, or an entry, which is given out and not fetched.
private struct ShardPosition: Sendable {
    var entry: FolderEntry?
    var fanout: Int?
    var depth: Int

    typealias Expansion = OrderedFetch<ShardPosition, FolderEntry>.Expansion
    typealias Visit = OrderedFetch<ShardPosition, FolderEntry>.Visit

    func expand(_ cid: CID, _ block: ByteBuffer, _ limits: DAGLimits) throws(DAGReadError) -> Expansion {
        if let entry { return Expansion(output: entry) }
        if let fanout { return try visits(try HAMTShard(cid, block, expectedFanout: fanout)) }
        switch try UnixNode(cid, block, limits: limits) {
        case .folder(let links, _): return Expansion(children: links.map(Self.visit))
        case .shard(let shard, _): return try visits(shard)
        case .file, .symlink: throw .notAFolder(cid)
        }
    }

    private func visits(_ shard: HAMTShard) throws(DAGReadError) -> Expansion {
        guard depth <= HAMTShard.maximumDepth(fanout: shard.fanout) else {
            throw .limit("a sharded folder deeper than its hash")
        }
        let children = shard.slots.map { slot in
            switch slot {
            case .entry(let name, var link):
                link.name = name
                return Self.visit(link)
            case .shard(let cid):
                return Visit(cid: cid, item: ShardPosition(entry: nil, fanout: shard.fanout, depth: depth + 1))
            }
        }
        return Expansion(children: children)
    }

    private static func visit(_ link: DagPB.Link) -> Visit {
        let entry = FolderEntry(name: link.name ?? [], cid: link.cid, tsize: link.tsize ?? 0)
        return Visit(cid: link.cid, item: ShardPosition(entry: entry, fanout: nil, depth: 0), fetches: false)
    }
}
