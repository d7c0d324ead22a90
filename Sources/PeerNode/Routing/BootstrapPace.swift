import Multiformats
import NIOCore

/// When to dial the bootstrap peers: at the start, and while few peers are known again and again, ever more rarely.
struct BootstrapPace {
    /// With so few peers in the table a node tries to get back in.
    static let fewPeers = 4
    /// Time for the peers of the last run to answer before the bootstrap peers are troubled.
    static let grace = TimeAmount.seconds(2)
    private static let shortest = TimeAmount.seconds(1)
    private static let longest = TimeAmount.minutes(5)
    /// How often a table that is large enough is looked at.
    private static let watching = TimeAmount.minutes(1)

    private var wait = BootstrapPace.shortest

    func isNeeded(tableSize: Int) -> Bool { tableSize < Self.fewPeers }

    /// How long to wait until the next look.
    mutating func next(tableSize: Int) -> TimeAmount {
        guard isNeeded(tableSize: tableSize) else {
            wait = Self.shortest
            return Self.watching
        }
        defer { wait = min(Self.longest, wait * 2) }
        return wait
    }

    /// The addresses by peer, in the order in which they were given.
    static func grouped(_ addresses: [Multiaddr]) -> [(PeerID, [Multiaddr])] {
        var order: [PeerID] = []
        var byPeer: [PeerID: [Multiaddr]] = [:]
        for address in addresses {
            guard let peer = address.peerID else { continue }
            if byPeer[peer] == nil { order.append(peer) }
            byPeer[peer, default: []].append(address.withoutPeerID)
        }
        return order.map { ($0, byPeer[$0] ?? []) }
    }
}
