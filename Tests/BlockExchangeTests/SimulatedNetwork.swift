import BlockExchange
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// Bitswap cores on a virtual network: messages are encoded, take time by size and distance, and are lost
/// with their connection. Everything follows from the inputs, so a run can be repeated.
final class SimulatedNetwork {
    enum Behaviour {
        case honest
        /// Sends that many blocks, then nothing more.
        case stallsAfter(Int)
        /// Says HAVE to everything and never sends.
        case liar
        /// Says HAVE to WANT-HAVE and DONT_HAVE to WANT-BLOCK.
        case contradicts
        /// Sends other bytes than those asked for.
        case garbage
        /// Never answers anything.
        case silent
    }

    struct Link {
        /// One way.
        var latency = Duration.milliseconds(5)
        /// Bytes a second that a node can send to one peer.
        var bandwidth = 50e6
    }

    final class Node {
        let index: Int
        let id: PeerID
        var core: Bitswap
        var store: [Multihash: ByteBuffer] = [:]
        var behaviour = Behaviour.honest
        var version = BitswapVersion.v1_2
        /// Blocks in the order in which sessions got them.
        var delivered: [CID] = []
        var deliveredFrom: [PeerID: Int] = [:]
        var searches: [CID] = []
        var misdeeds: [PeerID: [Bitswap.Misbehaviour]] = [:]
        var messagesSent = 0
        var entriesSent = 0
        var blocksServed = 0
        /// Blocks that came over the wire, wanted or not.
        var arrivals: [CID: Int] = [:]
        var envelopesHeld = 0
        var mostBytesHeld = 0
        var nextSession: UInt64 = 0

        init(index: Int, configuration: BitswapConfiguration, seed: UInt64) {
            self.index = index
            id = peerID(index)
            core = Bitswap(configuration: configuration, generator: SeededGenerator(seed: seed &+ UInt64(index)))
        }
    }

    private struct Event: Comparable {
        let at: Instant
        let sequence: UInt64
        let action: () -> Void

        static func < (left: Event, right: Event) -> Bool {
            left.at == right.at ? left.sequence < right.sequence : left.at < right.at
        }
        static func == (left: Event, right: Event) -> Bool { left.sequence == right.sequence }
    }

    private struct Pair: Hashable {
        let from: Int
        let to: Int
    }

    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var nodes: [Node] = []
    private var events = Heap<Event>()
    private var sequence: UInt64 = 0
    private var links: [Pair: Link] = [:]
    private var connections: [Pair: UInt64] = [:]
    private var busyUntil: [Pair: Instant] = [:]
    /// A digest of every effect of every node, when asked for.
    var traces = false
    private(set) var trace: UInt64 = 0xcbf2_9ce4_8422_2325

    init(nodes count: Int, seed: UInt64 = 1, configuration: BitswapConfiguration = BitswapConfiguration()) {
        for index in 0..<count { nodes.append(Node(index: index, configuration: configuration, seed: seed)) }
    }

    // MARK: Time

    func after(_ delay: Duration, _ action: @escaping () -> Void) {
        sequence += 1
        events.push(Event(at: now + delay, sequence: sequence, action: action))
    }

    /// Runs until `done`, or until `limit` of virtual time has passed; returns the time it took.
    @discardableResult
    func run(for limit: Duration = .seconds(600), until done: () -> Bool = { false }) -> Duration {
        let start = now
        let end = now + limit
        while !done() {
            let timer = nodes.compactMap { node in node.core.deadline.map { (max($0, now), node) } }
                .min { $0.0 < $1.0 }
            let event = events.first?.at ?? .distantFuture
            let next = min(event, timer?.0 ?? .distantFuture)
            guard next <= end else {
                now = end
                break
            }
            now = next
            if event <= next {
                events.pop()?.action()
            } else if let node = timer?.1 {
                var effects: [Bitswap.Effect] = []
                node.core.tick(now: now, into: &effects)
                perform(effects, node)
            }
        }
        return now - start
    }

    // MARK: Connections

