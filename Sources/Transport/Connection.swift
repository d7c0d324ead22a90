package import Multiformats
package import NIOCore
package import PeerCrypto
package import SansIO
import Synchronization

/// One secured, multiplexed connection to a peer: who is at the other end, and the way to open streams.
///
/// The bytes are worked by `ConnectionHandler` on the connection's event loop; this is its face for
/// everyone else, safe to use anywhere unless a member says otherwise.
package final class Connection: @unchecked Sendable {  // immutable or atomic; `handler` and `pushes` are loop-confined
    package let id: UInt64
    package let remotePeer: PeerID
    package let remoteKey: PublicKey
    /// The socket's addresses, without `/p2p`.
    package let remoteAddress: Multiaddr
    package let localAddress: Multiaddr
    /// Whether the other side dialled.
    package let isInbound: Bool
    /// When it was established.
    package let established: Instant
    /// Whether the muxer was agreed inside the Noise handshake.
    package let hadInlineMuxer: Bool

    let channel: any Channel
    let unreadBudget: MemoryBudget
    let registry: ProtocolRegistry
    let streamHighWater: Int
    /// Nil once the connection is closed. Loop only.
    var handler: ConnectionHandler?
    /// Identify pushes that this peer may still send. Loop only.
    var pushes: TokenBucket
    private let bytesReceived = Atomic<UInt64>(0)
    private let bytesSent = Atomic<UInt64>(0)
    private let roundTripNanoseconds = Atomic<Int64>(0)
    private let closing = Atomic<Bool>(false)

    init(
        id: UInt64, upgraded: ConnectionUpgrade.Result, remoteAddress: Multiaddr, localAddress: Multiaddr,
        isInbound: Bool, channel: any Channel, registry: ProtocolRegistry, limits: TransportLimits,
        unreadTotal: MemoryBudget, now: Instant
    ) {
        self.id = id
        remotePeer = upgraded.peer
        remoteKey = upgraded.key
        hadInlineMuxer = upgraded.hadInlineMuxer
        self.remoteAddress = remoteAddress
        self.localAddress = localAddress
        self.isInbound = isInbound
        self.channel = channel
        self.registry = registry
        streamHighWater = limits.streamHighWater
        unreadBudget = MemoryBudget(limit: limits.unreadPerConnection, within: unreadTotal)
        established = now
        pushes = TokenBucket(rate: 0.5, burst: 10, now: now)
    }

    package var eventLoop: any EventLoop { channel.eventLoop }

    /// Completes when the connection is gone.
    package var closeFuture: EventLoopFuture<Void> { channel.closeFuture }

    /// Ciphertext read from and written to the socket, in bytes.
    package var received: UInt64 { bytesReceived.load(ordering: .relaxed) }
    package var sent: UInt64 { bytesSent.load(ordering: .relaxed) }

    /// The smoothed round-trip time; `nil` before the first measurement.
    package var roundTrip: Duration? {
        let value = roundTripNanoseconds.load(ordering: .relaxed)
        return value > 0 ? .nanoseconds(value) : nil
    }

    /// Whether it leads back to this machine.
    package var isLoopback: Bool { remoteAddress.isLoopback }

    /// Whether either side began to close it: it takes no new streams.
    package var isClosing: Bool { closing.load(ordering: .relaxed) }

    /// Opens a stream for the first of `protocols` that the other side speaks. Any thread; never waits.
    ///
    /// With `lazily`, which needs exactly one protocol, data goes out together with the proposal; use it when
    /// the other side is known to speak it. `make` is called on the loop and gives who hears of the stream;
    /// it may give `nil` when the async helpers are used. What goes wrong comes by `failed`.
    @discardableResult
    package func openStream(
        _ protocols: [String], lazily: Bool = false,
        _ make: @escaping @Sendable (PeerStream) -> (any StreamHandler)? = { _ in nil }
    ) -> PeerStream {
        let stream = PeerStream(connection: self, isInbound: false, highWater: streamHighWater)
        let attach: @Sendable () -> Void = { [self] in
            stream.handler = make(stream)
            guard let handler else {
                ConnectionHandler.end(stream, with: .connectionClosed)
                return
            }
            handler.attach(stream, proposing: protocols, lazily: lazily && protocols.count == 1)
        }
        if eventLoop.inEventLoop { attach() } else { eventLoop.execute(attach) }
        return stream
    }

    /// Closes it: tells the other side, flushes, closes the socket. Streams fail with `.connectionClosed`.
    package func close() {
        closing.store(true, ordering: .relaxed)
        let close: @Sendable () -> Void = { [self] in
            if let handler { handler.closeConnection() } else { channel.close(promise: nil) }
        }
        if eventLoop.inEventLoop { close() } else { eventLoop.execute(close) }
    }

    /// Closes it unless streams are open.
    func closeIfIdle() {
        eventLoop.execute { [self] in
            if handler?.streams.isEmpty ?? false { close() }
        }
    }

    /// What a stream is, for people.
    package struct StreamInfo: Sendable {
        package let id: UInt32
        package let protocolID: String
        package let isInbound: Bool
    }

    /// The streams that are open now.
    package func streams() async -> [StreamInfo] {
        let list = try? await eventLoop.submit { [self] in
            (handler?.streams.values).map {
                $0.map { StreamInfo(id: $0.id, protocolID: $0.protocolID, isInbound: $0.isInbound) }
            } ?? []
        }.get()
        return (list ?? []).sorted { $0.id < $1.id }
    }

    func countReceived(_ bytes: Int) { bytesReceived.add(UInt64(bytes), ordering: .relaxed) }
    func countSent(_ bytes: Int) { bytesSent.add(UInt64(bytes), ordering: .relaxed) }
    func markClosing() { closing.store(true, ordering: .relaxed) }

    /// Takes a measured round trip into the smoothed one (an eighth of the new, as TCP does).
    func measured(_ sample: Duration) {
        let nanoseconds = max(1, sample.wholeNanoseconds)
        let old = roundTripNanoseconds.load(ordering: .relaxed)
        roundTripNanoseconds.store(old == 0 ? nanoseconds : old - old / 8 + nanoseconds / 8, ordering: .relaxed)
    }
}

extension Connection: Hashable {
    package static func == (left: Connection, right: Connection) -> Bool { left === right }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
