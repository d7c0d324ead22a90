package import Gossip
package import Multiformats

/// Frames and messages that this node could not pass on.
package struct GossipLosses: Hashable, Sendable {
    /// Frames that were not written because too much waited for a peer, by kind.
    package var gossip: UInt64 = 0
    package var messages: UInt64 = 0
    package var control: UInt64 = 0
    /// Messages that a subscriber was too slow for.
    package var undelivered: UInt64 = 0

    mutating func count(_ kind: GossipFrame.Kind) {
        switch kind {
        case .gossip: gossip &+= 1
        case .message: messages &+= 1
        case .control: control &+= 1
        }
    }
}

/// What gossip looks like from here.
package struct PubSubStatus: Sendable {
    /// A topic that we are in.
    package struct TopicStatus: Sendable {
        package let topic: Topic
        /// The connected peers that are in it, and those of them that messages are pushed to.
        package let peers: [PeerID]
        package let mesh: [PeerID]
    }

    package let topics: [TopicStatus]
    package let peers: [GossipSub.PeerStatus]
    /// Counters since the start.
    package let statistics: GossipStatistics
    package let losses: GossipLosses
    /// Sizes now.
    package let load: GossipSub.Load
}

// What can be asked of gossip.
extension GossipService {
    /// The topics that we are in.
    package var topics: [Topic] { driver.core.subscriptions }

    /// The connected peers that are in `topic`; without one, all that speak gossip.
    package func peers(of topic: Topic?) -> [PeerID] {
        topic.map { driver.core.members(of: $0) } ?? driver.core.connectedPeers
    }

    package var status: PubSubStatus {
        let core = driver.core
        return PubSubStatus(
            topics: core.subscriptions.map {
                PubSubStatus.TopicStatus(topic: $0, peers: core.members(of: $0), mesh: core.meshPeers(of: $0))
            },
            peers: core.connectedPeers.compactMap { core.status(of: $0) }, statistics: core.statistics,
            losses: losses, load: core.load)
    }
}
