import Logging
package import Multiformats
package import NIOCore
import NIOPosix
import PeerCrypto
import SansIO
import Synchronization

/// The node's presence on the network: listens, dials, opens and accepts streams, knows its peers.
///
/// Bytes stay on the connections' loops; what the host itself keeps is small and under one lock that is never
/// held across a call to anyone else. Listening is in `Host+Listen.swift`, dialling in `Host+Dial.swift`, the
/// life of connections in `Host+Connections.swift`, identify in `Host+Identify.swift`.
package final class Host: Sendable {
    struct State {
        var manager: ConnectionManager
        var dialer: Dialer
        var waiters: [PeerID: [EventLoopPromise<Connection>]] = [:]
        var connections: [PeerID: [Connection]] = [:]
        /// Channels of connections that are not established, to drop them.
        var pending: [UInt64: any Channel] = [:]
        /// Channels of dial attempts by attempt, to cancel them.
        var attempts: [UInt64: any Channel] = [:]
        var listeners: [any Channel] = []
        /// Listen addresses as bound, wildcards included.
        var bound: [Multiaddr] = []
        var observed = ObservedAddresses()
        /// Our addresses as others may use them.
        var advertised: [Multiaddr] = []
        /// Signed records of parts of them, made when first asked for.
        var records: [[Multiaddr]: [UInt8]] = [:]
        var refusals: TokenBucket
        var suppressedRefusals = 0
        var observers: [(id: UInt64, body: @Sendable (HostEvent) -> Void)] = []
        var dialTimer: (deadline: Instant, task: Scheduled<Void>)?
        var ticker: RepeatedTask?
        var pushTimer: Scheduled<Void>?
        var isClosing = false
    }

    package let configuration: HostConfiguration
    package let peerID: PeerID
    package let peerStore: PeerStore
    package let bandwidth = Bandwidth()
    package let registry: ProtocolRegistry
    let group: any EventLoopGroup
    /// Where the host's own timers run.
    let home: any EventLoop
    let windowBudget: MemoryBudget
    let unreadTotal: MemoryBudget
    let pools: [ObjectIdentifier: BufferPool]
    let state: Mutex<State>
    private let nextID = Atomic<UInt64>(1)

    package var limits: TransportLimits { configuration.limits }

    /// A host on `group`'s loops. It does nothing by itself until `listen` or `connect`.
    package init(configuration: HostConfiguration, group: any EventLoopGroup) {
        self.configuration = configuration
        self.group = group
        let home = group.next()
        self.home = home
        let limits = configuration.limits
        peerID = configuration.identity.peerID
        peerStore = PeerStore(limits: limits, backend: configuration.peerStore, now: Instant(home.now))
        registry = ProtocolRegistry(bandwidth: bandwidth)
        windowBudget = MemoryBudget(limit: limits.windowBudget)
        unreadTotal = MemoryBudget(limit: limits.unreadTotal)
        pools = group.makeIterator().reduce(into: [:]) { $0[ObjectIdentifier($1)] = BufferPool(eventLoop: $1) }
        state = Mutex(
            State(
                manager: ConnectionManager(limits: limits), dialer: Dialer(limits: limits),
                refusals: TokenBucket(rate: 20, burst: 200, now: Instant(home.now))))
        addOwnProtocols()
        let ticker = home.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { [weak self] _ in
            self?.tick()
        }
        state.withLock { $0.ticker = ticker }
    }

    /// Bytes that were received and wait for their readers, and credit promised beyond the first windows.
    package var unreadBytes: Int { unreadTotal.taken }
    package var windowBytes: Int { windowBudget.taken }

    var now: Instant { Instant(NIODeadline.now()) }
    func makeID() -> UInt64 { nextID.add(1, ordering: .relaxed).oldValue }

    // MARK: Protocols

    /// Speaks `protocolID` from now on: `make` gives the handler of each new inbound stream, on its loop, or
    /// `nil` when it starts a task that uses the async helpers.
    package func handle(
        _ protocolID: String, maximumPerPeer: Int? = nil, _ make: @escaping ProtocolRegistry.Maker
    ) {
        registry.add(protocolID, maximumPerPeer: maximumPerPeer ?? limits.inboundStreamsPerProtocol, make)
        schedulePush()
    }

    /// Speaks `protocolID` no more; streams that are open stay.
    package func stopHandling(_ protocolID: String) {
        registry.remove(protocolID)
        schedulePush()
    }

    // MARK: Peers

    /// Every established connection.
    package var connections: [Connection] { state.withLock { $0.connections.values.flatMap { $0 } } }

    /// The connection to use for `peer`: the oldest that is not being closed.
    package func connection(to peer: PeerID) -> Connection? {
        state.withLock { $0.connections[peer]?.first { !$0.isClosing } }
    }

    package func isConnected(to peer: PeerID) -> Bool { connection(to: peer) != nil }

    /// Closes every connection to `peer`; gives how many there were.
    @discardableResult
    package func disconnect(_ peer: PeerID) -> Int {
        let all = state.withLock { $0.connections[peer] ?? [] }
        for connection in all { connection.close() }
        return all.count
    }

    /// Opens a stream to `peer`, dialling first if need be, for the first of `protocols` that it speaks.
    ///
    /// When the peer is known to speak one, nothing is waited for; else for its answer. `make` gives who hears
    /// of the stream (`nil`: the async helpers). Throws: `ConnectionError`, `StreamError`.
    package func openStream(
        to peer: PeerID, protocols: [String],
        _ make: @escaping @Sendable (PeerStream) -> (any StreamHandler)? = { _ in nil }
    ) async throws -> PeerStream {
        let connection = try await connect(to: peer)
        let stream = openStream(on: connection, protocols: protocols, make)
        try await stream.waitUntilOpen()
        return stream
    }

    /// The same on a connection at hand, without waiting: what goes wrong comes by `failed`.
    @discardableResult
    package func openStream(
        on connection: Connection, protocols: [String],
        _ make: @escaping @Sendable (PeerStream) -> (any StreamHandler)? = { _ in nil }
    ) -> PeerStream {
        let spoken = peerStore.protocols(of: connection.remotePeer)
        let known = protocols.first { spoken?.contains($0) ?? false }
        return connection.openStream(known.map { [$0] } ?? protocols, lazily: known != nil, make)
    }

    /// A stream for pings to `peer`, which is dialled if need be.
    package func pinger(to peer: PeerID) async throws -> Pinger {
        Pinger.open(on: try await connect(to: peer))
    }

    /// One round trip to `peer`.
    package func ping(_ peer: PeerID) async throws -> Duration {
        let pinger = try await pinger(to: peer)
        defer { pinger.close() }
        return try await pinger.ping()
    }

    /// Gives a connected peer a value that protects it from being trimmed; 0 takes it back.
    package func tag(_ peer: PeerID, _ name: String, value: Int) {
        state.withLock { $0.manager.tag(peer, name, value: value) }
    }

    /// Never trims `peer` until `unprotect` with the same name.
    package func protect(_ peer: PeerID, _ name: String) { state.withLock { $0.manager.protect(peer, name) } }
    package func unprotect(_ peer: PeerID, _ name: String) { state.withLock { $0.manager.unprotect(peer, name) } }

    // MARK: Events

    /// Calls `body` for each event, on whatever loop it happens; events of one connection keep their order.
    /// Gives a number for `stopObserving`.
    @discardableResult
    package func observe(_ body: @escaping @Sendable (HostEvent) -> Void) -> UInt64 {
        let id = makeID()
        state.withLock { $0.observers.append((id, body)) }
        return id
    }

    package func stopObserving(_ id: UInt64) { state.withLock { $0.observers.removeAll { $0.id == id } } }

    func emit(_ event: HostEvent) {
        for (_, body) in state.withLock({ $0.observers }) { body(event) }
    }

    /// A line that tools which ban addresses understand, for every refusal; a flood of them is cut short,
    /// so that it does not fill the disk.
    func logRefusal(peer: PeerID?, address: Multiaddr?, reason: String) {
        let suppressed: Int? = state.withLock { state in
            guard state.refusals.take(now: now) else {
                state.suppressedRefusals += 1
                return nil
            }
            defer { state.suppressedRefusals = 0 }
            return state.suppressedRefusals
        }
        guard let suppressed else { return }
        let ip = address?.tcp?.host ?? "-"
        let more = suppressed > 0 ? " (\(suppressed) lines before it left out)" : ""
        configuration.logger.notice("refused peer=\(peer.map(\.description) ?? "-") ip=\(ip) reason=\(reason)\(more)")
    }

    // MARK: Time and end

    private func tick() {
        let now = now
        bandwidth.updateRates(seconds: 1)
        let second = now.nanoseconds / 1_000_000_000
        if second % 10 == 0 { trim(now: now) }
        if second % 60 == 0 {
            peerStore.prune(now: now)
            NIOThreadPool.singleton.submit { [peerStore] _ in peerStore.save() }
        }
        if second % 5 == 0 { refreshAddresses() }
    }

    /// Stops listening and dialling, says goodbye on every connection, closes all of them. Takes no longer
    /// than `limits.shutdownTimeout`, then cuts what is left.
    package func shutdown() async {
        let (listeners, connections, pending, waiters) = state.withLock { state in
            state.isClosing = true
            state.ticker?.cancel()
            state.dialTimer?.task.cancel()
            state.pushTimer?.cancel()
            let result = (
                state.listeners, state.connections.values.flatMap { $0 }, Array(state.pending.values),
                state.waiters.values.flatMap { $0 }
            )
            state.listeners = []
            state.waiters = [:]
            return result
        }
        for waiter in waiters { waiter.fail(ConnectionError.shuttingDown) }
        for channel in listeners + pending { channel.close(promise: nil) }
        for connection in connections { connection.close() }
        let channels = listeners + pending + connections.map(\.channel)
        let timer = home.scheduleTask(in: TimeAmount(limits.shutdownTimeout)) {
            for channel in channels { channel.close(mode: .all, promise: nil) }
        }
        for channel in channels { try? await channel.closeFuture.get() }
        timer.cancel()
        peerStore.save()
        state.withLock { $0.observers = [] }
    }
}
