import SansIO

/// Which messages were seen of late, and what became of them.
///
/// An id is forgotten when it was not seen for the lifetime, as in Kubo: a message that goes round and round is
/// never new again. At most `capacity` are kept; then the oldest go.
struct SeenMessages: Sendable {
    enum Outcome: UInt8, Sendable {
        /// Delivered, or our own.
        case accepted
        /// Of no use here; nobody's fault.
        case ignored
        /// Whoever sends it does wrong.
        case rejected
    }

    private struct Entry: Sendable {
        var expires: Instant
        var outcome: Outcome
    }

    private let capacity: Int
    private let lifetime: Duration
    private var entries: [MessageID: Entry] = [:]
    private var queue = Queue<(id: MessageID, expires: Instant)>()

    init(capacity: Int, lifetime: Duration) {
        self.capacity = Swift.max(1, capacity)
        self.lifetime = lifetime
    }

    var count: Int { entries.count }

    /// What became of the message, without its being seen once more.
    func outcome(of id: MessageID, now: Instant) -> Outcome? {
        guard let entry = entries[id], entry.expires > now else { return nil }
        return entry.outcome
    }

    /// Notes that the message came again; nil when it is new.
    mutating func touch(_ id: MessageID, now: Instant) -> Outcome? {
        guard let entry = entries[id], entry.expires > now else { return nil }
        entries[id]?.expires = now + lifetime
        return entry.outcome
    }

    mutating func insert(_ id: MessageID, _ outcome: Outcome, now: Instant) {
        let expires = now + lifetime
        if entries.updateValue(Entry(expires: expires, outcome: outcome), forKey: id) != nil { return }
        queue.append((id, expires))
        while entries.count > capacity, let oldest = queue.popFirst() { entries[oldest.id] = nil }
    }

    /// Forgets what was not seen for long.
    mutating func expire(now: Instant) {
        while let first = queue.first, first.expires <= now {
            queue.popFirst()
            guard let entry = entries[first.id] else { continue }
            if entry.expires <= now {
                entries[first.id] = nil
            } else {
                queue.append((first.id, entry.expires))
            }
        }
    }
}
