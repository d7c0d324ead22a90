import Multiformats
import SansIO

/// How many requests each source may still make: a token bucket for each, for as many as are remembered.
///
/// Forgetting the one seen the longest ago gives it a full bucket, which by then it has nearly earned.
struct SourceRates: Sendable {
    private struct Bucket: Sendable {
        var tokens: Double
        var updated: Instant
    }

    private let rate: Double
    private let burst: Double
    private var buckets: ExpiringMap<IPGroup, Bucket>

    init(_ configuration: KademliaConfiguration) {
        rate = configuration.requestRate
        burst = max(1, configuration.requestBurst)
        let full = rate > 0 ? min(burst / rate, 3600) : 3600
        buckets = ExpiringMap(
            capacity: max(1, configuration.maximumSources), lifetime: .milliseconds(Int64(full * 1000) + 1))
    }

    /// Takes a token of the source at `address`; false when it has none left. This machine has no limit.
    mutating func take(_ address: Multiaddr?, now: Instant) -> Bool {
        if let address, address.isLoopback { return true }
        let source = IPGroup(household: address)
        var bucket = buckets.value(of: source, now: now) ?? Bucket(tokens: burst, updated: now)
        if now > bucket.updated {
            bucket.tokens = min(burst, bucket.tokens + (now - bucket.updated).inSeconds * rate)
            bucket.updated = now
        }
        let isAllowed = bucket.tokens >= 1
        if isAllowed { bucket.tokens -= 1 }
        buckets.set(source, bucket, now: now)
        return isAllowed
    }
}
