import Catalog
import Multiformats
import NIOCore
import SansIO
import Testing

/// What a peer that means harm can do, byte by byte: the session ends with a reason, and what it cost is bounded.
@Suite struct HostileSyncTests {
    typealias Victim = SyncVictim

    // MARK: Frames

    /// A length beyond 64 KiB ends the session before one byte of the frame is waited for.
    @Test func oversizeFrames() {
        for length: UInt64 in [65_537, 1 << 20, 1 << 40, UInt64(Int64.max)] {
            var victim = Victim(.responder)
            victim.feed(.received(ByteBuffer(bytes: Varint.bytes(length))))
            #expect(victim.fault == .oversizeFrame)
        }
        var victim = Victim(.responder)
        victim.feed(.received(ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])))
        #expect(victim.fault == .malformed)
    }

    /// Frames that say nothing, or nothing that can be read.
    @Test(
        arguments: [
            [0], [1, 0], [1, 9], [1, 255], [2, 2, 1], [3, 2, 0xc0], [3, 3, 0x21, 0], [3, 3, 0x3f, 5],
            [4, 3, 0x40, 0, 1],
            [5, 3, 0x80, 0, 0xff, 0xff], [5, 3, 0x80, 0, 5, 0], [4, 3, 0x01, 0, 9], [5, 3, 0x80, 0, 0xff, 0x7f],
        ] as [[UInt8]])
    func malformedFrames(bytes: [UInt8]) {
        var victim = Victim(.responder)
        victim.feed(.received(ByteBuffer(bytes: bytes)))
        victim.feed(.received(ByteBuffer(bytes: bytes)))
        #expect(victim.fault == .malformed || victim.fault == .unexpectedFrame, "\(bytes)")
    }

    /// Every kind of frame where it has no place.
    @Test func framesOutOfPlace() {
        for type: UInt8 in [1, 4, 5, 6, 7, 8] {
            var victim = Victim(.responder)
            victim.send(type, type == 1 ? [0, 0, 0, 0, 0, 0, 0, 1, 0] : [0])
            #expect(victim.fault == .unexpectedFrame, "type \(type)")
        }
        for type: UInt8 in [1, 2, 3, 5, 6, 7, 8] {
            var victim = Victim(.responder)
            victim.reads = false
            victim.stopComparing()
            victim.send(type, [0])
            #expect(victim.fault == .unexpectedFrame, "type \(type) before a plan")
        }
        var victim = Victim(.responder)
        victim.stopComparing()
        victim.send(4, [0])
        victim.send(4, [0])
        #expect(victim.fault == .unexpectedFrame)
        // An initiator is not asked for a hello of its kind, and a responder cannot be refused.
        var other = Victim(.initiator)
        other.send(1, [0, 0, 0, 0, 0, 0, 0, 1, 0])
        #expect(other.fault == .malformed)
    }

    /// Frames of no ranges, which never end a message.
    @Test func emptyFrames() {
        var victim = Victim(.responder)
        victim.send(2)
        #expect(victim.fault == .malformed)
    }

    // MARK: Ranges

    /// Bounds that stand still or go back.
    @Test func boundsMustAscend() {
        for ranges: [UInt8] in [
            [0, 1], [0, 5, 0, 1], [0x01, 5, 9, 0x01, 1, 9], [0x01, 5, 9, 0x01, 1, 8], [0, 0, 0, 0], [0, 0, 0, 5],
            [0, 5] + Varint.bytes(1 << 62 | 1 << 61),
        ] {
            var victim = Victim(.responder)
            victim.send(3, ranges)
            #expect(victim.fault == .disorder || victim.fault == .malformed, "\(ranges)")
        }
    }

    /// Ids that go back, repeat, lie outside of their range or are more than fit.
    @Test func idsMustAscend() {
        let id = [UInt8](repeating: 7, count: 16)
        let less = [UInt8](repeating: 6, count: 16)
        for ids: [UInt8] in [[2, 5] + id + [0] + id, [2, 5] + id + [0] + less, [1] + Varint.bytes(1 << 62 | 1) + id] {
            var victim = Victim(.responder)
            victim.send(3, SyncVictim.toTheEnd(2, ids))
            #expect(victim.fault == .disorder || victim.fault == .malformed, "\(ids)")
        }
        var outside = Victim(.responder)
        outside.send(3, [2 << 6, 6, 1, 5] + id)
        #expect(outside.fault == .disorder)
        var many = Victim(.responder)
        many.send(3, SyncVictim.toTheEnd(2, Varint.bytes(1_025)) + [UInt8](repeating: 0, count: 1_025 * 17))
        #expect(many.fault == .malformed)
        var huge = Victim(.responder)
        huge.send(3, SyncVictim.toTheEnd(2, Varint.bytes(UInt64(Int64.max))))
        #expect(huge.fault == .malformed)
    }

    /// Fingerprints that never agree are answered 32 times, and each answer is small.
    @Test(arguments: [SyncSession.Role.initiator, .responder])
    func lyingFingerprints(role: SyncSession.Role) {
        var victim = Victim(role)
        if role == .initiator { victim.send(1, [0]) }
        var rounds = 0
        while victim.outcome == nil, rounds < 100 {
            rounds += 1
            victim.send(3, SyncVictim.toTheEnd(1, SyncVictim.lie))
        }
        #expect(victim.fault == .budget(.rounds) && rounds == 33)
        #expect(victim.session.figures.bytesSent < 10_000)
    }

    /// Splits without end: each message asks for as many ranges as its bytes can hold.
    @Test func endlessSplits() {
        var limits = SyncLimits()
        limits.ranges = 20_000
        var victim = Victim(.responder, limits: limits)
        let start = SyncSample.some(1)[0].time - 1_000_000_000
        var rounds = 0
        while victim.outcome == nil, rounds < 100 {
            rounds += 1
            var ranges: [UInt8] = []
            for index in 0..<4_000 {
                ranges += [1 << 6] + Varint.bytes(index == 0 ? start : 10_000_001) + SyncVictim.lie
            }
            victim.send(3, ranges)
        }
        #expect(victim.fault == .budget(.ranges) && rounds == 6)
    }

    /// One message that never ends is cut off by its bytes.
    @Test func messagesWithoutEnd() {
        var limits = SyncLimits()
        limits.comparedBytes = 200_000
        var victim = Victim(.responder, limits: limits)
        var frames: UInt64 = 0
        while victim.outcome == nil, frames < 1_000 {
            frames += 1
            victim.send(2, [0x20] + Varint.bytes(frames) + [UInt8](repeating: 1, count: 32))
        }
        #expect(victim.fault == nil && frames == 1_000)
        while victim.outcome == nil, frames < 100_000 {
            frames += 1
            victim.send(2, [0x20] + Varint.bytes(2) + [UInt8](repeating: 1, count: 32))
        }
        #expect(victim.fault == .budget(.comparedBytes))
        #expect(victim.session.figures.bytesReceived < 210_000)
    }

    /// A range of everything that differs, and lists of nothing: what is answered does not grow with the catalog.
    @Test func hugeRanges() {
        var victim = Victim(.responder, count: 20_000)
        victim.send(3, SyncVictim.toTheEnd(1, SyncVictim.lie))
        #expect(victim.session.figures.bytesSent < 200)
        #expect(victim.outcome == nil)
    }

    /// Ids listed beyond the budget.
    @Test func tooManyIDs() {
        var limits = SyncLimits()
        limits.ids = 1_500
        var victim = Victim(.responder, limits: limits)
        victim.send(3, SyncVictim.toTheEnd(2, SyncVictim.list(SyncVictim.others(1_000))))
        #expect(victim.outcome == nil)
        var other = Victim(.responder, limits: limits)
        let listed = SyncVictim.others(1_000)
        other.send(2, [2 << 6] + Varint.bytes(1 + (1 << 60)) + SyncVictim.list(listed))
        other.send(3, SyncVictim.toTheEnd(2, SyncVictim.list([])))
        #expect(other.outcome == nil)
        other.send(3, SyncVictim.toTheEnd(2, SyncVictim.list(listed)))
        #expect(other.fault == .unexpectedFrame || other.fault == .budget(.ids))
    }

    // MARK: Updates

    /// Ids that were offered, asked for and never sent.
    @Test func undelivered() {
        var victim = Victim(.responder)
        let offered = SyncVictim.others(10)
        victim.send(3, SyncVictim.toTheEnd(2, SyncVictim.list(offered)))
        victim.send(4, [10])
        victim.send(Array(offered.prefix(7)))
        victim.send(7, [0])
        #expect(victim.fault == .undelivered(3) && victim.stored == 7)
        #expect(SyncFault.undelivered(3).isHostile)
    }

    /// Offers that turn out to be absent, beyond what a full log explains; and ids that were never asked for.
    @Test func absentWithoutEnd() {
        var limits = SyncLimits()
        limits.absent = 100
        var victim = Victim(.responder, limits: limits)
        let offered = SyncVictim.others(300)
        victim.send(3, SyncVictim.toTheEnd(2, SyncVictim.list(offered)))
        victim.send(4, [0])
        victim.send(6, SyncVictim.list(offered))
        #expect(victim.fault == .budget(.absent))
        var other = Victim(.responder)
        other.stopComparing()
        other.send(4, [0])
        other.send(6, SyncVictim.list(offered))
        #expect(other.fault == .unexpectedFrame)
    }

    /// Updates that are known, again and again.
    @Test func uselessUpdates() {
        var limits = SyncLimits()
        limits.useless = 50
        var victim = Victim(.responder, limits: limits)
        victim.stopComparing()
        victim.send(4, [1])
        let same = SyncVictim.others(1)
        var sent = 0
        while victim.outcome == nil, sent < 1_000 {
            sent += 1
            victim.send(same)
        }
        #expect(victim.fault == .budget(.useless) && sent < 80 && victim.stored == 1)
    }

    /// More bytes of updates than any catalog has.
    @Test func updatesWithoutEnd() {
        var limits = SyncLimits()
        limits.receivedBytes = 100_000
        var victim = Victim(.responder, limits: limits)
        victim.stopComparing()
        victim.send(4, [1])
        var seed: UInt64 = 1_000
        while victim.outcome == nil, seed < 3_000 {
            seed += 1
            victim.send(SyncVictim.others(20, seed: seed))
        }
        #expect(victim.fault == .budget(.receivedBytes) && victim.stored * 32 <= 100_000)
    }

    /// Headers and bodies longer than their frame, or that are none.
    @Test(
        arguments: [
            [], [0], [0, 0], [1], [5, 0, 1, 2], [3, 0, 1, 2, 3], [24, 200] + [UInt8](repeating: 0, count: 24),
            [255, 255, 255, 255, 255, 255, 255, 255, 127, 0], [24, 255, 255, 255, 255, 255, 255, 255, 255, 127, 0],
        ] as [[UInt8]])
    func malformedUpdates(payload: [UInt8]) {
        var victim = Victim(.responder)
        victim.stopComparing()
        victim.send(4, [1])
        victim.send(5, payload)
        #expect(victim.fault == .malformed && victim.stored == 0)
    }

    /// Asking for the same update again and again brings it once.
    @Test func wantsAreAnsweredOnce() {
        var generator = SeededGenerator(seed: 8)
        let mine = SyncSample.some(2_000, using: &generator)
        var victim = Victim(.responder)
        for _ in 0..<20 {
            victim.send(3, SyncVictim.toTheEnd(3, SyncVictim.list(Array(mine.prefix(5)))))
        }
        #expect(victim.session.figures.updatesSent <= 5)
    }

    /// A peer that falls silent, comes in drops, or never reads.
    @Test func silence() {
        var victim = Victim(.responder)
        victim.pass(.seconds(29))
        #expect(victim.outcome == nil)
        victim.feed(.received(ByteBuffer(bytes: [5, 3])))
        victim.pass(.seconds(2))
        #expect(victim.fault == .stalled, "half a frame is no sign of life")
        var drops = Victim(.responder)
        for number in 1...10 where drops.outcome == nil {
            drops.pass(.seconds(20))
            drops.send(2, [0, UInt8(number) + 1])
        }
        #expect(drops.fault == .stalled, "comparing takes two minutes at most")
        var deaf = Victim(.responder)
        deaf.send(3, SyncVictim.toTheEnd(2, [0]))
        deaf.pass(.seconds(31))
        #expect(deaf.fault == .stalled)
        #expect(!SyncFault.stalled.isHostile && deaf.session.deadline == nil)
    }

    /// Shells that fail, peers that leave and refuse, updates that are invalid.
    @Test func otherEnds() {
        var closed = Victim(.initiator)
        closed.feed(.closed)
        #expect(closed.fault == .closed)
        closed.feed(.closed)
        var broken = Victim(.responder)
        broken.reads = false
        broken.send(3, SyncVictim.toTheEnd(2, [0]))
        broken.feed(.unreadable)
        #expect(broken.fault == .unreadable)
        var invalid = Victim(.responder)
        invalid.feed(.invalid)
        #expect(invalid.fault == .invalidUpdates && SyncFault.invalidUpdates.isHostile)
        var refused = Victim(.initiator)
        refused.feed(.received(SyncSession.refusal(seconds: 17)))
        #expect(refused.outcome?.result == .refused(seconds: 17))
    }

    /// Random bytes, and honest bytes with some changed: it ends without a trap, and nothing false is stored.
    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func noise(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var honest = Victim(.initiator, count: 300)
        let opening = Array(honest.sent.readableBytesView)
        var victim = Victim(.responder, count: 320)
        var bytes = opening
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
        }
        victim.feed(.received(ByteBuffer(bytes: bytes.dropFirst(11))))
        honest.feed(.received(victim.sent))
        for _ in 0..<20 where victim.outcome == nil {
            victim.feed(.received(ByteBuffer(bytes: (0..<40).map { _ in UInt8(truncatingIfNeeded: generator.next()) })))
        }
        #expect(victim.outcome == nil || victim.fault != nil, "seed \(seed)")
        #expect(honest.stored == 0 && victim.stored == 0, "seed \(seed)")
    }
}
