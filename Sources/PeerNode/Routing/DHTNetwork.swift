import DHT
import Multiformats
import Transport

/// One of the DHTs that a node takes part in: its name on the wire, and whose addresses are of use there.
struct DHTNetwork: Hashable, Sendable {
    /// Whose peers it connects.
    enum Scope: Hashable, Sendable {
        /// A network of its own: everyone, wherever.
        case everyone
        /// The Internet's side of the public network.
        case wide
        /// The public network's side inside one house.
        case local
    }

    /// `coliving`, or whatever the network is called; `wan` and `lan` for the two sides of the public one.
    let name: String
    let protocolID: String
    let scope: Scope

    /// The DHTs of the network called `name`.
    static func all(of name: String) -> [DHTNetwork] {
        guard name == NodeConfiguration.publicNetwork else {
            return [DHTNetwork(name: name, protocolID: "/\(name)/kad/1.0.0", scope: .everyone)]
        }
        return [
            DHTNetwork(name: "wan", protocolID: "/ipfs/kad/1.0.0", scope: .wide),
            DHTNetwork(name: "lan", protocolID: "/ipfs/lan/kad/1.0.0", scope: .local),
        ]
    }

    /// The core's rule for addresses. A node that listens on loopback only meets nodes of its own machine.
    func addressPolicy(isLoopbackNode: Bool) -> KadAddressPolicy {
        switch scope {
        case .everyone: .any
        case .wide: .publicOnly
        case .local: isLoopbackNode ? .loopback : .lan
        }
    }

    /// What of `own`, our addresses, others in this DHT may learn.
    func announced(_ own: [Multiaddr], isLoopbackNode: Bool) -> [Multiaddr] {
        own.filter { address in
            if address.isLoopback { return isLoopbackNode && scope != .wide }
            return scope != .wide || address.isPublic
        }
    }

    /// Whether a peer that came from `address` belongs to this DHT rather than to its sibling.
    func owns(_ address: Multiaddr) -> Bool {
        switch scope {
        case .everyone: true
        case .wide: address.isPublic
        case .local: !address.isPublic
        }
    }

    /// What a node does here by `dht.mode`. `isReachable`: strangers have reached it from the Internet.
    func mode(_ setting: String, isReachable: Bool) -> KadMode {
        switch setting {
        case "client": .client
        case "server": .server
        default: scope == .wide && !isReachable ? .client : .server
        }
    }
}
