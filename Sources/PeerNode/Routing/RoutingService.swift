import DHT
import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import SansIO
import Storage
import Transport

/// A node's place among its peers: its DHTs, its way into them, and what it asks and tells there.
///
/// It lives on the control loop like the DHTs, so asking them costs a call.
actor RoutingService {
    let host: Host
    let plane: ControlPlane
    let configuration: NodeConfiguration
    let repository: Repository
    let logger: Logger
    nonisolated let dials: DialGate
    nonisolated let tables: [DHTService]
    /// Whether all addresses that we listen on are loopback.
    nonisolated let isLoopbackNode: Bool
    /// The peers to begin with; asked each time, since people change them.
    let bootstrapPeers: @Sendable () -> [Multiaddr]
    private var bootstrap = BootstrapPace()
    private var bootstrapTimer: Scheduled<Void>?
    private var savingTask: RepeatedTask?
    private var neighbourTask: RepeatedTask?
    /// Bitswap's searches by multihash.
    var searches: [Multihash: ProviderSearch] = [:]
    let exchange: BlockExchangeService
    /// Looks up that are under way, each over all tables.
    var queries: [UInt64: RoutingQuery] = [:]
    private var lastQuery: UInt64 = 0
    /// Whether a table has anybody in it.
    private var isOnline = false
    nonisolated let provider: ProvideService
    var stopped = false

    /// Tables are saved so often, and at the end; the first time early, since the power may fail soon.
    private static let savingInterval = TimeAmount.minutes(5)
    private static let firstSaving = TimeAmount.seconds(30)

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe plane.controlLoop.executor.asUnownedSerialExecutor()
    }

    init(
        configuration: NodeConfiguration, host: Host, exchange: BlockExchangeService, repository: Repository,
        plane: ControlPlane, isLoopbackNode: Bool, bootstrapPeers: @escaping @Sendable () -> [Multiaddr],
        logger: Logger
    ) {
        self.configuration = configuration
        self.host = host
        self.exchange = exchange
        self.repository = repository
        self.plane = plane
        self.isLoopbackNode = isLoopbackNode
        self.bootstrapPeers = bootstrapPeers
        self.logger = logger
        provider = ProvideService(
            peer: host.peerID, configuration: configuration,
            sources: ProvideSources(
                blocks: repository.blocks,
                strategy: ProvideStrategy(rawValue: configuration.provide.strategy) ?? .roots),
            records: repository.records, plane: plane, logger: logger)
        let dials = DialGate(host: host, loop: plane.controlLoop)
        self.dials = dials
        tables = DHTNetwork.all(of: configuration.network.name).map { network in
            DHTService(
                network: network, configuration: configuration.kademlia, host: host, plane: plane, dials: dials,
                store: RoutingStore(repository.records, name: network.name, plane: plane),
                isLoopbackNode: isLoopbackNode, seed: RandomBytes.uint64(), logger: logger)
        }
    }

    /// Runs `body` on the control loop, from any thread, without a task.
    nonisolated func onControl(_ body: @escaping @Sendable (isolated RoutingService) -> Void) {
        plane.controlLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: Life

    /// Joins: brings back what was known, follows who is there, dials the way in.
    func start(_ saved: [RoutingStore.Saved], provided: [ProvideRecord]) {
        for table in tables {
            // Observed one by one, so that a table hears of a peer before it is asked to use it.
            host.observe { [weak table] event in table?.onControl { $0.followed(event) } }
        }
        host.observe { [weak self] event in
            if case .addressesChanged(let own) = event { self?.onControl { $0.moved(to: own) } }
        }
        moved(to: host.addresses)
        for (table, saved) in zip(tables, saved) {
            table.assumeIsolated { table in
                table.start(saved) { [weak self] in self?.onControl { $0.tablesChanged() } }
            }
        }
        provider.assumeIsolated { $0.start(asking: self, provided) }
        let hasSaved = saved.contains { !$0.peers.isEmpty }
        bootstrapTimer = plane.controlLoop.scheduleTask(in: hasSaved ? BootstrapPace.grace : .zero) {
            self.assumeIsolated { $0.lookForPeers() }
        }
        savingTask = plane.controlLoop.scheduleRepeatedTask(
            initialDelay: Self.firstSaving, delay: Self.savingInterval
        ) { [weak self] _ in
            guard let self else { return }
            let peers = self.assumeIsolated { $0.savedPeers }
            self.plane.pool.submit { _ in self.save(peers) }
        }
        neighbourTask = plane.controlLoop.scheduleRepeatedTask(
            initialDelay: .milliseconds(.random(in: 3_000...6_000)), delay: Self.neighbourInterval
        ) { [weak self] _ in
            guard let self else { return }
            self.assumeIsolated { $0.keepNeighbours() }
        }
    }

    /// Leaves: ends what is under way, and saves what the next start needs.
    func stop() async {
        guard !stopped else { return }
        let peers = savedPeers
        stopped = true
        bootstrapTimer?.cancel()
        savingTask?.cancel()
        neighbourTask?.cancel()
        for search in searches.values { search.stop() }
        searches.removeAll()
        await provider.stop()
        for table in tables { await table.stop() }
        dials.stop()
        try? await plane.blocking { self.save(peers) }
    }

    private var savedPeers: [[KadPeer]] { tables.map { table in table.assumeIsolated { $0.savedPeers } } }

    private nonisolated func save(_ peers: [[KadPeer]]) {
        for (table, list) in zip(tables, peers) {
            table.store.flush()
            // A table that is empty knows nothing better than what was saved before.
            if !list.isEmpty { table.store.save(peers: list) }
        }
        _ = try? repository.records.deleteExpired()
    }

    /// Our addresses are `own` now; who can be reached from the Internet may serve it.
    private func moved(to own: [Multiaddr]) {
        let isReachable = !host.observedAddresses.isEmpty
        for table in tables {
            let mode = table.network.mode(configuration.dht.mode, isReachable: isReachable)
            table.assumeIsolated { table in
                table.moved(to: own)
                table.become(mode)
            }
        }
    }

    /// Tells the provider whether there is anybody to ask.
    private func tablesChanged() {
        let isEmpty = peerCount == 0
        guard !stopped, isEmpty == isOnline else { return }
        isOnline = !isEmpty
        let online = isOnline
        provider.assumeIsolated { $0.networkChanged(isOnline: online) }
    }

    /// Peers in the tables, together.
    var peerCount: Int { tables.reduce(0) { $0 + $1.assumeIsolated { $0.peerCount } } }

    // MARK: Datagrams

    /// Asks by datagrams, too, from now on.
    func use(_ datagrams: DatagramEndpoint) {
        for table in tables { table.assumeIsolated { $0.datagrams = datagrams } }
    }

    /// A peer asked by datagram. Any thread.
    nonisolated func serve(_ request: DatagramRequest) {
        guard let table = table(at: request.address) else { return request.refuse() }
        table.onControl { $0.serve(request) }
    }

    /// A peer answered our datagram at `address`. Any thread.
    nonisolated func answered(_ peer: PeerID, at address: Multiaddr) {
        table(at: address)?.onControl { $0.answered(peer, at: address) }
    }

    private nonisolated func table(at address: Multiaddr) -> DHTService? {
        tables.first { $0.network.owns(address) }
    }

    // MARK: The way in

    /// Dials the bootstrap peers while the tables are small, ever more rarely, and looks again later.
    private func lookForPeers() {
        guard !stopped else { return }
        let count = tables.map { table in table.assumeIsolated { $0.peerCount } }.max() ?? 0
        if bootstrap.isNeeded(tableSize: count) {
            for (peer, addresses) in BootstrapPace.grouped(bootstrapPeers()) where peer != host.peerID {
                for table in tables {
                    // Those that take datagrams need no connection.
                    let direct = addresses.filter(\.isDatagram)
                    if !direct.isEmpty { table.assumeIsolated { $0.found(peer, direct) } }
                }
                let streams = addresses.filter { !$0.isDatagram }
                if !streams.isEmpty {
                    // The pace is ours; a peer that comes up late is not to wait for the address to rest.
                    _ = dials.connect(to: peer, streams, patience: .seconds(15), isForced: true) { _ in }
                }
            }
        }
        bootstrapTimer = plane.controlLoop.scheduleTask(in: bootstrap.next(tableSize: count)) {
            self.assumeIsolated { $0.lookForPeers() }
        }
    }

    /// A peer of the local network was found, or named by somebody.
    nonisolated func met(_ peer: PeerID, _ addresses: [Multiaddr]) {
        onControl { service in
            guard !service.stopped, peer != service.host.peerID else { return }
            service.host.peerStore.add(addresses, of: peer, for: PeerStore.Lifetime.learned, now: ControlPlane.now)
            _ = service.dials.connect(to: peer, addresses.filter { !$0.isDatagram }, patience: .seconds(10)) { _ in }
        }
    }

    // MARK: Questions

    /// Starts `query` in every table; `watch` is called on the control loop, the last time with `.finished`.
    @discardableResult
    func start(_ query: Query, _ watch: @escaping @Sendable (DHTService.News) -> Void) -> UInt64 {
        lastQuery += 1
        let id = lastQuery
        let merged = RoutingQuery(query, tables: tables, validators: configuration.kademlia.validators) {
            [weak self] news in
            if case .finished = news { self?.assumeIsolated { _ = $0.queries.removeValue(forKey: id) } }
            watch(news)
        }
        queries[id] = merged
        merged.start()
        return id
    }

    /// Ends a query; its watcher hears no more.
    func cancel(_ id: UInt64) { queries.removeValue(forKey: id)?.cancel() }

    /// The query's events for whoever iterates.
    nonisolated func ask(_ query: Query) -> RoutingEvents {
        RoutingEvents { continuation in
            onControl { service in
                let id = service.start(query) { news in RoutingEvent.yield(news, to: continuation) }
                continuation.onTermination = { [weak service] _ in service?.onControl { $0.cancel(id) } }
            }
        }
    }

    /// The query's result. Cancelling the task ends the query.
    nonisolated func result(of query: Query) async throws -> QueryResult {
        let (stream, continuation) = AsyncStream<QueryResult>.makeStream(bufferingPolicy: .bufferingNewest(1))
        onControl { service in
            let id = service.start(query) { news in
                guard case .finished(let result) = news else { return }
                continuation.yield(result)
                continuation.finish()
            }
            continuation.onTermination = { [weak service] _ in service?.onControl { $0.cancel(id) } }
        }
        for await result in stream { return result }
        throw CancellationError()
    }
}

extension Multiaddr {
    /// Whether it is `/ip4/<address>/udp/<port>` or `/ip6/...`, perhaps with a peer: what our datagrams go to.
    var isDatagram: Bool { sharedStreamAddress != nil }
}
