package import Gossip
package import Logging
package import Multiformats
import NIOCore
import NIOPosix
import SansIO
package import Storage
package import Transport

/// The shell of gossip: carries frames between the core and streams, and messages between the core and those who
/// check and read them.
///
/// Decisions are the core's, on the control loop, which is this actor's executor. Signatures are checked on the pool;
/// bytes stay on the connections' loops.
///
///     register (topics with rules of their own) -> start -> subscribe, publish -> stop
package actor GossipService {
    let host: Host
    let plane: ControlPlane
    let logger: Logger
    let store: GossipStore
    private(set) var configuration: GossipConfiguration
    private(set) var driver: CoreDriver<GossipSub>
    private let seed: UInt64
    private var sequence: UInt64 = 0
    /// Our streams with each peer.
    var links: [PeerID: GossipLink] = [:]
    /// Topics with rules of their own.
    var registrations: [Topic: GossipValidator] = [:]
    /// Who reads which topic, by number.
    var feeds: [Topic: [UInt64: PubSubMessages.Feed]] = [:]
    var lastFeed: UInt64 = 0
    /// Messages to be checked, gathered in one turn of the loop.
    var unchecked: [PendingMessage] = []
    /// Signatures that are being checked.
    var checks = OrderedResults<[(pending: PendingMessage, verdict: GossipVerdict)]>()
    /// Peers whose frames wait until fewer of their messages do.
    var stalled: Set<PeerID> = []
    /// What the core said of the message that is being published.
    var outcome: Result<(id: MessageID, peers: Int), PublishFailure>?
    var lastPublish: UInt64 = 0
    private var numbersLeft = GossipStore.stride
    var losses = GossipLosses()
    /// Peers whose connections are protected for being in a mesh.
    private var protected: Set<PeerID> = []
    private var protection: RepeatedTask?
    /// Connects to peers that others name.
    let dials: DialGate
    /// Peers that the operator wants to get everything, and where they are.
    private let direct: [PeerID: [Multiaddr]]
    var hintsUnderWay = 0
    private(set) var isStarted = false
    private(set) var stopped = false
    private var observation: UInt64?
    /// What unfinished frames of peers may hold, all together.
    let budget = MemoryBudget(limit: 32 << 20)

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe plane.controlLoop.executor.asUnownedSerialExecutor()
    }

    /// Connecting to peers that others name: so many at once, and so many in line.
    static let mostDials = 8
    static let mostWaitingDials = 128
    /// How often the connections of mesh peers are protected anew.
    private static let protectionInterval = TimeAmount.seconds(10)

    package init(
        _ configuration: GossipConfiguration, host: Host, records: RecordStore, plane: ControlPlane, seed: UInt64,
        logger: Logger, direct: [Multiaddr] = []
    ) {
        self.configuration = configuration
        self.host = host
        self.plane = plane
        self.seed = seed
        self.logger = logger
        self.direct = BootstrapPace.grouped(direct).reduce(into: [:]) { $0[$1.0] = $1.1 }
        store = GossipStore(records, capacity: configuration.authors, plane: plane)
        dials = DialGate(
            host: host, loop: plane.controlLoop, mostDials: Self.mostDials, mostWaiting: Self.mostWaitingDials)
        driver = Self.driver(configuration, host, sequence: 0, seed: seed)
    }

    private static func driver(
        _ configuration: GossipConfiguration, _ host: Host, sequence: UInt64, seed: UInt64
    ) -> CoreDriver<GossipSub> {
        CoreDriver(
            GossipSub(
                configuration, peer: host.peerID, key: host.configuration.identity, sequence: sequence,
                start: ControlPlane.now, seed: seed))
    }

    /// Runs `body` on the control loop, from any thread, without a task.
    nonisolated func onControl(_ body: @escaping @Sendable (isolated GossipService) -> Void) {
        plane.controlLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: Life

    /// Joins `topic` by `settings` from the start on, and gives its messages to `validate`. Before `start`, for the
    /// core gets its rules once.
    package func register(_ topic: Topic, _ settings: TopicSettings, validate: @escaping GossipValidator) {
        precondition(!isStarted, "topics are registered before gossip starts")
        configuration.topicSettings[topic] = settings
        registrations[topic] = validate
    }

    /// Begins, with what was known before the restart. The host listens later, so that peers learn of it at once.
    package func start() async throws {
        let store = store
        begin(try await plane.blocking { store.load() })
    }

    private func begin(_ saved: GossipStore.Saved) {
        precondition(!isStarted, "gossip starts once")
        isStarted = true
        sequence = saved.sequence
        driver = Self.driver(configuration, host, sequence: saved.sequence, seed: seed)
        feed(.restoreSequences(saved.authors))
        feed(.directPeers(direct.keys.sorted()))
        for peer in direct.keys { host.protect(peer, Self.directTag) }
        for topic in registrations.keys.sorted() { feed(.subscribe(topic)) }
        for version in GossipVersion.offered {
            host.handle(version.protocolID, maximumPerPeer: Self.inboundStreamsPerPeer) { [weak self] _ in
                self?.reader(version)
            }
        }
        observation = host.observe { [weak self] event in self?.onControl { $0.followed(event) } }
        protection = plane.controlLoop.scheduleRepeatedTask(
            initialDelay: Self.protectionInterval, delay: Self.protectionInterval
        ) { [weak self] _ in
            self?.assumeIsolated { $0.protectMesh() }
        }
    }

    /// Ends everything; subscriptions end, too.
    package func stop() async {
        guard !stopped else { return }
        if isStarted {
            for version in GossipVersion.offered { host.stopHandling(version.protocolID) }
        }
        if let observation { host.stopObserving(observation) }
        stopped = true
        driver.stop()
        protection?.cancel()
        dials.stop()
        let open = feeds
        feeds.removeAll()
        for feed in open.values.flatMap(\.values) { feed.finish() }
        for link in links.values { link.close() }
        links.removeAll()
        stalled.removeAll()
        unchecked.removeAll()
        let store = store
        try? await plane.blocking { store.flush() }
    }

    // MARK: The core

    /// Gives the core an input and carries out what it wants.
    func feed(_ input: consuming GossipSub.Input) {
        guard isStarted, !stopped else { return }
        for effect in driver.handle(input) { perform(effect) }
        schedule()
    }

    private func tick() {
        guard !stopped else { return }
        for effect in driver.tick() { perform(effect) }
        schedule()
        // Messages that nobody answered for were given up.
        readOn()
    }

    private func schedule() {
        driver.schedule(on: plane.controlLoop) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.tick() }
        }
    }

    private func perform(_ effect: GossipSub.Effect) {
        switch effect {
        case .send(let frame, let peer): write(frame, to: peer)
        case .validate(let validation, let message, let id, let peer):
            check(PendingMessage(validation: validation, message: message, id: id, from: peer))
        case .deliver(let message, _, _): deliver(message)
        case .published(_, let id, let peers): outcome = .success((id, peers))
        case .refused(_, let failure): outcome = .failure(failure)
        case .storeSequence(let author, let number): store.note(author, number)
        case .dial(let peer):
            _ = dials.connect(to: peer, direct[peer] ?? [], patience: Self.dialPatience) { _ in }
        case .exchange(let hints, _, let peer): follow(hints, of: peer)
        case .graylisted(let peer, let score):
            logger.debug("ignored for its score", metadata: ["peer": "\(peer.short)", "score": "\(score)"])
        }
    }

    /// Notes that a number of ours is used up; sets more aside in time.
    func usedNumber() {
        sequence &+= 1
        numbersLeft -= 1
        guard numbersLeft <= GossipStore.stride / 2 else { return }
        numbersLeft += GossipStore.stride
        let (store, next) = (store, sequence &+ numbersLeft &- GossipStore.stride)
        plane.pool.submit { _ in store.reserve(from: next) }
    }

    // MARK: Mesh peers

    /// Keeps the connections of mesh peers from being trimmed.
    private func protectMesh() {
        guard !stopped else { return }
        let mesh = Set(driver.core.subscriptions.flatMap { driver.core.meshPeers(of: $0) })
        for peer in mesh.subtracting(protected) { host.tag(peer, Self.tag, value: 10) }
        for peer in protected.subtracting(mesh) { host.tag(peer, Self.tag, value: 0) }
        protected = mesh
    }

    private static let tag = "gossip-mesh"
    private static let directTag = "gossip-direct"
}
