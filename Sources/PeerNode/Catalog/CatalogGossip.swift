import Catalog
import Gossip
import Multiformats
import NIOCore

/// The topic of updates: what this node publishes goes out, and what comes in is judged by the catalog.
final class CatalogGossip: UpdateGossip {
    private let gossip: GossipService
    private let topic: Topic

    /// Joins the topic of the network of this name. Before gossip starts.
    init(_ gossip: GossipService, catalog: CatalogService, network: String) async {
        self.gossip = gossip
        topic = Topic(CatalogService.topic(of: network))
        // The update has a signature of its own; the message needs none.
        let scoring = await gossip.configuration.scoring?.ownTopics
        let settings = TopicSettings.anonymous(dataBytes: Update.maximumLength, scoring: scoring)
        await gossip.register(topic, settings) { [weak catalog] batch, answer in
            let updates = batch.map { pending in
                GossipedUpdate(block: Array(pending.message.data.readableBytesView), peer: pending.from) { verdict in
                    answer([(pending.validation, GossipVerdict(verdict))])
                }
            }
            catalog?.validate(updates)
        }
    }

    func publish(_ block: [UInt8]) {
        let (data, topic) = (ByteBuffer(bytes: block), topic)
        // Who is connected later, or misses it, gets it by pull.
        gossip.onControl { _ = try? $0.publish(data, to: topic) }
    }
}

extension GossipVerdict {
    fileprivate init(_ verdict: UpdateVerdict) {
        self =
            switch verdict {
            case .accept: .accept
            case .ignore: .ignore
            case .reject: .reject
            }
    }
}
