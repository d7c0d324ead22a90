package import Multiformats
import NIOCore
package import PeerCrypto
package import SansIO

/// Gossipsub as a value: frames and wishes go in, frames and messages come out.
///
/// Of each topic that we are in a few peers form the mesh, along which messages are pushed; others hear of them and
/// ask (lazy gossip), so that nothing that a mesh loses is lost. It owns no message beyond the last heartbeats, and
/// everything that a peer can fill is bounded by its configuration.
///
///     frame --.received--> core --.validate--> worker checks --.validated--> core --.deliver--> application
///                                                                                --.send--> the mesh
///     application --.publish--> core --.send--> everybody in the topic
///     a second --tick--> heartbeat: meshes to size, IHAVE to others, windows shift
///
/// Effects come in an order that depends on nothing but the inputs and the seed.
/// Source: https://github.com/libp2p/specs/tree/master/pubsub/gossipsub
package struct GossipSub: Sendable {
    package let configuration: GossipConfiguration
    /// Ourselves.
    package let peer: PeerID
    let ownBytes: ByteBuffer
    let key: KeyPair?
    /// The number of our last message; of any author only greater ones are believed.
    var lastSequence: UInt64
    var luck: SeededGenerator

    var peers: [PeerState] = []
    var slots: [PeerID: Int] = [:]
    var freeSlots: [Int] = []
    var direct: Set<PeerID> = []

    var topics: [Mesh?] = []
    var places: [Topic: Int] = [:]
    var freePlaces: [Int] = []
    /// Numbers of topics whose conduct counts; only topics that we were in have one.
    var scoredTopics: [Topic: Int] = [:]

    var seen: SeenMessages
    var cache: MessageCache
    var waiting = WaitingMessages()
    var pausing = PausingForwards()
    var sequences: SequenceNumbers
    var promises: Promises
    var deliveries: DeliveryRecords
    var scores: PeerScore?

    var heartbeatAt: Instant
    var ticks: UInt64 = 0
    package internal(set) var statistics = GossipStatistics()

    /// A core of `peer`'s that begins at `start`. `key` signs what it publishes in topics that want it, with numbers
    /// above `sequence`: the wall's clock in nanoseconds since 1970, so that they grow over a restart. `seed` is its
    /// luck: whom it grafts, prunes and tells.
    package init(
        _ configuration: GossipConfiguration, peer: PeerID, key: KeyPair? = nil, sequence: UInt64, start: Instant,
        seed: UInt64
    ) {
        precondition(key.map { $0.peerID == peer } ?? true, "a peer signs its own messages")
        self.configuration = configuration
        self.peer = peer
        self.key = key
        ownBytes = ByteBuffer(bytes: peer.bytes)
        lastSequence = sequence
        luck = SeededGenerator(seed: seed)
        seen = SeenMessages(capacity: configuration.seenCapacity, lifetime: configuration.seenLifetime)
        cache = MessageCache(
            length: configuration.historyLength, gossip: configuration.historyGossip, bytes: configuration.historyBytes)
        sequences = SequenceNumbers(capacity: configuration.authors)
        promises = Promises(followUp: configuration.followUp)
        scores = configuration.scoring.map(PeerScore.init)
        let rules = configuration.topicSettings.values.map(\.scoring) + [configuration.defaultTopic.scoring]
        let windows = rules.compactMap { $0 }.filter(\.countsMeshDeliveries).map(\.meshDeliveriesWindow)
        deliveries = DeliveryRecords(window: configuration.scoring == nil ? .zero : windows.max() ?? .zero)
        heartbeatAt = start + configuration.firstHeartbeat
    }
}

// MARK: The core's face

extension GossipSub: ProtocolCore {
    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .received(let rpc, let id): received(rpc, from: id, now: now, into: &effects)
        case .validated(let id, let verdict): validated(id, verdict, now: now, into: &effects)
        case .connected(let id, let version, let isOutbound, let group):
            connected(id, version, isOutbound: isOutbound, group: group, now: now, into: &effects)
        case .disconnected(let id): disconnected(id, now: now)
        case .peerRecord(let id, let record):
            if let slot = slots[id], record.readableBytes <= configuration.recordBytes { peers[slot].record = record }
        case .directPeers(let all): setDirect(all)
        case .applicationScore(let id, let score):
            if let slot = slots[id] { scores?.setApplication(slot, score) }
        case .subscribe(let topic): subscribe(topic, now: now, into: &effects)
        case .unsubscribe(let topic): unsubscribe(topic, now: now, into: &effects)
        case .publish(let id, let topic, let data): publish(id, topic, data, now: now, into: &effects)
        case .restoreSequences(let numbers):
            for (author, number) in numbers { _ = sequences.advance(author, to: number, now: now) }
        }
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        forwardPausing(now: now, into: &effects)
        guard heartbeatAt <= now else { return }
        // One heartbeat, however late: what is missed by a machine that slept is not to be made up for.
        heartbeatAt = max(heartbeatAt + configuration.heartbeat, now + configuration.heartbeat / 2)
        heartbeat(now: now, into: &effects)
    }

    package var deadline: Instant? { min(heartbeatAt, pausing.next ?? heartbeatAt) }
}

// MARK: Small things that all parts use

extension GossipSub {
    func score(_ slot: Int) -> Double { scores?.score(of: slot) ?? 0 }

    var thresholds: ScoreParameters.Thresholds? { configuration.scoring?.thresholds }

    func reference(_ slot: Int) -> PeerReference {
        PeerReference(slot: Int32(truncatingIfNeeded: slot), generation: peers[slot].generation)
    }

    /// The slot of the peer that is meant, while it is connected.
    func slot(_ reference: PeerReference) -> Int? {
        let slot = Int(reference.slot)
        guard slot < peers.count, peers[slot].isConnected, peers[slot].generation == reference.generation else {
            return nil
        }
        return slot
    }

    func send(_ rpc: GossipRPC, _ kind: GossipFrame.Kind, to slot: Int, into effects: inout [Effect]) {
        for bytes in rpc.frames(limit: configuration.frameBytes) {
            effects.append(.send(GossipFrame(bytes, kind), to: peers[slot].id))
        }
    }

    /// Some of a topic's members that speak of meshes, chosen by lot.
    mutating func choose(_ count: Int, in place: Int, where isWanted: (GossipSub, Int) -> Bool) -> [Int] {
        guard count > 0, let mesh = topics[place] else { return [] }
        var found: [Int] = []
        for slot in mesh.members where peers[slot].usesMesh && !peers[slot].isDirect && isWanted(self, slot) {
            found.append(slot)
        }
        found.shuffle(using: &luck)
        return found.count > count ? Array(found[..<count]) : found
    }
}
