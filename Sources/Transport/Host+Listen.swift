package import Multiformats
import NIOCore
import NIOPosix
import SansIO
import Synchronization

// Listening, and what our addresses are.
extension Host {
    /// Listens on `addresses` (`/ip4` or `/ip6`, then `/tcp`; port 0 lets the system choose) and gives the
    /// addresses that it got. Either all of them are bound or none. Throws `ConnectionError`.
    package func listen(on addresses: [Multiaddr]) async throws -> [Multiaddr] {
        var channels: [any Channel] = []
        do {
            for address in addresses { channels.append(try await bind(address)) }
        } catch {
            for channel in channels { try? await channel.close() }
            throw error
        }
        let bound = channels.compactMap { $0.localAddress.flatMap { Multiaddr($0) } }
        state.withLock { state in
            state.listeners += channels
            state.bound += bound
        }
        refreshAddresses()
        return bound
    }

    private func bind(_ address: Multiaddr) async throws -> any Channel {
        guard let (host, port) = address.tcp, let ip = address.ipAddress else { throw ConnectionError.noAddress }
        let limits = limits
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptBackoff())
                }
            }
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let self else { throw ConnectionError.shuttingDown }
                    if let options = channel.syncOptions { try Self.configure(options, limits: limits) }
                    try self.accept(channel)
                }
            }
        if ip.count == 16 {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        do {
            return try await bootstrap.bind(to: try SocketAddress(ipAddress: host, port: Int(port))).get()
        } catch {
            throw ConnectionError.system("cannot listen on \(address): \(error)")
        }
    }

    /// Admits a fresh inbound channel, on its loop; throwing closes it.
    private func accept(_ channel: any Channel) throws {
        guard let remote = channel.remoteAddress.flatMap({ Multiaddr($0) }), let ip = IPAddress(remote) else {
            throw ConnectionError.closed
        }
        let id = makeID()
        let (admission, victim) = state.withLock { state -> (ConnectionManager.Admission, (any Channel)?) in
            guard !state.isClosing else { return (.refuse(reason: "closing"), nil) }
            let admission = state.manager.admit(id, from: ip, now: now)
            switch admission {
            case .refuse: return (admission, nil)
            case .accept:
                state.pending[id] = channel
                return (admission, nil)
            case .acceptDropping(let victim):
                state.pending[id] = channel
                return (admission, state.pending.removeValue(forKey: victim) ?? state.channel(of: victim))
            }
        }
        if let victim {
            let dropped = victim.remoteAddress.flatMap { Multiaddr($0) }
            logRefusal(peer: nil, address: dropped, reason: "half-open")
            victim.close(promise: nil)
        }
        if case .refuse(let reason) = admission {
            logRefusal(peer: nil, address: remote, reason: reason)
            throw ConnectionError.limit(reason)
        }
        try prepare(channel, id: id, isDialer: false, expecting: nil, remote: remote) { _ in }
    }

    // MARK: Our addresses

    /// Where the sockets listen, wildcards as they are.
    package var listenAddresses: [Multiaddr] { state.withLock { $0.bound } }

    /// Our addresses as others may use them: wildcards replaced by the interfaces' addresses, and what enough
    /// peers saw us at. Without `/p2p`.
    package var addresses: [Multiaddr] { state.withLock { $0.advertised } }

    /// Public addresses at which peers in four different networks reached us by dialling.
    package var observedAddresses: [Multiaddr] { state.withLock { $0.observed.confirmed(now: now) } }

    /// Tells peers of `addresses`, too: another transport of this node listens there. Wildcards are replaced as for
    /// the host's own.
    package func addListenAddresses(_ addresses: [Multiaddr]) {
        state.withLock { state in state.bound += addresses.filter { !state.bound.contains($0) } }
        refreshAddresses()
    }

    private static func expand(_ bound: [Multiaddr]) -> [Multiaddr] {
        guard bound.contains(where: \.isUnspecified) else { return bound }
        // Link-local addresses need a zone that means something on this machine only.
        let interfaces = ((try? System.enumerateDevices()) ?? []).compactMap { $0.address?.ipAddress }
            .filter { !$0.hasPrefix("fe80") }.compactMap { try? Multiaddr(ip: $0, tcp: 0).components.first }
        return bound.flatMap { address -> [Multiaddr] in
            let parts = address.components
            guard address.isUnspecified, let wildcard = parts.first else { return [address] }
            return interfaces.filter { $0.proto == wildcard.proto }.compactMap {
                try? Multiaddr(components: [$0] + parts.dropFirst())
            }
        }
    }

    /// Takes a peer's view of our address into account.
    func observed(_ address: Multiaddr, by connection: Connection) {
        // Only who dialled us saw an address that others can use; our outgoing ports mean nothing.
        guard connection.isInbound else { return }
        state.withLock { $0.observed.record(address.withoutPeerID, by: connection.remoteAddress, now: now) }
        refreshAddresses()
    }

    /// Looks whether our addresses changed (a new listener, another network, what peers see) and tells
    /// those who care.
    func refreshAddresses() {
        let (bound, confirmed) = state.withLock { ($0.bound, $0.observed.confirmed(now: now)) }
        var seen: Set<Multiaddr> = []
        let told = configuration.announced.isEmpty ? Self.expand(bound) + confirmed : configuration.announced
        let all = told.filter { seen.insert($0).inserted }
        let hasChanged = state.withLock { state in
            guard state.advertised != all else { return false }
            state.advertised = all
            state.records = [:]
            return true
        }
        guard hasChanged else { return }
        emit(.addressesChanged(all))
        schedulePush()
    }
}

/// Stops accepting for a second when the process has no file left for a connection, instead of failing at it
/// over and over.
private final class AcceptBackoff: ChannelInboundHandler {
    typealias InboundIn = any Channel

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        channel.eventLoop.scheduleTask(in: .seconds(1)) { () -> Void in
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
