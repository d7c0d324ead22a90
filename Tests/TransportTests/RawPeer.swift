import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import Testing
import Transport

/// A peer that upgrades properly and then says whatever a test wants, frame by frame.
final class RawPeer: ChannelInboundHandler, @unchecked Sendable {  // loop-confined
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var upgrade: ConnectionUpgrade
    private var result: ConnectionUpgrade.Result?
    private var input = ByteBuffer()
    private var plaintext = ByteBuffer()
    private var body = 0
    private var frames: [YamuxFrame] = []
    private var waiters: [(condition: ([YamuxFrame]) -> Bool, promise: EventLoopPromise<Void>)] = []
    private let ready: EventLoopPromise<Void>
    let channel: any Channel

    private init(_ channel: any Channel, _ identity: KeyPair, _ peer: PeerID) {
        self.channel = channel
        ready = channel.eventLoop.makePromise()
        upgrade = ConnectionUpgrade(isDialer: true, identity: identity, expecting: peer)
    }

    /// Connects to `address`, which names its peer; from the address `source` of this machine, if given.
    static func connect(
        to address: Multiaddr, identity: KeyPair = .generate(), from source: String? = nil
    ) async throws -> RawPeer {
        let peer = try #require(address.peerID)
        let channel = try await dial(address, from: source)
        let raw = try await channel.eventLoop.submit {
            let raw = RawPeer(channel, identity, peer)
            try channel.pipeline.syncOperations.addHandler(raw)
            // A host that refuses may have closed before the handler was there, which then hears of nothing.
            channel.closeFuture.whenComplete { _ in raw.ready.fail(ConnectionError.closed) }
            return raw
        }.get()
        try await raw.ready.futureResult.get()
        return raw
    }

    /// A bare TCP connection that says nothing.
    static func dial(_ address: Multiaddr, from source: String? = nil) async throws -> any Channel {
        let (host, port) = try #require(address.tcp)
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        if let source { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: source, port: 0)) }
        return try await bootstrap.connect(host: host, port: Int(port)).get()
    }

    func handlerAdded(context: ChannelHandlerContext) {
        var words = ByteBuffer()
        upgrade.start(into: &words)
        context.writeAndFlush(wrapOutboundOut(words), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        input.writeBuffer(&bytes)
        do {
            if result == nil {
                var output = ByteBuffer()
                result = try upgrade.receive(&input, into: &output)
                if output.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
                guard result != nil else { return }
                ready.succeed()
            }
            try readFrames()
        } catch {
            ready.fail(error)
            context.close(promise: nil)
        }
        check()
    }

    private func readFrames() throws {
        guard let result else { return }
        while let length = input.getInteger(at: input.readerIndex, as: UInt16.self),
            input.readableBytes >= 2 + Int(length)
        {
            input.moveReaderIndex(forwardBy: 2)
            try result.receive.open(frame: input.readSlice(length: Int(length))!, into: &plaintext)
        }
        while true {
            let skipped = min(body, plaintext.readableBytes)
            plaintext.moveReaderIndex(forwardBy: skipped)
            body -= skipped
            guard body == 0, let frame = try YamuxFrame(reading: &plaintext) else { return }
            frames.append(frame)
            if frame.kind == .data { body = Int(frame.length) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(ConnectionError.closed)
        for (_, promise) in waiters { promise.fail(ConnectionError.closed) }
        waiters = []
    }

    private func check() {
        waiters.removeAll { condition, promise in
            guard condition(frames) else { return false }
            promise.succeed()
            return true
        }
    }

    /// Sends frames, each with its body.
    func send(_ frames: [(YamuxFrame, [UInt8])]) async throws {
        var plaintext = ByteBuffer()
        for (frame, body) in frames {
            frame.write(to: &plaintext)
            plaintext.writeBytes(body)
        }
        let bytes = plaintext
        try await channel.eventLoop.flatSubmit { [self] in
            var rest = bytes
            var output = ByteBuffer()
            while rest.readableBytes > 0, let piece = rest.readSlice(length: min(65_519, rest.readableBytes)) {
                try? result?.send.seal(piece, into: &output)
            }
            return channel.writeAndFlush(output)
        }.get()
    }

    /// Waits until the frames received so far fulfil `condition`. Throws when the connection ends before.
    func wait(_ condition: @escaping @Sendable ([YamuxFrame]) -> Bool) async throws {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        channel.eventLoop.execute { [self] in
            if !channel.isActive, !condition(frames) { return promise.fail(ConnectionError.closed) }
            waiters.append((condition, promise))
            check()
        }
        try await promise.futureResult.get()
    }

    var received: [YamuxFrame] { get async throws { try await channel.eventLoop.submit { self.frames }.get() } }

    /// Opens stream `id` for `protocolID` with multistream's words.
    static func opening(_ id: UInt32, _ protocolID: String) -> [(YamuxFrame, [UInt8])] {
        var words = ByteBuffer()
        Multistream(proposing: [protocolID]).start(into: &words)
        let bytes = Array(words.readableBytesView)
        return [(YamuxFrame(.data, .syn, stream: id, length: UInt32(bytes.count)), bytes)]
    }
}

/// Waits for `condition`, looking again every few milliseconds; false after ten seconds.
func eventually(_ condition: @Sendable () async -> Bool) async throws -> Bool {
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    for _ in 0..<2_000 {
        if await condition() { return true }
        try await loop.scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
    }
    return false
}
