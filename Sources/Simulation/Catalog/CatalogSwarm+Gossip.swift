import Catalog
import Gossip
import Multiformats
import NIOCore
import SansIO

extension CatalogSwarm {
    /// Hands an input to a node's gossip.
    func gossip(_ node: Node, _ input: GossipSub.Input) {
        guard node.gossip != nil else { return }
        var effects: [GossipSub.Effect] = []
        node.gossip?.handle(input, now: now, into: &effects)
        perform(effects, node)
    }

    /// Pushes a few young ones of what a pull brought.
    func passOn(_ added: [(time: UInt64, id: UpdateID)], _ node: Node) {
        guard plan.isPushing else { return }
        for id in PassingOn.chosen(added, now: CatalogSwarm.time(now)) {
            guard let number = numbers[id] else { continue }
            gossip(node, .publish(PublishID(UInt64(number)), CatalogSwarm.topic, published[number].block.bytes))
        }
    }

    /// Sees to it that the node is called when something of it is due.
    func wake(_ node: Node) {
        guard node.isUp else { return }
        let deadlines = [
            plan.isPushing ? node.gossip?.deadline : nil, plan.isPulling ? node.schedule.deadline : nil,
            node.streams.compactMap { $0.deadline(at: node) }.min(),
        ]
        guard let deadline = deadlines.compactMap({ $0 }).min() else { return }
        let time = max(deadline, now)
        if let awake = node.awake, awake <= time { return }
        node.awake = time
        let life = node.life
        queue.schedule({ $0.tick(node, life, time) }, at: time)
    }

    private func tick(_ node: Node, _ life: Int, _ time: Instant) {
        guard node.isUp, node.life == life, node.awake == time else { return }
        node.awake = nil
        if plan.isPushing, let deadline = node.gossip?.deadline, deadline <= now {
            var effects: [GossipSub.Effect] = []
            node.gossip?.tick(now: now, into: &effects)
            perform(effects, node)
        }
        if plan.isPulling {
            for stream in node.streams { stream.tick(at: node, in: self) }
            if let peer = node.schedule.next(&node.admission, now: now) { pull(node, from: peer) }
        }
        wake(node)
    }

    private func perform(_ effects: [GossipSub.Effect], _ node: Node) {
        for effect in effects {
            switch effect {
            case .send(let frame, let peer): send(frame, node, peer)
            case .validate(let id, let message, _, _):
                // Known by pull: nothing to pass on.
                let isKnown = CatalogSwarm.id(of: message).map { node.set.contains($0) } ?? false
                gossip(node, .validated(id, isKnown ? .ignore : .accept))
            case .deliver(let message, _, _):
                if let key = CatalogSwarm.id(of: message) { learn(node, key.digest, byPull: false) }
            default: break
            }
        }
        wake(node)
    }

    private static func id(of message: GossipMessage) -> UpdateKey? {
        let block = SyncBlock(bytes: message.data, headerLength: headerLength)
        return key(of: block)
    }

    private func send(_ frame: GossipFrame, _ node: Node, _ peer: PeerID) {
        guard let place = places[peer] else { return }
        result.gossipBytes += frame.bytes.readableBytes
        if node.isHostile, frame.kind == .message { return }
        if frame.kind != .control, happens(plan.dropped) { return }
        let (to, lives) = (nodes[place], (node.life, nodes[place].life))
        let arrival = arrival(node.index, to.index, bytes: frame.bytes.readableBytes, lane: 0)
        guard let arrival else { return }
        queue.schedule(
            { swarm in
                guard node.isUp, to.isUp, (node.life, to.life) == lives, to.links.contains(node.index) else { return }
                var bytes = frame.bytes
                guard (try? bytes.readVarint()) != nil, let rpc = try? GossipRPC(decoding: bytes) else {
                    preconditionFailure("a frame that does not read")
                }
                swarm.gossip(to, .received(rpc, from: node.peer))
            }, at: arrival)
    }
}
