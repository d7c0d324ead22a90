import NIOCore
import SansIO
import Testing
import Transport

/// How much a peer may send: credit, growth, the budget.
@Suite struct YamuxWindowTests {
    /// Receives and consumes `count` bytes on stream 1 in steps; gives the credit granted meanwhile.
    static func consume(_ session: inout YamuxSession, _ count: Int, now: Instant) throws -> Int {
        var granted = 0
        for start in stride(from: 0, to: count, by: 65_536) {
            let length = min(65_536, count - start)
            _ = try YamuxSessionTests.feed(
                &session, YamuxSessionTests.data(1, [UInt8](repeating: 0, count: length)), now: now)
            session.consumed(1, bytes: length, now: now)
            granted += try YamuxSessionTests.sent(&session).reduce(0) { $0 + Int($1.length) }
        }
        return granted
    }

    @Test("Credit goes back for what was read, not for what was received, in halves of a window")
    func credit() throws {
        var session = YamuxSessionTests.session { $0.maximumWindow = 262_144 }
        _ = try YamuxSessionTests.feed(
            &session, YamuxSessionTests.syn(1), YamuxSessionTests.data(1, [UInt8](repeating: 0, count: 200_000)))
        #expect(session.outbox.readableBytes == 0)
        session.consumed(1, bytes: 100_000, now: .zero)
        #expect(session.outbox.readableBytes == 0)
        session.consumed(1, bytes: 50_000, now: .zero)
        #expect(try YamuxSessionTests.sent(&session) == [YamuxFrame(.windowUpdate, .ack, stream: 1, length: 150_000)])
    }

    @Test("A busy stream gets the large window at once, within the budget, and gives it back")
    func autoTuning() throws {
        let budget = MemoryBudget(limit: 1 << 20)
        var session = YamuxSessionTests.session(budget: budget)
        _ = try YamuxSessionTests.feed(&session, YamuxSessionTests.syn(1))
        // Half a window consumed; the grant brings the outstanding credit to one mebibyte.
        #expect(try Self.consume(&session, 131_072, now: .zero) == (1 << 20) - 131_072)
        #expect(budget.taken == (1 << 20) - 262_144)
        // A second stream finds the budget nearly used up and stays small.
        _ = try YamuxSessionTests.feed(
            &session, YamuxSessionTests.syn(3), YamuxSessionTests.data(3, [UInt8](repeating: 0, count: 131_072)))
        session.consumed(3, bytes: 131_072, now: .zero)
        #expect(try YamuxSessionTests.sent(&session).map(\.length) == [131_072])
        session.reset(1)
        #expect(budget.taken == 0)
        session.removeAll()
        #expect(budget.taken == 0)
    }

    @Test("Beyond that the window doubles while it holds a long line back, up to the maximum")
    func longFatPipe() throws {
        var session = YamuxSessionTests.session {
            $0.maximumWindow = 4 << 20
        }
        session.roundTrip = .milliseconds(100)
        _ = try YamuxSessionTests.feed(&session, YamuxSessionTests.syn(1))
        var now = Instant.zero
        var window = try Self.consume(&session, 131_072, now: now) + 131_072
        #expect(window == 1 << 20)
        for expected in [2 << 20, 4 << 20, 4 << 20] {
            now = now + .milliseconds(200)
            let granted = try Self.consume(&session, window / 2, now: now)
            window = granted + window / 2
            #expect(window == expected)
        }
        // A slow reader keeps what it has.
        var slow = YamuxSessionTests.session { $0.maximumWindow = 4 << 20 }
        slow.roundTrip = .milliseconds(1)
        _ = try YamuxSessionTests.feed(&slow, YamuxSessionTests.syn(1))
        _ = try Self.consume(&slow, 131_072, now: .zero)
        #expect(try Self.consume(&slow, 512 << 10, now: .zero + .seconds(1)) == 512 << 10)
    }

    @Test("Credit on the opening frame counts, and no more is claimed than there is")
    func openingCredit() throws {
        var session = YamuxSessionTests.session()
        _ = try YamuxSessionTests.feed(&session, (YamuxFrame(.windowUpdate, .syn, stream: 1, length: 1_000), []))
        #expect(session.credit(of: 1) == 263_144)
        let first = session.claim(1, length: 263_144, isLast: false)
        #expect(first == YamuxFrame(.data, .ack, stream: 1, length: 263_144))
        #expect(session.credit(of: 1) == 0)
        #expect(
            YamuxSessionTests.text(
                try YamuxSessionTests.feed(&session, (YamuxFrame(.windowUpdate, stream: 1, length: 5), []))) == [
                    "credit 1"
                ])
        #expect(session.credit(of: 1) == 5)
    }
}