    func link(_ one: Int, _ other: Int, _ link: Link) {
        links[Pair(from: one, to: other)] = link
        links[Pair(from: other, to: one)] = link
    }

    func isConnected(_ one: Int, _ other: Int) -> Bool { connections[Pair(from: one, to: other)] != nil }

    func connect(_ one: Int, _ other: Int) {
        guard !isConnected(one, other) else { return }
        sequence += 1
        connections[Pair(from: one, to: other)] = sequence
        connections[Pair(from: other, to: one)] = sequence
        input(.connected(nodes[other].id, version: nodes[other].version), to: nodes[one])
        input(.connected(nodes[one].id, version: nodes[one].version), to: nodes[other])
    }

    func disconnect(_ one: Int, _ other: Int) {
        guard isConnected(one, other) else { return }
        connections[Pair(from: one, to: other)] = nil
        connections[Pair(from: other, to: one)] = nil
        busyUntil[Pair(from: one, to: other)] = nil
        busyUntil[Pair(from: other, to: one)] = nil
        input(.disconnected(nodes[other].id), to: nodes[one])
        input(.disconnected(nodes[one].id), to: nodes[other])
    }

    /// Nothing more leaves a node for a while; what it sends waits.
    func pause(from node: Int, for time: Duration) {
        for peer in nodes.indices { busyUntil[Pair(from: node, to: peer)] = now + time }
    }

    // MARK: Sessions

    func add(_ blocks: [Block], to node: Int) {
        for block in blocks { nodes[node].store[block.cid.multihash] = block.data }
        input(.blocksAvailable(blocks.map(\.cid)), to: nodes[node])
    }

    func session(_ node: Int, peers: [Int] = []) -> Bitswap.SessionID {
        nodes[node].nextSession += 1
        let id = Bitswap.SessionID(nodes[node].nextSession)
        input(.openSession(id, peers: peers.map { nodes[$0].id }), to: nodes[node])
        return id
    }

    func input(_ input: Bitswap.Input, to node: Node) {
        var effects: [Bitswap.Effect] = []
        node.core.handle(input, now: now, into: &effects)
        perform(effects, node)
    }

    // MARK: Effects

    private func perform(_ effects: [Bitswap.Effect], _ node: Node) {
        for effect in effects {
            if traces { note(effect, node) }
            switch effect {
            case .send(let message, let peer):
                node.messagesSent += 1
                node.entriesSent += message.entries.count
                transmit(message, from: node, to: indexOf(peer))
            case .verify(let received, let peer):
                let blocks = received.compactMap { $0.hashed() }
                for block in blocks { node.arrivals[block.cid, default: 0] += 1 }
                let rejected = received.count - blocks.count
                after(.microseconds(50)) { self.input(.verified(blocks, rejected: rejected, from: peer), to: node) }
            case .deliver(let blocks, let peer):
                for block in blocks { node.store[block.cid.multihash] = block.data }
                node.delivered += blocks.map(\.cid)
                node.deliveredFrom[peer, default: 0] += blocks.count
                let cids = blocks.map(\.cid)
                after(.microseconds(50)) { self.input(.blocksAvailable(cids), to: node) }
            case .lookup(let id, let cids):
                let sizes = cids.map { (cid: $0, size: node.store[$0.multihash]?.readableBytes) }
                after(.microseconds(20)) { self.input(.lookedUp(id, sizes), to: node) }
            case .serve(let envelope): serve(envelope, node)
            case .findProviders(let cid, _): node.searches.append(cid)
            case .misbehaved(let peer, let misdeed): node.misdeeds[peer, default: []].append(misdeed)
            }
        }
        node.mostBytesHeld = max(node.mostBytesHeld, node.core.outstanding.bytes)
    }

