import DHT
package import Multiformats
import NIOCore
import Storage

// Asking the DHT, and telling it. Nearly everything here needs a running node.
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
        try ask(.getValue(key: key, quorum: 16), for: "reading a record")
    }

    /// Stores a record with the peers closest to its key; they check it.
    package func putValue(_ key: [UInt8], _ value: [UInt8]) throws -> RoutingEvents {
        try ask(.putValue(key: key, value: value), for: "storing a record")
    }

    private func ask(_ query: Query, for what: String) throws -> RoutingEvents {
        try routing(for: what).ask(query)
    }

    /// The routing tables: one in named networks; `wan` and `lan` in the public one.
    package func dhtStatus() async throws -> [DHTStatus] { try await routing(for: "the DHT's status").status }

    /// How far telling the network what this node has is.
    package func provideStatus() async throws -> ProvideStatus {
        try await routing(for: "the state of providing").provider.status
    }

    /// Tells the network everything again, now.
    package func reprovide() async throws {
        try await routing(for: "providing").provider.provideEverything()
    }

    /// Provides a root that was added, or something that was asked for by name and is here in whole, at once and
    /// from now on. Offline it is accepted for the next start.
    package func provideRoot(_ cid: CID) async {
        guard !cid.isIdentity else { return }
        if let routing = try? routing(for: "providing") {
            await routing.provider.provide([cid.multihash], urgently: true)
        } else {
            let record = ProvideRecord(key: cid.multihash, isUrgent: true)
            let records = repository.records
            // Failing to note it costs no content: the pin is looked at when the node starts.
            try? await plane.blocking {
                guard try records.get(cid.multihash.bytes, in: ProvideService.table) == nil else { return }
                try records.set(record.storedValue, for: cid.multihash.bytes, in: ProvideService.table)
            }
        }
    }

    // MARK: Names

    /// Makes the name of `key` point to `path` (`/ipfs/...`), for `lifetime`; resolvers may keep it for `ttl`.
    ///
    /// It is on the disk before the network hears of it; offline it is published at the next start.
    package func publishName(
        _ path: String, as key: String, lifetime: Duration, ttl: Duration
    ) async throws -> PublishedName {
        let publication = try await names.publish(path, key: key, lifetime: lifetime, timeToLive: ttl)
        return PublishedName(
            name: publication.name.description, value: String(decoding: publication.record.value, as: UTF8.self),
            sequence: publication.record.sequence)
    }

    /// What `name` points to in the end: `/ipfs/...`. At most `depth` names are followed.
    package func resolveName(_ name: String, depth: Int, noCache: Bool) async throws -> String {
        try await names.resolve(name, depth: depth, noCache: noCache)
    }
}
