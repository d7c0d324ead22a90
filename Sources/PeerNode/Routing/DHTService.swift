import DHT
import Logging
import Multiformats
import NIOCore
import SansIO
import Transport

/// The shell of one DHT: carries messages between its Kademlia core and streams or datagrams, and changes of
/// its records to the disk.
///
/// Decisions are the core's, on the control loop, which is this actor's executor; other services of that loop
/// call it without waiting. A node has one in a named network, two in the public one.
actor DHTService {
    /// What a query tells those who wait for it.
    enum News: Sendable {
        case progress(QueryProgress)
        /// The last.
        case finished(QueryResult)
    }

    let network: DHTNetwork
    let host: Host
    let plane: ControlPlane
    let logger: Logger
    let store: RoutingStore
    /// Whether all addresses that we listen on are loopback.
    let isLoopbackNode: Bool
    var driver: CoreDriver<Kademlia>
    private(set) var mode = KadMode.client
    /// Who waits for which query.
    private var watchers: [QueryID: @Sendable (News) -> Void] = [:]
    private var lastQuery: UInt64 = 0
    /// Told on the control loop when a peer has entered the table or left it.
    private var tableChanged: (@Sendable () -> Void)?
    /// How each request of a peer is answered; emptied within the call that fills it.
    private var repliers: [RequestID: @Sendable (KadMessage?) -> Void] = [:]
    private var lastRequest: UInt64 = 0
    /// Our requests that are under way.
    var calls: [CallID: Call] = [:]
    /// Our streams, by number, and those that nothing is asked on at the moment, by peer.
    var streams: [UInt64: ClientStream] = [:]
    var idleStreams: [PeerID: UInt64] = [:]
    var lastStream: UInt64 = 0
    let dials: DialGate
    /// Where datagrams go; nil on a node that listens on none.
    var datagrams: DatagramEndpoint?
    var stopped = false
    private let began: Instant
    /// What unfinished requests of peers may hold, all together.
    private let budget = MemoryBudget(limit: 16 << 20)

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe plane.controlLoop.executor.asUnownedSerialExecutor()
    }

    init(
        network: DHTNetwork, configuration: KademliaConfiguration, host: Host, plane: ControlPlane,
        dials: DialGate, store: RoutingStore, isLoopbackNode: Bool, seed: UInt64, logger: Logger
    ) {
        self.network = network
        self.host = host
        self.plane = plane
        self.dials = dials
        self.store = store
        self.isLoopbackNode = isLoopbackNode
        self.logger = logger
        began = ControlPlane.now
        var configuration = configuration
        configuration.addressPolicy = network.addressPolicy(isLoopbackNode: isLoopbackNode)
        configuration.mode = .client
        driver = CoreDriver(
            Kademlia(configuration, peer: host.peerID, epoch: KadTime.now(), start: began, seed: seed))
    }

    /// Runs `body` on the control loop, from any thread, without a task.
    nonisolated func onControl(_ body: @escaping @Sendable (isolated DHTService) -> Void) {
        plane.controlLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: Life

    /// Brings back what was known before the restart and begins, as client; `become` makes it a server.
    func start(_ saved: RoutingStore.Saved, tableChanged: @escaping @Sendable () -> Void) {
        self.tableChanged = tableChanged
        if !saved.records.isEmpty { feed(.restoreRecords(saved.records)) }
        if !saved.peers.isEmpty { feed(.restorePeers(saved.peers)) }
    }

    /// Asks only, or serves, too. Peers learn it by identify.
    func become(_ new: KadMode) {
        guard new != mode, !stopped else { return }
        mode = new
        feed(.modeChanged(new))
        if new == .server {
            host.handle(network.protocolID, maximumPerPeer: KadFraming.streamsPerPeer) { [weak self] stream in
                self?.serverStream(stream.connection)
            }
        } else {
            host.stopHandling(network.protocolID)
        }
    }

    /// Our addresses are `own` from now on.
    func moved(to own: [Multiaddr]) {
        feed(.addressesChanged(network.announced(own, isLoopbackNode: isLoopbackNode)))
    }

    /// Ends everything; whoever waits hears that it was cancelled.
    func stop() {
        guard !stopped else { return }
        if mode == .server { host.stopHandling(network.protocolID) }
        stopped = true
        driver.stop()
        let open = watchers
        watchers.removeAll()
        for (_, watcher) in open.sorted(by: { $0.key < $1.key }) { watcher(.finished(.failed(.cancelled))) }
        for call in calls.values { call.timer.cancel() }
        calls.removeAll()
        for stream in streams.values { stream.stream.close() }
        streams.removeAll()
        idleStreams.removeAll()
    }

    /// What happens to peers.
    func followed(_ event: HostEvent) {
        guard !stopped else { return }
        switch event {
        case .identified(let connection, let protocols):
            let dialled = connection.isInbound ? [] : [connection.remoteAddress]
            speaks(connection.remotePeer, protocols, dialled)
        case .protocolsChanged(let peer, let protocols): speaks(peer, protocols, [])
        case .connected, .disconnected, .identifyFailed, .addressesChanged: break
        }
    }

    private func speaks(_ peer: PeerID, _ protocols: [String], _ dialled: [Multiaddr]) {
        guard protocols.contains(network.protocolID) else { return feed(.stoppedServing(peer)) }
        found(peer, dialled)
    }

    /// `peer` serves this DHT, at `addresses` among others.
    func found(_ peer: PeerID, _ addresses: [Multiaddr]) {
        var seen: Set<Multiaddr> = []
        let all = (addresses + host.peerStore.addresses(of: peer, now: ControlPlane.now))
            .filter { seen.insert($0).inserted && network.owns($0) }
        guard !all.isEmpty else { return }
        feed(.found(peer, addresses: all))
    }

    // MARK: The core

    /// Gives the core an input and carries out what it wants.
    func feed(_ input: consuming Kademlia.Input) {
        guard !stopped else { return }
        for effect in driver.handle(input) { perform(effect) }
        schedule()
    }

    private func tick() {
        guard !stopped else { return }
        for effect in driver.tick() { perform(effect) }
        schedule()
    }

    private func schedule() {
        driver.schedule(on: plane.controlLoop) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.tick() }
        }
    }

    private func perform(_ effect: Kademlia.Effect) {
        switch effect {
        case .call(let id, let message, let peer, let timeout): call(id, message, peer, timeout)
        case .abandon(let id): abandon(id)
        case .respond(let id, let message): repliers.removeValue(forKey: id)?(message)
        case .refuse(let id): repliers.removeValue(forKey: id)?(nil)
        case .progress(let id, let progress): watchers[id]?(.progress(progress))
        case .finished(let id, let result): watchers.removeValue(forKey: id)?(.finished(result))
        case .store(let change): store.record(change)
        case .entered(let peer):
            host.tag(peer.id, tag, value: 5)
            tableChanged?()
        case .left(let peer):
            host.tag(peer, tag, value: 0)
            tableChanged?()
        }
    }

    private var tag: String { "kad-" + network.name }

    // MARK: Queries

    /// Starts a query; `watch` is called on the control loop, perhaps before this returns, and the last time with
    /// `.finished`.
    @discardableResult
    func start(_ query: Query, _ watch: @escaping @Sendable (News) -> Void) -> QueryID {
        lastQuery += 1
        let id = QueryID(lastQuery)
        guard !stopped else {
            watch(.finished(.failed(.cancelled)))
            return id
        }
        watchers[id] = watch
        feed(.start(id, query))
        return id
    }

    /// Ends a query; its watcher hears no more.
    func cancel(_ id: QueryID) {
        guard watchers.removeValue(forKey: id) != nil else { return }
        feed(.cancel(id))
    }

    // MARK: Requests of peers

    private nonisolated func serverStream(_ connection: Connection) -> KadServerStream {
        KadServerStream(budget: budget) { [weak self] message, stream in
            let requester = Requester(
                peer: connection.remotePeer, address: connection.remoteAddress, transport: .stream, isConfirmed: true)
            self?.onControl { service in
                service.asked(message, by: requester) { answer in
                    guard let answer else { return stream.reset() }
                    // Who announces a provider expects no answer: Kubo would take it for that of its next request.
                    if message.kind != .addProvider { stream.write(KadFraming.framed(answer)) }
                }
            }
        }
    }

    /// A request of a peer; `reply` is called before this returns, with nil for a request that is refused.
    func asked(_ message: KadMessage, by requester: Requester, _ reply: @escaping @Sendable (KadMessage?) -> Void) {
        guard mode == .server, !stopped else { return reply(nil) }
        lastRequest += 1
        let id = RequestID(lastRequest)
        repliers[id] = reply
        feed(.request(id, message, from: requester))
        // A core that said nothing must not make the table grow.
        repliers.removeValue(forKey: id)?(nil)
    }

    // MARK: Questions

    /// How many peers the table has.
    var peerCount: Int { driver.core.table.count }

    /// What is worth keeping for the next start.
    var savedPeers: [KadPeer] { driver.core.savedPeers() }

    /// Time since it began.
    var age: Duration { ControlPlane.now - began }
}