    private func serve(_ envelope: BlockExchange.Envelope, _ node: Node) {
        var data = envelope.blocks.map { node.store[$0.cid.multihash] }
        let missing = zip(envelope.blocks, data).filter { $0.1 == nil }.map(\.0.cid)
        switch node.behaviour {
        case .stallsAfter(let limit) where node.blocksServed + data.count > limit: return
        case .garbage:
            for index in data.indices { data[index] = ByteBuffer(repeating: 7, count: envelope.blocks[index].size) }
        default: break
        }
        node.blocksServed += data.count
        let pair = Pair(from: node.index, to: indexOf(envelope.peer))
        let connection = connections[pair]
        node.envelopesHeld += 1
        let sent = transmit(envelope.message(with: data), from: node, to: pair.to)
        after(sent - now) {
            node.envelopesHeld -= 1
            guard self.connections[pair] == connection, connection != nil else { return }
            self.input(.sent(envelope.id, missing: missing), to: node)
        }
    }

    /// Puts a message on its way; returns when it has left.
    @discardableResult
    private func transmit(_ message: BitswapMessage, from node: Node, to: Int) -> Instant {
        let pair = Pair(from: node.index, to: to)
        let link = links[pair] ?? Link()
        let bytes = message.encoded(nodes[to].version)
        let start = max(now, busyUntil[pair] ?? .zero)
        let sent = start + .seconds(Double(bytes.readableBytes + 60) / link.bandwidth)
        busyUntil[pair] = sent
        guard let connection = connections[pair] else { return sent }
        after(sent + link.latency - now) {
            guard self.connections[pair] == connection else { return }
            self.arrive(bytes, from: node, at: self.nodes[to])
        }
        return sent
    }

    private func arrive(_ bytes: ByteBuffer, from sender: Node, at node: Node) {
        guard let message = try? BitswapMessage(decoding: bytes) else { preconditionFailure("a message of ours") }
        var answer = BitswapMessage()
        switch node.behaviour {
        case .honest, .stallsAfter, .garbage: return input(.received(message, from: sender.id), to: node)
        case .silent: return
        case .liar:
            answer.presences = message.entries.filter { !$0.cancel }.map { .init(cid: $0.cid, has: true) }
        case .contradicts:
            answer.presences = message.entries.filter { !$0.cancel }.map {
                .init(cid: $0.cid, has: $0.type == .have)
            }
        }
        if !answer.presences.isEmpty { transmit(answer, from: node, to: sender.index) }
    }

    private func indexOf(_ peer: PeerID) -> Int {
        guard let index = nodes.firstIndex(where: { $0.id == peer }) else { preconditionFailure("no such node") }
        return index
    }

    private func note(_ effect: Bitswap.Effect, _ node: Node) {
        for byte in "\(now.nanoseconds) \(node.index) \(effect)".utf8 {
            trace = (trace ^ UInt64(byte)) &* 0x100_0000_01b3
        }
    }
}

// MARK: Content

/// The identity of a test's node.
func peerID(_ index: Int) -> PeerID {
    var key: [UInt8] = [8, 1, 18, 32]
    var generator = SeededGenerator(seed: 0xbeef &+ UInt64(index))
    for _ in 0..<32 { key.append(UInt8(truncatingIfNeeded: generator.next())) }
    guard let id = try? PeerID(multihash: .identity(key)) else { preconditionFailure("a valid id") }
    return id
}

/// Raw blocks of `size` bytes with different content.
func makeBlocks(_ count: Int, size: Int, seed: UInt64 = 7) -> [Block] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
        var data = ByteBuffer()
        data.reserveCapacity(size)
        for _ in 0..<min(size / 8, 2) { data.writeInteger(generator.next()) }
        data.writeRepeatingByte(UInt8(truncatingIfNeeded: generator.next()), count: size - data.readableBytes)
        return Block(cid: CID(codec: .raw, multihash: ContentHash.sha256(data)), data: data)
    }
}

/// A CID that no block has.
func missingCID(_ number: Int) -> CID {
    var digest = [UInt8](repeating: 0xee, count: 32)
    for index in 0..<8 { digest[index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
    return CID(codec: .raw, multihash: Multihash(code: .sha2_256, digest: digest))
}

extension ReceivedBlock {
    /// The block, with its CID by the hash that the node uses.
    func hashed() -> Block? { block { ContentHash.hash($0, code: $1) } }
}
