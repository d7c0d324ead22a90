import Catalog
import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// Real gossip cores and real sessions of the catalog on a virtual network. What happens follows from the seed alone.
///
/// Updates are bytes that nobody signed: what is measured is whether they arrive. A node's set is its disk and stays
/// when it goes; its gossip, its connections and its sessions do not.
package final class CatalogSwarm {
    static let topic = Topic("/coliving/simulated/updates/1")
    static let headerLength = 200
    /// The time of the first update, in milliseconds since 1970.
    static let epoch: UInt64 = 1_800_000_000_000

    /// One node.
    final class Node {
        let index: Int
        let peer: PeerID
        let isHostile: Bool
        /// Nil while it is down.
        var gossip: GossipSub?
        var set = SumTree()
        /// Connections, in their order.
        var links: [Int] = []
        var streams: [PullStream] = []
        var admission = SyncAdmission()
        var schedule: PullSchedule
        var awake: Instant?
        var upSince = Instant.zero
        /// Grows with every start.
        var life = 0

        init(index: Int, peer: PeerID, isHostile: Bool, generator: SeededGenerator) {
            self.index = index
            self.peer = peer
            self.isHostile = isHostile
            schedule = PullSchedule(generator: generator)
        }

        var isUp: Bool { gossip != nil }
    }

    /// One update that was published.
    struct Published {
        let key: UpdateKey
        let block: SyncBlock
        let by: Int
        /// Since when a node that is up has it: one that fails with the only copy takes it away until it is back.
        var at: Instant
        /// How many nodes have it.
        var copies = 1
    }

    let plan: CatalogSwarmPlan
    var nodes: [Node] = []
    var places: [PeerID: Int] = [:]
    var published: [Published] = []
    var numbers: [UpdateID: Int] = [:]
    var result = CatalogSwarmResult()
    var generator: SeededGenerator
    var network: VirtualNetwork
    var queue = EventQueue<(CatalogSwarm) -> Void>()
    /// When the last frame between two nodes arrives: streams keep their order.
    private var arrivals: [UInt64: Instant] = [:]

    package init(_ plan: CatalogSwarmPlan, seed: UInt64) {
        self.plan = plan
        generator = SeededGenerator(seed: seed)
        network = VirtualNetwork(plan.links, seed: generator.next())
        for index in 0..<plan.nodes {
            // They are the last: who connects to whom is drawn evenly.
            let isHostile = Double(index) >= Double(plan.nodes) * (1 - plan.hostile)
            let node = Node(
                index: index, peer: .simulated(&generator), isHostile: isHostile, generator: generator.split())
            nodes.append(node)
            places[node.peer] = index
        }
    }

    var now: Instant { queue.now }

    /// Lets the whole plan happen.
    package func run() -> CatalogSwarmResult {
        for node in nodes { after(randomTime(.seconds(2))) { $0.start(node) } }
        run(until: now + plan.settling)
        let end = now + plan.publishing
        let count = Int(plan.publishing.inSeconds * Double(plan.updatesPerMinute) / 60)
        for number in 0..<count {
            after(plan.publishing * (Double(number) / Double(max(1, count)))) { $0.publish() }
        }
        if plan.churn > 0 { leaveAndReturn(until: end) }
        run(until: end)
        run(until: now + plan.healing)
        summarise()
        return result
    }

    // MARK: Time

    func after(_ delay: Duration, _ event: @escaping (CatalogSwarm) -> Void) {
        queue.schedule(event, at: now + delay)
    }

    private func run(until end: Instant) {
        var isOver = false
        queue.schedule({ _ in isOver = true }, at: end)
        while !isOver, let event = queue.pop() {
            result.events += 1
            event(self)
        }
    }

    /// A time from nothing to twice `mean`.
    func randomTime(_ mean: Duration) -> Duration {
        .nanoseconds(Int64(generator.next() % UInt64(max(1, 2 * mean.wholeNanoseconds))))
    }

    func happens(_ share: Double) -> Bool { share > 0 && Double(generator.next() >> 11) / Double(1 << 53) < share }

    /// When bytes that are sent now on a connection arrive: behind all that was sent on it before.
    func arrival(_ from: Int, _ to: Int, bytes: Int, lane: UInt64) -> Instant? {
        guard let time = network.stream(from: from, to: to, trips: 1, bytes: bytes, now: now) else { return nil }
        let key = lane << 48 | UInt64(from) << 24 | UInt64(to)
        let arrival = max(now + .nanoseconds(Int64(clamping: time)), arrivals[key] ?? .zero)
        arrivals[key] = arrival
        return arrival
    }

    // MARK: Nodes

    func start(_ node: Node) {
        guard !node.isUp else { return }
        var configuration = GossipConfiguration()
        configuration.topicSettings[CatalogSwarm.topic] = .anonymous(dataBytes: 64 << 10)
        node.gossip = GossipSub(
            configuration, peer: node.peer, sequence: 0, start: now, seed: generator.next())
        node.life += 1
        node.upSince = now
        for number in published.indices where published[number].by == node.index && published[number].copies == 1 {
            published[number].at = now
        }
        node.admission = SyncAdmission()
        node.schedule = PullSchedule(generator: generator.split())
        node.awake = nil
        if plan.isPushing { gossip(node, .subscribe(CatalogSwarm.topic)) }
        for _ in 0..<plan.dials { connect(node, nodes[Int(generator.next() % UInt64(nodes.count))]) }
        wake(node)
    }

    func stop(_ node: Node) {
        for other in node.links { disconnect(nodes[other], node) }
        for stream in node.streams { close(stream) }
        node.links = []
        node.streams = []
        node.gossip = nil
    }

    private func connect(_ one: Node, _ other: Node) {
        guard one !== other, other.isUp, !one.links.contains(other.index) else { return }
        one.links.append(other.index)
        other.links.append(one.index)
        for (here, there, isOutbound) in [(one, other, true), (other, one, false)] {
            if plan.isPushing {
                gossip(here, .connected(there.peer, .v1_2, isOutbound: isOutbound, ipGroup: nil))
            }
            here.schedule.connected(there.peer, now: now)
            wake(here)
        }
    }

    private func disconnect(_ node: Node, _ gone: Node) {
        node.links.removeAll { $0 == gone.index }
        node.schedule.disconnected(gone.peer)
        if plan.isPushing { gossip(node, .disconnected(gone.peer)) }
        after(randomTime(.seconds(1))) { $0.replenish(node) }
    }

    /// A node that lost connections opens others.
    private func replenish(_ node: Node) {
        var attempts = 0
        while node.isUp, node.links.count < plan.dials, attempts < 20 {
            attempts += 1
            connect(node, nodes[Int(generator.next() % UInt64(nodes.count))])
        }
    }

    /// In each period a share of the nodes goes, each at its own time, and comes back.
    private func leaveAndReturn(until end: Instant) {
        let count = Int(Double(nodes.count) * plan.churn)
        for node in nodes.shuffled(using: &generator).prefix(count) {
            let leave = randomTime(plan.churnPeriod / 2)
            guard now + leave < end else { continue }
            after(leave) { swarm in
                guard node.isUp else { return }
                swarm.stop(node)
                swarm.result.absences += 1
                swarm.after(swarm.randomTime(swarm.plan.absence)) { $0.start(node) }
            }
        }
        if now + plan.churnPeriod < end { after(plan.churnPeriod) { $0.leaveAndReturn(until: end) } }
    }

    // MARK: Updates

    private func publish() {
        let up = nodes.filter { $0.isUp && !$0.isHostile }
        guard !up.isEmpty else { return }
        let node = up[Int(generator.next() % UInt64(up.count))]
        let time = CatalogSwarm.time(now)
        var bytes = ByteBuffer(integer: time)
        bytes.writeInteger(UInt64(published.count))
        bytes.writeRepeatingByte(7, count: max(CatalogSwarm.headerLength, plan.updateBytes) - 16)
        let block = SyncBlock(bytes: bytes, headerLength: CatalogSwarm.headerLength)
        guard let digest = UpdateID(ContentHash.sha256(block.header)) else { return }
        let number = published.count
        numbers[digest] = number
        published.append(
            Published(key: UpdateKey(time: time, digest: digest), block: block, by: node.index, at: now))
        node.set.insert(published[number].key)
        if plan.isPushing { gossip(node, .publish(PublishID(UInt64(number)), CatalogSwarm.topic, bytes)) }
    }

    /// The time on the clocks of all nodes, in milliseconds since 1970.
    static func time(_ now: Instant) -> UInt64 { epoch + UInt64(clamping: Int64((now - .zero).milliseconds)) }

    @Sendable static func time(of header: ByteBuffer) -> UInt64? { header.getInteger(at: header.readerIndex) }

    /// A node has an update; the first time counts.
    @discardableResult func learn(_ node: Node, _ id: UpdateID, byPull: Bool) -> Bool {
        guard let number = numbers[id] else { preconditionFailure("an update that nobody published") }
        let update = published[number]
        guard node.set.insert(update.key), !node.isHostile else { return false }
        published[number].copies += 1
        result.trace.mix(UInt64(node.index) << 32 | UInt64(number))
        result.trace.mix(now.nanoseconds)
        result.payload += update.block.size
        result.byPull.add(byPull)
        let delay = now - max(update.at, node.upSince)
        result.delays.add(delay.milliseconds)
        result.inTime.add(delay <= .seconds(60))
        return true
    }

    private func summarise() {
        let up = nodes.filter { $0.isUp && !$0.isHostile }
        result.nodesUp = up.count
        result.sets = Set(up.map(\.set.digest)).count
        for node in up {
            for update in published {
                let isThere = node.set.contains(update.key)
                result.delivered.add(isThere)
                if !isThere, now - max(update.at, node.upSince) > .seconds(60) { result.inTime.add(false) }
            }
        }
    }
}
