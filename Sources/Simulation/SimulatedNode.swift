package import DHT
package import Multiformats
import SansIO

/// One node of a simulated swarm: its core while it runs, and what survives on its disk when it does not.
package final class SimulatedNode {
    /// Whether anyone answers at the node's address.
    package enum State: Hashable, Sendable {
        case up
        /// The machine is gone: nothing answers.
        case silent
        /// The program is gone: streams are refused at once.
        case refusing
    }

    /// Its number in the simulator, which never changes.
    package let index: Int
    package let identity: SimulatedIdentity
    package var mode: KadMode
    /// Whether only those whom it asked before can reach it.
    package var isBehindNAT = false
    /// What it does in place of answering honestly; nil for honest nodes.
    package var hostility: Hostility?
    /// How wrong its wall clock is.
    package var clockSkew: Duration = .zero
    package var configuration: KademliaConfiguration

    package internal(set) var core: Kademlia?
    /// Nil until it provides something.
    package internal(set) var reprovider: Reprovider?
    package internal(set) var state = State.silent
    /// Counts its starts; what was sent by or to an earlier one is void.
    package internal(set) var incarnation = 0
    package internal(set) var disk = SimulatedDisk()
    /// Bytes that left it.
    package internal(set) var bytesSent = 0
    /// Requests that reached it.
    package internal(set) var requestsServed = 0

    /// What its core waits for.
    var calls: [CallID: UInt64] = [:]
    var sessions: [Int: Session] = [:]
    var streams: [Int: Session] = [:]
    /// Addresses that gave no answer to datagrams, and until when they get none.
    var resting: [Endpoint: Instant] = [:]
    /// When its core is woken next, as far as that is scheduled.
    var wakeAt = Instant.distantFuture
    var reprovideAt = Instant.distantFuture

    init(index: Int, identity: SimulatedIdentity, mode: KadMode, configuration: KademliaConfiguration) {
        self.index = index
        self.identity = identity
        self.mode = mode
        self.configuration = configuration
    }

    package var isUp: Bool { state == .up }
    package var peer: PeerID { identity.peer }
    package var key: KadKey { identity.key }
}

/// What one node remembers of its traffic with another: keys for datagrams, or an open connection.
struct Session {
    /// Which run of the other it is with.
    var incarnation: Int
    var lastUsed: Instant
    /// Smoothed as in RFC 6298, in nanoseconds; 0 before the first sample.
    var smoothed: UInt64 = 0
    var variance: UInt64 = 0

    /// Idle sessions and connections end after this.
    static let idle = Duration.seconds(180)

    mutating func sample(_ time: UInt64) {
        if smoothed == 0 {
            (smoothed, variance) = (time, time / 2)
        } else {
            let error = time > smoothed ? time - smoothed : smoothed - time
            variance = (3 * variance + error) / 4
            smoothed = (7 * smoothed + time) / 8
        }
    }

    /// When to send again, in nanoseconds: datagram.md, "Requests".
    var timeout: UInt64 { smoothed == 0 ? 500_000_000 : max(100_000_000, smoothed + 4 * variance) }
}

/// What a node has stored, which survives a crash unless the disk is lost with it.
package struct SimulatedDisk: Sendable {
    private enum Key: Hashable {
        case provider([UInt8], PeerID)
        case value([UInt8])
    }

    private var records: [Key: (sequence: UInt64, change: KadRecordChange)] = [:]
    private var sequence: UInt64 = 0
    /// The peers of its table when it last stopped.
    package var peers: [KadPeer] = []
    /// What the node itself provides.
    var provided: [Multihash: ProvideRecord] = [:]

    package init() {}

    package var count: Int { records.count }

    package mutating func apply(_ change: KadRecordChange) {
        sequence += 1
        switch change {
        case .provider(let key, let peer, _, _): records[.provider(key, peer)] = (sequence, change)
        case .noProvider(let key, let peer): records[.provider(key, peer)] = nil
        case .value(let key, _, _): records[.value(key)] = (sequence, change)
        case .noValue(let key): records[.value(key)] = nil
        }
    }

    /// Everything stored, oldest first.
    package var changes: [KadRecordChange] {
        records.values.sorted { $0.sequence < $1.sequence }.map(\.change)
    }
}
