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
        },
        FuzzTarget("ipns", maximumLength: 4096) { input in
            if let record = try? IPNSRecord(unverified: input) {
                agree(record.bytes == input, "a record keeps its bytes")
                agree(!(record < record), "a record is not less than itself")
                agree(IPNSRecord.best(of: [input, input]) != nil, "one of two is the best")
                _ = record.isAlive(at: now)
            }
            // The name whose records the corpus has: whatever is changed in them, they do not verify any more.
            guard let name = try? IPNSName("k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w") else {
                return agree(false, "a name")
            }
            let record = try? IPNSRecord(verifying: input, of: name)
            if let record { agree(record.value == Array(known.utf8), "a value that nobody signed") }
            let isValid = IPNSValidator.validate(name.recordKey, input, nowMilliseconds: now.milliseconds)
            agree(!isValid || record != nil, "valid, though it does not verify")
        },
    ]

    private static let now = KadTime(milliseconds: 1_700_000_000_000)
    /// The only thing that the name in the corpus has ever pointed to.
    private static let known = "/ipfs/bafkqaddwgevxmmraojswg33smq"
}
