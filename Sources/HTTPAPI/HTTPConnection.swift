import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// One connection of the server: request after request, each read to its end before the next.
///
///     DepartureHandler -> decoder -> pipelining -> RequestGuard -> SilenceHandler -> this
struct HTTPConnection: ServerChildChannel {
    /// What `setup` makes for `handle`.
    struct Value: ServerChildChannelValue {
        let http: NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>
        /// Completes when the peer is gone or will send nothing more.
        let gone: EventLoopFuture<Void>
        var channel: any Channel { http.channel }
    }

    let responder: Responder

    /// Limits of a request's head (RFC 9112 leaves them to the server).
    private static var decoderLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 100
        return limits
    }
    /// How long a connection may be silent while it is our peer's turn.
    private static let idleTimeout = TimeAmount.seconds(120)
    /// How long the head of a request may take to arrive.
    private static let headTimeout = TimeAmount.seconds(10)

    /// How long a peer may take to read the end of the last answer and to close.
    private static let linger = TimeAmount.seconds(30)

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let operations = channel.pipeline.syncOperations
            let departure = DepartureHandler(channel.eventLoop.makePromise())
            let gone = departure.gone.futureResult
            // In front of pipelining, which keeps such news until the present answer has ended.
            try operations.addHandler(departure)
            try operations.configureHTTPServerPipeline(
                withPipeliningAssistance: true, withErrorHandling: false, withOutboundHeaderValidation: true,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: Self.decoderLimits)
            try operations.addHandlers(
                RequestGuard(), SilenceHandler(head: Self.headTimeout, idle: Self.idleTimeout))
            let http = try NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            return Value(http: http, gone: gone)
        }
    }

    func handle(value: Value, logger: Logger) async {
        let address = value.channel.remoteAddress?.ipAddress ?? "local"
        do {
            try await value.http.executeThenClose { inbound, outbound in
                let reader = RequestReader(inbound.makeAsyncIterator())
                while let head = try await reader.nextHead() {
                    try await responder.respond(
                        to: head, body: reader, outbound: outbound, from: address, closed: value.gone)
                    guard head.isKeepAlive, try await reader.skipBody(limit: RequestReader.maximumSkipped) else {
                        break
                    }
                }
                // The last answer is on its way through the socket's buffers: our side ends behind it, then the
                // peer closes. Closing here would throw away what is not sent yet.
                outbound.finish()
                let channel = value.channel
                let lingering = channel.eventLoop.scheduleTask(in: Self.linger) { channel.close(promise: nil) }
                try await channel.closeFuture.get()
                lingering.cancel()
            }
        } catch {
            // The peer went away, or sent something that its answer already said.
            logger.trace("connection ended", metadata: ["reason": "\(error)"])
        }
    }
}

/// Reads the requests of a connection one after the other. Used by the task of the connection.
final class RequestReader {
    /// What a request that is refused may still send before its connection is closed, in bytes.
    static let maximumSkipped = 1 << 20

    private var iterator: NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator
    private var inBody = false

    init(_ iterator: NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator) {
        self.iterator = iterator
    }

    func nextHead() async throws -> HTTPRequestHead? {
        while let part = try await next() {
            if case .head(let head) = part {
                inBody = true
                return head
            }
        }
        return nil
    }

    /// The next bytes of the body; nil at its end.
    func nextBytes() async throws -> ByteBuffer? {
        guard inBody else { return nil }
        switch try await next() {
        case .body(let bytes): return bytes
        case .end:
            inBody = false
            return nil
        case .head, nil: throw ChannelError.inputClosed
        }
    }

    /// Reads the rest of the body; false when it has more than `limit` bytes.
    func skipBody(limit: Int) async throws -> Bool {
        var length = 0
        while let bytes = try await nextBytes() {
            length += bytes.readableBytes
            if length > limit { return false }
        }
        return true
    }

    private func next() async throws -> HTTPServerRequestPart? {
        try await iterator.next(isolation: #isolation)
    }
}

/// Tells when a connection's peer goes, which an answer that waits for something would not notice.
private final class DepartureHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let gone: EventLoopPromise<Void>

    init(_ gone: EventLoopPromise<Void>) { self.gone = gone }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { gone.succeed() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone.succeed()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { gone.succeed() }
}

/// Closes a connection whose peer takes too long: for a head, or for anything while no answer is on its way.
private final class SilenceHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart

    private let head: TimeAmount
    private let idle: TimeAmount
    private var timer: Scheduled<Void>?
    /// Requests that are read whole and not answered.
    private var answering = 0
    private var started = false

    init(head: TimeAmount, idle: TimeAmount) {
        self.head = head
        self.idle = idle
    }

    func handlerAdded(context: ChannelHandlerContext) { restart(head, context: context) }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end = unwrapInboundIn(data) { answering += 1 }
        restart(idle, context: context)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            answering = max(0, answering - 1)
            restart(idle, context: context)
        }
        context.write(data, promise: promise)
    }

    private func restart(_ time: TimeAmount, context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        guard answering == 0 else { return }
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) { context.close(promise: nil) }
    }
}
