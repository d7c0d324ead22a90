import DHT
package import Multiformats

// Asking the DHT, and telling it. Everything here needs a running node.
extension Node {
    /// Who has `cid`; ends after `limit` providers (0: when the whole neighbourhood was asked).
    package func findProviders(of cid: CID, limit: Int) throws -> RoutingEvents {
        try ask(.findProviders(key: cid.multihash.bytes, limit: limit), for: "finding providers")
    }

    /// Where `peer` is.
    package func findPeer(_ peer: PeerID) throws -> RoutingEvents {
        try ask(.findPeer(peer), for: "finding a peer")
    }

    /// The peers closest to the place of `key`.
    package func closestPeers(to key: [UInt8]) throws -> RoutingEvents {
        try ask(.closestPeers(key: key), for: "finding the closest peers")
    }

    /// Tells the network now that this node has `cid`.
    package func provideNow(_ cid: CID) throws -> RoutingEvents {
        try ask(.provide(key: cid.multihash.bytes), for: "providing")
    }

    /// The best value of a record key, such as `/ipns/` and a PeerID's bytes.
    package func getValue(_ key: [UInt8]) throws -> RoutingEvents {
        try ask(.getValue(key: key, quorum: 0), for: "reading a record")
    }

    /// Stores a record with the peers closest to its key; they check it.
    package func putValue(_ key: [UInt8], _ value: [UInt8]) throws -> RoutingEvents {
        try ask(.putValue(key: key, value: value), for: "storing a record")
    }

    private func ask(_ query: Query, for what: String) throws -> RoutingEvents {
        throw NodeError.needsRunningNode(what)
    }

    /// The routing tables: one in named networks; `wan` and `lan` in the public one.
    package func dhtStatus() async throws -> [DHTStatus] { throw NodeError.needsRunningNode("the DHT's status") }

    /// How far telling the network what this node has is.
    package func provideStatus() async throws -> ProvideStatus {
        throw NodeError.needsRunningNode("the state of providing")
    }

    /// Tells the network everything again, now.
    package func reprovide() async throws { throw NodeError.needsRunningNode("providing") }

    /// Makes the name of `key` point to `path` (`/ipfs/...`), for `lifetime`; resolvers may keep it for `ttl`.
    package func publishName(
        _ path: String, as key: String, lifetime: Duration, ttl: Duration
    ) async throws -> PublishedName {
        throw NodeError.needsRunningNode("publishing a name")
    }

    /// What `name` points to in the end: `/ipfs/...`. At most `depth` names are followed.
    package func resolveName(_ name: String, depth: Int, noCache: Bool) async throws -> String {
        throw NodeError.needsRunningNode("resolving a name")
    }
}
