package import DHT
import Foundation

extension KadTime {
    /// Calendar time, for what outlives the process. Intervals are measured with `Instant`.
    package static func now() -> KadTime {
        KadTime(milliseconds: UInt64(max(0, Date().timeIntervalSince1970 * 1000)))
    }
}
