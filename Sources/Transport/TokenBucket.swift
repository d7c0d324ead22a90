package import SansIO

/// A rate with room for bursts: each event takes a token, tokens come back at a steady rate.
package struct TokenBucket: Sendable {
    private let rate: Double
    private let burst: Double
    private var tokens: Double
    private var updated: Instant

    /// A full bucket of `burst` tokens, refilled with `rate` tokens a second.
    package init(rate: Double, burst: Double, now: Instant) {
        self.rate = rate
        self.burst = burst
        tokens = burst
        updated = now
    }

    /// Takes a token; `false` when none is left.
    package mutating func take(now: Instant) -> Bool {
        if tokens < 1 || now != updated {
            tokens = available(at: now)
            updated = max(updated, now)
        }
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Whether nothing was taken lately, so that forgetting the bucket changes nothing.
    package func isFull(at now: Instant) -> Bool { available(at: now) >= burst }

    private func available(at now: Instant) -> Double {
        guard now > updated else { return tokens }
        return min(burst, tokens + (now - updated).inSeconds * rate)
    }
}
