import Multiformats
import NIOCore
import SansIO

// What peers tell us about meshes and messages.

extension GossipSub {
    mutating func control(_ rpc: GossipRPC, from slot: Int, now: Instant, into effects: inout [Effect]) {
        var answer = GossipRPC()
        if !rpc.ihave.isEmpty { answer.iwant = wanted(rpc.ihave, of: slot, now: now) }
        if !rpc.idontwant.isEmpty { noteUnwanted(rpc.idontwant, by: slot) }
        if !rpc.iwant.isEmpty { serve(rpc.iwant, to: slot, into: &effects) }
        if !rpc.graft.isEmpty { answer.prune = grafted(rpc.graft, by: slot, now: now) }
        for prune in rpc.prune { pruned(prune, by: slot, now: now, into: &effects) }
        if !answer.isEmpty { send(answer, answer.prune.isEmpty ? .gossip : .control, to: slot, into: &effects) }
    }

    // MARK: Lazy gossip

    /// Which of the messages that a peer told of we want from it.
    private mutating func wanted(_ all: [GossipRPC.IHave], of slot: Int, now: Instant) -> [MessageID] {
        if let thresholds, score(slot) < thresholds.gossip {
            statistics.ihavesIgnored &+= 1
            return []
        }
        peers[slot].counters.ihaveFrames += 1
        let room = configuration.ihaveIDs - peers[slot].counters.idsAsked
        guard peers[slot].counters.ihaveFrames <= configuration.ihaveFrames, room > 0 else {
            statistics.ihavesIgnored &+= 1
            return []
        }
        var ids: [MessageID] = []
        var chosen: Set<MessageID> = []
        for ihave in all {
            guard let place = places[ihave.topic], topics[place]?.isSubscribed == true else { continue }
            for id in ihave.ids.prefix(configuration.ihaveIDs)
            where seen.outcome(of: id, now: now) == nil && !waiting.contains(id) && chosen.insert(id).inserted {
                ids.append(id)
            }
        }
        guard !ids.isEmpty else { return [] }
        ids.shuffle(using: &luck)
        if ids.count > room { ids.removeLast(ids.count - room) }
        peers[slot].counters.idsAsked += ids.count
        // They are in a random order, so the first is as good as any.
        if scores != nil, let first = ids.first { promises.add(first, by: reference(slot), now: now) }
        return ids
    }

    /// Sends a peer the messages that it asks for, as long as they are there.
    private mutating func serve(_ ids: [MessageID], to slot: Int, into effects: inout [Effect]) {
        if let thresholds, score(slot) < thresholds.gossip { return }
        let peer = reference(slot)
        for id in ids {
            guard peers[slot].counters.idsServed < configuration.iwantIDs,
                peers[slot].counters.bytesServed < configuration.iwantBytes
            else {
                statistics.unserved &+= 1
                return
            }
            peers[slot].counters.idsServed += 1
            guard !peers[slot].unwanted.contains(id),
                let bytes = cache.frame(of: id, for: peer, limit: configuration.retransmissions)
            else {
                statistics.unserved &+= 1
                continue
            }
            peers[slot].counters.bytesServed += bytes.readableBytes
            statistics.served &+= 1
            effects.append(.send(GossipFrame(bytes, .message), to: peers[slot].id))
        }
    }

    private mutating func noteUnwanted(_ ids: [MessageID], by slot: Int) {
        peers[slot].counters.idontwantFrames += 1
        guard peers[slot].counters.idontwantFrames <= configuration.idontwantFrames else {
            statistics.idontwantsIgnored &+= 1
            return
        }
        for id in ids.prefix(configuration.idontwantIDs) {
            let isNoted = peers[slot].unwanted.insert(
                id, until: ticks &+ configuration.idontwantTicks, capacity: configuration.unwantedPerPeer)
            if !isNoted { statistics.idontwantsIgnored &+= 1 }
        }
        if ids.count > configuration.idontwantIDs { statistics.idontwantsIgnored &+= 1 }
    }

    // MARK: The mesh

