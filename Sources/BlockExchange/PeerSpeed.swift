package import SansIO

/// How fast and how reliable a peer is, and how much may be asked of it at once.
///
/// The window follows the bandwidth-delay product as BBR does: it doubles while the rate still grows, then
/// stays at twice what the fastest delivery and the shortest answer imply, plus what keeps the peer's
/// disk busy. Times are of whole answers (want to block), so they include the peer's own queue.
/// Source: Cardwell et al., "BBR: Congestion-Based Congestion Control" (2016); RFC 6298 for the timeout.
package struct PeerSpeed: Sendable {
    /// A peer's progress at the moment when a block was asked for.
    package struct Mark: Sendable {
        var delivered = 0
        var at = Instant.zero
    }

    private let configuration: BitswapConfiguration
    /// Bytes of wanted blocks that the peer sent.
    package private(set) var delivered = 0
    private var deliveredAt = Instant.zero
    /// Smoothed time from question to answer in seconds, and its mean deviation; 0 while unknown.
    private var smoothed = 0.0
    private var deviation = 0.0
    /// The shortest answer, in seconds.
    private var shortest = Double.infinity
    /// The transport's round trip in seconds, when the shell measured it.
    private var ping: Double?
    /// The highest delivery rates of recent rounds, in bytes a second, newest last.
    private var rates: [Double] = []
    private var roundEnd = 0
    private var roundRate = 0.0
    private var fullRate = 0.0
    private var roundsWithoutGrowth = 0
    private var isStarting = true
    private var startWindow: Int
    /// The mean block in bytes; 0 while unknown.
    package private(set) var blockBytes = 0.0
    /// The share of wants for blocks that were answered with the block.
    package private(set) var hitRate = 0.5
    /// What stalls, lies and garbage have cost the peer; it fades with every block that it delivers.
    package private(set) var penalty = 0.0

    package init(_ configuration: BitswapConfiguration) {
        self.configuration = configuration
        startWindow = configuration.startWindow
    }

    package var hasDelivered: Bool { delivered > 0 }
    package var isBad: Bool { penalty >= configuration.penaltyLimit }

    /// Bytes a second; a guess while nothing is known.
    package var rate: Double { rates.max() ?? (roundRate > 0 ? roundRate : 4e6) }

    /// Seconds until an answer that nothing delays.
    package var latency: Double { shortest.isFinite ? shortest : ping ?? 0.1 }

    /// How long the peer may be silent with questions open.
    ///
    /// A message may hold as many bytes as a peer may have outstanding and is of no use before its end, so
    /// the time that these take counts as well.
    package var timeout: Duration {
        guard hasDelivered else {
            // A quick HAVE says nothing yet about how long a block takes.
            if smoothed > 0 { return clamp(1 + 4 * smoothed) }
            return ping.map { clamp(2 + 3 * $0) } ?? configuration.unknownTimeout
        }
        return clamp(2 * smoothed + 4 * deviation + Double(configuration.outstandingBytesPerPeer) / rate)
    }

    private func clamp(_ seconds: Double) -> Duration {
        // Whole nanoseconds, as instants have, so that a deadline and the time passed can be equal.
        let nanoseconds = Int64(min(seconds, 1e6) * 1e9)
        return max(configuration.minimumTimeout, min(configuration.maximumTimeout, .nanoseconds(nanoseconds)))
    }

    /// Blocks that may be asked of the peer at once.
    package var window: Int {
        let block = max(blockBytes, 1)
        let bytes: Double
        if isStarting {
            bytes = Double(startWindow) * block
        } else {
            bytes = 2 * rate * min(latency, 2) + Double(configuration.windowSlackBytes)
        }
        let limit = min(bytes, Double(configuration.windowBytes)) / block
        let blocks = isStarting && blockBytes == 0 ? startWindow : Int(limit)
        return max(configuration.minimumWindow, min(configuration.maximumWindow, blocks))
    }

    /// Seconds until a block asked now would be here, behind `inFlight` others; penalties make it look longer.
    package func expectedTime(inFlight: Int) -> Double {
        let bytes = Double(inFlight + 1) * max(blockBytes, 16_384)
        return (latency + bytes / rate) * (1 + penalty) / max(hitRate, 0.02)
    }

    /// The progress to remember with a want that is sent now.
    package mutating func mark(inFlight: Int, now: Instant) -> Mark {
        // After a pause the rate is counted from now, or the pause would look like a slow link.
        if inFlight == 0 || deliveredAt == .zero { deliveredAt = now }
        return Mark(delivered: delivered, at: deliveredAt)
    }

    package mutating func pinged(_ roundTrip: Duration) { ping = max(roundTrip.inSeconds, 1e-6) }

    /// The peer said HAVE or DONT_HAVE, `elapsed` after the question.
    package mutating func answered(after elapsed: Duration) { sample(elapsed) }

    /// A wanted block of `bytes` came, `elapsed` after it was asked with `mark`; `inFlight` others are open.
    package mutating func received(
        bytes: Int, after elapsed: Duration, mark: Mark, inFlight: Int, now: Instant
    ) {
        sample(elapsed)
        let wasFull = inFlight + 1 >= window
        delivered += max(bytes, 1)
        deliveredAt = now
        blockBytes = blockBytes == 0 ? Double(bytes) : blockBytes + (Double(bytes) - blockBytes) / 16
        hitRate += (1 - hitRate) / 16
        penalty *= 0.95
        let seconds = (now - mark.at).inSeconds
        if seconds > 0 { roundRate = max(roundRate, Double(delivered - mark.delivered) / seconds) }
        if isStarting, wasFull { startWindow = min(startWindow + 1, configuration.maximumWindow) }
        if mark.delivered >= roundEnd { endRound(wasFull: wasFull) }
    }

    private mutating func endRound(wasFull: Bool) {
        roundEnd = delivered
        rates.append(roundRate)
        if rates.count > 10 { rates.removeFirst() }
        if isStarting, wasFull {
            if roundRate >= 1.25 * fullRate {
                fullRate = roundRate
                roundsWithoutGrowth = 0
            } else {
                roundsWithoutGrowth += 1
                if roundsWithoutGrowth >= 3 { isStarting = false }
            }
        }
        roundRate = 0
    }

    package mutating func missed() { hitRate -= hitRate / 16 }

    package mutating func punish(_ points: Double) { penalty = min(penalty + points, 100) }

    private mutating func sample(_ elapsed: Duration) {
        let seconds = max(elapsed.inSeconds, 1e-6)
        shortest = min(shortest, seconds)
        if smoothed == 0 {
            smoothed = seconds
            deviation = seconds / 2
        } else {
            deviation += (abs(smoothed - seconds) - deviation) / 4
            smoothed += (seconds - smoothed) / 8
        }
    }
}
