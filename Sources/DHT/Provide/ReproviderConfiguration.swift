import SansIO

/// The knobs of providing, with the values that the public network uses.
package struct ReproviderConfiguration: Sendable {
    /// How many peers are told of a key: the network's replication.
    package var replication = 20
    /// How long a sweep over all keys takes: a provider record is good for twice that and more.
    package var cycle = Duration.seconds(22 * 3600)
    /// A key that was announced within this time before its turn comes is left out.
    package var freshness = Duration.seconds(2 * 3600)
    /// How long keys that come one by one are gathered before they are announced together.
    package var gathering = Duration.seconds(2)
    /// The most lookups at a time for the sweep, and, apart from them, the most urgent keys.
    package var parallelLookups = 8
    package var parallelUrgent = 8
    /// The most peers that are told at a time.
    package var parallelAnnounces = 64
    /// The most regions whose peers are being sought or told at a time.
    package var parallelRegions = 4
    /// The most keys that are worked on together, and that one announce carries.
    package var regionKeys = 4096
    package var announceKeys = 64
    /// A cycle has at least 2^this turns, so that a small network is not told everything in one burst.
    package var leastTurnBits = 6
    /// How long a key waits after a failure; doubled at each further one up to the longest.
    package var retry = Duration.seconds(300)
    package var longestRetry = Duration.seconds(3600)
    /// The same for urgent keys, up to `retry`.
    package var urgentRetry = Duration.seconds(15)
    /// How long nothing is tried after nobody could be asked at all; doubled up to the longest.
    package var pause = Duration.seconds(5)
    package var longestPause = Duration.seconds(120)
    /// A query that has not ended by then counts as failed.
    package var queryTimeout = Duration.seconds(180)
    package var strategy = ProvideStrategy.roots

    package init() {}
}

/// What a node provides beside what it is asked to provide by name.
package enum ProvideStrategy: String, Hashable, Sendable, CaseIterable {
    /// The roots of what was added, fetched or pinned.
    case roots
    /// Every block of what is pinned.
    case pinned
    /// Every block.
    case all
}
