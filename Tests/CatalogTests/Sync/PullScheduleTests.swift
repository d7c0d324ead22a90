import Catalog
import Multiformats
import PeerCrypto
import SansIO
import Testing

/// When a node pulls and from whom.
@Suite struct PullScheduleTests {
    private static let peers = (1...6).map { KeyPair(seed: [UInt8](repeating: UInt8($0), count: 32)).peerID }

    private struct Puller {
        var schedule = PullSchedule(generator: SeededGenerator(seed: 6))
        var admission = SyncAdmission()
        var now = Instant.zero

        /// Waits for the next pull; how long that took, and from whom.
        mutating func pull() -> (wait: Duration, peer: PeerID)? {
            let start = now
            for _ in 0..<500 {
                guard let deadline = schedule.deadline else { return nil }
                now = max(now, deadline)
                if let peer = schedule.next(&admission, now: now) { return (now - start, peer) }
            }
            return nil
        }

        mutating func end(_ peer: PeerID, _ result: SyncOutcome.Result = .whole, brought: Int = 0) {
            var figures = SyncFigures()
            figures.updatesReceived = brought
            let outcome = SyncOutcome(result: result, figures: figures)
            admission.end(peer, outcome, now: now)
            schedule.ended(peer, outcome, now: now)
        }
    }

    /// Three soon after the first connection, then one every 27 seconds, from all of them in turn by lot.
    @Test func severalAMinute() {
        var puller = Puller()
        #expect(puller.schedule.deadline == nil)
        for peer in PullScheduleTests.peers { puller.schedule.connected(peer, now: puller.now) }
        var asked: Set<PeerID> = []
        for round in 0..<60 {
            guard let (wait, peer) = puller.pull() else {
                Issue.record("no pull in round \(round)")
                return
            }
            #expect(round < 3 ? wait <= .seconds(8) : wait > .seconds(24) && wait <= .seconds(33), "\(wait)")
            #expect(puller.schedule.deadline == nil, "one at a time")
            asked.insert(peer)
            puller.end(peer)
        }
        #expect(asked.count == 6)
    }

    /// After a failure another peer is asked within seconds; a peer that refuses is left alone.
    @Test func failuresAreMadeUpFor() {
        var puller = Puller()
        for peer in PullScheduleTests.peers { puller.schedule.connected(peer, now: puller.now) }
        var asked: [PeerID] = []
        for result in [.failed(.closed), .refused(seconds: 600), .failed(.stalled)] as [SyncOutcome.Result] {
            guard let (wait, peer) = puller.pull() else {
                Issue.record("no pull")
                return
            }
            #expect(wait <= .seconds(6))
            asked.append(peer)
            puller.end(peer, result)
        }
        #expect(Set(asked).count == 3)
        for _ in 0..<9 {
            guard let (_, peer) = puller.pull() else {
                Issue.record("no pull")
                return
            }
            #expect(peer != asked[1], "it said ten minutes")
            puller.end(peer)
        }
    }

    /// Without peers nothing is due; a connection brings a pull forward unless one has just been whole.
    @Test func connectionsBringItForward() {
        var puller = Puller()
        puller.schedule.connected(PullScheduleTests.peers[0], now: puller.now)
        for _ in 0..<3 {
            guard let (_, peer) = puller.pull() else {
                Issue.record("no pull")
                return
            }
            puller.end(peer)
        }
        puller.schedule.connected(PullScheduleTests.peers[1], now: puller.now + .seconds(1))
        #expect(puller.schedule.deadline.map { $0 > puller.now + .seconds(22) } == true)
        puller.schedule.connected(PullScheduleTests.peers[2], now: puller.now + .seconds(20))
        #expect(puller.schedule.deadline.map { $0 <= puller.now + .seconds(22) } == true)
        for peer in PullScheduleTests.peers { puller.schedule.disconnected(peer) }
        #expect(puller.schedule.deadline == nil && puller.pull() == nil)
    }

    /// What a pull brings, pushes have lost: the next comes after a quarter of a minute.
    @Test func hurriesWhenItBringsSomething() {
        var puller = Puller()
        for peer in PullScheduleTests.peers { puller.schedule.connected(peer, now: puller.now) }
        for round in 0..<6 {
            guard let (wait, peer) = puller.pull() else {
                Issue.record("no pull")
                return
            }
            #expect(round < 3 || wait > .seconds(13) && wait <= .seconds(20), "round \(round): \(wait)")
            puller.end(peer, brought: 1)
        }
    }
}
