import Multiformats
import NIOCore
import SansIO

// What happens once a second.

extension GossipSub {
    /// Grafts and prunes of one heartbeat, which go out together.
    private struct Changes {
        var grafts: [(slot: Int, topic: Topic)] = []
        var prunes: [(slot: Int, topic: Topic, exchanging: Bool)] = []
    }

    mutating func heartbeat(now: Instant, into effects: inout [Effect]) {
        ticks &+= 1
        clear(now: now)
        penaliseBrokenPromises(now: now)
        scores?.decay(now: now)
        dialDirectPeers(into: &effects)
        // Scores do not change while meshes are mended.
        let scores = peers.indices.map { peers[$0].isConnected ? score($0) : 0 }
        var changes = Changes()
        for place in topics.indices where topics[place]?.isSubscribed == true {
            dropBadPeers(place, scores, now: now, &changes)
            dropIdlePeers(place, scores, now: now, &changes)
            fill(place, scores, now: now, &changes)
            trim(place, scores, now: now, &changes)
            seekOutbound(place, scores, now: now, &changes)
            better(place, scores, now: now, &changes)
        }
        send(changes, into: &effects)
        let news = cache.gossip()
        for place in topics.indices {
            guard let mesh = topics[place] else { continue }
            if mesh.isSubscribed {
                gossip(place, news, besides: mesh.peers, scores, into: &effects)
            } else if mesh.lastPublished != nil {
                maintainFanout(place, scores, now: now)
                if let fanout = topics[place]?.fanout { gossip(place, news, besides: fanout, scores, into: &effects) }
            }
            releaseIfIdle(place)
        }
        cache.shift()
    }

    private mutating func clear(now: Instant) {
        seen.expire(now: now)
        expireWaiting(now: now)
        for slot in peers.indices where peers[slot].isConnected {
            peers[slot].counters = PeerState.Counters()
            peers[slot].unwanted.expire(tick: ticks)
        }
        // Looked through seldom, and kept a little longer than they last.
        guard ticks % 15 == 0 else { return }
        let slack = configuration.heartbeat * configuration.backoffSlack
        for place in topics.indices { topics[place]?.backoffs.expire(before: now + (.zero - slack)) }
    }

    private mutating func penaliseBrokenPromises(now: Instant) {
        while let reference = promises.broken(now: now) {
            statistics.brokenPromises &+= 1
            if let slot = slot(reference) { scores?.penalise(slot, 1) }
        }
    }

    private func dialDirectPeers(into effects: inout [Effect]) {
        guard !direct.isEmpty, ticks % configuration.directTicks == configuration.firstDirectTick else { return }
        for peer in direct.sorted() where slots[peer] == nil { effects.append(.dial(peer)) }
    }

    // MARK: One topic's mesh

    private mutating func dropBadPeers(_ place: Int, _ scores: [Double], now: Instant, _ changes: inout Changes) {
        guard self.scores != nil, let mesh = topics[place] else { return }
        for slot in mesh.peers where scores[slot] < 0 {
            drop(slot, place, mesh.topic, now, exchanging: false, &changes)
        }
    }

    /// Peers that bring nothing make room: all of them as long as the mesh keeps its degree, and below that as many
    /// as there are others that have brought something.
    private mutating func dropIdlePeers(_ place: Int, _ scores: [Double], now: Instant, _ changes: inout Changes) {
        guard let rules = self.scores, let mesh = topics[place], let scored = mesh.scored else { return }
        let idle = mesh.peers.filter { rules.isIdle($0, topic: scored, now: now) }
        guard !idle.isEmpty else { return }
        let better = mesh.members.count { slot in
            !mesh.peers.contains(slot) && rules.isUseful(slot, topic: scored, now: now) && scores[slot] >= 0
                && peers[slot].usesMesh && !peers[slot].isDirect && mesh.backoffs.end(of: peers[slot].id) == nil
        }
        let spare = max(0, mesh.peers.count - configuration.degree)
        for slot in idle.shuffled(using: &luck).prefix(spare + better) {
            drop(slot, place, mesh.topic, now, exchanging: false, &changes)
            self.scores?.droppedIdle(slot, topic: scored)
            statistics.idlers &+= 1
        }
    }

    private mutating func fill(_ place: Int, _ scores: [Double], now: Instant, _ changes: inout Changes) {
        guard let mesh = topics[place], mesh.peers.count < configuration.degreeLow else { return }
        // Those that have brought something come first, and under attack then those that we chose ourselves.
        if let scored = mesh.scored, self.scores?.countsIdle(topic: scored) == true {
            graft(configuration.degree - mesh.peers.count, place, now, &changes) { core, slot in
                scores[slot] >= 0 && core.scores?.isUseful(slot, topic: scored, now: now) == true
            }
            if self.scores?.isWary(topic: scored) == true, let count = topics[place]?.peers.count {
                graft(configuration.degree - count, place, now, &changes) { core, slot in
                    scores[slot] >= 0 && core.peers[slot].isOutbound
                        && core.scores?.wasIdle(slot, topic: scored) == false
                }
            }
        }
        let count = topics[place]?.peers.count ?? 0
        graft(configuration.degree - count, place, now, &changes) { core, slot in scores[slot] >= 0 }
    }

    private mutating func trim(_ place: Int, _ scores: [Double], now: Instant, _ changes: inout Changes) {
        guard let mesh = topics[place], mesh.peers.count > configuration.degreeHigh else { return }
        let candidates = mesh.peers.map { slot in
            Mesh.Candidate(slot: slot, score: scores[slot], isOutbound: peers[slot].isOutbound)
        }
        for slot in Mesh.excess(candidates, configuration, &luck) {
            drop(slot, place, mesh.topic, now, exchanging: true, &changes)
        }
    }

