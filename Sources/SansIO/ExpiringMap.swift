/// A dictionary whose entries leave after a time, and the oldest of them when it is full.
///
/// What remote input can fill lives in one of these: `capacity` bounds it, whoever asks. Expired entries
/// are invisible at once and are removed by `expire`, or when their room is needed.
///
/// `public`, unlike the rest of the house, because only so do other modules get it specialised.
public struct ExpiringMap<Key: Hashable & Sendable, Value> {
    /// The most entries kept.
    public let capacity: Int
    /// How long an entry stays after it was last set.
    public let lifetime: Duration
    @usableFromInline var values: [Key: Value] = [:]
    @usableFromInline var timers = Timers<Key>()

    /// An empty map; `capacity` is at least 1.
    @inlinable public init(capacity: Int, lifetime: Duration) {
        precondition(capacity > 0, "a map without room")
        self.capacity = capacity
        self.lifetime = lifetime
    }

    /// The entries held, expired ones that were not removed yet included.
    @inlinable public var count: Int { values.count }

    /// When the next entry expires.
    @inlinable public var next: Instant? { timers.next }

    /// The value of `key`, unless it has expired at `now`.
    @inlinable public func value(of key: Key, now: Instant) -> Value? {
        guard let deadline = timers.deadline(of: key), deadline > now else { return nil }
        return values[key]
    }

    /// Sets the value of `key` and starts its lifetime anew; the entry nearest to its end makes room.
    @inlinable public mutating func set(_ key: Key, _ value: Value, now: Instant) {
        if values[key] == nil, values.count >= capacity, let oldest = timers.popDue(.distantFuture) {
            values[oldest] = nil
        }
        values[key] = value
        timers.set(key, at: now + lifetime)
    }

    /// Removes the value of `key` and returns it, expired or not.
    @discardableResult
    @inlinable public mutating func remove(_ key: Key) -> Value? {
        timers.cancel(key)
        return values.removeValue(forKey: key)
    }

    /// Removes what has expired at `now`, oldest first.
    @inlinable public mutating func expire(now: Instant) {
        while let key = timers.popDue(now) { values[key] = nil }
    }

    /// Removes everything.
    @inlinable public mutating func removeAll() {
        values = [:]
        timers.removeAll()
    }
}

extension ExpiringMap: Sendable where Value: Sendable {}

/// Remembers for a while what was seen, with a bound on how much.
public struct SeenCache<Key: Hashable & Sendable>: Sendable {
    @usableFromInline var map: ExpiringMap<Key, Void>

    /// An empty cache; `capacity` is at least 1.
    @inlinable public init(capacity: Int, lifetime: Duration) {
        map = ExpiringMap(capacity: capacity, lifetime: lifetime)
    }

    /// The keys held, expired ones that were not removed yet included.
    @inlinable public var count: Int { map.count }

    /// Whether `key` was seen within the lifetime.
    @inlinable public func contains(_ key: Key, now: Instant) -> Bool { map.value(of: key, now: now) != nil }

    /// Notes `key`; returns whether it is new. Seeing it again prolongs nothing.
    @discardableResult
    @inlinable public mutating func insert(_ key: Key, now: Instant) -> Bool {
        if contains(key, now: now) { return false }
        map.set(key, (), now: now)
        return true
    }

    /// Forgets `key`; returns whether it was held.
    @discardableResult
    @inlinable public mutating func remove(_ key: Key) -> Bool { map.remove(key) != nil }

    /// Forgets what has expired at `now`.
    @inlinable public mutating func expire(now: Instant) { map.expire(now: now) }
}
