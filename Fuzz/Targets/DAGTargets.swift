import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto

extension FuzzTarget {
    /// Nodes of files and folders, and archives of them.
    static let dags: [FuzzTarget] = [
        FuzzTarget("dag-pb") { input in
            let block = ByteBuffer(bytes: input)
            if let message = try? UnixFS(block) {
                agree((try? UnixFS(message.encoded()))?.encoded() == message.encoded(), "the encoder settles at once")
            }
            guard let node = try? DagPB.Node(block) else { return }
            _ = (node.links.map(\.nameText), node.cumulativeSize(blockLength: input.count))
            if let again = try? DagPB.Node(node.encoded()) {
                agree(
                    again.data == node.data && again.links.count == node.links.count, "a node reads as it was written")
                agree(again.encoded() == node.encoded(), "the encoder settles at once")
            } else {
                agree(node.encoded().readableBytes > Block.maximumLength, "what is written reads")
            }
            let cid = CID(codec: .dagPB, multihash: ContentHash.sha256(block))
            agree((try? Links.of(cid, block))?.count == node.links.count, "the links are the node's")
            guard let message = try? UnixFS(node) else { return }
            if let shard = try? HAMTShard(node, message) {
                agree(shard.slots.count <= shard.fanout, "more slots than the shard is wide")
                for depth in 0..<24 { _ = try? shard.slot(for: HAMTShard.hash(of: input), depth: depth) }
            }
        },
        FuzzTarget("car") { input in
            // The first byte says how the file is cut into pieces.
            let piece = max(1, Int(input.first ?? 1))
            let file = ByteBuffer(bytes: input.dropFirst())
            let whole = blocks(of: file, piece: max(1, file.readableBytes))
            agree(whole == blocks(of: file, piece: piece), "the blocks do not depend on the pieces")
            if let index = CARIndex(file) { _ = index.offsets(of: ContentHash.sha256(file)) }
        },
    ]

    /// The blocks of a CAR file up to its end or its first mistake.
    private static func blocks(of file: ByteBuffer, piece: Int) -> [Block] {
        var parser = CARParser()
        var rest = file
        var found: [Block] = []
        while let next = rest.readSlice(length: min(piece, rest.readableBytes)), next.readableBytes > 0 {
            parser.append(next)
            do {
                while let section = try parser.next() {
                    agree(ContentHash.verify(section.block.data, matches: section.block.cid), "an unchecked block")
                    found.append(section.block)
                }
            } catch {
                return found
            }
        }
        try? parser.finish()
        return found
    }
}
