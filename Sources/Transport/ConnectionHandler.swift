import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// The data plane of one connection: Noise and yamux fused in one channel handler.
///
/// ```
/// socket -> channelRead -> NoiseReader -> YamuxSession -> PeerStream's handler     (same loop, no copy)
/// socket <- flush       <- NoiseWriter <- YamuxSession <- PeerStream.write          (one copy, one writev)
/// ```
/// Everything runs on the channel's loop. Writes are gathered and flushed once per batch of reads, or once
/// per turn of the loop. Nothing is read from the socket's buffer twice and nothing waits behind a slow
/// stream: a stream without credit is parked, a full socket parks all of them.
/// The sending half is in `ConnectionHandler+Send.swift`, streams' own matters in `ConnectionHandler+Streams.swift`.
final class ConnectionHandler: ChannelInboundHandler, @unchecked Sendable {  // loop-confined, as all channel handlers
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Reads above this size are decrypted into a pooled buffer, smaller ones into one of their own, so
    /// that a small slice that somebody keeps does not pin 256 KiB.
    private static let pooledRead = 16 << 10

    let connection: Connection
    let limits: TransportLimits
    let registry: ProtocolRegistry
    let bandwidth: Bandwidth
    let pool: BufferPool
    var session: YamuxSession
    var writer: NoiseWriter
    private var reader: NoiseReader
    /// The beginning of a yamux header whose rest has not arrived.
    private var tail = ByteBuffer()

    var streams: [UInt32: PeerStream] = [:]
    /// Streams that have something to send and the credit for it, in the order of their turns.
    var ready = CircularBuffer<PeerStream>(initialCapacity: 8)
    var context: ChannelHandlerContext?
    var isReading = false
    var isFlushing = false
    var isFlushScheduled = false
    private(set) var isClosed = false

    /// Told when the other side breaks the rules.
    private let violated: (ConnectionError) -> Void
    private var ticker: RepeatedTask?
    private var pings: [UInt32: Instant] = [:]
    private var nextPing: UInt32 = 0
    private var lastPing: Instant = .zero
    private var stalledBytes = 0
    private var stalledSince: Instant?

    init(
        connection: Connection, upgraded: ConnectionUpgrade.Result, limits: TransportLimits,
        windowBudget: MemoryBudget, pool: BufferPool, violated: @escaping (ConnectionError) -> Void
    ) {
        self.violated = violated
        self.connection = connection
        self.limits = limits
        registry = connection.registry
        bandwidth = connection.registry.bandwidth
        self.pool = pool
        var yamux = limits.yamux
        yamux.inboundStreams = min(yamux.inboundStreams, limits.inboundStreamsPerPeer)
        yamux.outboundStreams = min(yamux.outboundStreams, limits.outboundStreamsPerPeer)
        session = YamuxSession(
            role: connection.isInbound ? .server : .client, limits: yamux, budget: windowBudget,
            now: Instant(connection.eventLoop.now))
        writer = NoiseWriter(cipher: upgraded.send, pool: pool)
        reader = NoiseReader(cipher: upgraded.receive)
        tail = upgraded.plaintext
    }

