package import Multiformats
import SansIO

/// The peers that we know to serve this DHT, in buckets by the length of the prefix that they share with us.
///
/// Old peers that live are never evicted in favour of new ones: an attacker who comes later gets only what is
/// free. Groups of public addresses are limited to a few peers each, in all and in a bucket.
/// Source: Maymounkov and Mazières (2002); Prünster, Marsalek, Zefferer, "Total Eclipse of the Heart" (2022).
package struct RoutingTable: Sendable {
    /// A peer in more public networks than this is none that we need.
    static let maximumGroups = 4

    /// Where an entry stands; good until the table changes.
    struct Position: Hashable, Sendable {
        var bucket: Int
        var index: Int
    }

    /// Why a peer is not taken.
    enum Refusal: Hashable, Sendable {
        case ourselves
        case known
        case bucketFull
        /// Too many peers of its networks are in the table.
        case crowdedNetwork
    }

    package let own: KadKey
    let k: Int
    private let diversity: KademliaConfiguration.IPDiversity?
    private var storage: [KBucket] = []
    private var perTable: [IPGroup: Int] = [:]
    package private(set) var count = 0

    package init(own: KadKey, k: Int, diversity: KademliaConfiguration.IPDiversity?) {
        self.own = own
        self.k = k
        self.diversity = diversity
    }

    /// The buckets that have peers, those furthest from us first, each with its peers, the oldest first.
    package var buckets: [(commonPrefix: Int, peers: [TableEntry])] {
        storage.indices.compactMap { storage[$0].entries.isEmpty ? nil : ($0, storage[$0].entries) }
    }

    /// Every entry, in a reproducible order.
    package var entries: [TableEntry] { storage.flatMap(\.entries) }

    /// The longest prefix that a peer in the table shares with us; nil when it is empty.
    var deepest: Int? { storage.lastIndex { !$0.entries.isEmpty } }

    func population(of bucket: Int) -> Int { bucket < storage.count ? storage[bucket].entries.count : 0 }

    func position(of key: KadKey) -> Position? {
        let bucket = own.commonPrefixLength(with: key)
        guard bucket < storage.count, let index = storage[bucket].index(of: key) else { return nil }
        return Position(bucket: bucket, index: index)
    }

    subscript(position: Position) -> TableEntry { storage[position.bucket].entries[position.index] }

    /// The entry of `peer`, if it is in the table.
    package func entry(of peer: PeerID) -> TableEntry? { position(of: KadKey(peer)).map { self[$0] } }

    package func contains(_ peer: PeerID) -> Bool { position(of: KadKey(peer)) != nil }

    // MARK: Closest

    /// The `count` peers closest to `target`, the closest first.
    package func closest(to target: KadKey, count: Int) -> [TableEntry] {
        closestPositions(to: target, count: count).map { self[$0] }
    }

    /// As `closest`, without copying entries.
    ///
    /// The bucket in which the target would be is closest, then all that share more with us (as one: they
    /// differ from the target at the same bit), then those that share less, one after the other.
    func closestPositions(to target: KadKey, count: Int) -> [Position] {
        guard count > 0, self.count > 0 else { return [] }
        var search = Search(target: target, count: count)
        let home = min(own.commonPrefixLength(with: target), storage.count)
        if home < storage.count { search.scan(storage[home].keys, bucket: home) }
        search.closeGroup()
        if !search.isFull, home + 1 < storage.count {
            for bucket in (home + 1)..<storage.count { search.scan(storage[bucket].keys, bucket: bucket) }
            search.closeGroup()
        }
        var bucket = home
        while !search.isFull, bucket > 0 {
            bucket -= 1
            search.scan(storage[bucket].keys, bucket: bucket)
            search.closeGroup()
        }
        return search.found.map(\.position)
    }

    /// Keeps the closest of what it scans; groups come in order, so only the last one needs comparing.
    private struct Search {
        let target: KadKey
        let count: Int
        var found: [(distance: KadKey, position: Position)] = []
        private var groupStart = 0

        init(target: KadKey, count: Int) {
            self.target = target
            self.count = count
            found.reserveCapacity(count + 1)
        }

        var isFull: Bool { found.count >= count }

        mutating func closeGroup() { groupStart = found.count }

        mutating func scan(_ keys: [KadKey], bucket: Int) {
            for index in keys.indices {
                let distance = keys[index] ^ target
                if found.count == count {
                    guard groupStart < count, distance < found[count - 1].distance else { continue }
                    found.removeLast()
                }
                var low = groupStart
                var high = found.count
                while low < high {
                    let middle = (low + high) / 2
                    if found[middle].distance < distance { low = middle + 1 } else { high = middle }
                }
                found.insert((distance, Position(bucket: bucket, index: index)), at: low)
            }
        }
    }

    // MARK: Changes

    /// Why a peer with these addresses cannot enter now; nil when it can.
    func refusal(of key: KadKey, groups: [IPGroup]) -> Refusal? {
        guard key != own else { return .ourselves }
        let bucket = own.commonPrefixLength(with: key)
        if bucket < storage.count {
            if storage[bucket].index(of: key) != nil { return .known }
            if storage[bucket].entries.count >= k { return .bucketFull }
        }
        return fits(groups, in: bucket, besides: nil) ? nil : .crowdedNetwork
    }

    /// Takes a peer that has answered its probe; returns why not, if not.
    mutating func insert(_ peer: KadPeer, key: KadKey, now: Instant) -> Refusal? {
        let groups = IPGroup.networks(of: peer.addresses)
        if let refusal = refusal(of: key, groups: groups) { return refusal }
        let bucket = own.commonPrefixLength(with: key)
        while storage.count <= bucket { storage.append(KBucket()) }
        storage[bucket].append(
            TableEntry(peer: peer.id, key: key, addresses: peer.addresses, groups: groups, now: now))
        storage[bucket].waiting.removeAll { $0.id == peer.id }
        for group in groups { perTable[group, default: 0] += 1 }
        count += 1
        return nil
    }

    @discardableResult
    mutating func remove(_ position: Position) -> TableEntry {
        let entry = storage[position.bucket].remove(at: position.index)
        for group in entry.groups { release(group) }
        count -= 1
        while let last = storage.last, last.entries.isEmpty, last.waiting.isEmpty { storage.removeLast() }
        return entry
    }

    /// Changes an entry in place; its addresses change by `setAddresses` only.
    mutating func update(_ position: Position, _ body: (inout TableEntry) -> Void) {
        storage[position.bucket].update(position.index, body)
    }

    /// Gives an entry other addresses, unless too many peers of their networks are here.
    mutating func setAddresses(_ addresses: [Multiaddr], at position: Position) {
        let entry = self[position]
        guard !addresses.isEmpty, addresses != entry.addresses else { return }
        let groups = IPGroup.networks(of: addresses)
        guard fits(groups, in: position.bucket, besides: position.index) else { return }
        for group in entry.groups { release(group) }
        for group in groups { perTable[group, default: 0] += 1 }
        storage[position.bucket].update(position.index) {
            $0.addresses = addresses
            $0.groups = groups
            $0.hasLoopback = addresses.contains(where: \.isLoopback)
        }
    }

    /// Notes a candidate for the place of a peer that may fail.
    mutating func wait(_ peer: KadPeer, key: KadKey) {
        let bucket = own.commonPrefixLength(with: key)
        guard bucket < storage.count else { return }
        storage[bucket].wait(peer)
    }

    /// The candidates that waited for a place in a bucket, newest first.
    mutating func takeWaiting(in bucket: Int) -> [KadPeer] {
        guard bucket < storage.count else { return [] }
        defer { storage[bucket].waiting = [] }
        return storage[bucket].waiting.reversed()
    }

    /// The entry of a bucket that was heard of the longest ago.
    func quietest(in bucket: Int) -> Position? {
        guard bucket < storage.count else { return nil }
        let entries = storage[bucket].entries
        return entries.indices.min { entries[$0].heard < entries[$1].heard }.map { Position(bucket: bucket, index: $0) }
    }

    /// Calls `body` with each entry, without copying the table.
    func forEach(_ body: (Position, borrowing TableEntry) -> Void) {
        for bucket in storage.indices {
            for index in storage[bucket].entries.indices {
                body(Position(bucket: bucket, index: index), storage[bucket].entries[index])
            }
        }
    }

    // MARK: Diversity

    private func fits(_ groups: [IPGroup], in bucket: Int, besides index: Int?) -> Bool {
        guard let diversity, !groups.isEmpty else { return true }
        guard groups.count <= RoutingTable.maximumGroups else { return false }
        let entries = bucket < storage.count ? storage[bucket].entries : []
        let old = index.map { entries[$0].groups } ?? []
        return groups.allSatisfy { group in
            if old.contains(group) { return true }
            guard perTable[group] ?? 0 < diversity.perTable else { return false }
            return entries.count { $0.groups.contains(group) } < diversity.perBucket
        }
    }

    private mutating func release(_ group: IPGroup) {
        guard let number = perTable[group] else { return }
        perTable[group] = number > 1 ? number - 1 : nil
    }
}
