import Multiformats
package import NIOCore

/// One step in a walk through a file tree, folders before what is in them.
///
/// Paths are relative to the walk's root, which has the empty path. After `file`, `data` follows until
/// `size` bytes have come, the event's own included.
package enum TreeEvent: Sendable {
    case folder(path: [[UInt8]], NodeAttributes)
    case file(path: [[UInt8]], size: UInt64, NodeAttributes, data: ByteBuffer)
    case data(ByteBuffer)
    case symlink(path: [[UInt8]], target: [UInt8], NodeAttributes)
}

/// Everything below a root, in order, with blocks fetched ahead across files and folders, so that ten
/// thousand small files come as fast as one large one. Iterate once.
package struct TreeEvents: AsyncSequence, Sendable {
    package typealias Element = TreeEvent

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
        private let fetch: OrderedFetch<TreeItem, TreeEvent>
        private let limits: DAGLimits
        private var entries = 0
        private var bytes: UInt64 = 0

        fileprivate init(_ cid: CID, _ limits: DAGLimits, _ get: @escaping BlockGet) {
            self.limits = limits
            fetch = OrderedFetch([.init(cid: cid, item: .entry(path: []))], window: limits.window, get: get) {
                try $0.item.expand($0.cid, $1, limits: limits)
            }
        }

        deinit { fetch.cancel() }

        package func next() async throws -> TreeEvent? {
            guard let event = try await fetch.next() else { return nil }
            switch event {
            case .folder, .symlink: entries += 1
            case .file(_, let size, _, _):
                entries += 1
                let (sum, overflow) = bytes.addingReportingOverflow(size)
                bytes = overflow ? .max : sum
            case .data: break
            }
            if entries > limits.entries { throw DAGReadError.limit("more than \(limits.entries) files and folders") }
            if let most = limits.bytes, bytes > most { throw DAGReadError.limit("more than \(most) bytes") }
            return event
        }
    }
}

/// What a block is in a walk through a tree.
private enum TreeItem: Sendable {
    case entry(path: [[UInt8]])
    /// A deeper shard of the folder at `path`.
    case shard(path: [[UInt8]], fanout: Int, depth: Int)
    /// A part of the file that is being walked.
    case part(size: UInt64, depth: Int)

    typealias Expansion = OrderedFetch<TreeItem, TreeEvent>.Expansion
    typealias Visit = OrderedFetch<TreeItem, TreeEvent>.Visit

    func expand(_ cid: CID, _ block: ByteBuffer, limits: DAGLimits) throws(DAGReadError) -> Expansion {
        switch self {
        case .entry(let path): return try Self.entry(cid, block, path, limits)
        case .shard(let path, let fanout, let depth):
            let shard = try HAMTShard(cid, block, expectedFanout: fanout)
            return Expansion(children: try Self.visits(shard, path, depth: depth, limits))
        case .part(let size, let depth):
            let node = try FileNode(part: cid, block, size: size, limits: limits)
            let output: TreeEvent? = node.ownBytes.readableBytes > 0 ? .data(node.ownBytes) : nil
            return Expansion(output: output, children: try Self.visits(node, depth: depth, limits))
        }
    }

    private static func entry(
        _ cid: CID, _ block: ByteBuffer, _ path: [[UInt8]], _ limits: DAGLimits
    ) throws(DAGReadError) -> Expansion {
        switch try UnixNode(cid, block, limits: limits) {
        case .file(let node, let attributes):
            let event = TreeEvent.file(path: path, size: node.size, attributes, data: node.ownBytes)
            return Expansion(output: event, children: try visits(node, depth: 0, limits))
        case .symlink(let target, let attributes):
            return Expansion(output: .symlink(path: path, target: target, attributes))
        case .folder(let links, let attributes):
            try check(path, limits)
            let children = links.map { Visit(cid: $0.cid, item: .entry(path: path + [$0.name ?? []])) }
            return Expansion(output: .folder(path: path, attributes), children: children)
        case .shard(let shard, let attributes):
            try check(path, limits)
            let children = try visits(shard, path, depth: 0, limits)
            return Expansion(output: .folder(path: path, attributes), children: children)
        }
    }

    private static func check(_ path: [[UInt8]], _ limits: DAGLimits) throws(DAGReadError) {
        guard path.count < limits.folderDepth else { throw .limit("folders deeper than \(limits.folderDepth) levels") }
    }

    private static func visits(_ node: FileNode, depth: Int, _ limits: DAGLimits) throws(DAGReadError) -> [Visit] {
        guard depth <= limits.depth else { throw .limit("a file deeper than \(limits.depth) levels") }
        return node.parts.filter { $0.size > 0 }.map {
            Visit(cid: $0.cid, item: .part(size: $0.size, depth: depth + 1))
        }
    }

    private static func visits(
        _ shard: HAMTShard, _ path: [[UInt8]], depth: Int, _ limits: DAGLimits
    ) throws(DAGReadError) -> [Visit] {
        guard depth <= HAMTShard.maximumDepth(fanout: shard.fanout) else {
            throw .limit("a sharded folder deeper than its hash")
        }
        return shard.slots.map { slot in
            switch slot {
            case .entry(let name, let link): Visit(cid: link.cid, item: .entry(path: path + [name]))
            case .shard(let cid):
                Visit(cid: cid, item: .shard(path: path, fanout: shard.fanout, depth: depth + 1))
            }
        }
    }
}

extension HAMTShard {
    /// Reads a shard below another.
    init(_ cid: CID, _ block: ByteBuffer, expectedFanout: Int) throws(DAGReadError) {
        guard cid.codec == .dagPB else { throw .unsupportedCodec(cid) }
        do throws(DAGFormatError) {
            let node = try DagPB.Node(block)
            try self.init(node, try UnixFS(node), expectedFanout: expectedFanout)
        } catch {
            throw .malformed(cid, error)
        }
    }

    /// The level below which a name's hash has no bits left.
    static func maximumDepth(fanout: Int) -> Int { 64 / fanout.trailingZeroBitCount }
}
