import BlockExchange
import NIOCore
import Transport

/// Reads Bitswap messages from one stream, and tells when what we write on it has left.
///
/// Cutting and decoding happen on the connection's loop. While more than `maximumInFlight` bytes of
/// messages with blocks are being hashed and stored, no credit goes back to the sender: so a peer can make
/// us hold that much and one window, not more.
final class BitswapReader: StreamHandler, @unchecked Sendable {  // loop-confined: called by the stream's loop, or hops there
    /// Bytes of messages with blocks of one stream that may be between the socket and the disk.
    static let maximumInFlight = 8 << 20

    /// What the service does with the stream's news; called on the stream's loop.
    struct Callbacks: Sendable {
        /// A message; the second argument is to be called when its blocks are done with.
        var message: @Sendable (BitswapMessage, @escaping @Sendable () -> Void) -> Void
        /// The protocol is agreed.
        var opened: @Sendable (PeerStream) -> Void
        /// What waited to be sent has mostly left.
        var writable: @Sendable () -> Void
        /// The stream is gone before its time, or was reset because it carried nonsense.
        var failed: @Sendable () -> Void
    }

    private let callbacks: Callbacks
    private var framer = MessageFramer(maximum: BitswapMessage.Limits.messageBytes)
    private var inFlight = 0
    private var owed = 0

    init(_ callbacks: Callbacks) { self.callbacks = callbacks }

    func opened(_ stream: PeerStream) { callbacks.opened(stream) }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        stream.manualCredit = true
        var input = bytes
        owed += bytes.readableBytes
        do {
            while let payload = try framer.next(&input) { try take(payload, from: stream) }
        } catch {
            // The stream's scope: what it carries cannot be trusted to be in step any more.
            stream.reset()
            callbacks.failed()
            return
        }
        returnCredit(to: stream)
    }

    func inputClosed(_ stream: PeerStream) {
        // A message cut short is simply not there; the want for it is still open.
        if stream.isInbound { stream.closeWrite() }
    }

    func writable(_ stream: PeerStream) { callbacks.writable() }

    func failed(_ error: StreamError, on stream: PeerStream) { callbacks.failed() }

    private func take(_ payload: ByteBuffer, from stream: PeerStream) throws(BitswapError) {
        let message = try BitswapMessage(decoding: payload)
        guard !message.blocks.isEmpty else { return callbacks.message(message, {}) }
        let size = payload.readableBytes
        inFlight += size
        // Keeps the reader until its blocks are done with, which is soon.
        callbacks.message(message) { [self] in
            stream.eventLoop.execute { self.settled(size, on: stream) }
        }
    }

    private func settled(_ size: Int, on stream: PeerStream) {
        inFlight -= size
        returnCredit(to: stream)
    }

    private func returnCredit(to stream: PeerStream) {
        guard owed > 0, inFlight <= Self.maximumInFlight else { return }
        stream.consumed(owed)
        owed = 0
    }
}
