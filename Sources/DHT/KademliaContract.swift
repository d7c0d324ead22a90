package import Multiformats

// What goes into the Kademlia core and what comes out. The shell (streams, datagrams, disk) and the simulator
// both speak exactly this.

/// A query that somebody started and waits for.
package struct QueryID: Hashable, Sendable, Comparable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: QueryID, right: QueryID) -> Bool { left.rawValue < right.rawValue }
}

/// A request of ours that is on its way to a peer.
package struct CallID: Hashable, Sendable, Comparable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: CallID, right: CallID) -> Bool { left.rawValue < right.rawValue }
}

/// A request of a peer that waits for our answer; the shell chooses it.
package struct RequestID: Hashable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Whether a node answers others or only asks.
package enum KadMode: Hashable, Sendable {
    case client
    case server
}

/// How a message travelled.
package enum KadTransport: Hashable, Sendable {
    case stream
    case datagram
}

/// Who sent us a request.
package struct Requester: Sendable {
    package var peer: PeerID
    /// Where it came from, with the port of that connection.
    package var address: Multiaddr?
    package var transport: KadTransport
    /// False for the first datagram of a stranger, which may be a replay: it is answered, never believed.
    package var isConfirmed: Bool

    package init(peer: PeerID, address: Multiaddr?, transport: KadTransport, isConfirmed: Bool) {
        self.peer = peer
        self.address = address
        self.transport = transport
        self.isConfirmed = isConfirmed
    }
}

/// What an answer cost.
package struct CallReport: Sendable {
    package var transport: KadTransport
    /// From the request's last transmission to its answer, without the set-up of a connection; nil when unknown.
    package var roundTrip: Duration?

    package init(transport: KadTransport, roundTrip: Duration? = nil) {
        self.transport = transport
        self.roundTrip = roundTrip
    }
}

/// Why a request got no answer.
package enum CallFailure: Error, Hashable, Sendable {
    /// No address, or none that answers.
    case unreachable
    /// It was reached and gave no answer in time.
    case timeout
    /// It refused: it does not serve this DHT (any more).
    case refused
    /// It answered nonsense.
    case malformed
}

/// What somebody wants to know of the DHT, or to put there.
package enum Query: Sendable {
    /// The peers closest to the hash of `key`.
    case closestPeers(key: [UInt8])
    case findPeer(PeerID)
    /// Who has the content of this multihash; ends after `limit` providers (0: no limit).
    case findProviders(key: [UInt8], limit: Int)
    /// Tells the closest peers that we have the content of this multihash.
    case provide(key: [UInt8])
    /// Tells these peers, found before, that we have the content of these multihashes.
    case announce(keys: [[UInt8]], to: [KadPeer])
    /// The best value of a record key, after `quorum` values or at the end of the lookup.
    case getValue(key: [UInt8], quorum: Int)
    case putValue(key: [UInt8], value: [UInt8])
    case ping(KadPeer)
}

/// What a running query has seen, for those who watch it.
package enum QueryProgress: Sendable {
    case asking(PeerID)
    case answered(PeerID, CallReport, closer: [KadPeer])
    case failed(PeerID, CallFailure)
    case provider(KadPeer)
    case value([UInt8], from: PeerID?)
}

/// How a query ended.
package enum QueryResult: Sendable {
    /// Closest first.
    case peers([KadPeer])
    case peer(KadPeer?)
    case providers([KadPeer])
    /// How many peers took it, of how many that were told.
    case stored(Int, of: Int)
    case value([UInt8]?)
    case pong(CallReport)
    /// It could not be done at all: no peer is known, the value is refused, it was cancelled.
    case failed(QueryFailure)
}

/// Why a query could not be done at all.
package enum QueryFailure: Error, Hashable, Sendable {
    case noPeers
    case invalid(String)
    case tooMany
    case unreachable
    case cancelled
}

/// A change of what must outlive a restart.
package enum KadRecordChange: Sendable {
    /// `peer` provides `key` until `expires` (and its `addresses` are good until then, or less).
    case provider(key: [UInt8], peer: PeerID, addresses: [Multiaddr], expires: KadTime)
    case noProvider(key: [UInt8], peer: PeerID)
    case value(key: [UInt8], record: [UInt8], received: KadTime)
    case noValue(key: [UInt8])
}

/// Wall clock time in milliseconds since 1970: what lifetimes that outlive a restart are counted in.
///
/// The shell tells the core once, at the start, what wall time an `Instant` is.
package struct KadTime: Hashable, Sendable, Comparable {
    package let milliseconds: UInt64
    package init(milliseconds: UInt64) { self.milliseconds = milliseconds }
    package static func < (left: KadTime, right: KadTime) -> Bool { left.milliseconds < right.milliseconds }
}

extension Kademlia {
    package enum Input: Sendable {
        /// Our own addresses, as they go into what we announce.
        case addressesChanged([Multiaddr])
        case modeChanged(KadMode)
        /// `peer` says that it serves this DHT and can be reached at `addresses`: a candidate for the table,
        /// which takes it after it has answered a probe.
        case found(PeerID, addresses: [Multiaddr])
        /// `peer` no longer serves this DHT.
        case stoppedServing(PeerID)
        /// A request of a peer; ends in `respond` or `refuse` with the same id, within the same call.
        case request(RequestID, KadMessage, from: Requester)
        case answered(CallID, KadMessage, CallReport)
        case failed(CallID, CallFailure)
        case start(QueryID, Query)
        case cancel(QueryID)
        /// What was stored before the restart.
        case restoreRecords([KadRecordChange])
        /// Peers of the table before the restart, anchors first: they are probed at once.
        case restorePeers([KadPeer])
    }

    package enum Effect: Sendable {
        /// Sends a request; `answered` or `failed` follows within `timeout`. An ADD_PROVIDER that was written
        /// to a stream counts as answered.
        case call(CallID, KadMessage, to: KadPeer, timeout: Duration)
        /// Nobody waits for the call any more; its answer is still welcome.
        case abandon(CallID)
        case respond(RequestID, KadMessage)
        /// The request is against the rules or not served here: the stream is reset, the datagram dropped.
        case refuse(RequestID)
        case progress(QueryID, QueryProgress)
        case finished(QueryID, QueryResult)
        case store(KadRecordChange)
        /// `peer` is in the table now, or no longer: connections to it are worth keeping, or not.
        case entered(KadPeer)
        case left(PeerID)
    }
}
