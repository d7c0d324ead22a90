import NIOCore
import SansIO

// Our own subscriptions and messages.

extension GossipSub {
    mutating func subscribe(_ topic: Topic, now: Instant, into effects: inout [Effect]) {
        guard (1...Topic.maximumLength).contains(topic.bytes.readableBytes),
            let place = places[topic] ?? takePlace(topic, isOurs: true), let mesh = topics[place], !mesh.isSubscribed
        else { return }
        topics[place]?.isSubscribed = true
        if let rules = mesh.settings.scoring, scores != nil {
            let number = scoredTopics[mesh.topic] ?? scores?.addTopic(rules)
            scoredTopics[mesh.topic] = number
            topics[place]?.scored = number
        }
        for slot in mesh.members { peers[slot].foreignTopics -= 1 }
        announce(mesh.topic, isSubscribed: true, into: &effects)
        // Whom own messages went to so far comes first.
        let isFit = { (core: GossipSub, slot: Int) -> Bool in
            core.score(slot) >= 0 && mesh.backoffs.end(of: core.peers[slot].id) == nil
        }
        var chosen = mesh.fanout.filter { !peers[$0].isDirect && peers[$0].usesMesh && isFit(self, $0) }
        topics[place]?.fanout.removeAll()
        topics[place]?.lastPublished = nil
        chosen += choose(configuration.degree - chosen.count, in: place) { core, slot in
            isFit(core, slot) && !mesh.fanout.contains(slot)
        }
        for slot in chosen {
            enterMesh(slot, in: place, now: now)
            var rpc = GossipRPC()
            rpc.graft = [mesh.topic]
            send(rpc, .control, to: slot, into: &effects)
        }
    }

    mutating func unsubscribe(_ topic: Topic, now: Instant, into effects: inout [Effect]) {
        guard let place = places[topic], let mesh = topics[place], mesh.isSubscribed else { return }
        topics[place]?.isSubscribed = false
        for slot in mesh.members { peers[slot].foreignTopics += 1 }
        announce(mesh.topic, isSubscribed: false, into: &effects)
        for slot in mesh.peers {
            leaveMesh(slot, in: place)
            topics[place]?.backoffs.set(peers[slot].id, until: now + configuration.unsubscribeBackoff)
            var rpc = GossipRPC()
            rpc.prune = [prune(slot, mesh.topic, backoff: configuration.unsubscribeBackoff)]
            send(rpc, .control, to: slot, into: &effects)
        }
        releaseIfIdle(place)
    }

    private func announce(_ topic: Topic, isSubscribed: Bool, into effects: inout [Effect]) {
        var rpc = GossipRPC()
        rpc.subscriptions = [.init(topic, isSubscribed: isSubscribed)]
        guard let bytes = rpc.frames(limit: configuration.frameBytes).first else { return }
        let frame = GossipFrame(bytes, .control)
        for slot in peers.indices where peers[slot].isConnected { effects.append(.send(frame, to: peers[slot].id)) }
    }

    // MARK: Publishing

    mutating func publish(
        _ publishID: PublishID, _ topic: Topic, _ data: ByteBuffer, now: Instant, into effects: inout [Effect]
    ) {
        guard (1...Topic.maximumLength).contains(topic.bytes.readableBytes) else {
            return effects.append(.refused(publishID, .invalidTopic))
        }
        let settings = configuration.settings(of: topic)
        guard data.readableBytes <= settings.dataBytes else {
            return effects.append(.refused(publishID, .tooLarge(data.readableBytes)))
        }
        let unframed: GossipMessage
        switch settings.policy {
        case .strictNoSign: unframed = GossipMessage(data, in: topic)
        case .strictSign:
            guard let key else { return effects.append(.refused(publishID, .noKey)) }
            unframed = GossipMessage(data, in: topic, sequence: lastSequence &+ 1, signedBy: key)
        }
        let (message, frame) = unframed.framed()
        guard message.encoded.readableBytes + 5 <= configuration.frameBytes else {
            return effects.append(.refused(publishID, .tooLarge(data.readableBytes)))
        }
        let id = settings.identifier.id(of: message)
        guard seen.outcome(of: id, now: now) == nil, !waiting.contains(id) else {
            return effects.append(.refused(publishID, .duplicate))
        }
        if settings.policy == .strictSign { lastSequence &+= 1 }
        seen.insert(id, .accepted, now: now)
        statistics.published &+= 1
        guard let place = places[topic] ?? takePlace(topic, isOurs: true), let mesh = topics[place] else {
            return effects.append(.published(publishID, id, peers: 0))
        }
        cache.put(id, frame: frame, topic: mesh.topic)
        let targets = publishTargets(place, now: now)
        for slot in targets { effects.append(.send(GossipFrame(frame, .message), to: peers[slot].id)) }
        effects.append(.published(publishID, id, peers: targets.count))
        releaseIfIdle(place)
    }

    /// Whom an own message goes to.
    private mutating func publishTargets(_ place: Int, now: Instant) -> PeerSet {
        guard let mesh = topics[place] else { return PeerSet() }
        let least = thresholds?.publish ?? 0
        if configuration.floodPublish {
            var all = PeerSet()
            for slot in mesh.members where peers[slot].isDirect || score(slot) >= least { all.insert(slot) }
            return all
        }
        var targets = mesh.isSubscribed ? mesh.peers : fanout(place, now: now)
        for slot in mesh.eager where peers[slot].isDirect || score(slot) >= least { targets.insert(slot) }
        return targets
    }

    /// The peers for messages in a topic that we are not in.
    private mutating func fanout(_ place: Int, now: Instant) -> PeerSet {
        topics[place]?.lastPublished = now
        if topics[place]?.fanout.isEmpty ?? true {
            let least = thresholds?.publish ?? 0
            let chosen = choose(configuration.degree, in: place) { core, slot in core.score(slot) >= least }
            for slot in chosen { topics[place]?.fanout.insert(slot) }
        }
        return topics[place]?.fanout ?? PeerSet()
    }
}
