import DHT
import Multiformats
import NIOCore
import Transport

// Connections to keep. Lookups go by datagrams where both sides take them, and leave no connections behind: without
// these, a node whose first acquaintances are gone would know everybody, and hear neither gossip nor the catalog.
extension RoutingService {
    /// With fewer connected peers than this, more are dialled. It is what gossip wants in a mesh, and a few more.
    static let fewestNeighbours = 8
    /// So many of them should be of our own choice: who wants to surround a node can only dial it.
    static let fewestChosen = 4
    /// Peers dialled in one go.
    private static let dialsAtOnce = 4
    /// How often it looks. The first time is later by chance, so that nodes that start together do not all dial at
    /// once.
    static let neighbourInterval = TimeAmount.seconds(5)

    /// Connects to a few peers of the tables, by lot, while there are too few connections.
    func keepNeighbours() {
        guard !stopped else { return }
        var connected: Set<PeerID> = []
        var chosen: Set<PeerID> = []
        for connection in host.connections {
            connected.insert(connection.remotePeer)
            if !connection.isInbound { chosen.insert(connection.remotePeer) }
        }
        let lacking = max(Self.fewestNeighbours - connected.count, Self.fewestChosen - chosen.count)
        guard lacking > 0 else { return }
        let strangers = acquaintances().filter { $0.key != host.peerID && !connected.contains($0.key) }
        for (peer, addresses) in strangers.shuffled().prefix(min(lacking, Self.dialsAtOnce)) {
            _ = dials.connect(to: peer, addresses, patience: .seconds(10)) { _ in }
        }
    }

    /// Whom we know, with addresses that can be dialled: the tables' peers and the bootstrap peers.
    private func acquaintances() -> [PeerID: [Multiaddr]] {
        var found: [PeerID: [Multiaddr]] = [:]
        for table in tables {
            table.assumeIsolated { table in
                for peer in table.savedPeers {
                    let addresses = table.streamAddresses(of: peer)
                    if !addresses.isEmpty { found[peer.id, default: []] += addresses }
                }
            }
        }
        for (peer, addresses) in BootstrapPace.grouped(bootstrapPeers()) {
            let streams = addresses.filter { !$0.isDatagram }
            if !streams.isEmpty { found[peer, default: []] += streams }
        }
        return found
    }
}
