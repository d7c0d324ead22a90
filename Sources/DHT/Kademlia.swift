package import Multiformats
package import SansIO

/// The Kademlia core: a routing table, the lookups under way and the records that we keep for others.
package struct Kademlia: Sendable {
    let configuration: KademliaConfiguration
    /// Ourselves.
    package let peer: PeerID
    package private(set) var mode: KadMode
    package private(set) var statistics = KademliaStatistics()

    /// A core of `peer`'s that begins at `start`, which is `epoch` by the wall's clock.
    package init(_ configuration: KademliaConfiguration, peer: PeerID, epoch: KadTime, start: Instant, seed: UInt64) {
        self.configuration = configuration
        self.peer = peer
        mode = configuration.mode
    }

    /// Peers worth saving for the next start, the best first.
    package func savedPeers() -> [KadPeer] { [] }
}

extension Kademlia: ProtocolCore {
    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .modeChanged(let mode): self.mode = mode
        default: break
        }
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {}

    package var deadline: Instant? { nil }
}
