import Multiformats
import NIOCore
import PeerCrypto

/// Whether bytes are the block that a multihash names.
enum BlockHash {
    /// `nil` when the hash function is not known here.
    static func matches(_ data: ByteBuffer, _ multihash: Multihash) -> Bool? {
        guard ContentHash.canVerify(multihash) else { return nil }
        return ContentHash.verify(data, matches: CID(codec: .raw, multihash: multihash))
    }
}
