import Multiformats
import SansIO

/// How many requests each source may still make: a token bucket for each, for as many as are remembered.
///
/// Two generations of buckets: when the newer is full, or has lived as long as an empty bucket takes to fill, it
/// becomes the older, and the older is forgotten. Who is forgotten has a full bucket, which by then he has earned,
/// or nearly so in a flood from thousands of sources.
struct SourceRates: Sendable {
    private struct Bucket: Sendable {
        var tokens: Double
        var updated: Instant
    }

    private let rate: Double
    private let burst: Double
    private let capacity: Int
    private let lifetime: Duration
    private var newer: [IPGroup: Bucket] = [:]
    private var older: [IPGroup: Bucket] = [:]
    private var began = Instant.zero

    init(_ configuration: KademliaConfiguration) {
        rate = configuration.requestRate
        burst = max(1, configuration.requestBurst)
        capacity = max(1, configuration.maximumSources / 2)
        let full = rate > 0 ? min(burst / rate, 3600) : 3600
        lifetime = .milliseconds(Int64(full * 1000) + 1)
    }

    /// Takes a token of the source at `address`; false when it has none left. This machine has no limit.
    mutating func take(_ address: Multiaddr?, now: Instant) -> Bool {
        if let address, address.isLoopback { return true }
        if newer.count >= capacity || began + lifetime <= now {
            (older, newer, began) = (newer, [:], now)
        }
        let source = IPGroup(household: address)
        var bucket = newer[source] ?? older[source] ?? Bucket(tokens: burst, updated: now)
        if now > bucket.updated {
            bucket.tokens = min(burst, bucket.tokens + (now - bucket.updated).inSeconds * rate)
            bucket.updated = now
        }
        let isAllowed = bucket.tokens >= 1
        if isAllowed { bucket.tokens -= 1 }
        newer[source] = bucket
        return isAllowed
    }
}
