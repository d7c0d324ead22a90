package import Multiformats
package import SansIO

/// When this node pulls, and from whom: soon after a connection, then every 27 seconds from a random peer. What a push
/// has lost is here within a minute even when the first peer that is asked has lost it, too: there is time for two.
///
/// One session of its own at a time. The first three follow each other soon, for a single peer may have come back
/// itself a moment ago; so does one that failed, with another peer. A session that brought something shows that pushes
/// get lost: the next comes sooner. The shell tells it of connections and ends, and asks `next` when `deadline` is
/// reached.
package struct PullSchedule: Sendable {
    /// The time between pulls, but for a tenth by lot, so that nodes that started together do not pull together.
    package static let interval = Duration.seconds(27)
    /// The time to the next pull after one that brought something.
    package static let hurry = Duration.seconds(15)
    /// Whole sessions that follow each other soon, from the start on.
    package static let first = 3
    /// The time from a connection or a failure to the pull that follows.
    package static let pause = Duration.seconds(2)
    /// After a whole session of this age a new connection brings one forward.
    package static let staleness = Duration.seconds(15)

    private var generator: SeededGenerator
    /// In order of connection, so that a run can be repeated.
    private var peers: [PeerID] = []
    private var running: PeerID?
    private var due: Instant?
    private var lastWhole: Instant?
    private var wholes = 0

    /// A schedule without peers.
    package init(generator: SeededGenerator) { self.generator = generator }

    /// When `next` must be asked; `nil` when nothing can be pulled.
    package var deadline: Instant? { running == nil && !peers.isEmpty ? due : nil }

    /// A peer that speaks `SyncSession.protocolID` is connected.
    package mutating func connected(_ peer: PeerID, now: Instant) {
        if !peers.contains(peer) { peers.append(peer) }
        if let lastWhole, now - lastWhole < PullSchedule.staleness { return }
        let soon = now + pause()
        due = min(due ?? soon, soon)
    }

    /// The peer is gone, or speaks it no longer.
    package mutating func disconnected(_ peer: PeerID) { peers.removeAll { $0 == peer } }

    /// The peer to pull from now, admitted as outbound; `nil` when none is due or none may.
    package mutating func next(_ admission: inout SyncAdmission, now: Instant) -> PeerID? {
        guard running == nil, !peers.isEmpty, let due, due <= now else { return nil }
        self.due = now + pause()
        // A few draws: with thousands of connections nobody looks at them all.
        for _ in 0..<8 {
            let peer = peers[Int.random(in: 0..<peers.count, using: &generator)]
            guard admission.begin(peer, isOutbound: true, now: now) == .start else { continue }
            running = peer
            self.due = nil
            return peer
        }
        return nil
    }

    /// The session that `next` began is over; the admission is told as well.
    package mutating func ended(_ peer: PeerID, _ outcome: SyncOutcome, now: Instant) {
        guard running == peer else { return }
        running = nil
        guard outcome.result == .whole else { return due = now + pause() }
        lastWhole = now
        wholes += 1
        guard wholes >= PullSchedule.first else { return due = now + pause() }
        let time = outcome.figures.updatesReceived > 0 ? PullSchedule.hurry : PullSchedule.interval
        due = now + time * Double.random(in: 0.9..<1, using: &generator)
    }

    private mutating func pause() -> Duration { PullSchedule.pause * Double.random(in: 0.5..<1, using: &generator) }
}
