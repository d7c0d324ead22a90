package import DHT
import Multiformats
package import SansIO

/// A swarm of real Kademlia cores on virtual time: one thread, one seed, one outcome.
///
/// Everything that a shell would do around the core is modelled here: links, datagram sessions and their
/// retransmission, streams and what setting one up costs, disks, crashes. Signing and encryption are not:
/// a PeerID in place is taken as proven. Two runs with the same seed have the same `trace`.
package final class Simulator {
    /// What happens next somewhere.
    enum Event {
        case wake(Int)
        case reprovide(Int)
        /// A request, or the PING that opens a session for one, reaches its host.
        case request(UInt64, onSession: Bool, isProbe: Bool)
        case answer(UInt64, isProbe: Bool)
        case timer(UInt64)
        case failure(UInt64, CallFailure)
        case connection(Int, Int)
        case action(UInt64)
    }

    package var network: VirtualNetwork
    package let seed: UInt64
    /// Whether nodes have UDP; without it every call is a stream.
    package var usesDatagrams = true
    package private(set) var nodes: [SimulatedNode] = []
    package internal(set) var trace = TraceHash()
    /// What must never happen and did; a run with one has failed.
    package private(set) var violations: [String] = []
    package private(set) var eventCount = 0
    package internal(set) var queryCount = 0
    /// Requests that were sent, by kind; retransmissions are not counted.
    package internal(set) var callCount = 0
    package internal(set) var datagramCount = 0
    package internal(set) var streamCount = 0
    /// For whatever the scenario draws.
    package var generator: SeededGenerator
    /// Who colludes, for hostile nodes.
    package let conspiracy = Conspiracy()

    var queue = EventQueue<Event>()
    var hosts: [Endpoint: Int] = [:]
    var flights: [UInt64: Flight] = [:]
    var lastFlight: UInt64 = 0
    var watches: [QueryID: QueryWatch] = [:]
    /// Completions of ended queries that are still to come.
    var completions = 0
    private var actions: [UInt64: (Simulator) -> Void] = [:]
    private var lastAction: UInt64 = 0
    private var spareEffects: [Kademlia.Effect] = []
    /// The request that a core is answering; a core answers within the same call, once.
    private var openRequest: RequestID?

    /// What wall clocks show when the run begins: 2026-01-01.
    package static let epoch = KadTime(milliseconds: 1_767_225_600_000)

    package init(seed: UInt64, links: LinkSettings = LinkSettings()) {
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        network = VirtualNetwork(links, seed: generator.next())
    }

    package var now: Instant { queue.now }

    // MARK: Nodes

    /// Adds a node that is not up yet.
    @discardableResult
    package func add(
        _ configuration: KademliaConfiguration, identity: SimulatedIdentity? = nil, mode: KadMode = .server
    ) -> SimulatedNode {
        let identity =
            identity
            ?? SimulatedIdentity(peer: .simulated(&generator), endpoint: Endpoint(spread: nodes.count))
        let node = SimulatedNode(index: nodes.count, identity: identity, mode: mode, configuration: configuration)
        nodes.append(node)
        hosts[identity.endpoint] = node.index
        return node
    }

    /// Starts a node, with what its disk holds.
    package func start(_ node: SimulatedNode) {
        guard !node.isUp else { return }
        node.incarnation += 1
        node.state = .up
        node.wakeAt = .distantFuture
        node.reprovideAt = .distantFuture
        node.core = Kademlia(
            node.configuration, peer: node.peer, epoch: wallTime(of: node), start: now,
            seed: seed ^ UInt64(node.index) << 20 ^ UInt64(node.incarnation))
        feed(node, .addressesChanged(node.identity.addresses))
        feed(node, .modeChanged(node.mode))
        let records = node.disk.changes
        if !records.isEmpty { feed(node, .restoreRecords(records)) }
        if !node.disk.peers.isEmpty { feed(node, .restorePeers(node.disk.peers)) }
        if !node.disk.provided.isEmpty { prepareReprovider(node) }
    }

    /// What a node's wall clock shows now.
    func wallTime(of node: SimulatedNode) -> KadTime {
        let wall = Int64(Simulator.epoch.milliseconds) + Int64((now - .zero).milliseconds)
        return KadTime(milliseconds: UInt64(max(0, wall + Int64(node.clockSkew.milliseconds))))
    }

    /// Ends a node at once. Its disk has the table and every record, unless `losingDisk`.
    package func stop(_ node: SimulatedNode, as state: SimulatedNode.State = .silent, losingDisk: Bool = false) {
        guard node.isUp else { return }
        if let core = node.core { node.disk.peers = core.savedPeers() }
        if losingDisk { node.disk = SimulatedDisk() }
        node.state = state
        node.core = nil
        node.reprovider = nil
        node.calls = [:]
        node.sessions = [:]
        node.streams = [:]
        node.resting = [:]
        let lost = watches.filter { $0.value.node == node.index }.map(\.key).sorted()
        for query in lost { watches[query] = nil }
    }

    /// Lets `node` dial `other`, as one does with a bootstrap peer: both then know each other.
    package func connect(_ node: SimulatedNode, _ other: SimulatedNode) {
        let time = network.stream(from: node.index, to: other.index, trips: 10, bytes: 2000, now: now)
        guard let time else { return }
        queue.schedule(.connection(node.index, other.index), at: now + .nanoseconds(Int64(time)))
    }

    // MARK: Running

    /// Does something with the swarm after `delay`.
    package func after(_ delay: Duration, _ body: @escaping (Simulator) -> Void) {
        lastAction += 1
        actions[lastAction] = body
        queue.schedule(.action(lastAction), at: now + delay)
    }

    /// Lets everything happen that happens in `duration`.
    package func run(for duration: Duration) { run(until: now + duration) }

    package func run(until end: Instant) {
        var isOver = false
        queue.schedule(.action(0), at: end)
        actions[0] = { _ in isOver = true }
        while !isOver, step() {}
    }

    /// Lets things happen until no watched query runs and all completions have come, or until `limit` has passed.
    package func runUntilQuiet(limit: Duration) {
        let end = now + limit
        while !watches.isEmpty || completions > 0, let next = queue.next, next <= end, step() {}
    }

    /// The next event; false when nothing happens any more.
    @discardableResult
    package func step() -> Bool {
        guard let event = queue.pop() else { return false }
        eventCount += 1
        trace.mix(now.nanoseconds)
        switch event {
        case .wake(let index): wake(index)
        case .reprovide(let index): wakeReprovider(index)
        case .request(let flight, let onSession, let isProbe):
            arrive(flight, onSession: onSession, isProbe: isProbe)
        case .answer(let flight, let isProbe): answered(flight, isProbe: isProbe)
        case .timer(let flight): timer(flight)
        case .failure(let flight, let failure): fail(flight, failure)
        case .connection(let one, let other): connected(nodes[one], nodes[other], isNew: true)
        case .action(let id): actions.removeValue(forKey: id)?(self)
        }
        if eventCount % 256 == 0 { checkSample() }
        return true
    }

    private func wake(_ index: Int) {
        let node = nodes[index]
        guard node.isUp, node.wakeAt <= now else { return }
        node.wakeAt = .distantFuture
        trace.mix(UInt64(index))
        var effects = takeEffects()
        let deadline = node.core?.take(nil, now: now, into: &effects)
        perform(&effects, node, deadline: deadline)
    }

    /// Gives a node's core an input and does what it wants.
    package func feed(_ node: SimulatedNode, _ input: Kademlia.Input) {
        guard node.isUp else { return }
        var effects = takeEffects()
        let deadline = node.core?.take(input, now: now, into: &effects)
        perform(&effects, node, deadline: deadline)
    }

    /// Gives a core a request, which it must answer or refuse before it returns.
    func ask(_ node: SimulatedNode, _ request: RequestID, _ message: KadMessage, from requester: Requester) {
        openRequest = request
        feed(node, .request(request, message, from: requester))
        if openRequest != nil { violate("node \(node.index) left a \(message.kind) unanswered") }
        openRequest = nil
    }

    private func takeEffects() -> [Kademlia.Effect] {
        var effects: [Kademlia.Effect] = []
        swap(&effects, &spareEffects)
        return effects
    }

    private func perform(_ effects: inout [Kademlia.Effect], _ node: SimulatedNode, deadline: Instant?) {
        for effect in effects { perform(effect, node) }
        effects.removeAll(keepingCapacity: true)
        swap(&effects, &spareEffects)
        guard let deadline, deadline < node.wakeAt else { return }
        node.wakeAt = deadline
        queue.schedule(.wake(node.index), at: deadline)
    }

    private func perform(_ effect: Kademlia.Effect, _ node: SimulatedNode) {
        switch effect {
        case .call(let call, let message, let peer, let timeout):
            send(call, message, to: peer, timeout: timeout, from: node)
        case .abandon(let call): abandon(call, of: node)
        case .respond(let request, let message):
            close(request, node)
            respond(request, message, from: node)
        case .refuse(let request):
            close(request, node)
            refuse(request, from: node)
        case .progress(let query, let progress):
            watches[query]?.note(progress, now: now)
        case .finished(let query, let result): finished(query, result, node)
        case .store(let change): node.disk.apply(change)
        case .entered:
            trace.mix(UInt64(node.index))
            guard node.reprovider != nil, node.core?.table.count == 1 else { return }
            after(.zero) { $0.feed(node, .networkChanged(isOnline: true)) }
        case .left: trace.mix(UInt64(node.index))
        }
    }

    private func close(_ request: RequestID, _ node: SimulatedNode) {
        if openRequest != request { violate("node \(node.index) answered request \(request.rawValue) out of turn") }
        openRequest = nil
    }

    /// Notes that a rule was broken; the run goes on.
    package func violate(_ rule: String) {
        if violations.count < 100 { violations.append("\(rule), at \(now.nanoseconds / 1_000_000) ms") }
    }
}

extension Kademlia {
    /// Gives the core an input, or a tick, and tells when it is to be woken: in place, since reading anything of
    /// an optional core on its own copies all of it.
    fileprivate mutating func take(_ input: Input?, now: Instant, into effects: inout [Effect]) -> Instant? {
        if let input { handle(input, now: now, into: &effects) } else { tick(now: now, into: &effects) }
        return deadline
    }
}