    /// Takes a peer into meshes, or gives the refusals. Topics that we are not in are passed over in silence: an
    /// answer would tell a stranger nothing that it should know, and remembering them would fill memory.
    private mutating func grafted(_ all: [Topic], by slot: Int, now: Instant) -> [GossipRPC.Prune] {
        var refusals: [GossipRPC.Prune] = []
        let id = peers[slot].id
        for topic in all {
            guard let place = places[topic], let mesh = topics[place], mesh.isSubscribed else { continue }
            // A graft says that the peer is in the topic, even where it has not said so before.
            _ = join(slot, topic)
            if mesh.peers.contains(slot) || topics[place]?.peers.contains(slot) == true { continue }
            var exchanging = false
            if peers[slot].isDirect {
                // Direct peers are no mesh peers: the two sides are not configured alike.
            } else if let end = topics[place]?.backoffs.end(of: id), now < end {
                scores?.penalise(slot, 1)
                if end - now > configuration.pruneBackoff - configuration.graftFlood { scores?.penalise(slot, 1) }
            } else if score(slot) >= 0 {
                if isWelcome(slot, in: mesh, now: now) {
                    enterMesh(slot, in: place, now: now)
                    continue
                }
                exchanging = true
            }
            statistics.graftsRefused &+= 1
            topics[place]?.backoffs.set(id, until: now + configuration.pruneBackoff)
            refusals.append(prune(slot, mesh.topic, exchanging: exchanging))
        }
        return refusals
    }

    /// Whether a mesh has a place for a peer that asks for one.
    private func isWelcome(_ slot: Int, in mesh: Mesh, now: Instant) -> Bool {
        let count = mesh.peers.count
        guard let scored = mesh.scored, let scores, scores.countsIdle(topic: scored) else {
            return peers[slot].isOutbound || count < configuration.degreeHigh
        }
        // Useful peers come in even where silent ones hold all places: the next heartbeat chooses the best of them.
        if scores.isUseful(slot, topic: scored, now: now) {
            return peers[slot].isOutbound || count < configuration.degreeHigh + configuration.degreeOutbound
        }
        guard scores.isWary(topic: scored) else { return peers[slot].isOutbound || count < configuration.degreeHigh }
        // Strangers help only a mesh that is too small, unless we dialled them and they were not tried yet.
        return peers[slot].isOutbound && !scores.wasIdle(slot, topic: scored) || count < configuration.degreeLow
    }

    private mutating func pruned(
        _ prune: GossipRPC.Prune, by slot: Int, now: Instant, into effects: inout [Effect]
    ) {
        guard let place = places[prune.topic], let mesh = topics[place], mesh.isSubscribed else { return }
        statistics.prunes &+= 1
        leaveMesh(slot, in: place)
        let asked = prune.backoff.map { Duration.seconds(Int64(clamping: min($0, 1 << 32))) } ?? .zero
        let backoff = asked > .zero ? min(asked, configuration.longestBackoff) : configuration.pruneBackoff
        topics[place]?.backoffs.set(peers[slot].id, until: now + backoff)
        guard !prune.peers.isEmpty else { return }
        guard configuration.exchangesPeers, score(slot) >= thresholds?.acceptHints ?? 0 else {
            statistics.hintsIgnored &+= UInt64(prune.peers.count)
            return
        }
        let hints = prune.peers.prefix(configuration.hintsPerPrune).filter { hint in
            hint.record != nil && hint.peer != ownBytes
        }
        if !hints.isEmpty { effects.append(.exchange(hints, mesh.topic, from: peers[slot].id)) }
    }

    /// A PRUNE for a peer, with hints where those are wanted.
    mutating func prune(
        _ slot: Int, _ topic: Topic, backoff: Duration? = nil, exchanging: Bool = false
    ) -> GossipRPC.Prune {
        var prune = GossipRPC.Prune(topic)
        // 1.0 knows neither.
        guard peers[slot].version >= .v1_1 else { return prune }
        prune.backoff = UInt64(clamping: (backoff ?? configuration.pruneBackoff).components.seconds)
        guard exchanging, configuration.exchangesPeers, let place = places[topic] else { return prune }
        let others = choose(configuration.hintsPerPrune, in: place) { core, other in
            other != slot && core.score(other) >= 0 && core.peers[other].record != nil
        }
        prune.peers = others.map { PeerHint(ByteBuffer(bytes: peers[$0].id.bytes), record: peers[$0].record) }
        return prune
    }
}
