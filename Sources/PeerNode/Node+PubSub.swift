package import Gossip
package import Multiformats
package import NIOCore

// Publishing and subscribing: topics of anybody's choice. All of it needs a running node.
extension Node {
    /// The topics that this node is in.
    package func pubsubTopics() async throws -> [Topic] { try await gossip(for: "listing topics").topics }

    /// The connected peers that are in `topic`; without one, all that publish and subscribe.
    package func pubsubPeers(of topic: Topic?) async throws -> [PeerID] {
        try await gossip(for: "listing subscribers").peers(of: topic)
    }

    /// Publishes `data` to everybody in `topic`; gives to how many peers it went at once.
    ///
    /// Messages carry the node's name, number and signature, except in topics that say otherwise. Throws
    /// `PubSubError`.
    @discardableResult
    package func publish(_ data: ByteBuffer, to topic: Topic) async throws -> Int {
        try await gossip(for: "publishing").publish(data, to: topic)
    }

    /// The messages of `topic` from now on. Throws `PubSubError`.
    package func subscribe(to topic: Topic) async throws -> PubSubMessages {
        try await gossip(for: "subscribing").subscribe(to: topic)
    }

    /// Counters, topics and peers.
    package func pubsubStatus() async throws -> PubSubStatus {
        try await gossip(for: "the state of gossip").status
    }
}

extension NodeConfiguration {
    /// How the node gossips. In the public network as its other nodes do; in a network of our own peers are judged
    /// by their conduct unless the configuration says otherwise, and name each other to those whom they have no room
    /// for.
    var gossip: GossipConfiguration {
        var result = GossipConfiguration()
        let isOurs = network.name != Self.publicNetwork
        result.exchangesPeers = isOurs
        result.scoring =
            switch pubsub.scoring {
            case "off": nil
            case "small": .smallSwarm
            case "large": .largeSwarm
            default: isOurs ? .smallSwarm : nil
            }
        return result
    }
}
