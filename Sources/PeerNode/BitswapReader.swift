import BlockExchange
import NIOCore
import Synchronization
import Transport

/// Reads Bitswap messages from one stream, and tells when what we write on it has left.
///
/// Cutting and decoding happen on the connection's loop. While more than `maximumInFlight` bytes of a stream's
/// messages wait to be looked up, hashed or stored, no credit goes back to the sender. All streams together
/// share `budget`: above half of it only streams with nothing under way get credit, and a stream whose
/// unfinished message does not fit any more is reset. So neither many peers, nor one with many streams, nor
/// floods of wants can make us hold more.
final class BitswapReader: StreamHandler, @unchecked Sendable {  // loop-confined: called on, or hops to, one loop
    /// Bytes of one stream's messages that may be between the socket and the disk.
    static let maximumInFlight = 8 << 20
    /// Bytes of messages that all streams may hold, whole ones and beginnings: room for ten fast peers at full
    /// speed.
    static let budgetBytes = 96 << 20

    /// What the service does with the stream's news; called on the stream's loop.
    struct Callbacks: Sendable {
        /// A message; the second argument is to be called when its wants and blocks are done with.
        var message: @Sendable (BitswapMessage, @escaping @Sendable () -> Void) -> Void
        /// The protocol is agreed.
        var opened: @Sendable (PeerStream) -> Void
        /// A part of a message has come, and more is to come; a few times a second.
        var alive: @Sendable () -> Void
        /// What waited to be sent has mostly left.
        var writable: @Sendable () -> Void
        /// The stream is gone before its time, or was reset because it carried nonsense.
        var failed: @Sendable () -> Void
    }

    private let callbacks: Callbacks
    private var framer = MessageFramer(maximum: BitswapMessage.Limits.messageBytes)
    private var lastAlive = NIODeadline.uptimeNanoseconds(0)
    /// Bytes of whole messages that are under way. Any thread.
    private let inFlight = Atomic<Int>(0)
    /// Credit is held back until something under way is done with. Any thread.
    private let isStarved = Atomic<Bool>(false)
    private var owed = 0
    private let budget: MemoryBudget
    /// What the budget knows of the message that is not whole yet.
    private var countedHeld = 0

    init(_ callbacks: Callbacks, budget: MemoryBudget) {
        self.callbacks = callbacks
        self.budget = budget
    }

    deinit { budget.give(countedHeld) }

    func opened(_ stream: PeerStream) {
        stream.manualCredit = true
        callbacks.opened(stream)
    }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        var input = bytes
        owed += bytes.readableBytes
        do {
            while let payload = try framer.next(&input) { try take(payload, from: stream) }
        } catch {
            // The stream's scope: what it carries cannot be trusted to be in step any more.
            return giveUp(stream)
        }
        guard countHeld() else { return giveUp(stream) }
        returnCredit(to: stream)
        let now = NIODeadline.now()
        if !framer.isEmpty, now - lastAlive > .milliseconds(250) {
            lastAlive = now
            callbacks.alive()
        }
    }

    func inputClosed(_ stream: PeerStream) {
        // A message cut short is simply not there; the want for it is still open.
        if stream.isInbound { stream.closeWrite() }
    }

    func writable(_ stream: PeerStream) { callbacks.writable() }

    func failed(_ error: StreamError, on stream: PeerStream) { callbacks.failed() }

    private func take(_ payload: ByteBuffer, from stream: PeerStream) throws {
        let message = try BitswapMessage(decoding: payload)
        let size = payload.readableBytes
        guard budget.take(size) else { throw StreamError.limit }
        inFlight.add(size, ordering: .sequentiallyConsistent)
        // Keeps the reader until its message is done with, which is soon.
        callbacks.message(message) { [self] in settled(size, on: stream) }
    }

    /// Any thread; it troubles the loop only when credit waits for this.
    private func settled(_ size: Int, on stream: PeerStream) {
        budget.give(size)
        inFlight.subtract(size, ordering: .sequentiallyConsistent)
        guard isStarved.load(ordering: .sequentiallyConsistent) else { return }
        stream.eventLoop.execute { self.returnCredit(to: stream) }
    }

    private func giveUp(_ stream: PeerStream) {
        stream.reset()
        callbacks.failed()
    }

    /// Tells the budget how much of an unfinished message is held; false when it has no room.
    private func countHeld() -> Bool {
        let held = framer.heldBytes
        if held > countedHeld {
            guard budget.take(held - countedHeld) else { return false }
        } else {
            budget.give(countedHeld - held)
        }
        countedHeld = held
        return true
    }

    private func returnCredit(to stream: PeerStream) {
        guard owed > 0 else { return }
        if !mayReturnCredit {
            isStarved.store(true, ordering: .sequentiallyConsistent)
            // What was settled between the look and the store troubled nobody.
            guard mayReturnCredit else { return }
        }
        isStarved.store(false, ordering: .sequentiallyConsistent)
        stream.consumed(owed)
        owed = 0
    }

    /// A stream with nothing under way must get on, or it would wait for itself.
    private var mayReturnCredit: Bool {
        let waiting = inFlight.load(ordering: .sequentiallyConsistent)
        return waiting == 0 || waiting <= Self.maximumInFlight && budget.taken <= budget.limit / 2
    }
}
