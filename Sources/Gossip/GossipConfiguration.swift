/// Every number of gossip, with its unit and its reason. What peers can notice is as in go-libp2p's gossipsub,
/// which is what they expect.
package struct GossipConfiguration: Sendable {
    // MARK: The mesh

    /// Peers that a topic's messages are pushed to: wanted, fewest, most. Six reach a million nodes in eight hops.
    package var degree = 6
    package var degreeLow = 5
    package var degreeHigh = 12
    /// Of the peers that stay when there are too many, those that stay for their score.
    package var degreeScore = 4
    /// Mesh peers that we dialled ourselves, at least: nobody else chooses those.
    package var degreeOutbound = 2
    package var heartbeat = Duration.seconds(1)
    package var firstHeartbeat = Duration.milliseconds(100)
    /// How long a pruned peer is not grafted again, and how long when we left the topic.
    package var pruneBackoff = Duration.seconds(60)
    package var unsubscribeBackoff = Duration.seconds(10)
    /// Heartbeats waited beyond a backoff: clocks and links differ.
    package var backoffSlack = 2
    /// What is believed of a peer that asks for a longer backoff.
    package var longestBackoff = Duration.seconds(3600)
    /// A graft that follows a prune within this time is penalised twice.
    package var graftFlood = Duration.seconds(10)
    /// Heartbeats between attempts to better a mesh whose median score is low, and peers grafted then.
    package var opportunisticTicks: UInt64 = 60
    package var opportunisticPeers = 2
    /// Peers remembered as backing off, in one topic.
    package var backoffs = 4_096

    // MARK: Publishing

    /// Whether own messages go to everybody in the topic and not only to the mesh: no mesh of attackers can hold
    /// them back, and the first hop is the shortest. Kubo does.
    package var floodPublish = true
    /// How long a topic that we publish to and are not in keeps its peers.
    package var fanoutLifetime = Duration.seconds(60)
    /// The longest frame, without its length, in bytes: peers reset the stream on longer ones.
    package var frameBytes = 1 << 20

    // MARK: Gossip

    /// Peers outside of the mesh that are told of new messages: at least so many, and this share of them.
    package var degreeLazy = 6
    package var gossipFactor = 0.25
    /// Heartbeats for which messages can be asked for, and for which they are told of.
    package var historyLength = 5
    package var historyGossip = 3
    /// Bytes of messages kept for those who ask; the oldest go first.
    package var historyBytes = 32 << 20
    /// Ids told to a peer in a heartbeat, and heeded of a peer; frames with IHAVE heeded of it.
    package var ihaveIDs = 5_000
    package var ihaveFrames = 10
    /// How often a message is sent to a peer that asks for it again.
    package var retransmissions = 3
    /// Ids and message bytes that a peer is answered in a heartbeat; six links of 10 Mbit/s carry less.
    package var iwantIDs = 5_000
    package var iwantBytes = 8 << 20
    /// When a peer that told of a message must have sent it.
    package var followUp = Duration.seconds(3)

    // MARK: Saving duplicates

    /// Messages with so many bytes of data are worth an IDONTWANT.
    package var idontwantThreshold = 1_024
    /// Such a message goes on to so many mesh peers at once and to the others, if they do not have it by then, so much
    /// later: an IDONTWANT needs as long as the message to come, so without a pause most links would carry both
    /// copies. A third of all bytes is saved for 30 ms in the median. Peers without IDONTWANT never wait.
    package var forwardAtOnce = 3
    package var forwardPause = Duration.milliseconds(60)
    /// Messages that may pause at a time; any more go on at once.
    package var pausing = 1_024
    /// Heartbeats for which a peer's IDONTWANT is remembered.
    package var idontwantTicks: UInt64 = 3
    /// Ids heeded in one frame, frames heeded in a heartbeat, and ids remembered of a peer at all.
    package var idontwantIDs = 10
    package var idontwantFrames = 1_000
    package var unwantedPerPeer = 1_024

    // MARK: Memory

    /// How long a message is known as seen, and how many are: a thousand a second and more.
    package var seenLifetime = Duration.seconds(120)
    package var seenCapacity = 131_072
    /// Topics remembered of a peer, besides those that we are in ourselves; topics remembered at all.
    package var topicsPerPeer = 64
    package var topics = 4_096
    /// Messages that wait for their validation: in all, of one peer, and in bytes. More are dropped unseen, so that
    /// they can come again.
    package var waiting = 2_048
    package var waitingPerPeer = 512
    package var waitingBytes = 16 << 20
    /// Different messages under one id that wait: only forgers make them.
    package var waitingRivals = 8
    /// How long a validation may take.
    package var validationLimit = Duration.seconds(60)
    /// Authors whose largest number is remembered.
    package var authors = 16_384

    // MARK: Who is there

    /// Whether pruned peers are told of others, and others' hints are followed. Kubo does neither.
    package var exchangesPeers = false
    /// Peers in one PRUNE, and bytes of the record of one.
    package var hintsPerPrune = 16
    package var recordBytes = 8 << 10
    /// Heartbeats between attempts to reach direct peers, and the first.
    package var directTicks: UInt64 = 300
    package var firstDirectTick: UInt64 = 1

    // MARK: Topics and scores

    /// Rules of topics that have their own.
    package var topicSettings: [Topic: TopicSettings] = [:]
    /// Rules of all others.
    package var defaultTopic = TopicSettings()
    /// How peers are judged; nil judges nobody, as Kubo does.
    package var scoring: ScoreParameters?

    package init() {}

    /// The rules of a topic.
    func settings(of topic: Topic) -> TopicSettings { topicSettings[topic] ?? defaultTopic }
}

