import SansIO

/// Whose turn it is: the cycle goes through the keyspace at an even pace, by the calendar.
///
/// Nothing about it has to be remembered, so a restart neither skips a turn nor takes one twice.
struct ProvideClock: Sendable {
    struct Turn: Sendable {
        var buckets: Range<Int>
        var beginsCycle: Bool
    }

    private let epoch: UInt64
    private let start: Instant
    private let cycle: UInt64
    /// How far our cycle is shifted against the calendar, in milliseconds.
    private let shift: UInt64
    /// In milliseconds.
    let freshness: UInt64
    /// Turns up to this time were taken.
    private var taken: UInt64
    private(set) var bits: Int

    /// - Parameter phase: where in the cycle the node is, as a fraction of 2^64.
    init(_ configuration: ReproviderConfiguration, phase: UInt64, epoch: KadTime, start: Instant) {
        self.epoch = epoch.milliseconds
        self.start = start
        cycle = UInt64(max(1000, configuration.cycle.milliseconds))
        shift = cycle.multipliedFullWidth(by: phase).high
        freshness = UInt64(max(0, configuration.freshness.milliseconds))
        taken = epoch.milliseconds
        bits = configuration.leastTurnBits
    }

    /// Milliseconds since 1970.
    func wall(_ now: Instant) -> UInt64 {
        let passed = (now - start).wholeNanoseconds / 1_000_000
        return passed >= 0 ? epoch &+ UInt64(passed) : epoch
    }

    /// The turns that have begun since the last call, in order; at most one cycle of them. `bits` says into how
    /// many turns (2^bits) the cycle is divided.
    mutating func turns(upTo now: Instant, bits: Int) -> [Turn] {
        self.bits = bits
        let wall = wall(now)
        guard wall > taken else { return [] }
        let count = UInt64(1) << UInt64(bits)
        let last = turn(at: wall)
        let first = max(turn(at: taken) + 1, last >= count ? last - count + 1 : 0)
        taken = wall
        guard first <= last else { return [] }
        return (first...last).map { turn in
            let width = ProvideKeys.bucketCount >> bits
            let index = Int(turn % count)
            return Turn(buckets: index * width..<(index + 1) * width, beginsCycle: index == 0)
        }
    }

    /// When the next turn begins.
    var nextTurn: Instant { instant(begin(of: turn(at: taken) + 1)) }

    /// When the present cycle ends, in milliseconds since 1970.
    func end(now: Instant) -> UInt64 {
        let count = UInt64(1) << UInt64(bits)
        return begin(of: (turn(at: wall(now)) / count + 1) * count)
    }

    /// When this bucket last had its turn.
    func lastTurn(of bucket: Int, now: Instant) -> UInt64 {
        let count = UInt64(1) << UInt64(bits)
        let current = turn(at: wall(now))
        let index = UInt64(bucket >> (ProvideKeys.bits - bits))
        let back = (current % count + count - index) % count
        return begin(of: current >= back ? current - back : 0)
    }

    /// The number of the turn that has begun last at a time; turns count from 1970, less a cycle.
    private func turn(at wall: UInt64) -> UInt64 {
        let position = (wall &+ cycle - shift).multipliedFullWidth(by: UInt64(1) << UInt64(bits))
        return cycle.dividingFullWidth((position.high % cycle, position.low)).quotient
    }

    private func begin(of turn: UInt64) -> UInt64 {
        let count = UInt64(1) << UInt64(bits)
        // Rounded up, so that at that millisecond the turn has begun.
        let position = turn.multipliedFullWidth(by: cycle)
        let (low, carry) = position.low.addingReportingOverflow(count - 1)
        let time = count.dividingFullWidth(((position.high &+ (carry ? 1 : 0)) % count, low)).quotient
        return time >= cycle - shift ? time - (cycle - shift) : 0
    }

    private func instant(_ wall: UInt64) -> Instant {
        wall <= epoch ? start : start + .milliseconds(Int64(clamping: wall - epoch))
    }
}

/// Counts what happened within the last hour.
struct RateMeter: Sendable {
    private static let cell: UInt64 = 300_000
    private static let cells = 12
    private var counts: [(cell: UInt64, count: Int)] = []
    private var began: UInt64?

    mutating func note(_ count: Int, wall: UInt64) {
        if began == nil { began = wall }
        let cell = wall / Self.cell
        if counts.last?.cell == cell {
            counts[counts.count - 1].count += count
        } else {
            counts.append((cell, count))
            if counts.count > Self.cells { counts.removeFirst() }
        }
    }

    /// Events an hour.
    func perHour(wall: UInt64) -> Double {
        guard let began else { return 0 }
        let current = wall / Self.cell
        let recent = counts.filter { $0.cell + UInt64(Self.cells) > current }.reduce(0) { $0 + $1.count }
        // Never over less than a minute, so that the first second does not count for an hour.
        let span = min(3_600_000, max(60_000, wall > began ? wall - began : 0))
        return Double(recent) * 3_600_000 / Double(span)
    }
}
