package import Multiformats

// What can be asked of the core, for people and for tests.

extension GossipSub {
    /// What one connected peer looks like from here.
    package struct PeerStatus: Sendable {
        package let id: PeerID
        package let version: GossipVersion
        package let isOutbound: Bool
        package let isDirect: Bool
        package let score: Double
        /// The topics it is in, as far as they are remembered.
        package let topics: [Topic]
    }

    /// Sizes of what peers can fill, for metrics and for tests of what is given back.
    package struct Load: Hashable, Sendable {
        package let peers: Int
        package let topics: Int
        package let seen: Int
        package let cached: Int
        package let cachedBytes: Int
        package let waiting: Int
        package let waitingBytes: Int
        package let unwanted: Int
        package let backoffs: Int
        package let promises: Int
        package let authors: Int
    }

    /// The topics that we are in.
    package var subscriptions: [Topic] { topics.compactMap { $0?.isSubscribed == true ? $0?.topic : nil }.sorted() }

    /// Every topic that we or a connected peer is in.
    package var knownTopics: [Topic] { places.keys.sorted() }

    /// The connected peers that are in a topic.
    package func members(of topic: Topic) -> [PeerID] { list(topic, \.members) }

    /// The peers that a topic's messages are pushed to.
    package func meshPeers(of topic: Topic) -> [PeerID] { list(topic, \.peers) }

    /// The peers that own messages go to in a topic that we are not in.
    package func fanoutPeers(of topic: Topic) -> [PeerID] { list(topic, \.fanout) }

    /// The connected peers, in order.
    package var connectedPeers: [PeerID] { slots.keys.sorted() }

    /// What a peer's conduct is worth; nil when it is not connected, 0 when nobody is judged.
    package func score(of peer: PeerID) -> Double? { slots[peer].map(score) }

    /// How many messages that a peer was the first to bring wait for their validation.
    package func messagesWaiting(of peer: PeerID) -> Int { slots[peer].map { peers[$0].waiting } ?? 0 }

    package func status(of peer: PeerID) -> PeerStatus? {
        guard let slot = slots[peer] else { return nil }
        let state = peers[slot]
        return PeerStatus(
            id: peer, version: state.version, isOutbound: state.isOutbound, isDirect: state.isDirect,
            score: score(slot), topics: state.topics.compactMap { topics[$0]?.topic }.sorted())
    }

    package var load: Load {
        Load(
            peers: slots.count, topics: places.count, seen: seen.count, cached: cache.count,
            cachedBytes: cache.bytes, waiting: waiting.count, waitingBytes: waiting.bytes,
            unwanted: peers.reduce(0) { $0 + ($1.isConnected ? $1.unwanted.count : 0) },
            backoffs: topics.reduce(0) { $0 + ($1?.backoffs.count ?? 0) }, promises: promises.count,
            authors: sequences.count)
    }

    private func list(_ topic: Topic, _ set: KeyPath<Mesh, PeerSet>) -> [PeerID] {
        guard let place = places[topic], let mesh = topics[place] else { return [] }
        return mesh[keyPath: set].map { peers[$0].id }.sorted()
    }
}
