package import Multiformats
package import SansIO

/// Which peers may have a session now: one a minute each, so many at once, and a rest after much was sent.
///
/// The shell asks before it answers a stream (`PullSchedule` asks before one is opened), and says when the session
/// ends. What peers can fill is
/// bounded; of those at rest the one nearest to its end is forgotten first.
package struct SyncAdmission: Sendable {
    /// The least time between the beginnings of two sessions with one peer.
    package static let interval = Duration.seconds(60)
    /// The rest after a session that left differences over.
    package static let continuation = Duration.seconds(5)
    /// A second of rest for so many bytes sent: who draws the whole catalog again and again waits.
    package static let restingRate = 1 << 20

    /// Times a minute that a peer may ask for single updates.
    package static let asksPerMinute = 60

    /// Whether a session may begin.
    package enum Decision: Hashable, Sendable {
        case start
        /// Not before so many seconds are over.
        case wait(seconds: UInt64)
    }

    /// Sessions that others opened, at once at most.
    package let capacity: Int
    /// Peers at rest that are remembered.
    package let memory: Int
    private var running: [PeerID: Running] = [:]
    private var inbound = 0
    private var resting = Timers<PeerID>()
    private var asks: ExpiringMap<PeerID, Asks>

    private struct Running {
        let begun: Instant
        let isOutbound: Bool
    }

    /// How often a peer asked for single updates, and since when.
    private struct Asks {
        var count: Int
        let since: Instant
    }

    /// Room for `capacity` sessions of others at once.
    package init(capacity: Int = 8, memory: Int = 4_096) {
        self.capacity = max(1, capacity)
        self.memory = max(1, memory)
        asks = ExpiringMap(capacity: max(1, memory), lifetime: SyncAdmission.interval)
    }

    /// Sessions that run.
    package var count: Int { running.count }
    /// Peers that are remembered after their sessions.
    package var remembered: Int { resting.count }

    /// Begins a session with `peer` if it may have one; then `end` must follow. Those that this node opens itself are
    /// not counted against the capacity, so that others cannot keep it from pulling.
    package mutating func begin(_ peer: PeerID, isOutbound: Bool = false, now: Instant) -> Decision {
        while resting.popDue(now) != nil {}
        if let until = resting.deadline(of: peer) { return .wait(seconds: SyncAdmission.seconds(until - now)) }
        guard running[peer] == nil, isOutbound || inbound < capacity else {
            return .wait(seconds: SyncAdmission.seconds(SyncAdmission.interval))
        }
        running[peer] = Running(begun: now, isOutbound: isOutbound)
        if !isOutbound { inbound += 1 }
        return .start
    }

    /// The session with `peer` is over; its figures say how much was sent.
    package mutating func end(_ peer: PeerID, _ outcome: SyncOutcome, now: Instant) {
        guard let session = running.removeValue(forKey: peer) else { return }
        if !session.isOutbound { inbound -= 1 }
        var until = session.begun + SyncAdmission.interval
        switch outcome.result {
        case .partial: until = now + SyncAdmission.continuation
        case .refused(let seconds): until = now + .seconds(Int64(clamping: min(seconds, 86_400)))
        case .whole, .failed: break
        }
        let debt = outcome.figures.bytesSent / SyncAdmission.restingRate
        until = max(until, now + .seconds(Int64(clamping: debt)))
        if resting.count >= memory { _ = resting.popDue(.distantFuture) }
        resting.set(peer, at: until)
    }

    /// Notes that `peer` asks for single updates; whether it may.
    package mutating func mayAsk(_ peer: PeerID, now: Instant) -> Bool {
        var entry = asks.value(of: peer, now: now) ?? Asks(count: 0, since: now)
        if now - entry.since >= SyncAdmission.interval { entry = Asks(count: 0, since: now) }
        guard entry.count < SyncAdmission.asksPerMinute else { return false }
        entry.count += 1
        asks.set(peer, entry, now: now)
        return true
    }

    private static func seconds(_ duration: Duration) -> UInt64 {
        UInt64(clamping: max(1, Int64(duration.inSeconds.rounded(.up))))
    }
}