    var now: Instant { Instant(connection.eventLoop.now) }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection.handler = self
        ticker = context.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) {
            [weak self] _ in
            self?.tick()
        }
        sendPing()
    }

    func handlerRemoved(context: ChannelHandlerContext) { finish() }

    func channelInactive(context: ChannelHandlerContext) {
        finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if isFlushScheduled { flush() }
        context.fireChannelReadComplete()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        connection.countReceived(input.readableBytes)
        bandwidth.countReceived(input.readableBytes)
        isReading = true
        receive(&input)
    }

    /// Takes in what arrived behind the upgrade.
    func takeOver(_ input: inout ByteBuffer) {
        receive(&input)
        flush()
    }

    private func receive(_ input: inout ByteBuffer) {
        do {
            var isDone = false
            while !isDone, !isClosed {
                var plaintext = plaintextBuffer(for: input)
                isDone = try reader.receive(&input, into: &plaintext)
                pool.keep(plaintext)
                try dispatch(&plaintext)
            }
        } catch {
            fail(error)
        }
    }

    private func plaintextBuffer(for input: ByteBuffer) -> ByteBuffer {
        let most = tail.readableBytes + reader.pendingBytes + input.readableBytes
        var buffer = most > Self.pooledRead ? pool.take() : ByteBufferAllocator().buffer(capacity: most)
        if tail.readableBytes > 0 {
            buffer.writeImmutableBuffer(tail)
            tail.clear()
        }
        return buffer
    }

    /// Hands the events in `plaintext` to the streams.
    private func dispatch(_ plaintext: inout ByteBuffer) throws(YamuxError) {
        let now = now
        while !isClosed, let event = try session.receive(&plaintext, now: now) {
            switch event {
            case .data(let id, let bytes): if let stream = streams[id] { deliver(bytes, to: stream, now: now) }
            case .credit(let id): if let stream = streams[id] { markReady(stream) }
            case .opened(let id): welcome(id, now: now)
            case .inputClosed(let id): if let stream = streams[id] { endInput(of: stream) }
            case .reset(let id, let code): if let stream = streams[id] { end(stream, with: .reset(code: code)) }
            case .pong(let value): gotPong(value)
            case .goAway:
                connection.markClosing()
                if streams.isEmpty { closeConnection() }
            }
        }
        if plaintext.readableBytes > 0 { tail.writeImmutableBuffer(plaintext) }
        if session.outbox.readableBytes > 0 { scheduleFlush() }
    }

    // MARK: Ends

    private func fail(_ error: any Error) {
        guard !isClosed else { return }
        switch error {
        case YamuxError.goAway: close(code: nil)
        case let error as YamuxError:
            violated(.yamux(error))
            close(code: 1)
        default:
            violated((error as? NoiseError).map { ConnectionError($0) } ?? .security("\(error)"))
            close(code: nil)
        }
    }

    func closeConnection() { close(code: 0) }

    /// Says go-away, flushes, closes the socket; the streams fail at once.
    private func close(code: UInt32?) {
        guard !isClosed, let context else { return }
        connection.markClosing()
        if let code {
            session.goAway(code: code)
            flush()
        }
        let channel = context.channel
        finish()
        // Closing behind the flush lets the last frames out; a peer that takes nothing must not delay it.
        let written = channel.eventLoop.makePromise(of: Void.self)
        channel.writeAndFlush(ByteBuffer(), promise: written)
        let timer = channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
        written.futureResult.whenComplete { _ in
            timer.cancel()
            channel.close(promise: nil)
        }
    }

    private func finish() {
        guard !isClosed else { return }
        isClosed = true
        connection.markClosing()
        ticker?.cancel()
        ticker = nil
        connection.handler = nil
        session.removeAll()
        ready.removeAll()
        let all = streams
        streams = [:]
        for stream in all.values { Self.end(stream, with: .connectionClosed) }
        context = nil
    }

    // MARK: Time

    /// Once a second: deadlines of streams, keep-alive, a socket that takes nothing.
    private func tick() {
        let now = now
        for stream in Array(streams.values) { checkDeadlines(of: stream, now: now) }
        guard !isClosed else { return }
        if now - lastPing >= limits.keepAlive {
            guard pings.isEmpty else {
                // The last keep-alive was never answered.
                close(code: 2)
                return
            }
            sendPing()
            pool.trim()
        }
        checkSocket(now: now)
    }

    private func sendPing() {
        lastPing = now
        nextPing &+= 1
        pings[nextPing] = lastPing
        session.ping(nextPing)
        scheduleFlush()
    }

    private func gotPong(_ value: UInt32) {
        guard let sent = pings.removeValue(forKey: value) else { return }
        connection.measured(now - sent)
        session.roundTrip = connection.roundTrip
    }

    private func checkSocket(now: Instant) {
        guard let context, !context.channel.isWritable else {
            stalledSince = nil
            return
        }
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard let since = stalledSince, waiting == stalledBytes else {
            stalledSince = now
            stalledBytes = waiting
            return
        }
        if now - since >= limits.writeTimeout { close(code: nil) }
    }
}

extension Instant {
    /// The loop's clock, which is monotonic.
    init(_ deadline: NIODeadline) { self.init(nanoseconds: deadline.uptimeNanoseconds) }
}
