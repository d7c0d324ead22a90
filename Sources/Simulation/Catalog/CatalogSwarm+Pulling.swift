import Catalog
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// The two ends of a session on a stream between two nodes.
final class PullStream {
    let initiator: CatalogSwarm.Node
    let responder: CatalogSwarm.Node
    /// Numbers of the nodes' lives when it was opened: a node that restarts has it no more.
    private let lives: (Int, Int)
    private let lane: UInt64
    fileprivate var sessions: [SyncSession]
    /// Whether the responder has admitted it, and whether the ends are over.
    fileprivate var isAdmitted = false
    fileprivate var isOver = [false, false]
    fileprivate var isClosed = false
    /// What was new to each end.
    fileprivate var added: [[(time: UInt64, id: UpdateID)]] = [[], []]

    fileprivate init(
        _ initiator: CatalogSwarm.Node, _ responder: CatalogSwarm.Node, lane: UInt64,
        _ generator: inout SeededGenerator
    ) {
        (self.initiator, self.responder) = (initiator, responder)
        self.lane = lane
        lives = (initiator.life, responder.life)
        sessions = [SyncSession.Role.initiator, .responder].map {
            SyncSession(role: $0, generator: generator.split(), time: CatalogSwarm.time)
        }
    }

    fileprivate func node(_ end: Int) -> CatalogSwarm.Node { end == 0 ? initiator : responder }

    func deadline(at node: CatalogSwarm.Node) -> Instant? {
        let end = node === initiator ? 0 : 1
        return isOver[end] ? nil : sessions[end].deadline
    }

    func tick(at node: CatalogSwarm.Node, in swarm: CatalogSwarm) {
        let end = node === initiator ? 0 : 1
        var effects: [SyncSession.Effect] = []
        sessions[end].tick(now: swarm.now, into: &effects)
        perform(effects, end, swarm)
    }

    func feed(_ end: Int, _ input: SyncSession.Input, _ swarm: CatalogSwarm) {
        guard !isOver[end], initiator.life == lives.0, responder.life == lives.1 else { return }
        if end == 1, !isAdmitted {
            isAdmitted = true
            if case .wait(let seconds) = responder.admission.begin(initiator.peer, now: swarm.now) {
                isOver[1] = true
                responder.streams.removeAll { $0 === self }
                return transmit(SyncSession.refusal(seconds: seconds), from: 1, swarm)
            }
        }
        var effects: [SyncSession.Effect] = []
        sessions[end].handle(input, set: node(end).set, now: swarm.now, into: &effects)
        perform(effects, end, swarm)
        swarm.wake(node(end))
    }

    private func perform(_ effects: [SyncSession.Effect], _ end: Int, _ swarm: CatalogSwarm) {
        let node = node(end)
        for effect in effects {
            switch effect {
            case .send(let bytes): transmit(bytes, from: end, swarm)
            case .read(let ids): feed(end, .blocks(ids.map { swarm.block($0, at: node) }), swarm)
            case .store(let blocks):
                for block in blocks {
                    guard let key = CatalogSwarm.key(of: block), swarm.learn(node, key.digest, byPull: true)
                    else { continue }
                    added[end].append((key.time, key.digest))
                }
            case .finished(let outcome): swarm.finish(self, end, outcome)
            }
        }
    }

    private func transmit(_ bytes: ByteBuffer, from end: Int, _ swarm: CatalogSwarm) {
        let (here, there) = (node(end), node(1 - end))
        if end == 1, here.isHostile { return }
        swarm.result.pullBytes += bytes.readableBytes
        let size = bytes.readableBytes
        guard let arrival = swarm.arrival(here.index, there.index, bytes: size, lane: lane) else { return }
        swarm.queue.schedule(
            { [self] swarm in
                guard !isClosed else { return }
                feed(1 - end, .received(bytes), swarm)
                feed(end, .drained, swarm)
            }, at: arrival)
    }
}

extension CatalogSwarm {
    /// Opens a session that the schedule has begun.
    func pull(_ node: Node, from peer: PeerID) {
        result.pulls += 1
        guard let place = places[peer], nodes[place].isUp, node.links.contains(place) else {
            let outcome = SyncOutcome(result: .failed(.closed), figures: SyncFigures())
            node.admission.end(peer, outcome, now: now)
            return node.schedule.ended(peer, outcome, now: now)
        }
        let stream = PullStream(node, nodes[place], lane: 1 + UInt64(result.pulls % 60_000), &generator)
        node.streams.append(stream)
        nodes[place].streams.append(stream)
        // The stream is opened and the protocol agreed on: one trip and back.
        after(.nanoseconds(Int64(2 * network.latency(node.index, place)))) { stream.feed(0, .open, $0) }
        if happens(plan.broken) { after(randomTime(.milliseconds(500))) { $0.close(stream) } }
    }

    /// The stream is gone for both.
    func close(_ stream: PullStream) {
        guard !stream.isClosed else { return }
        for end in 0...1 { stream.feed(end, .closed, self) }
        stream.isClosed = true
        // An end that had not heard anything yet has no session that could say so.
        for end in 0...1 where !stream.isOver[end] {
            finish(stream, end, SyncOutcome(result: .failed(.closed), figures: stream.sessions[end].figures))
        }
    }

    func finish(_ stream: PullStream, _ end: Int, _ outcome: SyncOutcome) {
        guard !stream.isOver[end] else { return }
        stream.isOver[end] = true
        let (node, peer) = (stream.node(end), stream.node(1 - end).peer)
        node.streams.removeAll { $0 === stream }
        passOn(stream.added[end], node)
        if end == 0 || stream.isAdmitted { node.admission.end(peer, outcome, now: now) }
        if end == 0 {
            if outcome.result != .whole { result.failedPulls += 1 }
            node.schedule.ended(peer, outcome, now: now)
            wake(node)
        }
        guard outcome.result != .whole, outcome.result != .partial else { return }
        // A reset: the other end hears of it.
        after(.nanoseconds(Int64(network.latency(stream.initiator.index, stream.responder.index)))) {
            $0.close(stream)
        }
    }

    func block(_ id: UpdateID, at node: Node) -> SyncBlock? {
        guard let number = numbers[id], node.set.contains(published[number].key) else { return nil }
        return published[number].block
    }

    static func key(of block: SyncBlock) -> UpdateKey? {
        let header = block.header
        guard let time = time(of: header), let digest = UpdateID(ContentHash.sha256(header)) else { return nil }
        return UpdateKey(time: time, digest: digest)
    }
}
