import Multiformats

/// The values that we keep for others, each the best that we were told for its key.
///
/// Bounded in all, fairly between the networks that they come from; validators decide what enters.
struct ValueTable: Sendable {
    struct Value: Sendable {
        var bytes: [UInt8]
        var received: KadTime
        var sequence: UInt64
    }

    private let lifetime: Duration
    private var values: [[UInt8]: Value] = [:]
    private var room: FairRoom<[UInt8]>
    private var sequence: UInt64 = 0

    init(_ configuration: KademliaConfiguration) {
        lifetime = configuration.valueLifetime
        room = FairRoom(capacity: max(1, configuration.maximumValues))
    }

    var count: Int { values.count }

    /// The value of `key`, unless it is too old.
    func value(of key: [UInt8], now: KadTime) -> Value? {
        guard let value = values[key], value.received.advanced(by: lifetime) > now else { return nil }
        return value
    }

    /// Keeps a value, in place of what was there; returns what changes on the disk.
    mutating func set(
        _ bytes: [UInt8], for key: [UInt8], source: IPGroup, received: KadTime
    ) -> [KadRecordChange] {
        sequence &+= 1
        values[key] = Value(bytes: bytes, received: received, sequence: sequence)
        guard let victim = room.insert(key, source: source) else {
            return [.value(key: key, record: bytes, received: received)]
        }
        values[victim] = nil
        if victim == key { return [] }
        return [.noValue(key: victim), .value(key: key, record: bytes, received: received)]
    }

    /// Removes what is too old; in a reproducible order.
    mutating func expire(now: KadTime) -> [KadRecordChange] {
        let expired = values.filter { $0.value.received.advanced(by: lifetime) <= now }
            .sorted { $0.value.sequence < $1.value.sequence }
        for (key, _) in expired {
            values[key] = nil
            room.remove(key)
        }
        return expired.map { .noValue(key: $0.key) }
    }
}
