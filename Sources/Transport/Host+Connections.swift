import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import SansIO
import Synchronization

// From an open socket to an established connection and to its end.
extension Host {
    /// Puts the upgrade onto a fresh channel, on its loop. `done` is called once, with what became of it.
    func prepare(
        _ channel: any Channel, id: UInt64, isDialer: Bool, expecting peer: PeerID?, remote: Multiaddr,
        _ done: @escaping (Result<Connection, ConnectionError>) -> Void
    ) throws {
        let upgrade = ConnectionUpgrade(
            isDialer: isDialer, identity: configuration.identity, expecting: peer,
            offersInlineMuxer: configuration.offersInlineMuxer)
        let handler = UpgradeHandler(
            upgrade: upgrade, limits: limits,
            finish: { [self] result, channel in
                guard let pool = pools[ObjectIdentifier(channel.eventLoop)] else { return nil }
                try? channel.syncOptions?.setOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: limits.readBuffer))
                let connection = Connection(
                    id: id, upgraded: result, remoteAddress: remote,
                    localAddress: channel.localAddress.flatMap { Multiaddr($0) } ?? remote, isInbound: !isDialer,
                    channel: channel, registry: registry, limits: limits, unreadTotal: unreadTotal, now: now)
                let handler = ConnectionHandler(
                    connection: connection, upgraded: result, limits: limits, windowBudget: windowBudget, pool: pool,
                    violated: { [self] error in
                        logRefusal(peer: connection.remotePeer, address: remote, reason: error.reason)
                    })
                return (handler, { self.established(connection, done) })
            },
            failed: { [self] error in
                if !isDialer, error != .closed { logRefusal(peer: nil, address: remote, reason: error.reason) }
                done(.failure(error))
            })
        let pipeline = channel.pipeline.syncOperations
        if let key = configuration.privateNetwork { try pipeline.addHandler(PrivateNetworkHandler(key: key)) }
        try pipeline.addHandler(handler)
        channel.closeFuture.whenComplete { [self] _ in
            state.withLock { state in
                state.manager.closed(id)
                state.pending[id] = nil
            }
        }
    }

    /// Bytes read at once from a peer that has not proved who it is.
    private static let strangersBuffer = 4 << 10

    /// Socket settings that both directions share.
    static func configure(_ options: any NIOSynchronousChannelOptions, limits: TransportLimits) throws {
        // Strangers get little; the large buffers come with the established connection.
        try options.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: strangersBuffer))
        try options.setOption(
            .writeBufferWaterMark, value: .init(low: limits.channelLowWater, high: limits.channelHighWater))
        try options.setOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    private func established(
        _ connection: Connection, _ done: (Result<Connection, ConnectionError>) -> Void
    ) {
        let peer = connection.remotePeer
        let (refusal, isFirst, waiters, effects) = state.withLock { state in
            var effects: [Dialer.Effect] = []
            state.pending[connection.id] = nil
            var reason = state.isClosing ? "closing" : peer == peerID ? "self" : nil
            reason = reason ?? state.manager.establish(connection.id, peer: peer, now: now)
            if let reason { return (reason as String?, false, [EventLoopPromise<Connection>](), effects) }
            let isFirst = state.connections[peer] == nil
            state.connections[peer, default: []].append(connection)
            if connection.isInbound { state.dialer.handle(.connected(peer), now: now, into: &effects) }
            return (nil, isFirst, state.waiters.removeValue(forKey: peer) ?? [], effects)
        }
        if let refusal {
            if connection.isInbound { logRefusal(peer: peer, address: connection.remoteAddress, reason: refusal) }
            done(.failure(peer == peerID ? .isSelf : .limit(refusal)))
            connection.close()
            return
        }
        peerStore.connected(peer, now: now)
        connection.closeFuture.whenComplete { [self] _ in closed(connection) }
        emit(.connected(connection, isFirst: isFirst))
        done(.success(connection))
        for waiter in waiters { waiter.succeed(connection) }
        perform(effects)
        identify(connection)
    }

    private func closed(_ connection: Connection) {
        let peer = connection.remotePeer
        let isLast = state.withLock { state in
            state.connections[peer]?.removeAll { $0 === connection }
            if state.connections[peer]?.isEmpty == true { state.connections[peer] = nil }
            return state.connections[peer] == nil
        }
        if isLast { peerStore.disconnected(peer, now: now) }
        emit(.disconnected(connection, isLast: isLast))
    }

    /// Closes what is too much: the least valuable connections above the high-water mark, idle duplicates.
    func trim(now: Instant) {
        let (surplus, duplicates) = state.withLock { state in
            let ids = Set(state.manager.trim(now: now))
            let all = state.connections.values.flatMap { $0 }
            // Of two peers that dialled each other at once only one tidies up, lest each closes another one.
            let duplicates = state.connections.filter { $0.value.count > 1 && peerID < $0.key }
                .flatMap { $0.value.dropFirst() }.filter { now - $0.established > limits.keepAlive }
            return (all.filter { ids.contains($0.id) }, duplicates)
        }
        for connection in surplus { connection.close() }
        for connection in duplicates { connection.closeIfIdle() }
    }
}

extension ConnectionError {
    /// One word for a log.
    var reason: String {
        switch self {
        case .timeout: "handshake-timeout"
        case .multistream: "multistream"
        case .security: "security"
        case .wrongPeer: "wrong-peer"
        case .yamux: "yamux"
        case .limit(let what): what
        case .refused, .noAddress, .backoff, .isSelf, .closed, .shuttingDown, .system: "closed"
        }
    }

    /// What a channel's error means here.
    init(_ error: any Error) {
        switch error {
        case let error as ConnectionError: self = error
        case ChannelError.connectTimeout: self = .timeout
        case let error as IOError where error.errnoCode == ECONNREFUSED: self = .refused
        case let error as NIOConnectionError:
            self = error.connectionErrors.first.map { ConnectionError($0.error) } ?? .system("no address found")
        default: self = .system("\(error)")
        }
    }
}

extension Multiaddr {
    /// The address of a socket's end; `nil` when it is no IP address.
    init?(_ address: SocketAddress) {
        guard let ip = address.ipAddress, let port = address.port else { return nil }
        try? self.init(ip: ip, tcp: UInt16(truncatingIfNeeded: port))
    }
}