    /// Attackers choose to connect to us; whom we dialled we chose ourselves.
    private mutating func seekOutbound(_ place: Int, _ scores: [Double], now: Instant, _ changes: inout Changes) {
        guard let mesh = topics[place], mesh.peers.count >= configuration.degreeLow else { return }
        let outbound = mesh.peers.count { peers[$0].isOutbound }
        guard outbound < configuration.degreeOutbound else { return }
        graft(configuration.degreeOutbound - outbound, place, now, &changes) { core, slot in
            guard core.peers[slot].isOutbound, scores[slot] >= 0 else { return false }
            return mesh.scored.map { core.scores?.wasIdle(slot, topic: $0) != true } ?? true
        }
    }

    /// Now and then a mesh of bad peers tries a few that are better than its median.
    private mutating func better(_ place: Int, _ scores: [Double], now: Instant, _ changes: inout Changes) {
        guard let thresholds, ticks % configuration.opportunisticTicks == 0, let mesh = topics[place],
            mesh.peers.count > 1
        else { return }
        let sorted = mesh.peers.map { scores[$0] }.sorted()
        let median = sorted[sorted.count / 2]
        guard median < thresholds.opportunisticGraft else { return }
        graft(configuration.opportunisticPeers, place, now, &changes) { core, slot in scores[slot] > median }
    }

    private mutating func graft(
        _ count: Int, _ place: Int, _ now: Instant, _ changes: inout Changes, where isFit: (GossipSub, Int) -> Bool
    ) {
        guard let mesh = topics[place] else { return }
        let chosen = choose(count, in: place) { core, slot in
            !mesh.peers.contains(slot) && isFit(core, slot) && mesh.backoffs.end(of: core.peers[slot].id) == nil
        }
        for slot in chosen {
            enterMesh(slot, in: place, now: now)
            changes.grafts.append((slot, mesh.topic))
        }
    }

    private mutating func drop(
        _ slot: Int, _ place: Int, _ topic: Topic, _ now: Instant, exchanging: Bool, _ changes: inout Changes
    ) {
        leaveMesh(slot, in: place)
        topics[place]?.backoffs.set(peers[slot].id, until: now + configuration.pruneBackoff)
        // Grafted and dropped within one heartbeat: it need not hear of either.
        if let index = changes.grafts.firstIndex(where: { $0.slot == slot && $0.topic == topic }) {
            changes.grafts.remove(at: index)
        } else {
            changes.prunes.append((slot, topic, exchanging))
        }
    }

    /// One frame for each peer with all that changed for it.
    private mutating func send(_ changes: Changes, into effects: inout [Effect]) {
        var frames: [Int: GossipRPC] = [:]
        for change in changes.grafts { frames[change.slot, default: GossipRPC()].graft.append(change.topic) }
        for change in changes.prunes {
            let prune = prune(change.slot, change.topic, exchanging: change.exchanging)
            frames[change.slot, default: GossipRPC()].prune.append(prune)
        }
        for slot in frames.keys.sorted() {
            if let rpc = frames[slot] { send(rpc, .control, to: slot, into: &effects) }
        }
    }

    // MARK: Gossip

    /// Tells some members that are not pushed to what there is.
    private mutating func gossip(
        _ place: Int, _ news: [Topic: [MessageID]], besides mesh: PeerSet, _ scores: [Double],
        into effects: inout [Effect]
    ) {
        guard let topic = topics[place]?.topic, var ids = news[topic] else { return }
        let least = thresholds?.gossip ?? 0
        var targets = choose(.max, in: place) { core, slot in !mesh.contains(slot) && scores[slot] >= least }
        let share = Int(configuration.gossipFactor * Double(targets.count))
        let count = max(configuration.degreeLazy, share)
        if targets.count > count {
            // Half of them we dialled ourselves, if there are as many: nobody can crowd those out. They are in a random
            // order, and stay in it.
            let half = count / 2
            var (chosen, others): ([Int], [Int]) = ([], [])
            for slot in targets {
                if chosen.count < half, peers[slot].isOutbound { chosen.append(slot) } else { others.append(slot) }
            }
            targets = chosen + others.prefix(count - chosen.count)
        }
        guard !targets.isEmpty else { return }
        ids.shuffle(using: &luck)
        guard ids.count > configuration.ihaveIDs else {
            var rpc = GossipRPC()
            rpc.ihave = [.init(topic, ids)]
            let frames = rpc.frames(limit: configuration.frameBytes)
            for slot in targets {
                for bytes in frames { effects.append(.send(GossipFrame(bytes, .gossip), to: peers[slot].id)) }
            }
            return
        }
        // More than one may tell: each peer hears of others, so that all of them together are told of.
        for slot in targets {
            ids.shuffle(using: &luck)
            var rpc = GossipRPC()
            rpc.ihave = [.init(topic, Array(ids.prefix(configuration.ihaveIDs)))]
            send(rpc, .gossip, to: slot, into: &effects)
        }
    }

    private mutating func maintainFanout(_ place: Int, _ scores: [Double], now: Instant) {
        guard let mesh = topics[place], let published = mesh.lastPublished else { return }
        guard published + configuration.fanoutLifetime > now else {
            topics[place]?.fanout.removeAll()
            topics[place]?.lastPublished = nil
            return
        }
        let least = thresholds?.publish ?? 0
        for slot in mesh.fanout where scores[slot] < least { topics[place]?.fanout.remove(slot) }
        let kept = topics[place]?.fanout ?? PeerSet()
        let chosen = choose(configuration.degree - kept.count, in: place) { core, slot in
            !kept.contains(slot) && scores[slot] >= least
        }
        for slot in chosen { topics[place]?.fanout.insert(slot) }
    }
}
