import Multiformats
import NIOCore

/// Builds a file's tree from its leaves, left to right, with one open node per level.
///
/// Nodes are grouped by the profile's number of links; groups of groups follow until one root is left. The
/// last group of a level may have a single child.
struct BalancedLayout {
    private struct Level {
        var links: [DagPB.Link] = []
        var sizes: [UInt64] = []
    }

    private let maker: NodeMaker
    private var levels: [Level] = [Level()]

    init(maker: NodeMaker) { self.maker = maker }

    /// Adds the next leaf; returns the inner nodes that it completes.
    mutating func append(_ leaf: ImportedNode) throws(ImportError) -> [Block] {
        var made: [Block] = []
        var node = leaf
        var level = 0
        while true {
            if level == levels.count { levels.append(Level()) }
            // Unnamed links carry an empty name, not none: what Kubo writes.
            levels[level].links.append(DagPB.Link(cid: node.cid, name: [], tsize: node.tsize))
            levels[level].sizes.append(node.fileSize)
            guard levels[level].links.count == maker.profile.maximumLinks else { return made }
            node = try close(level, &made)
            level += 1
        }
    }

    /// The root, and the nodes that were still open. There must have been a leaf.
    mutating func finish() throws(ImportError) -> (root: ImportedNode, made: [Block]) {
        var made: [Block] = []
        var level = 0
        while true {
            let isTop = level == levels.count - 1
            if isTop, levels[level].links.count == 1 {
                let link = levels[level].links[0]
                let root = ImportedNode(
                    cid: link.cid, tsize: link.tsize ?? 0, fileSize: levels[level].sizes[0])
                return (root, made)
            }
            if !levels[level].links.isEmpty {
                let node = try close(level, &made)
                if isTop { levels.append(Level()) }
                levels[level + 1].links.append(DagPB.Link(cid: node.cid, name: [], tsize: node.tsize))
                levels[level + 1].sizes.append(node.fileSize)
            }
            level += 1
        }
    }

    private mutating func close(_ level: Int, _ made: inout [Block]) throws(ImportError) -> ImportedNode {
        let open = levels[level]
        levels[level] = Level()
        let total = open.sizes.reduce(0, &+)
        let message = UnixFS(.file, fileSize: total, blockSizes: open.sizes)
        let (block, node) = try maker.block(DagPB.Node(links: open.links, data: message.encoded()), fileSize: total)
        made.append(block)
        return node
    }
}
