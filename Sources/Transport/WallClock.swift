#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Calendar time, for what leaves this process: record sequence numbers and what the peer store keeps.
/// Intervals are measured with `Instant` instead, which nobody can set back.
enum WallClock {
    /// Nanoseconds since 1970.
    static func nanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(max(0, time.tv_nsec))
    }

    /// Seconds since 1970.
    static func seconds() -> UInt64 { nanoseconds() / 1_000_000_000 }
}
