import NIOCore
import SansIO
import Testing
import Transport

/// Random histories of two sessions, held against the obvious model: a count of bytes per stream and
/// direction, whose contents follow from their position. Bytes arrive complete and in order, ends arrive
/// behind them, credit is never exceeded.
@Suite struct YamuxHistoryTests {
    static let largestWindow = 1 << 19

    /// One endpoint: the session, what it sent, what it received, what is on the wire from it.
    final class Endpoint {
        var session: YamuxSession
        let salt: UInt8
        var open: Set<UInt32> = []
        var sent: [UInt32: Int] = [:]
        var finished: Set<UInt32> = []
        var received: [UInt32: Int] = [:]
        var unread: [UInt32: Int] = [:]
        var ended: Set<UInt32> = []
        var resets: Set<UInt32> = []
        var wire = ByteBuffer()
        var partial = ByteBuffer()

        init(_ session: YamuxSession, salt: UInt8) {
            self.session = session
            self.salt = salt
        }

        /// The bytes at `positions` of a stream that this endpoint sends.
        func bytes(_ id: UInt32, _ positions: Range<Int>) -> [UInt8] {
            let start = UInt8(truncatingIfNeeded: id) ^ salt
            return positions.map { start &+ UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        }

        func flushControl() {
            wire.writeImmutableBuffer(session.outbox)
            session.outbox.clear()
        }

        func send(_ id: UInt32, _ length: Int, isLast: Bool) {
            flushControl()
            session.claim(id, length: length, isLast: isLast).write(to: &wire)
            let start = sent[id, default: 0]
            wire.writeBytes(bytes(id, start..<start + length))
            sent[id] = start + length
            if isLast { finished.insert(id) }
        }

        func read(_ id: UInt32, _ count: Int, _ now: Instant) {
            session.consumed(id, bytes: count, now: now)
            unread[id, default: 0] -= count
        }
    }

    @Test("Two endpoints agree on every byte", arguments: 1...40 as ClosedRange<UInt64>)
    func history(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var limits = YamuxLimits()
        limits.maximumWindow = UInt32(Self.largestWindow)
        limits.controlRate = 1e9
        limits.controlBurst = 1e9
        let budget = MemoryBudget(limit: 3 << 18)
        let ends = [YamuxSession.Role.client, .server].enumerated().map {
            Endpoint(YamuxSession(role: $1, limits: limits, budget: budget, now: .zero), salt: UInt8($0) &* 0x55)
        }
        var now = Instant.zero
        for _ in 0..<1_000 {
            now = now + .microseconds(Int.random(in: 0...5_000, using: &random))
            let side = Int.random(in: 0...1, using: &random)
            Self.act(ends[side], &random, now)
            // A random part of what is on the wire arrives.
            let amount = Int.random(in: 0...ends[side].wire.readableBytes, using: &random)
            try Self.deliver(amount, from: ends[side], to: ends[1 - side], now, seed)
        }
        // In the end everything arrives, is read, and is the same.
        for _ in 0..<100 {
            for side in 0...1 {
                for (id, waiting) in ends[side].unread where waiting > 0 { ends[side].read(id, waiting, now) }
                ends[side].flushControl()
                try Self.deliver(ends[side].wire.readableBytes, from: ends[side], to: ends[1 - side], now, seed)
            }
        }
        let resets = ends[0].resets.union(ends[1].resets)
        for (end, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            for (id, count) in end.sent where !resets.contains(id) {
                #expect(other.received[id, default: 0] == count, "seed \(seed), stream \(id)")
                #expect(other.ended.contains(id) == end.finished.contains(id), "seed \(seed), stream \(id)")
            }
        }
        #expect(ends[0].sent.values.reduce(0, +) + ends[1].sent.values.reduce(0, +) > 1 << 20, "seed \(seed)")
        for end in ends { end.session.removeAll() }
        #expect(budget.taken == 0, "seed \(seed)")
    }

    static func act(_ end: Endpoint, _ random: inout SeededGenerator, _ now: Instant) {
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
            if end.open.count < 12, let id = end.session.open(now: now) { end.open.insert(id) }
        case 1:
            guard Int.random(in: 0..<8, using: &random) == 0, let id = end.open.sorted().randomElement(using: &random)
            else { return }
            end.session.reset(id)
            end.resets.insert(id)
            end.open.remove(id)
        case 2...12:
            guard let id = end.open.sorted().randomElement(using: &random), !end.finished.contains(id) else { return }
            let length = min(end.session.credit(of: id), Int.random(in: 0...40_000, using: &random))
            let isLast = Int.random(in: 0..<30, using: &random) == 0
            if length > 0 || isLast { end.send(id, length, isLast: isLast) }
        case 13...17:
            guard let id = end.unread.filter({ $0.value > 0 }).keys.sorted().randomElement(using: &random) else {
                return
            }
            end.read(id, Int.random(in: 1...end.unread[id, default: 1], using: &random), now)
        default: end.flushControl()
        }
    }

    static func deliver(
        _ amount: Int, from end: Endpoint, to other: Endpoint, _ now: Instant, _ seed: UInt64
    ) throws {
        guard amount > 0, let bytes = end.wire.readSlice(length: amount) else { return }
        var input = other.partial
        input.writeImmutableBuffer(bytes)
        while let event = try other.session.receive(&input, now: now) {
            switch event {
            case .opened(let id):
                other.open.insert(id)
                other.session.accept(id)
            case .data(let id, let body):
                let start = other.received[id, default: 0]
                let isRight = body.readableBytesView.elementsEqual(end.bytes(id, start..<start + body.readableBytes))
                #expect(isRight, "seed \(seed), stream \(id) at \(start)")
                other.received[id] = start + body.readableBytes
                other.unread[id, default: 0] += body.readableBytes
                #expect(other.unread[id, default: 0] <= largestWindow, "seed \(seed)")
            case .inputClosed(let id): other.ended.insert(id)
            case .reset(let id, _):
                other.resets.insert(id)
                other.open.remove(id)
            case .credit, .pong, .goAway: break
            }
        }
        other.partial = ByteBuffer(bytes: input.readableBytesView)
    }
}
