import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import Testing

/// The last level of a sharded folder uses the last bits of a name's hash; once, reading them trapped.
@Suite struct HAMTLastLevelTests {
    /// A shard of `fanout` whose only slot leads to a shard, or holds an entry.
    private func shard(fanout: Int, slot: Int, link: String, to cid: CID) throws -> (CID, ByteBuffer) {
        var bitmap = [UInt8](repeating: 0, count: fanout / 8)
        bitmap[bitmap.count - 1 - slot / 8] = 1 << UInt8(slot % 8)
        var message = UnixFS(.hamtShard, data: ByteBuffer(bytes: bitmap))
        message.hashType = HashCode.murmur3_x64_64.rawValue
        message.fanout = UInt64(fanout)
        let digits = String(fanout - 1, radix: 16).count
        let number = String(slot, radix: 16, uppercase: true)
        let name = String(repeating: "0", count: digits - number.count) + number + link
        let node = DagPB.Node(
            links: [DagPB.Link(cid: cid, name: Array(name.utf8), tsize: 0)], data: message.encoded())
        let block = node.encoded()
        return (CID(codec: .dagPB, multihash: ContentHash.sha256(block)), block)
    }

    @Test("A name is found, or not, on every level of a folder as deep as its hash", arguments: [8, 16, 256, 1024])
    func deepest(_ fanout: Int) async throws {
        let bits = fanout.trailingZeroBitCount
        let target = CID(codec: .raw, multihash: ContentHash.sha256([1]))
        // Names whose hash has its top bit set, and names whose hash has not.
        for name in (0..<16).map({ "name \($0)" }) {
            let hash = HAMTShard.hash(of: Array(name.utf8))
            var blocks: [CID: ByteBuffer] = [:]
            var (below, label) = (target, name)
            for depth in (0..<64 / bits).reversed() {
                let slot = Int(truncatingIfNeeded: hash >> UInt64(64 - (depth + 1) * bits)) & (fanout - 1)
                let (cid, block) = try shard(fanout: fanout, slot: slot, link: label, to: below)
                blocks[cid] = block
                (below, label) = (cid, "")
            }
            let stored = blocks
            let reader = DAGReader { cid in
                guard let block = stored[cid] else { throw DAGReadError.notAFile(cid) }
                return block
            }
            #expect(try await reader.lookup(Array(name.utf8), in: below) == target)
            #expect(try await reader.lookup(Array("another".utf8), in: below) == nil)
        }
    }
}
