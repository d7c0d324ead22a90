package import Multiformats
package import SansIO

/// Decides which connections may exist: hard limits on the way in, watermarks afterwards.
///
/// A pure value; `Host` asks it before anything is spent on a connection and tells it what became of each.
///
/// ```
/// admit -> transient (unproven) -> established -> closed
///             |  oldest gives way to a newcomer     |  least valuable above the high-water mark
/// ```
package struct ConnectionManager: Sendable {
    /// What is decided about a new connection.
    package enum Admission: Hashable, Sendable {
        case accept
        /// Accept it and close that one, which is half open or worth less.
        case acceptDropping(UInt64)
        case refuse(reason: String)
    }

    private struct Entry {
        let isInbound: Bool
        /// Absent for addresses that limits do not apply to.
        let address: IPAddress?
        let opened: Instant
        var peer: PeerID?
        var established: Instant?
    }

    /// More connections of one peer than these are refused; two happen when both sides dial at once.
    private static let perPeer = 4
    private static let mostBuckets = 4_096

    private let limits: TransportLimits
    private var entries: [UInt64: Entry] = [:]
    private var byHousehold: [IPAddress: Int] = [:]
    private var bySite: [IPAddress: Int] = [:]
    private var rates: [IPAddress: TokenBucket] = [:]
    private var byPeer: [PeerID: Int] = [:]
    private var tags: [PeerID: [String: Int]] = [:]
    private var protections: [PeerID: Set<String>] = [:]

    package init(limits: TransportLimits) { self.limits = limits }

    package var count: Int { entries.count }
    package var transientInbound: Int { entries.values.count { $0.isInbound && $0.established == nil } }

    // MARK: Life of a connection

    /// Asks for a connection that somebody opened from `address`.
    package mutating func admit(_ id: UInt64, from address: IPAddress, now: Instant) -> Admission {
        let counted = limits.exempt.contains { $0.contains(address) } ? nil : address
        if let counted, !takeRate(of: counted, now: now) { return .refuse(reason: "rate") }
        let entry = Entry(isInbound: true, address: counted, opened: now)
        var victim: UInt64?
        if let counted, isFull(counted) {
            victim = oldestTransient { $0.address?.household == counted.household }
            guard victim != nil else { return .refuse(reason: "connections-per-address") }
        } else if transientInbound >= limits.transientInbound || transientTotal >= limits.transientTotal {
            victim = oldestTransient { _ in true }
        }
        if victim == nil, isInboundFull || entries.count >= limits.totalConnections {
            victim = oldestTransient { _ in true } ?? leastValuable(now: now) { $0.isInbound }
            guard victim != nil else { return .refuse(reason: "connections") }
        }
        if let victim { closed(victim) }
        insert(id, entry)
        return victim.map { .acceptDropping($0) } ?? .accept
    }

    /// Asks for a connection that we are about to open.
    package mutating func admitOutbound(_ id: UInt64, now: Instant) -> Admission {
        let outbound = entries.values.count { !$0.isInbound }
        guard outbound < limits.outboundConnections else { return .refuse(reason: "outbound-connections") }
        var victim: UInt64?
        if transientTotal >= limits.transientTotal || entries.count >= limits.totalConnections {
            victim = oldestTransient { _ in true } ?? leastValuable(now: now) { _ in true }
            guard victim != nil else { return .refuse(reason: "connections") }
        }
        if let victim { closed(victim) }
        insert(id, Entry(isInbound: false, address: nil, opened: now))
        return victim.map { .acceptDropping($0) } ?? .accept
    }

    /// The connection proved to be `peer`'s. Gives the reason if it must be closed after all.
    package mutating func establish(_ id: UInt64, peer: PeerID, now: Instant) -> String? {
        guard entries[id] != nil else { return "superseded" }
        guard byPeer[peer, default: 0] < Self.perPeer else { return "connections-per-peer" }
        entries[id]?.peer = peer
        entries[id]?.established = now
        byPeer[peer, default: 0] += 1
        return nil
    }

    /// The connection is gone; called again it changes nothing.
    package mutating func closed(_ id: UInt64) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        if let address = entry.address {
            Self.decrement(&byHousehold, address.household)
            if address.isIPv6 { Self.decrement(&bySite, address.site) }
        }
        guard let peer = entry.peer else { return }
        Self.decrement(&byPeer, peer)
        if byPeer[peer] == nil { tags[peer] = nil }
    }

    // MARK: Value

    /// Gives a connected peer a value for a reason; 0 takes it back. Tags go with the last connection.
    package mutating func tag(_ peer: PeerID, _ name: String, value: Int) {
        guard byPeer[peer] != nil else { return }
        tags[peer, default: [:]][name] = value == 0 ? nil : value
    }

    /// Never trims a peer as long as somebody protects it.
    package mutating func protect(_ peer: PeerID, _ name: String) { protections[peer, default: []].insert(name) }

    package mutating func unprotect(_ peer: PeerID, _ name: String) {
        protections[peer]?.remove(name)
        if protections[peer]?.isEmpty == true { protections[peer] = nil }
    }

    package func isProtected(_ peer: PeerID) -> Bool { protections[peer] != nil }

    /// The connections to close now: none up to the high-water mark, else the least valuable ones down to the
    /// low-water mark. New and protected ones stay.
    package mutating func trim(now: Instant) -> [UInt64] {
        let established = entries.count { $0.value.established != nil }
        guard established > limits.highWater else { return [] }
        let surplus = established - limits.lowWater
        let chosen = ranked(now: now) { _ in true }.prefix(surplus)
        for id in chosen { closed(id) }
        return Array(chosen)
    }

    // MARK: Inside

    private var transientTotal: Int { entries.values.count { $0.established == nil } }
    private var isInboundFull: Bool { entries.values.count { $0.isInbound } >= limits.inboundConnections }

    private func isFull(_ address: IPAddress) -> Bool {
        if byHousehold[address.household, default: 0] >= limits.connectionsPerAddress { return true }
        return address.isIPv6 && bySite[address.site, default: 0] >= limits.connectionsPerSite
    }

    private mutating func insert(_ id: UInt64, _ entry: Entry) {
        entries[id] = entry
        guard let address = entry.address else { return }
        byHousehold[address.household, default: 0] += 1
        if address.isIPv6 { bySite[address.site, default: 0] += 1 }
    }

    private mutating func takeRate(of address: IPAddress, now: Instant) -> Bool {
        let key = address.isIPv6 ? address.site : address
        if rates[key] == nil {
            if rates.count >= Self.mostBuckets { forgetRates(now: now) }
            rates[key] =
                address.isIPv6
                ? TokenBucket(rate: limits.newSiteConnectionRate, burst: limits.newSiteConnectionBurst, now: now)
                : TokenBucket(rate: limits.newConnectionRate, burst: limits.newConnectionBurst, now: now)
        }
        return rates[key]?.take(now: now) ?? true
    }

    /// Makes room: full buckets say nothing; if all of them do, the whole table starts anew.
    private mutating func forgetRates(now: Instant) {
        rates = rates.filter { !$0.value.isFull(at: now) }
        if rates.count >= Self.mostBuckets { rates.removeAll(keepingCapacity: true) }
    }

    private func oldestTransient(where isCandidate: (Entry) -> Bool) -> UInt64? {
        entries.filter { $0.value.isInbound && $0.value.established == nil && isCandidate($0.value) }
            .min { ($0.value.opened, $0.key) < ($1.value.opened, $1.key) }?.key
    }

    private func leastValuable(now: Instant, where isCandidate: (Entry) -> Bool) -> UInt64? {
        ranked(now: now, where: isCandidate).first
    }

    /// Established connections that may be closed, the least valuable first; the older of equals stays.
    private func ranked(now: Instant, where isCandidate: (Entry) -> Bool) -> [UInt64] {
        let candidates = entries.compactMap { id, entry -> (id: UInt64, value: Int, since: Instant)? in
            guard let peer = entry.peer, let since = entry.established, isCandidate(entry), protections[peer] == nil,
                now - since >= limits.grace
            else { return nil }
            return (id, tags[peer]?.values.reduce(0, &+) ?? 0, since)
        }
        return candidates.sorted { ($0.value, $1.since, $1.id) < ($1.value, $0.since, $0.id) }.map(\.id)
    }

    private static func decrement<Key>(_ counts: inout [Key: Int], _ key: Key) {
        let left = (counts[key] ?? 1) - 1
        counts[key] = left > 0 ? left : nil
    }
}
