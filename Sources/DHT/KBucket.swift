package import Multiformats
package import SansIO

/// A peer of the routing table: it has answered a probe, so it serves this DHT at one of `addresses`.
package struct TableEntry: Sendable {
    package let peer: PeerID
    package let key: KadKey
    package internal(set) var addresses: [Multiaddr]
    /// When it entered.
    package let added: Instant
    /// When something last came from it.
    package internal(set) var heard: Instant
    /// Smoothed; nil before the first measurement.
    package internal(set) var roundTrip: Duration?
    /// The smoothed deviation from `roundTrip`.
    var deviation = Duration.zero
    /// Calls in a row that failed.
    var failures = 0
    /// Whether a check of it is on its way.
    var isChecked = false
    /// Which public networks it is in, at most `RoutingTable.maximumGroups`.
    var groups: [IPGroup]
    /// Whether some of the addresses are loopback, which few may see.
    var hasLoopback: Bool

    init(peer: PeerID, key: KadKey, addresses: [Multiaddr], groups: [IPGroup], now: Instant) {
        self.peer = peer
        self.key = key
        self.addresses = addresses
        self.groups = groups
        added = now
        heard = now
        hasLoopback = addresses.contains(where: \.isLoopback)
    }

    /// How it is named to others.
    package var kadPeer: KadPeer { KadPeer(peer, addresses, connection: .notConnected) }

    /// Takes a measured round trip into the smoothed ones, as TCP does (RFC 6298).
    mutating func measured(_ time: Duration) {
        guard let old = roundTrip else {
            roundTrip = time
            deviation = time / 2
            return
        }
        let error = time > old ? time - old : old - time
        deviation = (deviation * 3 + error) / 4
        roundTrip = (old * 7 + time) / 8
    }
}

/// The peers that share a prefix of one length with us, oldest first: whoever proved to last is kept.
struct KBucket: Sendable {
    private(set) var entries: [TableEntry] = []
    /// The places of `entries`, side by side for the search.
    private(set) var keys: [KadKey] = []
    /// Candidates for whom there was no room, newest last: the first to be probed when a peer fails.
    var waiting: [KadPeer] = []

    static let maximumWaiting = 4

    mutating func append(_ entry: TableEntry) {
        entries.append(entry)
        keys.append(entry.key)
    }

    mutating func remove(at index: Int) -> TableEntry {
        keys.remove(at: index)
        return entries.remove(at: index)
    }

    mutating func update(_ index: Int, _ body: (inout TableEntry) -> Void) { body(&entries[index]) }

    func index(of key: KadKey) -> Int? { keys.firstIndex(of: key) }

    mutating func wait(_ peer: KadPeer) {
        waiting.removeAll { $0.id == peer.id }
        if waiting.count >= KBucket.maximumWaiting { waiting.removeFirst() }
        waiting.append(peer)
    }
}
