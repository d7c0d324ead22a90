package import Multiformats
package import NIOCore
import SansIO
import Synchronization

/// One stream of a connection: bytes both ways, each half closed on its own, or everything reset.
///
/// Its state belongs to the connection's event loop. The methods marked *any thread* hop there by
/// themselves; writes of one caller keep their order. Incoming bytes go to the `StreamHandler`, or wait here
/// to be read by the async helpers in `PeerStream+Async.swift` when there is none.
///
/// ```
/// negotiating -> open -> half closed (either way) -> closed
///      any of them -> failed(error)
/// ```
package final class PeerStream: @unchecked Sendable {  // loop-confined: methods hop or assert
    package let connection: Connection
    /// Whether the other side opened it.
    package let isInbound: Bool

    /// The yamux id; 0 until it is attached to the session. Loop only.
    package internal(set) var id: UInt32 = 0
    /// The agreed protocol; empty while that is open. Loop only.
    package internal(set) var protocolID = ""
    /// Set to return credit by `consumed` alone, so that a slow consumer slows the sender. Loop only.
    package var manualCredit = false
    /// When this many bytes wait to be sent, `isWritable` is false. Loop only.
    package var highWater: Int

    // The parts below are driven by ConnectionHandler.

    var handler: (any StreamHandler)?
    var negotiation: Multistream?
    /// Whether data may follow the proposal without waiting for its answer.
    var isLazy = false
    var negotiationInput = ByteBuffer()
    var negotiationDeadline: Instant?
    /// Waits for the negotiation when data may not be sent before it.
    var held: [ByteBuffer] = []
    /// Waits for credit and for the socket.
    var pending = CircularBuffer<ByteBuffer>(initialCapacity: 2)
    var pendingBytes = 0
    /// How many of the pending bytes, at their beginning, belong to the negotiation.
    var pendingWords = 0
    var isReady = false
    var wantsClose = false
    var wasAboveHighWater = false
    var sentAll = false
    var inputEnded = false
    /// The consumer has lost interest in what still comes.
    var discardsInput = false
    var failure: StreamError?
    var deadline: Instant?
    /// When it last got rid of a byte, while bytes are waiting.
    var lastProgress: Instant = .zero
    var counter: ProtocolCounter?
    var slot: StreamSlot?
    var inbox = CircularBuffer<ByteBuffer>(initialCapacity: 1)
    var unread = 0
    var readWaiter: ReadWaiter?
    var openWaiters: [EventLoopPromise<Void>] = []
    var writeWaiters: [EventLoopPromise<Void>] = []

    private let buffered = Atomic<Int>(0)

    init(connection: Connection, isInbound: Bool, highWater: Int) {
        self.connection = connection
        self.isInbound = isInbound
        self.highWater = highWater
    }

    deinit {
        if unread > 0 { connection.unreadBudget.give(unread) }
    }

    package var eventLoop: any EventLoop { connection.eventLoop }
    package var peer: PeerID { connection.remotePeer }

    /// Bytes given to `write` that are not on their way yet. Any thread.
    package var bufferedBytes: Int { buffered.load(ordering: .relaxed) }

    /// Whether more may be written without piling up. Any thread.
    package var isWritable: Bool { bufferedBytes < highWater }

    /// Queues `buffers`, one behind the other, without joining them. Any thread.
    ///
    /// It never fails by itself: when the stream does, what waits is dropped and the handler hears of it.
    package func write(_ buffers: ByteBuffer...) { write(buffers) }

    /// Queues `buffers`, one behind the other, without joining them. Any thread.
    package func write(_ buffers: [ByteBuffer]) {
        let length = buffers.reduce(0) { $0 + $1.readableBytes }
        guard length > 0 else { return }
        buffered.add(length, ordering: .relaxed)
        let enqueue: @Sendable () -> Void = { [self] in
            guard let handler = connection.handler else { return sent(length) }
            handler.enqueue(buffers, length: length, for: self)
        }
        if eventLoop.inEventLoop { enqueue() } else { eventLoop.execute(enqueue) }
    }

    /// Has the handler hear `writable` as soon as more may be written, at once if it may be already: for who has
    /// seen `isWritable` false on another thread, where that can be over before it is acted upon. Any thread.
    package func notifyWhenWritable() {
        onLoop { [self] _ in
            if isWritable { handler?.writable(self) } else { wasAboveHighWater = true }
        }
    }

    /// Writes no more; what was written before still goes out. Any thread.
    package func closeWrite() { onLoop { $0.closeWrite(self) } }

    /// Gives the stream up both ways at once. Any thread.
    package func reset(code: UInt32 = 0) { onLoop { $0.reset(self, code: code, error: .cancelled) } }

    /// Ends the use of the stream: closes the writing half and drops what still comes in. Any thread.
    package func close() { onLoop { $0.close(self) } }

    /// Returns credit for `bytes` that were received with `manualCredit`. Any thread.
    package func consumed(_ bytes: Int) { onLoop { $0.consumed(bytes, by: self) } }

    /// Fails the stream with `.timeout` when it still exists after `duration`; a later call replaces an
    /// earlier one, `nil` takes it back. Precise to a second. Any thread.
    package func setDeadline(_ duration: Duration?) {
        onLoop { [self] handler in
            deadline = duration.map { handler.now + $0 }
        }
    }

    /// Replaces who hears of this stream; what waits unread is given to it at once. Loop only.
    package func setHandler(_ new: any StreamHandler) {
        eventLoop.assertInEventLoop()
        handler = new
        connection.handler?.deliverInbox(of: self)
    }

    func onLoop(_ body: @escaping @Sendable (ConnectionHandler) -> Void) {
        let loop = connection.eventLoop
        if loop.inEventLoop {
            if let handler = connection.handler { body(handler) }
        } else {
            loop.execute { [connection] in
                if let handler = connection.handler { body(handler) }
            }
        }
    }

    func sent(_ bytes: Int) { buffered.subtract(bytes, ordering: .relaxed) }
}

/// Counts a protocol's inbound streams of one peer; returned when the stream ends.
final class StreamSlot: Sendable {
    private let release: @Sendable () -> Void
    init(release: @escaping @Sendable () -> Void) { self.release = release }
    deinit { release() }
}