/// The rules of one topic. The default is what IPFS has.
package struct TopicSettings: Sendable {
    package var policy = SigningPolicy.strictSign
    package var identifier = MessageIdentifier.authorAndSequence
    /// The longest payload in bytes; longer messages are invalid.
    package var dataBytes = 1 << 20
    /// Whether an author's numbers must grow, so that old messages cannot come back. As Kubo; only of signed ones.
    package var numbersGrow = true
    /// What peers' conduct in the topic is worth; nil does not count it.
    package var scoring: TopicScoreParameters?

    package init() {}

    /// A topic of anonymous messages that are known by the SHA-256 of their data.
    package static func anonymous(dataBytes: Int, scoring: TopicScoreParameters? = nil) -> TopicSettings {
        var settings = TopicSettings()
        settings.policy = .strictNoSign
        settings.identifier = .sha256
        settings.dataBytes = dataBytes
        settings.scoring = scoring
        return settings
    }
}

/// How a message gets its id.
package enum MessageIdentifier: Sendable {
    /// The author's PeerID, then the number: the network's default.
    case authorAndSequence
    /// The SHA-256 of the data.
    case sha256
    /// Something else, that depends on nothing but the message.
    case custom(@Sendable (GossipMessage) -> MessageID)

    package func id(of message: GossipMessage) -> MessageID {
        switch self {
        case .authorAndSequence: message.authorAndSequence
        case .sha256: MessageID(sha256: message.dataHash)
        case .custom(let function): function(message)
        }
    }
}

/// Which dialect of the protocol a peer speaks.
package enum GossipVersion: UInt8, Hashable, Sendable, Comparable, CaseIterable {
    /// Neither mesh nor control messages: it gets every message.
    case floodsub
    case v1_0
    case v1_1
    case v1_2

    package static func < (left: GossipVersion, right: GossipVersion) -> Bool { left.rawValue < right.rawValue }

    /// The protocol's id in negotiations.
    package var protocolID: String {
        switch self {
        case .floodsub: "/floodsub/1.0.0"
        case .v1_0: "/meshsub/1.0.0"
        case .v1_1: "/meshsub/1.1.0"
        case .v1_2: "/meshsub/1.2.0"
        }
    }

    /// Nil for protocols that are not gossip, or not known.
    package init?(protocolID: String) {
        guard let version = Self.allCases.first(where: { $0.protocolID == protocolID }) else { return nil }
        self = version
    }

    /// What we offer, best first.
    package static let offered = Array(allCases.reversed())
}
