package import Multiformats
package import NIOCore

/// Reads content out of a DAG: follows paths, lists folders, gives files' bytes and whole trees.
///
/// It asks `get` for blocks and keeps nothing. Everything that a hostile DAG could make endless is bounded by
/// `limits`.
///
///     let reader = DAGReader { cid in try await exchange.block(cid) }
///     let found = try await reader.resolve(DAGPath("/ipfs/bafy.../photos/cat.jpg"))
///     for try await bytes in reader.bytes(of: found.cid) { ... }
package struct DAGReader: Sendable {
    package let limits: DAGLimits
    private let source: BlockGet

    package init(limits: DAGLimits = DAGLimits(), get: @escaping BlockGet) {
        self.limits = limits
        source = get
    }

    /// Where a path leads.
    package struct Resolution: Hashable, Sendable {
        /// The last block on the way.
        package let cid: CID
        /// The names that lead on inside that block (of dag-cbor or dag-json), to a value that is no link.
        package let remainder: [[UInt8]]
    }

    /// What something is.
    package enum Kind: String, Sendable {
        case file
        case folder
        case symlink
    }

    /// What something is, without its content.
    package struct Summary: Hashable, Sendable {
        package let cid: CID
        package let kind: Kind
        /// A file's length in bytes; 0 for the rest.
        package let size: UInt64
        /// Whether a folder is sharded.
        package let isSharded: Bool
        /// Where a symlink points.
        package let target: [UInt8]
        package let attributes: NodeAttributes
        /// The length of its own block.
        package let blockSize: Int
        /// What its blocks take in all, as their writers claim: links followed one by one.
        package let cumulativeSize: UInt64
    }

    /// A block's bytes; those of identity CIDs come from the CID.
    package func block(_ cid: CID) async throws -> ByteBuffer {
        cid.isIdentity ? ByteBuffer(bytes: cid.multihash.digest) : try await source(cid)
    }

    /// Follows `path` through folders, sharded folders and the maps and lists of dag-cbor and dag-json.
    ///
    /// Symlinks on the way are not followed. Errors: `DAGReadError.noLink` when a name is not there.
    package func resolve(_ path: DAGPath) async throws -> Resolution {
        var cid = path.root
        var rest = path.segments[...]
        while let name = rest.first {
            switch cid.codec {
            case .dagPB:
                guard let next = try await lookup(name, in: cid) else {
                    throw DAGReadError.noLink(name: EntryName.text(name), in: cid)
                }
                cid = next
                rest = rest.dropFirst()
            case .dagCBOR, .dagJSON:
                let (next, left) = try DataPath.follow(rest, in: cid, try await block(cid))
                guard let next else { return Resolution(cid: cid, remainder: Array(rest)) }
                cid = next
                rest = left
            case .raw: throw DAGReadError.noLink(name: EntryName.text(name), in: cid)
            default: throw DAGReadError.unsupportedCodec(cid)
            }
        }
        return Resolution(cid: cid, remainder: [])
    }

    /// The entry called `name` of a folder, reading only the shards on the way to it; `nil` when there is none.
    package func lookup(_ name: [UInt8], in folder: CID) async throws -> CID? {
        switch try UnixNode(folder, try await block(folder), limits: limits) {
        case .folder(let links, _): return links.first { $0.name ?? [] == name }?.cid
        case .file, .symlink: return nil
        case .shard(let root, _):
            let hash = HAMTShard.hash(of: name)
            var shard = root
            for depth in 0...HAMTShard.maximumDepth(fanout: root.fanout) {
                let slot: HAMTShard.Slot?
                do { slot = try shard.slot(for: hash, depth: depth) } catch {
                    throw DAGReadError.malformed(folder, error)
                }
                switch slot {
                case nil: return nil
                case .entry(let found, let link): return found == name ? link.cid : nil
                case .shard(let cid):
                    shard = try HAMTShard(cid, try await block(cid), expectedFanout: root.fanout)
                }
            }
            return nil
        }
    }

    /// What `cid` is. Costs its block, and nothing below it.
    package func summary(of cid: CID) async throws -> Summary {
        let block = try await block(cid)
        let node = try UnixNode(cid, block, limits: limits)
        var total = UInt64(block.readableBytes)
        if cid.codec == .dagPB, let links = try? DagPB.Node(block) {
            total = links.cumulativeSize(blockLength: block.readableBytes) ?? .max
        }
        func summary(
            _ kind: Kind, _ attributes: NodeAttributes, size: UInt64 = 0, sharded: Bool = false, target: [UInt8] = []
        ) -> Summary {
            Summary(
                cid: cid, kind: kind, size: size, isSharded: sharded, target: target, attributes: attributes,
                blockSize: block.readableBytes, cumulativeSize: total)
        }
        switch node {
        case .file(let file, let attributes): return summary(.file, attributes, size: file.size)
        case .folder(_, let attributes): return summary(.folder, attributes)
        case .shard(_, let attributes): return summary(.folder, attributes, sharded: true)
        case .symlink(let target, let attributes): return summary(.symlink, attributes, target: target)
        }
    }

    /// The entries of a folder, in the order of its blocks (by name, or by hash when it is sharded).
    package func entries(of folder: CID) -> FolderEntries { FolderEntries(folder, limits: limits, get: source) }

    /// A file's bytes within `range`, which may reach past its end; all of them without one.
    package func bytes(of file: CID, range: Range<UInt64>? = nil) -> FileBytes {
        FileBytes(file, range: range ?? 0..<UInt64.max, limits: limits, get: source)
    }

    /// Everything at and below `root`, for writing it to a disk or an archive.
    package func tree(_ root: CID) -> TreeEvents { TreeEvents(root, limits: limits, get: source) }
}
