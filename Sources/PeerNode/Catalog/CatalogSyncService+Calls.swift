import Catalog
import Multiformats
import NIOCore
import SansIO
import Synchronization
import Transport

/// Numbers for sessions, made on any loop.
enum Counter {
    private static let last = Atomic<UInt64>(0)
    static func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }
}

// What others want of the pulls: now, of this peer, these updates.
extension CatalogSyncService {
    /// The longest that somebody waits for a peer to take another session.
    private static let patience = Duration.seconds(70)
    /// Updates that are asked of one peer at once.
    private static let asksOfPeer = 4

    /// Pulls from `peer`, or from one by lot, as soon as it may.
    func pull(from wanted: PeerID?) async throws -> CatalogSyncReport {
        let end = ControlPlane.now + Self.patience
        while true {
            guard !stopped else { throw NodeError.shuttingDown }
            if let wanted, !speakers.contains(wanted) { throw NodeError.notConnected(wanted) }
            guard let peer = wanted ?? speakers.randomElement(using: &generator) else {
                throw CatalogServiceError.noPeers
            }
            let seconds: UInt64
            switch admission.begin(peer, isOutbound: true, now: ControlPlane.now) {
            case .wait(let wait): seconds = wait
            case .start:
                let report = await session(with: peer)
                guard case .refused(let wait) = report.outcome.result else { return report }
                seconds = wait
            }
            let pause = Duration.seconds(Int64(clamping: min(seconds, 3_600)))
            guard ControlPlane.now + pause <= end else { throw CatalogServiceError.refused(seconds: seconds) }
            try await Task.sleep(for: pause)
        }
    }

    private func session(with peer: PeerID) async -> CatalogSyncReport {
        await withCheckedContinuation { continuation in
            begin(with: peer) { continuation.resume(returning: $0) }
        }
    }

    /// Asks a peer for updates by name, and then for what those continue, as far as that is missing too.
    func ask(_ ids: [UpdateID], of peer: PeerID) {
        guard !stopped, !ids.isEmpty, let spoken = host.peerStore.protocols(of: peer), spoken.contains(askProtocolID)
        else { return }
        let now = ControlPlane.now
        let running = sessions.values.count { $0.isAsk && $0.isOutbound && $0.peer == peer }
        guard running < Self.asksOfPeer else { return }
        let fresh = Set(ids).sorted().prefix(SyncLimits.listCapacity).filter { asked.value(of: $0, now: now) == nil }
        guard !fresh.isEmpty else { return }
        for id in fresh { asked.set(id, 0, now: now) }
        let session = SyncSession(role: .initiator, opening: .ask(fresh), generator: generator.split())
        open(session, to: peer, askProtocolID, isAsk: true)
    }

    /// Asks somebody who is connected, by lot.
    func askAnyone(_ ids: [UpdateID]) {
        if let peer = speakers.randomElement(using: &generator) { ask(ids, of: peer) }
    }

    /// What the service adds to the catalog's status.
    func describe(_ before: CatalogStatus) -> CatalogStatus {
        var status = before
        status.peers = speakers.count
        status.lastPull = lastPull
        status.lastWhole = lastWhole
        status.pulls = counts
        status.clockOffset = clocks.offset
        let pulls = sessions.values.filter { $0.isOutbound && !$0.isAsk }.sorted { $0.begun < $1.begun }
        if let pull = pulls.first {
            let figures = pull.stream.progress
            status.progress = CatalogSyncProgress(
                peer: pull.peer, received: figures.updatesReceived, expected: figures.updatesExpected)
        }
        return status
    }
}

// MARK: After a start

/// Asking three peers what they know of this node's own authors, before those sign anything.
struct Settling {
    static let peers = 3
    /// Once somebody has answered, others are waited for only so long: a small network may have no three.
    static let quiet = Duration.seconds(2)

    /// Who waits for it; nobody when it is over.
    var waiters: [CheckedContinuation<Void, Never>] = []
    var isOver = true
    var timer: Scheduled<Void>?
    /// Who was asked, and who has answered in whole.
    var asked: Set<PeerID> = []
    var answered = 0
    var running: PeerID?
}

extension CatalogSyncService {
    /// Waits until it is over: three peers have answered, or the time has passed.
    func settled() async {
        guard !settling.isOver else { return }
        await withCheckedContinuation { settling.waiters.append($0) }
    }

    /// Begins; it ends by itself after `time`.
    func beginSettling(after time: Duration) {
        guard time > .zero else { return }
        settling.isOver = false
        settling.timer = plane.controlLoop.scheduleTask(in: TimeAmount(time)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.endSettling() }
        }
    }

    /// Asks the next peer soon. Not at once: two nodes that have just met would ask each other, and both refuse.
    func settleSoon() {
        guard !settling.isOver else { return }
        let pause = Int64.random(in: 20...400, using: &generator)
        plane.controlLoop.scheduleTask(in: .milliseconds(pause)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.settleFurther() }
        }
    }

    /// Asks the next peer, if one is needed and there.
    private func settleFurther() {
        guard !settling.isOver, !stopped, settling.running == nil,
            let peer = speakers.first(where: { !settling.asked.contains($0) })
        else { return }
        settling.asked.insert(peer)
        guard admission.begin(peer, isOutbound: true, now: ControlPlane.now) == .start else { return settleFurther() }
        settling.running = peer
        begin(with: peer)
    }

    /// A session with a peer is over, whatever it was for.
    func settled(_ peer: PeerID, _ outcome: SyncOutcome) {
        guard !settling.isOver else { return }
        settling.asked.insert(peer)
        if settling.running == peer { settling.running = nil }
        if outcome.result == .whole { settling.answered += 1 }
        if settling.answered >= Settling.peers { return endSettling() }
        settleSoon()
        let (asked, answered) = (settling.asked.count, settling.answered)
        guard answered > 0 else { return }
        plane.controlLoop.scheduleTask(in: TimeAmount(Settling.quiet)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { service in
                guard service.settling.asked.count == asked, service.settling.running == nil else { return }
                service.endSettling()
            }
        }
    }

    func endSettling() {
        settling.timer?.cancel()
        settling.isOver = true
        let waiters = settling.waiters
        settling.waiters = []
        for waiter in waiters { waiter.resume() }
    }
}
