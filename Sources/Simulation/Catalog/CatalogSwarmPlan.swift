import SansIO

/// What a swarm that exchanges updates is like, and what happens to it.
package struct CatalogSwarmPlan: Sendable {
    package var nodes = 100
    /// Connections that a node opens when it starts.
    package var dials = 8
    package var links = LinkSettings()
    /// The share of gossip's messages and news that vanish, beyond what the links do: queues that run over.
    package var dropped = 0.0
    /// The share of pulls whose connection breaks within a second.
    package var broken = 0.0
    /// Updates published in a minute, by random nodes that are up, and their bytes.
    package var updatesPerMinute = 60
    package var updateBytes = 400
    /// Nodes that go away in `churnPeriod`, each for `absence` on average; their disks stay.
    package var churn = 0.0
    package var churnPeriod = Duration.seconds(7_200)
    package var absence = Duration.seconds(600)
    /// The share of nodes that pass nothing on: they take places in meshes, tell of messages that they never send, and
    /// answer no pull. What reaches them does not count, and they publish nothing.
    package var hostile = 0.0
    package var isPushing = true
    package var isPulling = true
    /// Until the meshes stand; then the time of publishing; then nothing new comes and nobody leaves.
    package var settling = Duration.seconds(10)
    package var publishing = Duration.seconds(120)
    package var healing = Duration.seconds(120)

    package init() {}
}

/// What a run of such a swarm came to.
package struct CatalogSwarmResult: Sendable {
    /// From the publication, or from when a node came up if that was later, to its having the update; milliseconds.
    package var delays = Distribution()
    /// Of those, how many within a minute; a pair that never came, of a node that was up for long enough, is none.
    package var inTime = Share()
    /// Of all pairs of an update and a node that is up at the end.
    package var delivered = Share()
    /// Updates that came by pull first.
    package var byPull = Share()
    package var gossipBytes = 0
    package var pullBytes = 0
    package var pulls = 0
    package var failedPulls = 0
    /// Bytes of updates that nodes got, each once.
    package var payload = 0
    /// Nodes up at the end, and how many different sets they have.
    package var nodesUp = 0
    package var sets = 0
    package var absences = 0
    package var events = 0
    package var trace = TraceHash()

    /// Bytes sent by gossip for each byte of an update that came new to a node.
    package var amplification: Double { payload == 0 ? 0 : Double(gossipBytes) / Double(payload) }
}
