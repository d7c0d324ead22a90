import Multiformats
import SansIO

// Who is connected and which topics they are in.

extension GossipSub {
    mutating func connected(
        _ id: PeerID, _ version: GossipVersion, isOutbound: Bool, group: UInt64?, now: Instant,
        into effects: inout [Effect]
    ) {
        guard id != peer else { return }
        let slot: Int
        if let known = slots[id] {
            slot = known
            peers[slot].version = version
            peers[slot].isOutbound = isOutbound
            scores?.setGroup(group, of: slot)
            for place in peers[slot].topics { classify(slot, in: place) }
        } else {
            slot = takeSlot(id, version, isOutbound: isOutbound)
            slots[id] = slot
            scores?.connected(slot, id, group: group, now: now)
        }
        greet(slot, into: &effects)
    }

    private mutating func takeSlot(_ id: PeerID, _ version: GossipVersion, isOutbound: Bool) -> Int {
        let isDirect = direct.contains(id)
        guard let slot = freeSlots.popLast() else {
            peers.append(
                PeerState(id: id, generation: 0, version: version, isOutbound: isOutbound, isDirect: isDirect))
            return peers.count - 1
        }
        peers[slot] = PeerState(
            id: id, generation: peers[slot].generation &+ 1, version: version, isOutbound: isOutbound,
            isDirect: isDirect)
        return slot
    }

    /// The first thing that a peer hears: which topics we are in.
    private func greet(_ slot: Int, into effects: inout [Effect]) {
        var hello = GossipRPC()
        for case let mesh? in topics where mesh.isSubscribed {
            hello.subscriptions.append(.init(mesh.topic, isSubscribed: true))
        }
        if !hello.isEmpty { send(hello, .control, to: slot, into: &effects) }
    }

    mutating func disconnected(_ id: PeerID, now: Instant) {
        guard let slot = slots.removeValue(forKey: id) else { return }
        scores?.disconnected(slot, id, now: now)
        // Sorted, because the places of topics that end are given out again in that order.
        for place in peers[slot].topics.sorted() {
            topics[place]?.members.remove(slot)
            topics[place]?.eager.remove(slot)
            topics[place]?.peers.remove(slot)
            topics[place]?.fanout.remove(slot)
            releaseIfIdle(place)
        }
        peers[slot] = PeerState(
            id: id, generation: peers[slot].generation, version: .floodsub, isOutbound: false, isDirect: false,
            isConnected: false)
        freeSlots.append(slot)
    }

    mutating func setDirect(_ all: [PeerID]) {
        direct = Set(all)
        for slot in peers.indices where peers[slot].isConnected {
            let isDirect = direct.contains(peers[slot].id)
            guard isDirect != peers[slot].isDirect else { continue }
            peers[slot].isDirect = isDirect
            for place in peers[slot].topics {
                classify(slot, in: place)
                if isDirect { leaveMesh(slot, in: place) }
            }
        }
    }

    // MARK: Their topics

    mutating func noteSubscription(_ subscription: GossipRPC.Subscription, of slot: Int) {
        if subscription.isSubscribed {
            _ = join(slot, subscription.topic)
        } else if let place = places[subscription.topic], peers[slot].topics.contains(place) {
            leaveMesh(slot, in: place)
            topics[place]?.members.remove(slot)
            topics[place]?.eager.remove(slot)
            topics[place]?.fanout.remove(slot)
            peers[slot].topics.remove(place)
            if topics[place]?.isSubscribed == false { peers[slot].foreignTopics -= 1 }
            releaseIfIdle(place)
        }
    }

    /// The place of a topic that the peer is in from now on; nil when it is in too many that mean nothing to us.
    mutating func join(_ slot: Int, _ topic: Topic) -> Int? {
        let known = places[topic]
        if let known, peers[slot].topics.contains(known) { return known }
        let isOurs = known.flatMap { topics[$0]?.isSubscribed } ?? false
        guard isOurs || peers[slot].foreignTopics < configuration.topicsPerPeer,
            let place = known ?? takePlace(topic, isOurs: false)
        else {
            statistics.subscriptionsIgnored &+= 1
            return nil
        }
        peers[slot].topics.insert(place)
        if !isOurs { peers[slot].foreignTopics += 1 }
        topics[place]?.members.insert(slot)
        classify(slot, in: place)
        return place
    }

    private mutating func classify(_ slot: Int, in place: Int) {
        if peers[slot].isDirect || !peers[slot].usesMesh {
            topics[place]?.eager.insert(slot)
        } else {
            topics[place]?.eager.remove(slot)
        }
    }

    /// Takes a peer out of a mesh, without a word to it.
    mutating func leaveMesh(_ slot: Int, in place: Int) {
        guard topics[place]?.peers.remove(slot) == true else { return }
        if let scored = topics[place]?.scored { scores?.pruned(slot, topic: scored) }
    }

    /// Puts a peer into a mesh.
    mutating func enterMesh(_ slot: Int, in place: Int, now: Instant) {
        guard topics[place]?.peers.insert(slot) == true else { return }
        statistics.grafts &+= 1
        if let scored = topics[place]?.scored { scores?.grafted(slot, topic: scored, now: now) }
    }

    // MARK: The table of topics

    /// A place for a topic that has none; nil when there are too many that are not ours.
    mutating func takePlace(_ topic: Topic, isOurs: Bool) -> Int? {
        guard isOurs || places.count < configuration.topics else { return nil }
        let topic = topic.detached
        let mesh = Mesh(topic, configuration.settings(of: topic), backoffs: configuration.backoffs)
        let place = freePlaces.popLast() ?? topics.count
        if place == topics.count { topics.append(mesh) } else { topics[place] = mesh }
        places[topic] = place
        return place
    }

    mutating func releaseIfIdle(_ place: Int) {
        guard let mesh = topics[place], mesh.isIdle else { return }
        places[mesh.topic] = nil
        topics[place] = nil
        freePlaces.append(place)
    }
}
