import Catalog
import Logging
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Transport

/// Pulls what gossip did not bring, and lets others pull: the shell of catalog sync, on the control loop.
///
/// It decides who has a session with whom and when; the sessions themselves run on their connections' loops
/// (`CatalogStream`), and the disk on threads of its own.
actor CatalogSyncService {
    /// One session under way.
    struct Running {
        let peer: PeerID
        let stream: CatalogStream
        let loop: any EventLoop
        let isOutbound: Bool
        let begun: Instant
        /// Whether the admission counts it.
        var isAdmitted: Bool
        /// For single updates rather than for all that differs.
        var isAsk = false
        var done: (@Sendable (CatalogSyncReport) -> Void)?
    }

    /// Sessions that one peer may open at once; more than one is a peer that has lost count.
    private static let streamsPerPeer = 2
    /// What peers can have asked and not been answered yet, all together.
    private static let asksAtOnce = 32

    let host: Host
    let catalog: CatalogService
    let protocolID: String
    let askProtocolID: String
    nonisolated var clocks: PeerClocks { catalog.clocks }
    var store: CatalogStore { catalog.store }
    var plane: ControlPlane { catalog.plane }
    var admission = SyncAdmission()
    var schedule: PullSchedule
    var generator: SeededGenerator
    /// Connected peers that speak the protocol, in the order in which they said so.
    var speakers: [PeerID] = []
    var sessions: [UInt64: Running] = [:]
    var counts = CatalogPullCounts()
    var lastPull: CatalogSyncReport?
    var lastWhole: CatalogSyncReport?
    var settling = Settling()
    /// Updates that were asked for a moment ago.
    var asked = ExpiringMap<UpdateID, Int>(capacity: 8_192, lifetime: .seconds(5))
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?
    private var observer: UInt64?
    private var clockTask: RepeatedTask?
    var stopped = false

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe catalog.plane.controlLoop.executor.asUnownedSerialExecutor()
    }

    init(_ catalog: CatalogService, network: String, host: Host) {
        self.catalog = catalog
        self.host = host
        // As with the DHT, nodes of another network are never spoken to by mistake.
        protocolID = Self.protocolID(SyncSession.protocolID, in: network)
        askProtocolID = Self.protocolID(SyncSession.askProtocolID, in: network)
        generator = SeededGenerator(seed: RandomBytes.uint64())
        schedule = PullSchedule(generator: SeededGenerator(seed: RandomBytes.uint64()))
    }

    /// `/coliving/catalog/1.0.0` in the network `coliving`, `/name/catalog/1.0.0` in others, and in the public one
    /// `/coliving/ipfs/catalog/1.0.0`, since that name is not ours.
    static func protocolID(_ id: String, in network: String) -> String {
        let rest = id.dropFirst("/coliving".count)
        switch network {
        case "coliving": return id
        case NodeConfiguration.publicNetwork: return "/coliving/\(network)\(rest)"
        default: return "/\(network)\(rest)"
        }
    }

    /// Runs `body` on the control loop, from any thread, without a task.
    nonisolated func onControl(_ body: @escaping @Sendable (isolated CatalogSyncService) -> Void) {
        catalog.plane.controlLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: Life

    /// Reads the set that peers compare, then serves and follows who is connected.
    func start() async throws {
        _ = try await store.keys()
        guard !stopped else { return }
        let authors = catalog.authors
        let own = try await plane.blocking { ((try? authors.list()) ?? []).map(\.id) }
        catalog.attach(self, own)
        if !own.isEmpty { beginSettling(after: catalog.configuration.settleTime) }
        host.handle(protocolID, maximumPerPeer: Self.streamsPerPeer) { [weak self] in self?.accept($0, asking: false) }
        host.handle(askProtocolID, maximumPerPeer: Self.streamsPerPeer) { [weak self] in self?.accept($0, asking: true)
        }
        clocks.serve(host)
        observer = host.observe { [weak self] event in self?.onControl { $0.followed(event) } }
        clockTask = plane.controlLoop.scheduleRepeatedTask(initialDelay: .minutes(10), delay: .minutes(10)) {
            [weak self] _ in
            guard let self else { return }
            self.assumeIsolated { $0.compareClocks() }
        }
        for connection in host.connections {
            if let spoken = host.peerStore.protocols(of: connection.remotePeer) {
                speaks(connection.remotePeer, spoken)
            }
        }
    }

    /// Ends all sessions; whoever waits hears that they failed.
    func stop() async {
        guard !stopped else { return }
        stopped = true
        catalog.detach()
        for id in [protocolID, askProtocolID, PeerClocks.protocolID] { host.stopHandling(id) }
        if let observer { host.stopObserving(observer) }
        timer?.cancel()
        clockTask?.cancel()
        endSettling()
        for session in sessions.values { session.stream.stop(session.loop) }
    }

    private func followed(_ event: HostEvent) {
        guard !stopped else { return }
        switch event {
        case .identified(let connection, let protocols): speaks(connection.remotePeer, protocols)
        case .protocolsChanged(let peer, let protocols): speaks(peer, protocols)
        case .disconnected(let connection, isLast: true): left(connection.remotePeer)
        case .connected, .disconnected, .identifyFailed, .addressesChanged: break
        }
    }

    private func speaks(_ peer: PeerID, _ protocols: [String]) {
        if protocols.contains(PeerClocks.protocolID), clocks.wantsMore, let connection = host.connection(to: peer) {
            clocks.ask(connection, of: host)
        }
        guard protocols.contains(protocolID) else { return left(peer) }
        guard !speakers.contains(peer) else { return }
        speakers.append(peer)
        host.tag(peer, "catalog", value: 3)
        schedule.connected(peer, now: ControlPlane.now)
        settleSoon()
        work()
    }

    /// Asks a few peers for their time again: clocks drift, and are set.
    private func compareClocks() {
        for peer in speakers.shuffled(using: &generator).prefix(PeerClocks.count) {
            guard let connection = host.connection(to: peer),
                host.peerStore.protocols(of: peer)?.contains(PeerClocks.protocolID) == true
            else { continue }
            clocks.ask(connection, of: host)
        }
    }

    private func left(_ peer: PeerID) {
        guard speakers.contains(peer) else { return }
        speakers.removeAll { $0 == peer }
        host.tag(peer, "catalog", value: 0)
        schedule.disconnected(peer)
    }

    // MARK: Pulls

    /// Begins whatever pull is due, and looks again when the next is.
    func work() {
        guard !stopped else { return }
        if let peer = schedule.next(&admission, now: ControlPlane.now) { begin(with: peer) }
        guard let deadline = schedule.deadline else { return }
        if let timerDeadline, timerDeadline <= deadline, timerDeadline > ControlPlane.now { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = plane.controlLoop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { service in
                service.timerDeadline = nil
                service.work()
            }
        }
    }

    /// Opens a session that was admitted as outbound.
    func begin(with peer: PeerID, _ done: (@Sendable (CatalogSyncReport) -> Void)? = nil) {
        let session = SyncSession(role: .initiator, generator: generator.split())
        open(session, to: peer, protocolID, isAsk: false, done)
    }

    /// Opens a stream for a session; what becomes of it is heard by `ended`.
    func open(
        _ session: SyncSession, to peer: PeerID, _ id: String, isAsk: Bool,
        _ done: (@Sendable (CatalogSyncReport) -> Void)? = nil
    ) {
        let number = Counter.next()
        let stream = CatalogStream(session, store: store, plane: plane, isAdmitted: true) { [weak self] ending in
            self?.onControl { $0.ended(number, ending) }
        }
        guard let connection = host.connection(to: peer) else {
            let outcome = SyncOutcome(result: .failed(.closed), figures: SyncFigures())
            sessions[number] = Running(
                peer: peer, stream: stream, loop: plane.controlLoop, isOutbound: true, begun: ControlPlane.now,
                isAdmitted: !isAsk, isAsk: isAsk, done: done)
            return onControl { $0.ended(number, CatalogStream.Ending(outcome: outcome)) }
        }
        sessions[number] = Running(
            peer: peer, stream: stream, loop: connection.eventLoop, isOutbound: true, begun: ControlPlane.now,
            isAdmitted: !isAsk, isAsk: isAsk, done: done)
        host.openStream(on: connection, protocols: [id]) { _ in stream }
    }

    /// A peer has opened a stream. On the connection's loop.
    private nonisolated func accept(_ stream: PeerStream, asking: Bool) -> any StreamHandler {
        let generator = SeededGenerator(seed: RandomBytes.uint64())
        let session = SyncSession(role: .responder, opening: asking ? .ask([]) : .compare, generator: generator)
        let (peer, loop) = (stream.peer, stream.eventLoop)
        let number = Counter.next()
        let handler = CatalogStream(
            session, store: catalog.store, plane: catalog.plane, isAdmitted: false
        ) { [weak self] ending in self?.onControl { $0.ended(number, ending) } }
        handler.attach(stream)
        onControl { service in
            let decision = service.admit(peer, asking: asking)
            service.sessions[number] = Running(
                peer: peer, stream: handler, loop: loop, isOutbound: false, begun: ControlPlane.now,
                isAdmitted: decision == .start && !asking, isAsk: asking)
            handler.admit(decision, loop)
        }
        return handler
    }

    private func admit(_ peer: PeerID, asking: Bool) -> SyncAdmission.Decision {
        guard !stopped else { return .wait(seconds: 60) }
        let now = ControlPlane.now
        if asking {
            let open = sessions.values.count { $0.isAsk && !$0.isOutbound }
            return open < Self.asksAtOnce && admission.mayAsk(peer, now: now) ? .start : .wait(seconds: 10)
        }
        // Both have begun at once: neither is to wait for a minute because of that.
        if sessions.values.contains(where: { $0.peer == peer && $0.isOutbound && !$0.isAsk }) {
            return .wait(seconds: 2)
        }
        return admission.begin(peer, now: now)
    }

    /// A session is over.
    private func ended(_ number: UInt64, _ ending: CatalogStream.Ending) {
        guard let session = sessions.removeValue(forKey: number) else { return }
        let (now, outcome) = (ControlPlane.now, ending.outcome)
        if session.isAdmitted {
            admission.end(session.peer, outcome, now: now)
            if session.isOutbound { schedule.ended(session.peer, outcome, now: now) }
        }
        let report = CatalogSyncReport(
            peer: session.peer, outcome: outcome, time: store.now(), duration: now - session.begun,
            accepted: ending.accepted)
        count(session, outcome)
        if session.isOutbound, !session.isAsk {
            lastPull = report
            if outcome.result == .whole { lastWhole = report }
            settled(session.peer, outcome)
        }
        catalog.passOn(PassingOn.chosen(ending.added, now: store.now()))
        session.done?(report)
        if !ending.missing.isEmpty, host.isConnected(to: session.peer) { ask(ending.missing, of: session.peer) }
        work()
    }

    private func count(_ session: Running, _ outcome: SyncOutcome) {
        if session.isAsk {
            if case .failed(let fault) = outcome.result { punish(session.peer, fault) }
            if session.isOutbound { counts.asksMade += 1 } else { counts.asksAnswered += 1 }
            return
        }
        switch outcome.result {
        case .whole: counts.whole += 1
        case .partial: counts.partial += 1
        case .refused:
            if session.isOutbound { counts.refusedByOthers += 1 } else { counts.refusedOthers += 1 }
        case .failed(let fault):
            counts.failed += 1
            punish(session.peer, fault)
        }
    }

    private func punish(_ peer: PeerID, _ fault: SyncFault) {
        guard fault.isHostile, !stopped else { return }
        counts.hostile += 1
        catalog.logger.debug(
            "peer broke the rules of catalog sync", metadata: ["peer": "\(peer.short)", "reason": "\(fault)"])
        // What an honest peer never does ends the connection.
        host.disconnect(peer)
    }
}
