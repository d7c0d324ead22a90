/// Every number of the exchange, with its unit and its reason.
package struct BitswapConfiguration: Sendable {
    // MARK: Serving

    /// Wants remembered for a peer; as Kubo, so that peers expect it.
    package var wantsPerPeer = 1_024
    /// A WANT-HAVE for a block of at most this many bytes is answered with the block: it saves a round trip.
    package var smallBlockBytes = 1_024
    /// Block bytes after which a message is full. Kubo stops at 16 KiB; half a MiB needs far fewer wake-ups
    /// and still lets two messages overlap within the outstanding limit.
    package var envelopeBytes = 512 << 10
    /// Blocks and presences in one message.
    package var envelopeItems = 1_024
    /// Block bytes handed to the shell for one peer and not sent yet. A slow reader never gets more.
    package var outstandingBytesPerPeer = 1 << 20
    /// The same for a peer whose messages leave quickly: enough that disk and link work at once.
    package var outstandingBytesFastPeer = 4 << 20
    /// A message that leaves within this time makes a peer fast, one that takes ten times as long slow.
    package var fastEnvelope = Duration.milliseconds(100)
    /// Block bytes outstanding to all peers together: what serving costs in memory at most.
    package var outstandingBytes = 16 << 20
    /// Messages outstanding for one peer, and in all.
    package var envelopesPerPeer = 8
    package var envelopes = 64
    /// How often a message that could not be sent is tried anew, and the wait before it.
    package var sendRetries = 3
    package var sendRetryDelay = Duration.milliseconds(100)

    // MARK: Fetching

    /// Blocks asked of a peer at once before its speed is known.
    package var startWindow = 64
    /// The most wants that a peer is sent; below the 1,024 that peers remember.
    package var maximumWindow = 1_000
    /// Blocks asked of a peer at once however slow it is; enough to cover its pauses.
    package var minimumWindow = 8
    /// Bytes asked beyond what is on the way, so that the peer always has the next blocks read and queued.
    package var windowSlackBytes = 4 << 20
    /// The most bytes asked of one peer at once.
    package var windowBytes = 64 << 20
    /// Peers of a session that are asked for blocks at the same time.
    package var peersPerSession = 16
    /// Wants of a session that are broadcast as WANT-HAVE while nobody is known to have them.
    package var broadcastWants = 32
    /// Peers that one broadcast reaches.
    package var broadcastPeers = 64
    /// Peers that are asked for HAVE when the chosen one had not what was wanted.
    package var probePeers = 4
    /// Without any answer yet, how long a peer may be silent.
    package var unknownTimeout = Duration.seconds(5)
    /// The bounds of the silence allowed once its latency is known.
    package var minimumTimeout = Duration.milliseconds(50)
    package var maximumTimeout = Duration.seconds(7)
    /// With nobody else to ask, patience lasts at least this long.
    package var loneTimeout = Duration.seconds(1)
    /// Before a search for providers, how long connected peers may take to answer.
    package var searchDelay = Duration.seconds(1)
    /// Between two searches of a session.
    package var searchInterval = Duration.seconds(60)
    /// A session without progress asks everybody again after this time, and up to twice that.
    package var rebroadcast = Duration.seconds(30)
    /// How long a block that comes a second time is a duplicate and not a misdeed, and how many are remembered.
    package var recentBlocks = 16_384
    package var recentLifetime = Duration.seconds(120)
    /// Penalty (see `PeerSpeed.penalty`) at which a peer is asked only when nobody else is left.
    package var penaltyLimit = 8.0
    /// Peers whose reputation and ledger outlive their connection.
    package var rememberedPeers = 2_048
    package var reputationLifetime = Duration.seconds(6 * 3_600)

    package init() {}
}
