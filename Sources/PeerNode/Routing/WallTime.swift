import Foundation

/// Calendar time, for what outlives the process. Intervals are measured with `Instant`.
enum WallTime {
    /// Milliseconds since 1970.
    static func milliseconds() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970 * 1000)) }
}
