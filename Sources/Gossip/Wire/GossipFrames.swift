import Multiformats
package import NIOCore

extension GossipRPC {
    /// The frames to write for all of this, each behind its length.
    ///
    /// No frame is longer than `limit` bytes, without the length, unless a single message or subscription is:
    /// peers reset streams on longer ones. Order is kept within each kind, and subscriptions go first, because a
    /// GRAFT for a topic that the peer does not know us in is void.
    package func frames(limit: Int = Limits().frameBytes) -> [ByteBuffer] {
        var builder = FrameBuilder(limit: limit)
        for subscription in subscriptions {
            builder.add { buffer in
                buffer.writeNested(1) { inner in
                    inner.writeInteger(UInt16(0x0800 | (subscription.isSubscribed ? 1 : 0)))
                    GossipMessage.write(2, subscription.topic.bytes, to: &inner)
                }
            }
        }
        for topic in graft {
            builder.addControl { buffer in
                buffer.writeNested(3) { GossipMessage.write(1, topic.bytes, to: &$0) }
            }
        }
        for prune in prune { builder.addControl { prune.write(to: &$0) } }
        for message in messages { builder.add { GossipMessage.write(2, message.encoded, to: &$0) } }
        for ihave in ihave { builder.addIDs(1, topic: ihave.topic, field: 2, ihave.ids) }
        builder.addIDs(2, topic: nil, field: 1, iwant)
        builder.addIDs(5, topic: nil, field: 1, idontwant)
        return builder.finish()
    }
}

extension GossipRPC.Prune {
    fileprivate func write(to buffer: inout ByteBuffer) {
        buffer.writeNested(4) { inner in
            GossipMessage.write(1, topic.bytes, to: &inner)
            for hint in peers {
                inner.writeNested(2) { part in
                    GossipMessage.write(1, hint.peer, to: &part)
                    GossipMessage.write(2, hint.record, to: &part)
                }
            }
            if let backoff {
                inner.writeInteger(UInt8(3 << 3))
                inner.writeVarint(backoff)
            }
        }
    }
}

extension ByteBuffer {
    /// A nested message; for small ones, whose bytes are written twice.
    fileprivate mutating func writeNested(_ number: UInt8, _ body: (inout ByteBuffer) -> Void) {
        var inner = ByteBuffer()
        body(&inner)
        GossipMessage.write(number, inner, to: &self)
    }
}

/// Collects what one or more frames will hold. A frame's control messages are one field, so they are kept apart
/// until the frame is complete.
private struct FrameBuilder {
    private let limit: Int
    private var body = ByteBuffer()
    private var control = ByteBuffer()
    private var frames: [ByteBuffer] = []

    /// Tag and length of the control field, at most.
    private static let controlHead = 5

    init(limit: Int) { self.limit = limit }

    private var count: Int {
        body.readableBytes + control.readableBytes + (control.readableBytes > 0 ? Self.controlHead : 0)
    }

    mutating func add(_ write: (inout ByteBuffer) -> Void) {
        let mark = body.writerIndex
        write(&body)
        guard count > limit, mark > 0 || control.readableBytes > 0 else { return }
        guard let last = body.getSlice(at: mark, length: body.writerIndex - mark) else { return }
        body.moveWriterIndex(to: mark)
        flush()
        body.writeImmutableBuffer(last)
    }

    mutating func addControl(_ write: (inout ByteBuffer) -> Void) {
        let mark = control.writerIndex
        write(&control)
        guard count > limit, mark > 0 || body.readableBytes > 0 else { return }
        guard let last = control.getSlice(at: mark, length: control.writerIndex - mark) else { return }
        control.moveWriterIndex(to: mark)
        flush()
        control.writeImmutableBuffer(last)
    }

    /// A control message of ids, cut into as many as it takes.
    mutating func addIDs(_ number: UInt8, topic: Topic?, field: UInt8, _ ids: [MessageID]) {
        // Tag and length of the message and of the topic in it.
        let head = 12 + Self.controlHead + (topic?.bytes.readableBytes ?? 0)
        var rest = ids[...]
        while !rest.isEmpty {
            var room = limit - count - head
            var taken = 0
            for id in rest {
                room -= id.count + 1 + Varint.length(of: UInt64(id.count))
                if room < 0 { break }
                taken += 1
            }
            if taken == 0 {
                // Even an empty frame has no room: one goes all the same.
                guard count == 0 else {
                    flush()
                    continue
                }
                taken = 1
            }
            control.writeNested(number) { inner in
                if let topic { GossipMessage.write(1, topic.bytes, to: &inner) }
                for id in rest.prefix(taken) {
                    inner.writeInteger(field << 3 | 2)
                    inner.writeVarint(UInt64(id.count))
                    id.write(to: &inner)
                }
            }
            rest = rest.dropFirst(taken)
        }
    }

    mutating func flush() {
        guard count > 0 else { return }
        let controlBytes =
            control.readableBytes == 0
            ? 0 : 1 + Varint.length(of: UInt64(control.readableBytes)) + control.readableBytes
        let total = body.readableBytes + controlBytes
        var frame = ByteBuffer()
        frame.reserveCapacity(total + 5)
        frame.writeVarint(UInt64(total))
        frame.writeImmutableBuffer(body)
        if controlBytes > 0 { GossipMessage.write(3, control, to: &frame) }
        frames.append(frame)
        body.clear()
        control.clear()
    }

    mutating func finish() -> [ByteBuffer] {
        flush()
        return frames
    }
}
