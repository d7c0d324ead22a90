import Multiformats
import SansIO

/// Remembers for a while what was wanted, to tell duplicates from blocks that nobody asked for.
///
/// Two generations of a plain set: when the younger one is full or old it becomes the elder, and the elder is
/// forgotten. Entries live between one and two lifetimes, or less when there are more than `capacity`;
/// adding one costs a few nanoseconds, which a heap of deadlines would not.
struct RecentBlocks: Sendable {
    private let capacity: Int
    private let lifetime: Duration
    private var young: Set<Multihash> = []
    private var old: Set<Multihash> = []
    private var turnedAt = Instant.zero

    /// - Parameter capacity: the most that are remembered, at least half of them the latest.
    init(capacity: Int, lifetime: Duration) {
        self.capacity = capacity
        self.lifetime = lifetime
    }

    mutating func insert(_ hash: Multihash, now: Instant) {
        turn(now)
        young.insert(hash)
    }

    mutating func contains(_ hash: Multihash, now: Instant) -> Bool {
        turn(now)
        return young.contains(hash) || old.contains(hash)
    }

    private mutating func turn(_ now: Instant) {
        let age = now - turnedAt
        guard age >= lifetime || young.count >= capacity / 2 else { return }
        old = age >= lifetime * 2 ? [] : young
        young = []
        turnedAt = now
    }
}
