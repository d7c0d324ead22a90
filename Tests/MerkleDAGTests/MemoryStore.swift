import Multiformats
import NIOCore
import PeerCrypto
import Synchronization

/// A block store in memory for the tests of this room.
final class MemoryStore: Sendable {
    struct Missing: Error { let cid: CID }

    private let state = Mutex<(blocks: [Multihash: ByteBuffer], gets: Int)>(([:], 0))
    /// When false, blocks are counted and dropped.
    private let keeps: Bool

    init(keeps: Bool = true) { self.keeps = keeps }

    func put(_ blocks: [Block]) {
        guard keeps else { return }
        state.withLock { for block in blocks { $0.blocks[block.cid.multihash] = block.data } }
    }

    func get(_ cid: CID) throws -> ByteBuffer {
        let found = state.withLock { state in
            state.gets += 1
            return state.blocks[cid.multihash]
        }
        guard let found else { throw Missing(cid: cid) }
        return found
    }

    func remove(_ cid: CID) { _ = state.withLock { $0.blocks.removeValue(forKey: cid.multihash) } }

    var count: Int { state.withLock { $0.blocks.count } }
    var gets: Int { state.withLock { $0.gets } }
    var hashes: Set<Multihash> { state.withLock { Set($0.blocks.keys) } }

    /// Stores bytes as a block and returns its CID.
    @discardableResult
    func add(_ codec: Codec, _ data: ByteBuffer) -> CID {
        let cid = CID(codec: codec, multihash: ContentHash.sha256(data))
        put([Block(cid: cid, data: data)])
        return cid
    }
}
