import Catalog
import Multiformats
import PeerCrypto
import SansIO
import Testing

/// Who may have a session when.
@Suite struct SyncAdmissionTests {
    private static let peers = (1...6).map { KeyPair(seed: [UInt8](repeating: UInt8($0), count: 32)).peerID }

    private static func outcome(_ result: SyncOutcome.Result = .whole, sent: Int = 0) -> SyncOutcome {
        var figures = SyncFigures()
        figures.bytesSent = sent
        return SyncOutcome(result: result, figures: figures)
    }

    private static func at(_ seconds: Int64) -> Instant { Instant.zero + .seconds(seconds) }

    /// One a minute a peer, counted from the beginning.
    @Test func oneAMinute() {
        var admission = SyncAdmission()
        let peer = SyncAdmissionTests.peers[0]
        #expect(admission.begin(peer, now: SyncAdmissionTests.at(100)) == .start)
        #expect(admission.begin(peer, now: SyncAdmissionTests.at(101)) == .wait(seconds: 60))
        admission.end(peer, SyncAdmissionTests.outcome(), now: SyncAdmissionTests.at(110))
        #expect(admission.begin(peer, now: SyncAdmissionTests.at(159)) == .wait(seconds: 1))
        #expect(admission.begin(SyncAdmissionTests.peers[1], now: SyncAdmissionTests.at(159)) == .start)
        #expect(admission.begin(peer, now: SyncAdmissionTests.at(160)) == .start)
    }

    /// So many at once; a place is free when one ends.
    @Test func someAtOnce() {
        var admission = SyncAdmission(capacity: 2)
        let peers = SyncAdmissionTests.peers
        #expect(peers.prefix(3).map { admission.begin($0, now: .zero) } == [.start, .start, .wait(seconds: 60)])
        #expect(admission.begin(peers[3], isOutbound: true, now: .zero) == .start)
        admission.end(peers[3], SyncAdmissionTests.outcome(), now: .zero)
        admission.end(peers[0], SyncAdmissionTests.outcome(), now: .zero)
        #expect(admission.begin(peers[2], now: .zero) == .start && admission.count == 2)
    }

    /// Who drew much rests long; who left something over soon comes again; a refusal is kept to.
    @Test func rests() {
        var admission = SyncAdmission()
        let peers = SyncAdmissionTests.peers
        let outcomes = [
            SyncAdmissionTests.outcome(sent: 400 << 20), SyncAdmissionTests.outcome(.partial),
            SyncAdmissionTests.outcome(.refused(seconds: 30)), SyncAdmissionTests.outcome(.failed(.closed)),
        ]
        for (peer, outcome) in zip(peers, outcomes) {
            #expect(admission.begin(peer, now: .zero) == .start)
            admission.end(peer, outcome, now: SyncAdmissionTests.at(10))
        }
        let waits = peers.prefix(4).map { admission.begin($0, now: SyncAdmissionTests.at(10)) }
        #expect(waits == [.wait(seconds: 400), .wait(seconds: 5), .wait(seconds: 30), .wait(seconds: 50)])
    }

    /// Peers without number leave no more than the room for them.
    @Test func forgets() {
        var admission = SyncAdmission(memory: 3)
        for peer in SyncAdmissionTests.peers {
            _ = admission.begin(peer, now: .zero)
            admission.end(peer, SyncAdmissionTests.outcome(), now: .zero)
        }
        #expect(admission.remembered == 3)
        _ = admission.begin(SyncAdmissionTests.peers[5], now: SyncAdmissionTests.at(61))
        #expect(admission.remembered == 0)
    }

    /// Asks for single updates: sixty a minute a peer.
    @Test func asks() {
        var admission = SyncAdmission()
        let (one, other) = (SyncAdmissionTests.peers[0], SyncAdmissionTests.peers[1])
        let first = (0..<61).map { admission.mayAsk(one, now: SyncAdmissionTests.at(Int64($0 / 2))) }
        #expect(first.count(where: { $0 }) == 60 && first.last == false)
        let rest = [
            admission.mayAsk(other, now: SyncAdmissionTests.at(31)),
            admission.mayAsk(one, now: SyncAdmissionTests.at(59)),
            admission.mayAsk(one, now: SyncAdmissionTests.at(60)),
        ]
        #expect(rest == [true, false, true])
    }
}
