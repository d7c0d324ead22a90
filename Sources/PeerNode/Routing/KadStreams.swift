import DHT
import Multiformats
import NIOCore
import SansIO
import Transport

/// How Kademlia messages travel on streams: each with its length in front.
enum KadFraming {
    /// Server streams without a request for so long end.
    static let idle = Duration.seconds(60)
    /// Streams that one peer may open to ask on.
    static let streamsPerPeer = 16

    static func framed(_ message: KadMessage) -> [ByteBuffer] {
        let payload = message.encode()
        var prefix = ByteBuffer()
        prefix.writeVarint(UInt64(payload.readableBytes))
        return [prefix, payload]
    }
}

/// Reads the requests of one stream that a peer opened; the answers are written by the service.
final class KadServerStream: StreamHandler {
    /// Requests of one stream that may be unanswered. Honest askers wait for each answer.
    private static let mostOpen = 32

    /// Called on the stream's loop.
    private let request: @Sendable (KadMessage, PeerStream) -> Void
    private let budget: MemoryBudget
    private var framer = MessageFramer(maximum: KadMessage.Limits.messageBytes)
    private var countedHeld = 0

    init(budget: MemoryBudget, request: @escaping @Sendable (KadMessage, PeerStream) -> Void) {
        self.budget = budget
        self.request = request
    }

    deinit { budget.give(countedHeld) }

    func opened(_ stream: PeerStream) { stream.setDeadline(KadFraming.idle) }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        var input = bytes
        var count = 0
        do {
            while let payload = try framer.next(&input) {
                count += 1
                // Who asks without reading answers gets none.
                guard stream.isWritable, count <= Self.mostOpen else { return stream.reset() }
                request(try KadMessage(decoding: payload), stream)
            }
        } catch {
            return stream.reset()
        }
        let held = framer.heldBytes
        if held > countedHeld {
            guard budget.take(held - countedHeld) else { return stream.reset() }
        } else {
            budget.give(countedHeld - held)
        }
        countedHeld = held
        if count > 0 { stream.setDeadline(KadFraming.idle) }
    }

    func inputClosed(_ stream: PeerStream) { stream.closeWrite() }
    func failed(_ error: StreamError, on stream: PeerStream) {}
}

/// Reads the answers of one stream that we opened, and tells of its end; what is asked on it is written by the
/// service, one request at a time.
final class KadClientStream: StreamHandler {
    /// What a stream tells; called on its loop.
    enum News: Sendable {
        case opened
        case answer(KadMessage)
        /// The other side writes no more.
        case ended
        case failed(CallFailure)
    }

    private let news: @Sendable (News) -> Void
    private var framer = MessageFramer(maximum: KadMessage.Limits.messageBytes)

    init(_ news: @escaping @Sendable (News) -> Void) { self.news = news }

    func opened(_ stream: PeerStream) { news(.opened) }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        var input = bytes
        do {
            while let payload = try framer.next(&input) { news(.answer(try KadMessage(decoding: payload))) }
        } catch {
            stream.reset()
            news(.failed(.malformed))
        }
    }

    func inputClosed(_ stream: PeerStream) { news(.ended) }

    func failed(_ error: StreamError, on stream: PeerStream) {
        let failure: CallFailure =
            switch error {
            case .timeout, .writeTimeout: .timeout
            case .connectionClosed, .limit: .unreachable
            case .messageTooLong, .truncated: .malformed
            case .reset, .protocolNotSupported, .negotiation, .cancelled, .writeClosed: .refused
            }
        news(.failed(failure))
    }
}
