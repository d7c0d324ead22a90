package import NIOCore

/// What a protocol does with one stream. Every call comes on the connection's event loop, so a handler
/// needs no lock and must not block.
///
/// A stream ends in one of two ways: both sides close their halves (`inputClosed`, and the handler's own
/// `closeWrite`), or `failed` is called, once, and nothing after it.
package protocol StreamHandler: AnyObject {
    /// The protocol is agreed (`stream.protocolID`); for a stream opened here without waiting, before the answer.
    func opened(_ stream: PeerStream)

    /// Bytes arrived. They are a slice of a large shared buffer: copy what is small and kept for long.
    /// Their credit goes back to the sender after this call, unless `manualCredit` is set.
    func received(_ bytes: ByteBuffer, on stream: PeerStream)

    /// The other side writes no more.
    func inputClosed(_ stream: PeerStream)

    /// What waited to be sent fell below half the stream's high-water mark after it had been above it.
    func writable(_ stream: PeerStream)

    /// The stream is gone before its time.
    func failed(_ error: StreamError, on stream: PeerStream)
}

extension StreamHandler {
    package func opened(_ stream: PeerStream) {}
    package func writable(_ stream: PeerStream) {}
}
