/// Every limit that the transport puts on what a peer can grow, with its unit.
///
/// The defaults are a small home server's; see each field for its reason.
package struct TransportLimits: Sendable {
    // MARK: Connections

    /// Established and half-open connections that others opened.
    package var inboundConnections = 96
    /// Established and half-open connections that this node opened.
    package var outboundConnections = 64
    package var totalConnections = 128
    /// Inbound connections that have not proved an identity yet. When they are all taken, the oldest one
    /// gives way to the newcomer.
    package var transientInbound = 24
    /// The same for both directions together.
    package var transientTotal = 48
    /// Connections of one IPv4 address, or one IPv6 /56.
    package var connectionsPerAddress = 8
    /// Connections of one IPv6 /48.
    package var connectionsPerSite = 64
    /// New connections a second of one IPv4 address, and how many may come at once.
    package var newConnectionRate = 0.2
    package var newConnectionBurst = 16.0
    /// The same for one IPv6 /48.
    package var newSiteConnectionRate = 0.5
    package var newSiteConnectionBurst = 80.0
    /// Address ranges that neither counts nor rates apply to.
    package var exempt: [IPRange] = IPRange.loopback
    /// The connection manager closes the least valuable connections above `highWater` until `lowWater` are
    /// left. Home routers lose entries above about a hundred.
    package var lowWater = 32
    package var highWater = 96
    /// How long a new connection is not trimmed.
    package var grace: Duration = .seconds(20)

    // MARK: Time

    /// TCP connect.
    package var connectTimeout: Duration = .seconds(5)
    /// From an accepted or opened socket to an authenticated, multiplexed connection. Bytes do not extend it.
    package var upgradeTimeout: Duration = .seconds(10)
    /// One negotiation, of a connection or of a stream. Bytes do not extend it.
    package var negotiationTimeout: Duration = .seconds(5)
    /// One attempt at one address, upgrade included, and a whole dial.
    package var attemptTimeout: Duration = .seconds(15)
    package var dialTimeout: Duration = .seconds(60)
    /// Between the starts of parallel attempts at one peer's addresses.
    package var dialStagger: Duration = .milliseconds(250)
    /// How long a peer may take none of the bytes waiting for it.
    package var writeTimeout: Duration = .seconds(10)
    package var keepAlive: Duration = .seconds(30)
    /// How long a stream that was closed here waits for the other side's end.
    package var lingerTimeout: Duration = .seconds(30)
    /// The whole of a graceful shutdown.
    package var shutdownTimeout: Duration = .seconds(3)

    // MARK: Streams

    package var yamux = YamuxLimits()
    /// Streams of one peer over all its connections, opened by it and by us.
    package var inboundStreamsPerPeer = 128
    package var outboundStreamsPerPeer = 256
    /// Streams of one peer for one protocol, opened by it; a protocol may ask for less.
    package var inboundStreamsPerProtocol = 32

    // MARK: Memory, in bytes

    /// Credit beyond each stream's first 256 KiB, promised to all peers together.
    package var windowBudget = 64 << 20
    /// Bytes received and not yet taken by their readers: of one connection, and of all together.
    package var unreadPerConnection = 8 << 20
    package var unreadTotal = 48 << 20
    /// A writer is told to pause when this much of its stream waits to be sent.
    package var streamHighWater = 1 << 20
    /// Bytes read from an established connection's socket at once. Small enough that what is read is still in
    /// the processor's nearest caches when it is decrypted: 10-15 % less CPU than 256 KiB, measured.
    package var readBuffer = 32 << 10
    /// Sealed bytes that may wait in front of a socket.
    package var channelLowWater = 512 << 10
    package var channelHighWater = 1 << 20

    // MARK: What peers tell

    package var addressesPerPeer = 32
    package var protocolsPerPeer = 128
    package var peers = 4_096

    package init() {}
}

/// The limits of one yamux session.
package struct YamuxLimits: Sendable {
    /// The window every stream starts with; the protocol fixes it.
    package static let initialWindow: UInt32 = 262_144

    /// The largest receive window of a stream, in bytes; at most 16 MiB.
    package var maximumWindow: UInt32 = 1 << 20
    /// The window that a stream gets at once when it first turns out to be busy; beyond it, the window doubles
    /// only while it limits the rate at the measured round-trip time.
    package var busyWindow: UInt32 = 1 << 20
    /// Streams of the session, either direction.
    package var inboundStreams = 256
    package var outboundStreams = 256
    /// Inbound streams whose protocol is not agreed yet.
    package var backlog = 64
    /// Our streams that the other side has not acknowledged yet.
    package var unacknowledged = 256
    /// Pings, resets and refused opens of the other side, a second.
    package var controlRate = 200.0
    package var controlBurst = 400.0
    /// Frames that say nothing: empty data, zero credit, frames of forgotten streams, a second.
    package var idleRate = 10_000.0
    package var idleBurst = 20_000.0
    /// Bytes of answers that may wait while the other side reads nothing.
    package var outbox = 64 << 10

    package init() {}
}
