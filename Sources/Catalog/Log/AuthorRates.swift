import Multiformats

/// How fast gossip may bring updates of one author, and one peer new authors: token buckets, refilled by the clock.
///
/// An author is known by the key that signed, for that has been checked: the author that a header names may be
/// somebody else, whose rate a stranger must not use up.
struct AuthorRates {
    /// Tokens in thousandths, so that a refill of any time is exact.
    private struct Bucket {
        var tokens: UInt64
        var filled: UInt64

        /// Adds what has come since, at `perMinute` up to `capacity`.
        mutating func refill(perMinute: UInt64, capacity: UInt64, now: UInt64) {
            guard now > filled else { return }
            // A quarter of a day fills every bucket, and keeps the product small.
            let elapsed = min(now - filled, 21_600_000)
            tokens = min(capacity * 1_000, tokens + elapsed * perMinute / 60)
            filled = now
        }
    }

    private struct Author {
        var updates: Bucket
        var bytes: Bucket
    }

    private let limits: LogLimits
    private var authors: [Digest32: Author] = [:]
    private var forwarders: [PeerID: Bucket] = [:]

    init(_ limits: LogLimits) { self.limits = limits }

    /// Whether the holder of the key may send one more update of so many bytes; if so, it is charged.
    mutating func charge(_ author: Digest32, bytes: Int, now: UInt64) -> Bool {
        let (burst, perMinute) = (UInt64(limits.burst), UInt64(limits.bytesPerMinute))
        let full = Author(
            updates: Bucket(tokens: burst * 1_000, filled: now), bytes: Bucket(tokens: perMinute * 1_000, filled: now))
        if authors[author] == nil, authors.count >= limits.rateTable {
            dropFull(now: now)
            guard authors.count < limits.rateTable else { return false }
        }
        var entry = authors[author] ?? full
        entry.updates.refill(perMinute: UInt64(limits.updatesPerMinute), capacity: burst, now: now)
        entry.bytes.refill(perMinute: perMinute, capacity: perMinute, now: now)
        defer { authors[author] = entry }
        let cost = UInt64(max(0, bytes)) * 1_000
        guard entry.updates.tokens >= 1_000, entry.bytes.tokens >= cost else { return false }
        entry.updates.tokens -= 1_000
        entry.bytes.tokens -= cost
        return true
    }

    /// Whether a peer may bring one more new author; if so, it is charged.
    mutating func chargeNewAuthor(from peer: PeerID, now: UInt64) -> Bool {
        let perMinute = UInt64(limits.newAuthorsPerMinute)
        if forwarders[peer] == nil, forwarders.count >= limits.rateTable {
            dropFull(now: now)
            guard forwarders.count < limits.rateTable else { return false }
        }
        var bucket = forwarders[peer] ?? Bucket(tokens: perMinute * 1_000, filled: now)
        bucket.refill(perMinute: perMinute, capacity: perMinute, now: now)
        defer { forwarders[peer] = bucket }
        guard bucket.tokens >= 1_000 else { return false }
        bucket.tokens -= 1_000
        return true
    }

    /// Forgets whoever has been quiet long enough to have every token back.
    private mutating func dropFull(now: UInt64) {
        let (burst, bytes) = (UInt64(limits.burst), UInt64(limits.bytesPerMinute))
        let (updates, newAuthors) = (UInt64(limits.updatesPerMinute), UInt64(limits.newAuthorsPerMinute))
        authors = authors.filter { _, entry in
            var entry = entry
            entry.updates.refill(perMinute: updates, capacity: burst, now: now)
            entry.bytes.refill(perMinute: bytes, capacity: bytes, now: now)
            return entry.updates.tokens < burst * 1_000 || entry.bytes.tokens < bytes * 1_000
        }
        forwarders = forwarders.filter { _, bucket in
            var bucket = bucket
            bucket.refill(perMinute: newAuthors, capacity: newAuthors, now: now)
            return bucket.tokens < newAuthors * 1_000
        }
    }
}
