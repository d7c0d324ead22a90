package import Gossip
import Multiformats
import NIOCore
package import SansIO

/// A swarm of real gossipsub cores on virtual time, in one topic: one thread, one seed, one outcome.
///
/// Frames are encoded, carried over links with latency and loss, and decoded again. Connections are simply there:
/// finding peers is not this swarm's matter. Validation takes no time and finds out what a byte of the message says.
package final class GossipSwarm {
    private enum Event {
        case frame(from: Int, to: Int, incarnation: Int, ByteBuffer)
        case wake(Int)
        case action(UInt64)
    }

    package static let topic = Topic("/simulation/updates/1")
    package var network: VirtualNetwork
    package private(set) var nodes: [GossipNode] = []
    package private(set) var tally = GossipTally()
    package private(set) var trace = TraceHash()
    package private(set) var eventCount = 0
    package private(set) var violations: [String] = []
    /// For whatever the scenario draws.
    package var generator: SeededGenerator

    private let seed: UInt64
    private var queue = EventQueue<Event>()
    private var places: [PeerID: Int] = [:]
    /// When the last frame on a link arrives: streams keep their order.
    private var arrivals: [UInt64: Instant] = [:]
    private var actions: [UInt64: (GossipSwarm) -> Void] = [:]
    private var lastAction: UInt64 = 0
    private var lastInvalid: UInt64 = 1 << 40
    private var spareEffects: [GossipSub.Effect] = []

    package init(seed: UInt64, links: LinkSettings) {
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        network = VirtualNetwork(links, seed: generator.next())
    }

    package var now: Instant { queue.now }

    // MARK: Nodes and links

    /// Adds a node and starts it.
    @discardableResult
    package func add(_ configuration: GossipConfiguration, role: GossipRole = .honest) -> GossipNode {
        let node = GossipNode(
            index: nodes.count, peer: .simulated(&generator), role: role, configuration: configuration)
        nodes.append(node)
        places[node.peer] = node.index
        start(node)
        return node
    }

    package func start(_ node: GossipNode) {
        guard !node.isUp else { return }
        node.isUp = true
        node.incarnation += 1
        node.wakeAt = .distantFuture
        guard !node.role.isPuppet else { return }
        // Cores do not all begin at the same instant.
        let offset = Duration.microseconds(Int64(generator.next() % 1_000_000))
        node.core = GossipSub(
            node.configuration, peer: node.peer, sequence: 0, start: now + offset,
            seed: seed ^ UInt64(node.index) << 20 ^ UInt64(node.incarnation))
        feed(node, .subscribe(Self.topic))
    }

    /// Ends a node at once; its peers notice.
    package func stop(_ node: GossipNode) {
        guard node.isUp else { return }
        for other in node.links.keys.sorted() { disconnect(node, nodes[other]) }
        node.isUp = false
        node.core = nil
    }

    /// `node` dials `other`; false when they are connected already.
    @discardableResult
    package func connect(_ node: GossipNode, _ other: GossipNode) -> Bool {
        guard node !== other, node.isUp, other.isUp, node.links[other.index] == nil else { return false }
        node.links[other.index] = true
        other.links[node.index] = false
        greet(node, other, isOutbound: true)
        greet(other, node, isOutbound: false)
        return true
    }

    package func disconnect(_ node: GossipNode, _ other: GossipNode) {
        guard node.links.removeValue(forKey: other.index) != nil else { return }
        other.links[node.index] = nil
        feed(node, .disconnected(other.peer))
        feed(other, .disconnected(node.peer))
    }

    private func greet(_ node: GossipNode, _ other: GossipNode, isOutbound: Bool) {
        feed(node, .connected(other.peer, .v1_2, isOutbound: isOutbound, ipGroup: nil))
        guard node.role.isPuppet else { return }
        var hello = GossipRPC()
        hello.subscriptions = [.init(Self.topic, isSubscribed: true)]
        hello.graft = [Self.topic]
        for bytes in hello.frames() { send(GossipFrame(bytes, .control), from: node, to: other.index) }
    }

    // MARK: Running

    package func after(_ delay: Duration, _ body: @escaping (GossipSwarm) -> Void) {
        lastAction += 1
        actions[lastAction] = body
        queue.schedule(.action(lastAction), at: now + delay)
    }

    package func run(for duration: Duration) {
        var isOver = false
        after(duration) { _ in isOver = true }
        while !isOver, step() {}
    }

    private func step() -> Bool {
        guard let event = queue.pop() else { return false }
        eventCount += 1
        switch event {
        case .action(let id): actions.removeValue(forKey: id)?(self)
        case .wake(let index):
            let node = nodes[index]
            guard node.isUp, node.wakeAt <= now else { break }
            node.wakeAt = .distantFuture
            run(node, nil)
        case .frame(let from, let to, let incarnation, let bytes):
            let node = nodes[to]
            guard node.isUp, node.incarnation == incarnation, node.links[from] != nil else { break }
            receive(bytes, from: nodes[from], at: node)
        }
        return true
    }

    private func receive(_ bytes: ByteBuffer, from sender: GossipNode, at node: GossipNode) {
        node.framesReceived += 1
        trace.mix(now.nanoseconds ^ UInt64(node.index) << 32 ^ UInt64(bytes.readableBytes))
        var payload = bytes
        guard let length = try? payload.readVarint(), length == UInt64(payload.readableBytes),
            let rpc = try? GossipRPC(decoding: payload)
        else { return violate("a frame of \(bytes.readableBytes) bytes does not read") }
        if node.role.isPuppet {
            guard let prune = rpc.prune.first else { return }
            // It waits as long as it must, so that it is not penalised.
            after(.seconds(Int64(clamping: prune.backoff ?? 60)) + .seconds(1)) { $0.graft(node, sender) }
        } else {
            feed(node, .received(rpc, from: sender.peer))
        }
    }

    private func graft(_ puppet: GossipNode, _ other: GossipNode) {
        guard puppet.isUp, puppet.links[other.index] != nil else { return }
        var rpc = GossipRPC()
        rpc.graft = [Self.topic]
        for bytes in rpc.frames() { send(GossipFrame(bytes, .control), from: puppet, to: other.index) }
    }

    // MARK: Cores

    package func feed(_ node: GossipNode, _ input: GossipSub.Input) {
        if node.isUp { run(node, input) }
    }

    private func run(_ node: GossipNode, _ input: GossipSub.Input?) {
        var effects: [GossipSub.Effect] = []
        swap(&effects, &spareEffects)
        let deadline = node.core?.take(input, now: now, into: &effects)
        // Verdicts are effects of the same call, so that no answer waits for another event.
        var index = 0
        while index < effects.count {
            let effect = effects[index]
            index += 1
            switch effect {
            case .send(let frame, let peer):
                if let place = places[peer] { send(frame, from: node, to: place) }
            case .validate(let id, let message, _, _):
                node.validations += 1
                _ = node.core?.take(.validated(id, Self.verdict(on: message)), now: now, into: &effects)
            case .deliver(let message, _, _): deliver(message.data, to: node)
            case .refused(_, let failure): violate("node \(node.index) could not publish: \(failure)")
            case .published, .storeSequence, .dial, .exchange, .graylisted: break
            }
        }
        effects.removeAll(keepingCapacity: true)
        swap(&effects, &spareEffects)
        guard let deadline, deadline < node.wakeAt else { return }
        node.wakeAt = max(deadline, now)
        queue.schedule(.wake(node.index), at: node.wakeAt)
    }

    private func send(_ frame: GossipFrame, from node: GossipNode, to place: Int) {
        if frame.kind == .message, drops(frame, node) { return }
        let receiver = nodes[place]
        node.bytesSent += frame.bytes.readableBytes
        // Puppets do not listen to messages: they need not even arrive.
        if receiver.role.isPuppet, frame.kind != .control { return }
        guard
            let time = network.stream(
                from: node.index, to: place, trips: 1, bytes: frame.bytes.readableBytes, now: now)
        else { return }
        let link = UInt64(node.index) << 32 | UInt64(place)
        let arrival = max(now + .nanoseconds(Int64(time)), arrivals[link] ?? .zero)
        arrivals[link] = arrival
        queue.schedule(
            .frame(from: node.index, to: place, incarnation: receiver.incarnation, frame.bytes), at: arrival)
    }

    /// Whether a hostile core keeps a message to itself.
    private func drops(_ frame: GossipFrame, _ node: GossipNode) -> Bool {
        switch node.role {
        case .honest, .silent, .spammer: return false
        case .lossy(let percent): return generator.next() % 100 >= percent
        case .turncoat(let second): return now >= Instant(nanoseconds: second * 1_000_000_000)
        case .censor(let publisher):
            var bytes = frame.bytes
            guard (try? bytes.readVarint()) != nil, let rpc = try? GossipRPC(decoding: bytes) else { return false }
            return rpc.messages.contains { $0.data.getInteger(at: $0.data.readerIndex + 9) == UInt32(publisher) }
        }
    }

    // MARK: Messages

    /// The head of a message's data: its number, whether it is valid, and who published it.
    private static let headBytes = 13

    private static func data(_ number: UInt64, isValid: Bool, publisher: Int, size: Int) -> ByteBuffer {
        var data = ByteBuffer()
        data.reserveCapacity(size)
        data.writeInteger(number)
        data.writeInteger(UInt8(isValid ? 1 : 0))
        data.writeInteger(UInt32(publisher))
        data.writeRepeatingByte(0x55, count: max(0, size - headBytes))
        return data
    }

    private static func verdict(on message: GossipMessage) -> GossipVerdict {
        let data = message.data
        return data.getInteger(at: data.readerIndex + 8) == UInt8(1) ? .accept : .reject
    }

    /// Publishes a message that every honest node is to get; gives its number.
    @discardableResult
    package func publish(_ node: GossipNode, size: Int = 1024) -> UInt64 {
        let audience = nodes.count { $0.isHonest && $0.isUp && $0 !== node }
        let number = tally.published(audience: audience, at: now)
        let data = Self.data(number, isValid: true, publisher: node.index, size: size)
        feed(node, .publish(PublishID(number), Self.topic, data))
        return number
    }

    private func deliver(_ data: ByteBuffer, to node: GossipNode) {
        guard node.isHonest, let number: UInt64 = data.getInteger(at: data.readerIndex) else { return }
        if data.getInteger(at: data.readerIndex + 8) != UInt8(1) {
            violate("node \(node.index) delivered an invalid message")
        }
        tally.delivered(number, to: node.index, bytes: data.readableBytes, at: now)
    }

    /// Lets a spammer send invalid messages until the end.
    package func spam(_ node: GossipNode, perSecond: Int) {
        guard node.isUp else { return }
        lastInvalid += 1
        let message = GossipMessage(
            Self.data(lastInvalid, isValid: false, publisher: node.index, size: 1024), in: Self.topic)
        var rpc = GossipRPC()
        rpc.messages = [message]
        for bytes in rpc.frames() {
            let frame = GossipFrame(bytes, .message)
            for other in node.links.keys.sorted() { send(frame, from: node, to: other) }
        }
        after(.seconds(1) / perSecond) { $0.spam(node, perSecond: perSecond) }
    }

    package func violate(_ rule: String) {
        if violations.count < 100 { violations.append("\(rule), at \(now.nanoseconds / 1_000_000) ms") }
    }
}

extension GossipSwarm {
    /// Forgets what was measured so far: the swarm has warmed up.
    package func beginMeasuring() {
        tally = GossipTally(from: tally.first + UInt64(tally.count))
        for node in nodes { (node.bytesSent, node.framesReceived, node.validations) = (0, 0, 0) }
    }

    /// Bytes that honest nodes sent for each byte of messages that honest nodes were delivered.
    package var amplification: Double {
        let sent = nodes.reduce(0) { $0 + ($1.isHonest ? $1.bytesSent : 0) }
        return tally.payloadBytes == 0 ? 0 : Double(sent) / Double(tally.payloadBytes)
    }
}

extension GossipSub {
    /// Gives the core an input, or a tick, and tells when it is to be woken: in place, since reading anything of an
    /// optional core on its own copies all of it.
    fileprivate mutating func take(_ input: Input?, now: Instant, into effects: inout [Effect]) -> Instant? {
        if let input { handle(input, now: now, into: &effects) } else { tick(now: now, into: &effects) }
        return deadline
    }
}
