import DHT
import Multiformats
import NIOCore

extension FuzzTarget {
    /// What the DHT reads.
    static let dht: [FuzzTarget] = [
        FuzzTarget("kad", maximumLength: 8192) { input in
            // The first two bytes are the room of a datagram, the third what was sent before.
            guard let message = try? KadMessage(decoding: ByteBuffer(bytes: input.dropFirst(3))) else { return }
            let encoded = message.encode()
            guard let again = try? KadMessage(decoding: encoded) else {
                return agree(false, "what is written reads")
            }
            agree(again == message, "what is read is what was written")
            agree(again.encode() == encoded, "written twice, written the same")
            guard input.count >= 3 else { return }
            let room = Int(input[0]) << 8 | Int(input[1])
            let fitting = message.encode(fitting: room, dropping: Int(input[2]))
            guard let part = try? KadMessage(decoding: fitting.bytes) else {
                return agree(false, "a part of an answer reads")
            }
            agree(part.kind == message.kind && part.key == message.key, "a part of another")
            agree(part.peerCount <= message.peerCount, "more peers than there were")
            if fitting.isWhole {
                agree(part.peerCount == max(0, message.peerCount - Int(input[2])), "whole, and yet some are missing")
            }
            // Kind and key must always go; everything else only where there is room.
            if part.peerCount > 0 || part.record != nil { agree(fitting.bytes.readableBytes <= room, "too much") }
        }
    ]
}
