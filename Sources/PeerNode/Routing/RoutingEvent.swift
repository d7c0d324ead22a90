package import DHT
package import Multiformats

/// What a question to the DHT has brought so far.
package enum RoutingEvent: Sendable {
    /// A request leaves for this peer.
    case asking(PeerID)
    /// The peer answered, and named peers that are closer.
    case answered(PeerID, CallReport, closer: [KadPeer])
    case failed(PeerID, CallFailure)
    /// A peer that says that it has the content.
    case provider(KadPeer)
    /// A part of the final answer: the peer that was looked for, or each of the closest, closest first.
    case peer(KadPeer)
    /// The best value so far, and who had it (nil: this node).
    case value([UInt8], from: PeerID?)
    /// How many peers took a record, of how many that were told.
    case stored(Int, of: Int)
}

/// The events of one query; it fails with a `NodeError`, and ending the iteration ends the query.
package typealias RoutingEvents = AsyncThrowingStream<RoutingEvent, any Error>

/// One routing table of a node and what it has done since the start.
package struct DHTStatus: Sendable {
    /// A peer of the table.
    package struct Peer: Sendable {
        package var id: PeerID
        package var addresses: [Multiaddr]
        /// Smoothed; nil before the first answer.
        package var roundTrip: Duration?
        /// How long ago something last came from it.
        package var silence: Duration
        /// Whether a connection to it is open.
        package var isConnected: Bool
    }

    /// The peers that share this many leading bits with us.
    package struct Bucket: Sendable {
        package var commonPrefix: Int
        package var peers: [Peer]
    }

    /// The network's name; `wan` and `lan` for the two tables of the public network.
    package var name: String
    package var mode: KadMode
    package var protocolID: String
    package var buckets: [Bucket]
    /// Queries that were started, in the mean of the time since the start.
    package var queriesPerSecond: Double
    /// The share of finished queries that found what they looked for; nil before the first.
    package var successShare: Double?
    /// Requests of others that were answered, by kind.
    package var requestsServed: [(kind: KadMessage.Kind, count: UInt64)]
    /// Requests of ours: sent, answered, failed.
    package var calls: (sent: UInt64, answered: UInt64, failed: UInt64)

    /// Peers in the table.
    package var peerCount: Int { buckets.reduce(0) { $0 + $1.peers.count } }
}

/// What this node tells the network that it has, and how far that is.
package struct ProvideStatus: Sendable {
    /// `roots`, `pinned` or `all`.
    package var strategy: String
    /// Keys that wait for their turn.
    package var queued: Int
    /// Keys that were told to the network since the start.
    package var provided: UInt64
    /// Keys in all.
    package var keys: Int
    /// Keys an hour, in the recent past.
    package var ratePerHour: Double
    /// How long the last whole cycle took; nil before the first.
    package var lastCycle: Duration?
    /// When the present cycle will be over at this rate; nil when nothing waits.
    package var cycleEnds: Duration?
    /// Attempts that reached no peer.
    package var failures: UInt64
    /// The same in a sentence for people.
    package var summary: String
}

/// A name as it was published.
package struct PublishedName: Sendable, Equatable {
    /// `k51...`
    package var name: String
    /// What it points to: `/ipfs/...` or `/ipns/...`.
    package var value: String
    package var sequence: UInt64
}

extension RoutingEvent {
    /// Tells `continuation` what a query brought, and ends it with the query.
    static func yield(_ news: DHTService.News, to continuation: RoutingEvents.Continuation) {
        switch news {
        case .progress(.asking(let peer)): continuation.yield(.asking(peer))
        case .progress(.answered(let peer, let report, let closer)):
            continuation.yield(.answered(peer, report, closer: closer))
        case .progress(.failed(let peer, let failure)): continuation.yield(.failed(peer, failure))
        case .progress(.provider(let peer)): continuation.yield(.provider(peer))
        case .progress(.value(let value, let peer)): continuation.yield(.value(value, from: peer))
        case .finished(.failed(let failure)): continuation.finish(throwing: NodeError.routing(failure))
        case .finished(let result):
            switch result {
            case .peers(let peers): for peer in peers { continuation.yield(.peer(peer)) }
            case .peer(let peer?): continuation.yield(.peer(peer))
            case .stored(let count, let all): continuation.yield(.stored(count, of: all))
            case .value(let value?): continuation.yield(.value(value, from: nil))
            case .peer(nil), .value(nil), .providers, .pong, .failed: break
            }
            continuation.finish()
        }
    }
}
