package import Logging
package import Multiformats
package import NIOCore
import NIOPosix
package import PeerCrypto
import SansIO
import Synchronization

/// Datagrams on real sockets: one core on one event loop, and the UDP sockets that are bound to it.
///
/// Calls and answers come from any thread; what is posted while the loop is busy is handled in one go, and
/// the packets of one go leave together. Completions and `serve` run on the loop and must not block it.
package final class DatagramEndpoint: Sendable {
    /// Called for each request of a peer.
    package typealias Serve = @Sendable (DatagramRequest) -> Void
    /// Called when a peer answered an initiation of ours: it lives at that address.
    package typealias Alive = @Sendable (PeerID, Multiaddr) -> Void
    package typealias Completion = @Sendable (Result<DatagramAnswer, DatagramError>) -> Void

    /// Something for the loop to do.
    enum Work: Sendable {
        case input(DatagramCore.Input)
        case call(DatagramCall, Completion)
    }

    let eventLoop: any EventLoop
    private let logger: Logger
    private let driver: NIOLoopBoundBox<DatagramDriver>
    private let inbox = Mutex<[Work]>([])
    private let lastCall = Atomic<UInt64>(0)

    /// An endpoint without sockets. `network` must be the peers' too, as must its key. Deadlines run on one of
    /// the loops of `group`.
    package convenience init(
        identity: KeyPair, network: String, privateNetwork: PrivateNetworkKey?, group: any EventLoopGroup,
        logger: Logger, onAlive: @escaping Alive = { _, _ in }, serve: @escaping Serve
    ) {
        let network = DatagramNetwork(name: network, privateNetwork: privateNetwork)
        self.init(
            configuration: DatagramConfiguration(identity: DatagramIdentity(identity, network: network)),
            group: group, logger: logger, onAlive: onAlive, serve: serve)
    }

    /// The same with limits of the caller's choice.
    package init(
        configuration: DatagramConfiguration, group: any EventLoopGroup, logger: Logger,
        onAlive: @escaping Alive = { _, _ in }, serve: @escaping Serve
    ) {
        eventLoop = group.next()
        self.logger = logger
        let core = DatagramCore(configuration, now: Instant(.now()))
        // It is made here and touched on the loop only from now on.
        driver = NIOLoopBoundBox.makeBoxSendingValue(
            DatagramDriver(core: core, eventLoop: eventLoop, onAlive: onAlive, serve: serve), eventLoop: eventLoop)
    }

    /// Binds a socket to each of `addresses` (`/ip4` or `/ip6`, then `/udp`; port 0 lets the system choose) and
    /// gives the addresses that it got. Either all of them are bound or none. Throws `DatagramError`.
    package func bind(to addresses: [Multiaddr]) async throws -> [Multiaddr] {
        var channels: [any Channel] = []
        var bound: [Multiaddr] = []
        do {
            for address in addresses {
                guard let target = DatagramAddress(address) else { throw DatagramError.badAddress }
                let channel = try await open(target)
                channels.append(channel)
                guard let local = channel.localAddress.flatMap({ DatagramAddress($0) }) else {
                    throw DatagramError.badAddress
                }
                bound.append(local.multiaddr)
                logger.debug("datagrams on \(local)")
            }
        } catch {
            for channel in channels { try? await channel.close() }
            throw error
        }
        return bound
    }

    private func open(_ target: DatagramAddress) async throws -> any Channel {
        let driver = driver
        let isWildcard = target.high == 0 && target.low == 0
        var bootstrap = DatagramBootstrap(group: eventLoop)
            // One buffer for many packets: each is decrypted out of it, so none is kept.
            .channelOption(.datagramVectorReadMessageCount, value: DatagramSocket.packetsPerRead)
            .channelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: DatagramSocket.packetsPerRead * 2048)
            )
            .channelOption(.socketOption(.so_rcvbuf), value: 1 << 21)
            .channelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let self else { throw DatagramError.closed }
                    let socket = DatagramSocket(driver: driver.value, endpoint: self)
                    try channel.pipeline.syncOperations.addHandler(socket)
                }
            }
        // A socket on every address must be told which one was asked, or it answers from another.
        if isWildcard { bootstrap = bootstrap.channelOption(.receivePacketInfo, value: true) }
        if target.isIPv6 {
            bootstrap = bootstrap.channelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        let text = target.multiaddr
        let host = text.components.first?.text ?? ""
        do {
            let address = try SocketAddress(ipAddress: host, port: Int(target.port))
            return try await bootstrap.bind(to: address).get()
        } catch {
            throw DatagramError.system("cannot receive datagrams on \(text): \(error)")
        }
    }

    /// Asks `peer` something: on the session with it, else by an initiation to `address`. `completion` is
    /// called once, on the loop, unless the call is cancelled.
    ///
    /// A private call goes under a throwaway identity and costs a round trip more.
    ///
    /// `toldFrom` is the address of the peer that told `address`: one inside a network that comes from outside
    /// of it is not tried. The message may have 1,160 bytes; at most 1,024 fit into the first packet, and
    /// longer ones cost a round trip more.
    @discardableResult
    package func call(
        _ peer: PeerID, at address: Multiaddr, _ message: ByteBuffer, kind: DatagramKind, offset: UInt8 = 0,
        deadline: Duration, isPrivate: Bool = false, toldFrom source: Multiaddr? = nil,
        completion: @escaping Completion
    ) -> DatagramCallID {
        let id = DatagramCallID(lastCall.add(1, ordering: .relaxed).newValue)
        let isCredible = source.map { !AddressPolicy.credible([address], toldFrom: $0).isEmpty } ?? true
        guard isCredible, let target = DatagramAddress(address) else {
            eventLoop.execute { completion(.failure(.badAddress)) }
            return id
        }
        let call = DatagramCall(
            id: id, peer: peer, address: target, message: message, kind: kind, offset: offset, deadline: deadline,
            isPrivate: isPrivate)
        post(.call(call, completion))
        return id
    }

    /// Gives up a call; its completion is not called any more.
    package func cancel(_ id: DatagramCallID) { post(.input(.cancel(id))) }

    /// Ends the sessions with `peer`; the next request begins a new one.
    package func disconnect(_ peer: PeerID) { post(.input(.close(peer))) }

    /// Counters since the start, and what is held now.
    package var statistics: DatagramStatistics {
        get async {
            let driver = driver
            let result = try? await eventLoop.submit { driver.value.statistics }.get()
            return result ?? DatagramStatistics()
        }
    }

    /// Closes the sockets and fails what is under way. Safe to call again.
    package func close() async {
        let driver = driver
        let channels = (try? await eventLoop.submit { driver.value.shutDown() }.get()) ?? []
        for channel in channels { try? await channel.close() }
    }

    // MARK: To the loop

    func post(_ input: DatagramCore.Input) { post(.input(input)) }

    private func post(_ work: Work) {
        let isFirst = inbox.withLock { inbox in
            inbox.append(work)
            return inbox.count == 1
        }
        guard isFirst else { return }
        eventLoop.execute { self.drain() }
    }

    /// Handles what was posted, on the loop.
    func drain() {
        let work = inbox.withLock { inbox in
            defer { inbox = [] }
            return inbox
        }
        driver.value.handle(work, endpoint: self)
    }
}

extension DatagramAddress {
    /// The address of a socket's end; `nil` when it is no IP address.
    init?(_ address: SocketAddress) {
        let isIPv6: Bool
        switch address {
        case .v4: isIPv6 = false
        case .v6: isIPv6 = true
        case .unixDomainSocket: return nil
        }
        // The layouts are the same everywhere: port at 2, then the IPv4 address at 4, or the IPv6 address at 8
        // and its zone at 24.
        let parts = unsafe address.withSockAddr { sockaddr, size -> (UInt64, UInt64, UInt32, UInt16) in
            let bytes = unsafe UnsafeRawBufferPointer(start: sockaddr, count: size)
            let port = UInt16(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            guard isIPv6 else {
                let ip = UInt32(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                return (0, UInt64(ip), 0, port)
            }
            return (
                UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                unsafe bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self), port
            )
        }
        self.init(high: parts.0, low: parts.1, scope: parts.2, port: parts.3, isIPv6: isIPv6)
    }
}
