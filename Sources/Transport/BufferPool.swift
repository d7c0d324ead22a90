package import NIOCore

/// The large buffers of one event loop, used again instead of being allocated anew: fresh pages cost more
/// than the copy into them.
///
/// A buffer is lent by `take` and handed back by `keep` at once, while the socket or a reader still holds
/// slices of it; it is lent again only when nobody else holds it any more.
package final class BufferPool: @unchecked Sendable {  // loop-confined: asserted in take and keep
    /// Four Noise frames of 64 KiB, in bytes.
    package static let capacity = 262_144
    /// Buffers kept per loop: what a loop's busiest connections have in flight.
    private static let most = 24
    private static let leastKept = 2

    private let eventLoop: any EventLoop
    private var buffers: [ByteBuffer] = []

    package init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// An empty buffer of `capacity` that nobody else holds.
    package func take() -> ByteBuffer {
        eventLoop.assertInEventLoop()
        for index in buffers.indices.reversed() {
            let isFree = buffers[index].modifyIfUniquelyOwned { $0.clear() } != nil
            if isFree { return buffers.remove(at: index) }
        }
        return ByteBufferAllocator().buffer(capacity: Self.capacity)
    }

    /// Keeps `buffer` for a later `take`; others may go on holding it.
    package func keep(_ buffer: ByteBuffer) {
        eventLoop.assertInEventLoop()
        guard buffer.capacity == Self.capacity, buffers.count < Self.most else { return }
        buffers.append(buffer)
    }

    /// Lets go of all but a few buffers, after a time without bulk traffic.
    package func trim() {
        eventLoop.assertInEventLoop()
        if buffers.count > Self.leastKept { buffers.removeFirst(buffers.count - Self.leastKept) }
    }
}
