import Multiformats
import NIOCore

/// What a publisher says about a file or folder besides its content.
package struct NodeAttributes: Hashable, Sendable {
    /// Permission bits; `nil` when not recorded.
    package var mode: UInt32?
    package var modified: UnixFS.Time?

    package init(mode: UInt32? = nil, modified: UnixFS.Time? = nil) {
        self.mode = mode
        self.modified = modified
    }
}

/// A block read as part of a file tree, with everything in it checked.
enum UnixNode: Sendable {
    case file(FileNode, NodeAttributes)
    /// The entries of a whole folder; of two with one name the first counts.
    case folder([DagPB.Link], NodeAttributes)
    case shard(HAMTShard, NodeAttributes)
    case symlink(target: [UInt8], NodeAttributes)

    init(_ cid: CID, _ block: ByteBuffer, limits: DAGLimits) throws(DAGReadError) {
        if cid.codec == .raw {
            self = .file(FileNode(leaf: block), NodeAttributes())
            return
        }
        guard cid.codec == .dagPB else { throw .unsupportedCodec(cid) }
        do throws(DAGFormatError) { try self.init(DagPB.Node(block), limits: limits) } catch {
            throw .malformed(cid, error)
        }
    }

    private init(_ node: DagPB.Node, limits: DAGLimits) throws(DAGFormatError) {
        let message = try UnixFS(node)
        let attributes = NodeAttributes(mode: message.mode, modified: message.modified)
        switch message.kind {
        case .file, .raw: self = .file(try FileNode(node, message, limits: limits), attributes)
        case .directory:
            var names: Set<[UInt8]> = []
            self = .folder(node.links.filter { names.insert($0.name ?? []).inserted }, attributes)
        case .hamtShard: self = .shard(try HAMTShard(node, message), attributes)
        case .symlink:
            self = .symlink(target: Array((message.data ?? ByteBuffer()).readableBytesView), attributes)
        case .metadata: throw .notA("file, folder or symlink")
        }
    }
}

/// One node of a file's tree: bytes of its own, then the parts below it.
struct FileNode: Sendable {
    struct Part: Sendable {
        let cid: CID
        /// The file bytes in it, as the parent says; checked when the part is read.
        let size: UInt64
    }

    let ownBytes: ByteBuffer
    let parts: [Part]
    /// The file bytes at and below this node.
    let size: UInt64

    init(leaf: ByteBuffer) {
        ownBytes = leaf
        parts = []
        size = UInt64(leaf.readableBytes)
    }

    init(_ node: DagPB.Node, _ message: UnixFS, limits: DAGLimits) throws(DAGFormatError) {
        guard node.links.count <= limits.linksPerNode else { throw .tooManyLinks }
        guard message.blockSizes.count == node.links.count else { throw .sizeMismatch }
        ownBytes = message.data ?? ByteBuffer()
        var total = UInt64(ownBytes.readableBytes)
        var parts: [Part] = []
        parts.reserveCapacity(node.links.count)
        for (link, size) in zip(node.links, message.blockSizes) {
            guard link.name ?? [] == [] else { throw .namedFileLink }
            let (sum, overflow) = total.addingReportingOverflow(size)
            guard !overflow else { throw .sizeMismatch }
            total = sum
            parts.append(Part(cid: link.cid, size: size))
        }
        guard message.fileSize == nil || message.fileSize == total else { throw .sizeMismatch }
        self.parts = parts
        size = total
    }

    /// Reads the part of a file that its parent says has `size` bytes.
    init(part cid: CID, _ block: ByteBuffer, size: UInt64, limits: DAGLimits) throws(DAGReadError) {
        guard case .file(let node, _) = try UnixNode(cid, block, limits: limits) else { throw .notAFile(cid) }
        guard node.size == size else { throw .malformed(cid, .sizeMismatch) }
        self = node
    }
}
