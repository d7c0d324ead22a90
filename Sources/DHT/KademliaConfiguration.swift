/// How a Kademlia core behaves, whatever network it is in. The defaults are those of the public IPFS network.
///
/// Source: https://specs.ipfs.tech/routing/kad-dht
package struct KademliaConfiguration: Sendable {
    package init() {}

    // MARK: Lookups

    /// Peers in a bucket, peers that keep a record, peers in an answer.
    package var k = 20
    /// Requests under way in a lookup that has one path.
    package var alpha = 10
    /// The closest peers that must have answered before a path has converged.
    package var beta = 3
    /// Paths without a common peer, by which one lookup goes: S/Kademlia's d. Refreshes take one.
    package var paths = 8
    /// Requests under way on each of several paths.
    package var pathParallelism = 2
    /// What the shell has for one request.
    package var callTimeout = Duration.seconds(10)
    /// When a query ends with what it has found so far.
    package var queryTimeout = Duration.seconds(60)
    /// How long a peer of unknown speed may take before the next one is asked meanwhile, until peers were measured.
    package var firstPatience = Duration.milliseconds(500)
    /// The most requests of one query.
    package var maximumCallsPerQuery = 500
    /// The most queries at once; more are refused.
    package var maximumQueries = 1024
    /// The most peers beyond the k closest that an announcement or a lookup takes from a crowded region.
    package var regionLimit = 128
    /// Whether announcements and lookups defend themselves against a region that is denser than the network.
    package var usesRegions = true

    // MARK: Table

    /// Whether we serve at the start; `modeChanged` changes it.
    package var mode = KadMode.server
    package var addressPolicy = KadAddressPolicy.any
    /// The most peers of one group of public addresses; nil puts no limit.
    package var ipDiversity: IPDiversity? = IPDiversity()
    package var refreshInterval = Duration.seconds(600)
    /// A peer of the table that was not heard of for so long is asked whether it is there.
    package var checkAfter = Duration.seconds(300)
    /// Probes and checks under way.
    package var maximumProbes = 16
    /// Candidates that wait for their probe.
    package var maximumCandidates = 256
    /// The most addresses kept of one peer.
    package var addressesPerPeer = 24
    /// The most peers that `savedPeers` names.
    package var savedPeers = 200

    // MARK: Records

    package var providerLifetime = Duration.seconds(48 * 3600)
    /// How long the addresses in a provider record are given out.
    package var providerAddressLifetime = Duration.seconds(24 * 3600)
    package var valueLifetime = Duration.seconds(48 * 3600)
    package var providersPerKey = 128
    /// Provider records of all keys.
    package var maximumProviders = 100_000
    package var maximumValues = 10_000
    /// The longest value that is kept, in bytes.
    package var valueBytes = 10 * 1024
    /// By the first part of a record's key: "pk" for `/pk/...`. Other values are neither kept nor believed.
    package var validators: [String: RecordValidator] = ["pk": .publicKey]

    // MARK: Strangers

    /// Requests a second of one source (IPv4 address or IPv6 /56), and how many at once; loopback has no limit.
    package var requestRate = 200.0
    package var requestBurst = 2000.0
    /// Sources whose rate is watched.
    package var maximumSources = 4096

    /// How many peers of one group of addresses a table takes. Groups: IPv4 /16 (/8 in the eight old
    /// class A networks of one company), IPv6 /32.
    package struct IPDiversity: Hashable, Sendable {
        package var perTable: Int
        package var perBucket: Int

        package init(perTable: Int = 3, perBucket: Int = 2) {
            self.perTable = perTable
            self.perBucket = perBucket
        }
    }
}
