import Multiformats
import NIOCore

/// A peer's slot and which of its holders is meant: a slot is given to another when its peer leaves.
struct PeerReference: Hashable, Sendable {
    let slot: Int32
    let generation: UInt32
}

/// What is known of the peer in a slot.
struct PeerState: Sendable {
    let id: PeerID
    let generation: UInt32
    var version: GossipVersion
    var isOutbound: Bool
    var isDirect: Bool
    var isConnected = true
    /// The topics it is in, by their place in the core's table.
    var topics: Set<Int> = []
    /// How many of them we are not in ourselves.
    var foreignTopics = 0
    /// Its signed addresses, for those whom we prune.
    var record: ByteBuffer?
    var unwanted = UnwantedMessages()
    /// Messages of it that wait for their validation.
    var waiting = 0
    var isGraylisted = false
    var counters = Counters()

    /// What it did since the last heartbeat.
    struct Counters: Sendable {
        var ihaveFrames = 0
        var idsAsked = 0
        var idontwantFrames = 0
        var idsServed = 0
        var bytesServed = 0
    }

    var usesMesh: Bool { version > .floodsub }
}
