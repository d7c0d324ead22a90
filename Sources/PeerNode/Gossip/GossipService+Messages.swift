package import Gossip
package import Multiformats
package import NIOCore
import NIOPosix
import Transport

/// A message that waits for a verdict.
package struct PendingMessage: Sendable {
    package let validation: ValidationID
    package let message: GossipMessage
    /// What tells it from all others in its topic.
    package let id: MessageID
    /// Who brought it; not its author.
    package let from: PeerID
}

/// Takes verdicts, on any thread, in as many calls as it likes. Messages without one within a minute are ignored.
package typealias GossipAnswer = @Sendable ([(validation: ValidationID, verdict: GossipVerdict)]) -> Void

/// Finds out which messages of a batch are good. It is called on the control loop and must not take long there: it
/// hands the batch to whatever thread does the work, which answers later. Signatures of topics that want them have
/// been checked before.
package typealias GossipValidator = @Sendable (_ batch: [PendingMessage], _ answer: @escaping GossipAnswer) -> Void

// Messages: from the core to those who check them and to those who read them, and from here into the swarm.
extension GossipService {
    /// Signatures that one thread of the pool checks in one go: a few milliseconds, so that a burst spreads over
    /// the threads and others get their turn.
    private static let checksAtOnce = 64
    /// Topics that can be subscribed to from outside, and subscriptions to one.
    private static let mostTopics = 1_024
    private static let mostFeeds = 256

    // MARK: Checking

    /// Gathers what comes in one turn of the loop.
    func check(_ pending: PendingMessage) {
        unchecked.append(pending)
        if unchecked.count == 1 { onControl { $0.checkAll() } }
    }

    private func checkAll() {
        let all = unchecked
        unchecked.removeAll(keepingCapacity: all.count <= 1_024)
        guard !stopped else { return }
        var signed: [PendingMessage] = []
        var anonymous: [Topic: [PendingMessage]] = [:]
        for pending in all {
            let topic = pending.message.topic
            switch policy(of: topic) {
            case .strictSign: signed.append(pending)
            case .strictNoSign: anonymous[topic, default: []].append(pending)
            }
        }
        for start in stride(from: 0, to: signed.count, by: Self.checksAtOnce) {
            checkSignatures(Array(signed[start..<min(start + Self.checksAtOnce, signed.count)]))
        }
        for (topic, batch) in anonymous { validate(batch, in: topic) }
    }

    func policy(of topic: Topic) -> SigningPolicy {
        (configuration.topicSettings[topic] ?? configuration.defaultTopic).policy
    }

    private func checkSignatures(_ batch: [PendingMessage]) {
        let number = checks.begin()
        plane.pool.submit { _ in
            let verdicts = batch.map { GossipVerdict(checking: $0.message) }
            self.onControl { $0.checked(number, Array(zip(batch, verdicts))) }
        }
    }

    /// Signatures are known; topics with a validator of their own ask that about the good ones.
    private func checked(_ number: UInt64, _ batch: [(pending: PendingMessage, verdict: GossipVerdict)]) {
        for batch in checks.finish(number, batch) {
            var rest: [Topic: [PendingMessage]] = [:]
            for (pending, verdict) in batch {
                if verdict == .accept, registrations[pending.message.topic] != nil {
                    rest[pending.message.topic, default: []].append(pending)
                } else {
                    feed(.validated(pending.validation, verdict))
                }
            }
            for (topic, batch) in rest { validate(batch, in: topic) }
        }
        readOn()
    }

    private func validate(_ batch: [PendingMessage], in topic: Topic) {
        guard let validate = registrations[topic] else { return }
        validate(batch) { [weak self] verdicts in
            self?.onControl { service in
                for (validation, verdict) in verdicts { service.feed(.validated(validation, verdict)) }
                service.readOn()
            }
        }
    }

    // MARK: Reading

    /// The messages of `topic` from now on, our own included. The subscription ends with whoever reads.
    package func subscribe(to topic: Topic) throws(PubSubError) -> PubSubMessages {
        guard !stopped else { throw .shuttingDown }
        guard (1...Topic.maximumLength).contains(topic.bytes.readableBytes) else { throw .badTopic }
        guard feeds[topic] != nil || feeds.count < Self.mostTopics, feeds[topic, default: [:]].count < Self.mostFeeds
        else { throw .tooMany }
        lastFeed += 1
        let number = lastFeed
        let (messages, feed) = PubSubMessages.make { [weak self] in self?.onControl { $0.left(topic, number) } }
        feeds[topic, default: [:]][number] = feed
        // Nothing happens when we are in it.
        self.feed(.subscribe(topic))
        return messages
    }

    private func left(_ topic: Topic, _ number: UInt64) {
        guard feeds[topic]?.removeValue(forKey: number) != nil, feeds[topic]?.isEmpty == true else { return }
        feeds[topic] = nil
        if registrations[topic] == nil { feed(.unsubscribe(topic)) }
    }

    func deliver(_ message: GossipMessage) {
        guard let feeds = feeds[message.topic] else { return }
        let sequence = message.sequenceBytes.map { Array($0.readableBytesView) } ?? []
        deliver(
            PubSubMessage(
                from: message.author, data: message.data, sequence: sequence, topic: message.topic), to: feeds)
    }

    private func deliver(_ message: PubSubMessage, to feeds: [UInt64: PubSubMessages.Feed]) {
        for feed in feeds.values where !feed.give(message) { losses.undelivered &+= 1 }
    }

    // MARK: Publishing

    /// Publishes `data`; gives to how many peers it went at once. With none it waits a few seconds for somebody who
    /// asks.
    @discardableResult
    package func publish(_ data: ByteBuffer, to topic: Topic) throws(PubSubError) -> Int {
        guard isStarted, !stopped else { throw .shuttingDown }
        lastPublish &+= 1
        outcome = nil
        feed(.publish(PublishID(lastPublish), topic, data))
        switch outcome {
        case .success(let (id, peers)):
            published(data, id, in: topic)
            return peers
        case .failure(.tooLarge(let count)): throw .tooLarge(count)
        case .failure(.duplicate): throw .duplicate
        case .failure(.invalidTopic): throw .badTopic
        case .failure(.noKey), nil: throw .shuttingDown
        }
    }

    /// Those here who read the topic get it, too; the core gives back only what others publish.
    private func published(_ data: ByteBuffer, _ id: MessageID, in topic: Topic) {
        let isSigned = policy(of: topic) == .strictSign
        if isSigned { usedNumber() }
        guard let feeds = feeds[topic] else { return }
        // The id of a signed message ends with its number.
        deliver(
            PubSubMessage(
                from: isSigned ? host.peerID : nil, data: data, sequence: isSigned ? id.bytes.suffix(8) : [],
                topic: topic), to: feeds)
    }
}
