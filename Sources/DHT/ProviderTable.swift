import Multiformats

/// Who provides which content, as they told us: the records that we keep for others.
///
/// Bounded for each key and in all, fairly between the networks that records come from. Addresses are given
/// out for a shorter time than the record lasts, since they change more often.
struct ProviderTable: Sendable {
    struct Record: Sendable {
        var peer: PeerID
        var addresses: [Multiaddr]
        var expires: KadTime
        var addressesExpire: KadTime
        var source: IPGroup
        var sequence: UInt64
    }

    private struct ID: Hashable, Sendable {
        var key: [UInt8]
        var peer: PeerID
    }

    private let perKey: Int
    private let lifetime: Duration
    private let addressLifetime: Duration
    private var records: [[UInt8]: [Record]] = [:]
    private var room: FairRoom<ID>
    private var sequence: UInt64 = 0

    /// The most providers in one answer.
    static let maximumInAnswer = 64

    init(_ configuration: KademliaConfiguration) {
        perKey = max(1, configuration.providersPerKey)
        lifetime = configuration.providerLifetime
        addressLifetime = configuration.providerAddressLifetime
        room = FairRoom(capacity: max(1, configuration.maximumProviders))
    }

    /// Records of all keys.
    var count: Int { room.count }
    var keyCount: Int { records.count }

    /// Keeps a record, new or renewed; returns what changes on the disk, nothing when there is no room for it.
    mutating func add(
        key: [UInt8], peer: PeerID, addresses: [Multiaddr], source: IPGroup, now: KadTime
    ) -> [KadRecordChange] {
        add(
            key: key, peer: peer, addresses: addresses, source: source, expires: now.advanced(by: lifetime), now: now)
    }

    /// As `add`, for a record from before a restart.
    mutating func restore(
        key: [UInt8], peer: PeerID, addresses: [Multiaddr], source: IPGroup, expires: KadTime, now: KadTime
    ) {
        guard expires > now else { return }
        let latest = now.advanced(by: lifetime)
        _ = add(
            key: key, peer: peer, addresses: addresses, source: source, expires: min(expires, latest), now: now)
    }

    private mutating func add(
        key: [UInt8], peer: PeerID, addresses: [Multiaddr], source: IPGroup, expires: KadTime, now: KadTime
    ) -> [KadRecordChange] {
        var changes: [KadRecordChange] = []
        var list = records[key] ?? []
        let old = list.firstIndex { $0.peer == peer }
        if let old {
            list.remove(at: old)
        } else if list.count >= perKey {
            list.removeAll { record in
                guard record.expires <= now else { return false }
                room.remove(ID(key: key, peer: record.peer))
                changes.append(.noProvider(key: key, peer: record.peer))
                return true
            }
            if list.count >= perKey {
                guard let victim = victim(in: list, for: source) else { return changes }
                let record = list.remove(at: victim)
                room.remove(ID(key: key, peer: record.peer))
                changes.append(.noProvider(key: key, peer: record.peer))
            }
        }
        sequence &+= 1
        list.append(
            Record(
                peer: peer, addresses: addresses, expires: expires,
                addressesExpire: expires.advanced(by: addressLifetime - lifetime), source: source, sequence: sequence))
        records[key] = list
        if let victim = room.insert(ID(key: key, peer: peer), source: source) {
            drop(victim)
            if victim.key == key, victim.peer == peer { return changes }
            changes.append(.noProvider(key: victim.key, peer: victim.peer))
        }
        changes.append(.provider(key: key, peer: peer, addresses: addresses, expires: expires))
        return changes
    }

    /// Whose record makes room in a full key: the oldest of the network with the most records in it.
    private func victim(in list: [Record], for source: IPGroup) -> Int? {
        var counts: [IPGroup: Int] = [:]
        for record in list { counts[record.source, default: 0] += 1 }
        let most = counts.values.max() ?? 0
        let own = counts[source] ?? 0
        // Oldest first, so the first match is the oldest.
        if most > own { return list.firstIndex { counts[$0.source] == most } }
        return list.firstIndex { $0.source == source }
    }

    private mutating func drop(_ id: ID) {
        records[id.key]?.removeAll { $0.peer == id.peer }
        if records[id.key]?.isEmpty == true { records[id.key] = nil }
    }

    /// The providers of `key`, those of different networks first, so that many from one hide no other.
    func providers(of key: [UInt8], now: KadTime) -> [KadPeer] {
        guard let list = records[key] else { return [] }
        var first: [KadPeer] = []
        var others: [KadPeer] = []
        var seen: Set<IPGroup> = []
        for record in list.reversed() where record.expires > now {
            let peer = KadPeer(record.peer, record.addressesExpire > now ? record.addresses : [])
            if list.count <= 2 || seen.insert(record.source).inserted {
                first.append(peer)
            } else {
                others.append(peer)
            }
        }
        return Array((first + others).prefix(ProviderTable.maximumInAnswer))
    }

    /// Removes what has expired; in a reproducible order.
    mutating func expire(now: KadTime) -> [KadRecordChange] {
        var expired: [(sequence: UInt64, id: ID)] = []
        for (key, list) in records {
            for record in list where record.expires <= now {
                expired.append((record.sequence, ID(key: key, peer: record.peer)))
            }
        }
        expired.sort { $0.sequence < $1.sequence }
        for entry in expired {
            drop(entry.id)
            room.remove(entry.id)
        }
        return expired.map { .noProvider(key: $0.id.key, peer: $0.id.peer) }
    }
}

extension KadTime {
    /// The time after `duration`, or before when it is negative; saturates.
    func advanced(by duration: Duration) -> KadTime {
        let step = duration.wholeMilliseconds
        if step < 0 {
            let (value, overflow) = milliseconds.subtractingReportingOverflow(step.magnitude)
            return KadTime(milliseconds: overflow ? 0 : value)
        }
        let (value, overflow) = milliseconds.addingReportingOverflow(UInt64(step))
        return KadTime(milliseconds: overflow ? .max : value)
    }
}

extension Duration {
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return carry ? (seconds < 0 ? .min : .max) : sum
    }
}
