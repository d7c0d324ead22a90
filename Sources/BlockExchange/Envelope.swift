package import Multiformats
package import NIOCore

/// One message of answers for one peer that the shell is to fill with blocks and send.
///
/// The shell reads `blocks` (in order, off the loop), writes `message(with:)` on its stream, and reports
/// `.sent` or `.sendFailed` with `id`. Until then the bytes count as outstanding.
package struct Envelope: Hashable, Sendable {
    package struct Item: Hashable, Sendable {
        package let cid: CID
        /// Its size when it was looked up, in bytes.
        package let size: Int
        /// The peer wants to hear when the block is not there after all.
        package let sendDontHave: Bool
    }

    package let id: UInt64
    package let peer: PeerID
    package let version: BitswapVersion
    package let blocks: [Item]
    package let presences: [BitswapMessage.Presence]
    /// Block bytes still queued for the peer behind this message.
    package let pendingBytes: Int32

    /// The message; `data` holds the bytes of each of `blocks`, `nil` where a block cannot be read any more.
    package func message(with data: [ByteBuffer?]) -> BitswapMessage {
        precondition(data.count == blocks.count, "one buffer for each block")
        var message = BitswapMessage()
        message.presences = presences
        message.pendingBytes = pendingBytes
        for (item, bytes) in zip(blocks, data) {
            if let bytes {
                message.blocks.append(ReceivedBlock(Block(cid: item.cid, data: bytes)))
            } else if item.sendDontHave {
                message.presences.append(.init(cid: item.cid, has: false))
            }
        }
        return message
    }
}
