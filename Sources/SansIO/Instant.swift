/// A point of monotonic time in nanoseconds since a start that whoever drives the core chooses.
///
/// It says nothing about the calendar. Arithmetic saturates, so that no interval from the network can trap.
public struct Instant: Hashable, Sendable, Comparable {
    /// Nanoseconds since the start.
    public let nanoseconds: UInt64

    /// The instant so many nanoseconds after the start.
    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The start.
    public static let zero = Instant(nanoseconds: 0)
    /// Later than anything that happens.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Whether `left` comes first.
    @inlinable public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `right` after `left`, within what can be told.
    @inlinable
    public static func + (left: Instant, right: Duration) -> Instant {
        let step = right.wholeNanoseconds
        if step < 0 {
            let (value, overflow) = left.nanoseconds.subtractingReportingOverflow(step.magnitude)
            return Instant(nanoseconds: overflow ? 0 : value)
        }
        let (value, overflow) = left.nanoseconds.addingReportingOverflow(UInt64(step))
        return Instant(nanoseconds: overflow ? .max : value)
    }

    /// The time from `right` to `left`; negative when `right` is later.
    @inlinable
    public static func - (left: Instant, right: Instant) -> Duration {
        left >= right
            ? .nanoseconds(Int64(clamping: left.nanoseconds - right.nanoseconds))
            : .nanoseconds(-Int64(clamping: right.nanoseconds - left.nanoseconds))
    }
}

extension Duration {
    /// The duration in nanoseconds, clamped to what fits (292 years).
    @inlinable
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carry ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in milliseconds with a fraction.
    @inlinable public var milliseconds: Double { Double(wholeNanoseconds) / 1e6 }

    /// The duration in seconds with a fraction.
    @inlinable public var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}
