import NIOCore
import PeerCrypto
import SansIO

/// `/ipfs/ping/1.0.0`: 32 random bytes there and the same back, over and over on one stream.
///
/// Source: https://github.com/libp2p/specs/blob/master/ping/ping.md
package enum Ping {
    package static let protocolID = "/ipfs/ping/1.0.0"
    static let length = 32
    /// Go's listener ends a stream that was idle this long.
    static let idle: Duration = .seconds(60)
    static let timeout: Duration = .seconds(10)
}

/// Echoes each 32 bytes, whole and at once.
final class PingResponder: StreamHandler {
    private var held = ByteBuffer()

    func opened(_ stream: PeerStream) { stream.setDeadline(Ping.idle) }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        held.writeImmutableBuffer(bytes)
        // One write for all that came; a peer that does not read its echoes is stopped by its own credit.
        let whole = held.readableBytes - held.readableBytes % Ping.length
        guard whole > 0, let echo = held.readSlice(length: whole) else { return }
        held = ByteBuffer(bytes: held.readableBytesView)
        guard stream.isWritable else { return stream.reset() }
        stream.write(echo)
        stream.setDeadline(Ping.idle)
    }

    func inputClosed(_ stream: PeerStream) { stream.closeWrite() }
    func failed(_ error: StreamError, on stream: PeerStream) {}
}

/// The asking side: one stream, one ping at a time.
package final class Pinger: Sendable {
    private let stream: PeerStream

    init(_ stream: PeerStream) { self.stream = stream }

    static func open(on connection: Connection) -> Pinger {
        Pinger(connection.openStream([Ping.protocolID]) { _ in PingHandler() })
    }

    /// The time that 32 bytes take there and back. Throws `StreamError`.
    package func ping() async throws -> Duration {
        // The negotiation must not count as a round trip.
        try await stream.waitUntilOpen()
        let promise = stream.eventLoop.makePromise(of: Duration.self)
        let stream = stream
        stream.eventLoop.execute {
            if let failure = stream.failure {
                promise.fail(failure)
            } else if let handler = stream.handler as? PingHandler {
                handler.send(promise, on: stream)
            } else {
                promise.fail(StreamError.connectionClosed)
            }
        }
        return try await promise.futureResult.get()
    }

    /// Ends the stream.
    package func close() { stream.close() }

    deinit { stream.close() }
}

private final class PingHandler: StreamHandler {
    private var waiting: (promise: EventLoopPromise<Duration>, bytes: [UInt8], sent: NIODeadline)?
    private var held = ByteBuffer()

    func send(_ promise: EventLoopPromise<Duration>, on stream: PeerStream) {
        guard waiting == nil else { return promise.fail(StreamError.limit) }
        let bytes = RandomBytes.make(Ping.length)
        waiting = (promise, bytes, stream.eventLoop.now)
        stream.setDeadline(Ping.timeout)
        stream.write(ByteBuffer(bytes: bytes))
    }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        held.writeImmutableBuffer(bytes)
        guard let echo = held.readBytes(length: Ping.length) else { return }
        held.clear()
        guard let (promise, bytes, sent) = waiting, echo == bytes else { return stream.reset() }
        waiting = nil
        stream.setDeadline(nil)
        promise.succeed(.nanoseconds((stream.eventLoop.now - sent).nanoseconds))
    }

    func inputClosed(_ stream: PeerStream) { fail(.truncated) }
    func failed(_ error: StreamError, on stream: PeerStream) { fail(error) }

    private func fail(_ error: StreamError) {
        waiting?.promise.fail(error)
        waiting = nil
    }
}
