import DHT
import Multiformats
import PeerCrypto
import SansIO
import Storage
import Synchronization

/// What is kept of names in the repo: the records that we published, durable, and the best of others.
///
/// Calls block on the disk. Signing holds a lock, so that no two records of a name are made side by side.
final class NameStore: Sendable {
    /// A record that we published.
    struct Own: Sendable {
        var name: IPNSName
        var record: IPNSRecord
        /// How long its records live.
        var lifetime: Duration
        /// When the last was made.
        var made: KadTime

        /// How long after it was made it is published again: well before it ends.
        var interval: Duration { min(NameService.republishInterval, max(.seconds(1), lifetime / 4)) }

        /// When it is published again.
        var due: KadTime { made + interval }
    }

    private static let ownTable = "names-published"
    private static let bestTable = "names-seen"
    /// How long a record is remembered behind its end of life, so that no older one takes its place.
    private static let remembrance: UInt64 = 30 * 86_400

    private let records: RecordStore
    private let signing = Mutex(())

    init(_ records: RecordStore) { self.records = records }

    /// What we published last under this name.
    func own(_ name: IPNSName) throws -> Own? {
        guard let value = try records.get(name.peer.bytes, in: Self.ownTable) else { return nil }
        return Self.own(name, value)
    }

    /// Everything that we publish, by name.
    func allOwn() throws -> [Own] {
        try records.all(in: Self.ownTable).compactMap { record in
            guard let peer = try? PeerID(record.key) else { return nil }
            return Self.own(IPNSName(peer), record.value)
        }
    }

    /// The best record of this name that was ever seen here, ours included, dead or alive.
    func best(_ name: IPNSName) throws -> IPNSRecord? {
        let seen = try records.get(name.peer.bytes, in: Self.bestTable)
            .flatMap { try? IPNSRecord(verifying: $0, of: name) }
        return [seen, try own(name)?.record].compactMap { $0 }.max()
    }

    /// Keeps a verified record that is better than the one before.
    func keep(_ record: IPNSRecord, of name: IPNSName) throws {
        try signing.withLock { _ in
            if let best = try best(name), !(best < record) { return }
            let end = record.validity.kadTime.milliseconds / 1000
            try records.set(
                record.bytes, for: name.peer.bytes, in: Self.bestTable,
                expires: UInt32(clamping: end + Self.remembrance))
        }
    }

    /// Signs that `key`'s name points to `value`, and returns when that is on the disk.
    ///
    /// The sequence number is the highest that was ever seen, and one more when the value is another.
    func sign(
        _ value: [UInt8], _ lifetime: Duration, _ timeToLive: Duration, by key: KeyPair, now: KadTime
    ) throws -> IPNSRecord {
        let name = IPNSName(key.peerID)
        return try signing.withLock { _ in
            let last = try best(name)
            var sequence = last?.sequence ?? 0
            if let last, last.value != value {
                let (next, overflow) = sequence.addingReportingOverflow(1)
                guard !overflow else { throw IPNSError.badField("Sequence") }
                sequence = next
            }
            var validity = UTCTime(now + lifetime)
            // A clock that was set back must not make a record that loses against the one before.
            if let last, last.sequence == sequence { validity = max(validity, last.validity) }
            let record = try IPNSRecord(
                value: value, sequence: sequence, validity: validity, timeToLive: timeToLive, signedBy: key)
            let head =
                Self.bytes(UInt64(clamping: lifetime.wholeNanoseconds / 1_000_000)) + Self.bytes(now.milliseconds)
            try records.set(head + record.bytes, for: name.peer.bytes, in: Self.ownTable, durable: true)
            return record
        }
    }

    /// Reads what `sign` has written: the lifetime and the time in milliseconds, then the record.
    private static func own(_ name: IPNSName, _ value: [UInt8]) -> Own? {
        guard value.count > 16, let record = try? IPNSRecord(verifying: Array(value.dropFirst(16)), of: name) else {
            return nil
        }
        let numbers = [value[..<8], value[8..<16]].map { $0.reduce(0 as UInt64) { $0 << 8 | UInt64($1) } }
        return Own(
            name: name, record: record, lifetime: .milliseconds(Int64(clamping: numbers[0])),
            made: KadTime(milliseconds: numbers[1]))
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - $0 * 8)) }
    }
}

extension KadTime {
    /// Later by `duration`, as far as the numbers go.
    static func + (left: KadTime, right: Duration) -> KadTime {
        let step = right.wholeNanoseconds / 1_000_000
        let (time, overflow) = left.milliseconds.addingReportingOverflow(UInt64(max(0, step)))
        return KadTime(milliseconds: overflow ? .max : time)
    }
}
