import Multiformats
import SansIO

/// The largest number seen of each author, so that an old message never counts as new: Kubo's rule.
///
/// The table has a bound, since anybody can make authors; of those that were not heard for longest the number is
/// forgotten first. The shell keeps it over a restart.
struct SequenceNumbers: Sendable {
    private var numbers: ExpiringMap<PeerID, UInt64>

    /// Without a lifetime of their own: only room makes entries go.
    init(capacity: Int) {
        numbers = ExpiringMap(capacity: Swift.max(1, capacity), lifetime: .seconds(1 << 32))
    }

    var count: Int { numbers.count }

    /// Whether a message with that number would be new.
    func allows(_ number: UInt64, of author: PeerID, now: Instant) -> Bool {
        guard let last = numbers.value(of: author, now: now) else { return true }
        return number > last
    }

    /// Notes a number; returns whether it is greater than all before.
    mutating func advance(_ author: PeerID, to number: UInt64, now: Instant) -> Bool {
        guard allows(number, of: author, now: now) else { return false }
        numbers.set(author, number, now: now)
        return true
    }
}
