package import Multiformats
import Synchronization

// The peers that are dialled at the start, as `config.toml` names them. Works offline.
extension Node {
    /// The peers dialled at the start.
    package func bootstrapPeers() -> [Multiaddr] { bootstrap.withLock { $0 } }

    /// Adds a peer to dial at the start, now and from now on. `address` ends in `/p2p/...`.
    ///
    /// Throws `NodeError.badAddress` for an address without a peer, and `ConfigurationError` when the file cannot be
    /// written.
    package func addBootstrap(_ address: Multiaddr) throws {
        guard address.peerID != nil, address.transportPart != nil else {
            throw NodeError.badAddress(address.description)
        }
        try changeBootstrap { if !$0.contains(address) { $0.append(address) } }
    }

    /// Takes a peer from those dialled at the start; gives whether it was one.
    @discardableResult
    package func removeBootstrap(_ address: Multiaddr) throws -> Bool {
        var wasThere = false
        try changeBootstrap { list in
            wasThere = list.contains(address)
            list.removeAll { $0 == address }
        }
        return wasThere
    }

    /// Empties the list; gives what was in it.
    @discardableResult
    package func removeAllBootstrap() throws -> [Multiaddr] {
        let all = bootstrapPeers()
        try changeBootstrap { $0 = [] }
        return all
    }

    /// Adds the public network's bootstrap peers; gives them.
    ///
    /// Throws `NodeError.wrongNetwork` in any other network, where they would be strangers.
    @discardableResult
    package func addDefaultBootstrap() throws -> [Multiaddr] {
        guard configuration.network.name == NodeConfiguration.publicNetwork else {
            throw NodeError.wrongNetwork(
                "the default bootstrap peers belong to the network 'ipfs', and this node is in "
                    + "'\(configuration.network.name)'")
        }
        let defaults = try NodeConfiguration.publicBootstrap.map { try Multiaddr($0) }
        try changeBootstrap { list in list += defaults.filter { !list.contains($0) } }
        return defaults
    }

    private func changeBootstrap(_ change: (inout [Multiaddr]) -> Void) throws {
        // The lock is held while the file is written, so that two changes do not undo each other.
        try bootstrap.withLock { list in
            var changed = list
            change(&changed)
            guard changed != list else { return }
            try ConfigurationFile.write(
                "network.bootstrap", .list(changed.map(\.description)), repository: configuration.repository)
            list = changed
        }
    }
}

extension NodeConfiguration {
    /// The name of the public IPFS network.
    package static let publicNetwork = "ipfs"

    /// The public network's bootstrap peers, as Kubo names them when nobody else does.
    static let publicBootstrap = [
        "/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
        "/dnsaddr/bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
        "/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
        "/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
        "/dnsaddr/va1.bootstrap.libp2p.io/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
        "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
    ]
}
