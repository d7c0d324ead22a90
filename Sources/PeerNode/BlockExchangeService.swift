package import BlockExchange
package import Logging
package import Multiformats
import NIOCore
import SansIO
package import Storage
import Synchronization
package import Transport

/// The shell of Bitswap: carries messages between the core and streams, and blocks between streams and store.
///
/// Decisions are the core's, on the control loop, which is this actor's executor. Hashing, reading and
/// writing go to the pool; bytes stay on the connections' loops. A block enters the store only after the
/// core has said that somebody wants it.
package actor BlockExchangeService {
    package typealias SessionID = Bitswap.SessionID

    let host: Host
    let blocks: Blockstore
    let plane: ControlPlane
    let logger: Logger
    var driver: CoreDriver<Bitswap>
    /// What we send to each peer.
    var links: [PeerID: BitswapLink] = [:]
    /// Sessions with open waits.
    var sessions: [SessionID: FetchState] = [:]
    /// Who waits for a block, by CID.
    var waiters: [CID: [Waiter]] = [:]
    /// Wants that go to the core together at the end of this turn of the loop.
    var unsentWants: [(session: SessionID, cid: CID)] = []
    var nextWaiter: UInt64 = 0
    var stopped = false
    /// Looks for peers that have a block which nobody at hand has.
    private var searchForProviders: (@Sendable (CID) -> Void)?
    /// What the messages that peers have sent may take, all together.
    let receiveBudget = MemoryBudget(limit: BitswapReader.budgetBytes)
    private let lastSession = Atomic<UInt64>(0)

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe plane.controlLoop.executor.asUnownedSerialExecutor()
    }

    package init(host: Host, blocks: Blockstore, plane: ControlPlane, seed: UInt64, logger: Logger) {
        self.host = host
        self.blocks = blocks
        self.plane = plane
        self.logger = logger
        driver = CoreDriver(Bitswap(generator: SeededGenerator(seed: seed)))
    }

    /// An id for a new session. Any thread.
    package nonisolated func nextSessionID() -> SessionID { SessionID(lastSession.add(1, ordering: .relaxed).newValue) }

    /// Runs `body` on the control loop, from any thread, without a task.
    nonisolated func onControl(_ body: @escaping @Sendable (isolated BlockExchangeService) -> Void) {
        plane.controlLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: Life

    /// Begins to serve and to follow who is connected.
    package func start() {
        for id in BitswapVersion.protocolIDs {
            host.handle(id) { [weak self] stream in self?.reader(of: stream.peer, lane: nil) }
        }
        host.observe { [weak self] event in self?.onControl { $0.followed(event) } }
    }

    /// Lets `search` look for peers that have a block, from now on. It answers by `.providersFound`.
    func searchProviders(by search: @escaping @Sendable (CID) -> Void) { searchForProviders = search }

    /// Ends all fetches with `NodeError.shuttingDown`.
    package func stop() {
        stopped = true
        driver.stop()
        let open = waiters.values.flatMap { $0 }
        waiters.removeAll()
        for waiter in open { waiter.continuation.resume(throwing: NodeError.shuttingDown) }
        for state in sessions.values { state.timer?.cancel() }
        sessions.removeAll()
        for link in links.values { link.close() }
        links.removeAll()
    }

    private func followed(_ event: HostEvent) {
        guard !stopped else { return }
        switch event {
        case .identified(let connection, let protocols): speaks(connection.remotePeer, protocols)
        case .protocolsChanged(let peer, let protocols): speaks(peer, protocols)
        case .disconnected(let connection, isLast: true):
            links.removeValue(forKey: connection.remotePeer)?.close()
            feed(.disconnected(connection.remotePeer))
        case .connected, .disconnected, .identifyFailed, .addressesChanged: break
        }
    }

    private func speaks(_ peer: PeerID, _ protocols: [String]) {
        guard let version = protocols.compactMap({ BitswapVersion(protocolID: $0) }).max() else { return }
        feed(.connected(peer, version: version))
        if let roundTrip = host.connection(to: peer)?.roundTrip { feed(.pinged(peer, roundTrip)) }
    }

    // MARK: The core

    /// Gives the core an input and carries out what it wants; `token` goes with what comes of a message.
    func feed(_ input: consuming Bitswap.Input, token: MessageToken? = nil) {
        guard !stopped else { return }
        for effect in driver.handle(input) { perform(effect, token) }
        driver.schedule(on: plane.controlLoop) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.tick() }
        }
    }

    private func tick() {
        guard !stopped else { return }
        for effect in driver.tick() { perform(effect, nil) }
        driver.schedule(on: plane.controlLoop) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.tick() }
        }
    }

    private func perform(_ effect: Bitswap.Effect, _ token: MessageToken?) {
        switch effect {
        case .send(let message, let peer): send(message, to: peer)
        case .verify(let received, let peer): verify(received, from: peer, token)
        case .deliver(let delivered, let peer): store(delivered, from: peer, token)
        case .lookup(let id, let cids): lookUp(id, cids, token)
        case .serve(let envelope): serve(envelope)
        case .findProviders(let cid, _): searchForProviders?(cid)
        case .misbehaved(let peer, let misdeed): punish(peer, misdeed)
        }
    }

    private func punish(_ peer: PeerID, _ misdeed: Bitswap.Misbehaviour) {
        logger.debug("peer misbehaved", metadata: ["peer": "\(peer.short)", "reason": "\(misdeed)"])
        // What an honest peer never does ends the connection; slowness and stale answers do not.
        if case .garbage = misdeed { host.disconnect(peer) }
    }

    // MARK: Questions

    /// What passed between us and `peer`; zeros when nothing did.
    package func ledger(of peer: PeerID) -> Ledger { driver.core.ledger(of: peer, now: ControlPlane.now) ?? Ledger() }

    /// What `peer` wants from us.
    package func wantlist(of peer: PeerID) -> [CID] { driver.core.wantList(of: peer) }

    /// What we want.
    package var wantlist: [CID] { driver.core.wantList }

    /// Totals since the start.
    package var statistics: Bitswap.Statistics { driver.core.statistics }

    /// The connected peers that speak Bitswap.
    package var peers: [PeerID] { driver.core.connectedPeers }
}

/// Keeps a message's bytes counted until its wants are looked up and its blocks stored or dropped; says so exactly once, when the
/// last holder lets go.
final class MessageToken: Sendable {
    private let done: @Sendable () -> Void
    init(_ done: @escaping @Sendable () -> Void) { self.done = done }
    deinit { done() }
}
