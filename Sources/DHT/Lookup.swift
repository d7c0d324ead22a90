package import Multiformats

/// One iterative search for the peers closest to a key: whom to ask next, and when enough have answered.
///
/// It goes by several paths that never ask the same peer (S/Kademlia), so that an attacker must be on all of
/// them. When the `beta` closest of every path have answered, the paths are joined and the `k` closest of all
/// are asked, with those whom a caller adds because their region looks crowded. A peer that is slow keeps no
/// other from being asked; the search ends without it when its caller has `failed` it.
/// Sources: https://specs.ipfs.tech/routing/kad-dht; Baumgart and Mies, "S/Kademlia" (2007).
package struct Lookup: Sendable {
    package struct Settings: Sendable {
        package var k: Int
        package var beta: Int
        /// Disjoint paths, at least one.
        package var paths: Int
        /// Requests under way on one path.
        package var parallelism: Int
        /// Requests under way after the paths were joined.
        package var joinedParallelism: Int
        /// Whether the k closest are all asked at the end; else it ends when the paths have converged.
        package var isComplete: Bool

        package init(
            k: Int, beta: Int, paths: Int, parallelism: Int, joinedParallelism: Int, isComplete: Bool = true
        ) {
            self.k = k
            self.beta = beta
            self.paths = max(1, paths)
            self.parallelism = max(1, parallelism)
            self.joinedParallelism = max(1, joinedParallelism)
            self.isComplete = isComplete
        }
    }

    package enum State: UInt8, Hashable, Sendable {
        /// Somebody named it.
        case heard
        /// It was asked.
        case waiting
        /// It was asked, and has taken longer than expected.
        case slow
        /// It was asked so long ago that no path waits for it any more; the end of the search does.
        case late
        case answered
        case failed
    }

    /// A peer that the search has met.
    package struct Contact: Sendable {
        package let peer: PeerID
        package let key: KadKey
        package let distance: KadKey
        /// Those to be tried, the most trusted first.
        package internal(set) var addresses: [Multiaddr]
        package internal(set) var state: State
        /// Requests between us and it: 1 for peers of our own table.
        package internal(set) var hops: UInt8
        /// The path that asked it; -1 after they were joined.
        var path: Int8
        /// How often it was asked, since false addresses of it may have been named first.
        var attempts: UInt8 = 0
        /// Addresses that did not lead to it.
        var tried: [Multiaddr] = []
    }

    /// The most peers that one search remembers, and the most on one path.
    private static let maximumContacts = 1500
    private static let maximumOnPath = 120

    package let target: KadKey
    package let settings: Settings
    package private(set) var contacts: [Contact] = []
    private var indexes: [PeerID: Int] = [:]
    private var paths: [Path]
    /// Every contact, closest first.
    private var joined: [Int32] = []
    private var joinedInFlight = 0
    package private(set) var isJoined: Bool
    /// Contacts that share so many bits with the target are asked too, up to `regionLimit`, when set.
    package private(set) var regionPrefix: Int?
    private var regionLimit = 0

    private struct Path: Sendable {
        /// Its contacts, closest first.
        var order: [Int32] = []
        var inFlight = 0
        var isDone = false
    }

    package init(target: KadKey, settings: Settings) {
        self.target = target
        self.settings = settings
        paths = Array(repeating: Path(), count: settings.paths)
        isJoined = settings.paths == 1 && settings.isComplete
    }

    /// Adds peers that we know ourselves, closest first; they are dealt out to the paths in turn.
    package mutating func seed(_ peers: some Sequence<(peer: PeerID, key: KadKey, addresses: [Multiaddr])>) {
        var turn = 0
        for seed in peers {
            guard let index = add(seed.peer, seed.key, seed.addresses, hops: 1) else { continue }
            if !isJoined { insert(index, onPath: turn % paths.count) }
            turn += 1
        }
    }

    // MARK: Asking

    /// Whom to ask now: contacts that are heard become waiting. Call it after every change.
    package mutating func next() -> [Int] {
        var result: [Int] = []
        if !isJoined {
            for path in paths.indices where !paths[path].isDone { advance(path, into: &result) }
            if paths.allSatisfy(\.isDone), settings.isComplete { isJoined = true }
        }
        if isJoined { advanceJoined(into: &result) }
        return result
    }

    /// Whether nothing is left to ask or to wait for.
    package var isFinished: Bool {
        guard isJoined else { return !settings.isComplete && paths.allSatisfy(\.isDone) }
        var rank = 0
        for raw in joined {
            let contact = contacts[Int(raw)]
            guard contact.state != .failed else { continue }
            guard isWanted(contact, rank: rank) else { return true }
            guard contact.state == .answered else { return false }
            rank += 1
        }
        return true
    }

    private func isWanted(_ contact: Contact, rank: Int) -> Bool {
        if rank < settings.k { return true }
        guard let regionPrefix, rank < settings.k + regionLimit else { return false }
        return contact.key.commonPrefixLength(with: target) >= regionPrefix
    }

    private mutating func advance(_ path: Int, into result: inout [Int]) {
        // Done when the closest that are not known to fail have all answered.
        var closest = 0
        var isWaiting = false
        var candidates: [Int] = []
        let room = settings.parallelism - paths[path].inFlight
        for raw in paths[path].order {
            let index = Int(raw)
            switch contacts[index].state {
            case .failed, .late: continue
            case .answered: break
            case .waiting, .slow: if closest < settings.beta { isWaiting = true }
            case .heard:
                if closest < settings.beta { isWaiting = true }
                if candidates.count < room { candidates.append(index) }
            }
            closest += 1
            if closest >= settings.beta, !isWaiting || candidates.count >= room || closest >= settings.k { break }
        }
        guard isWaiting else {
            paths[path].isDone = true
            return
        }
        for index in candidates {
            contacts[index].state = .waiting
            contacts[index].path = Int8(truncatingIfNeeded: path)
            contacts[index].attempts &+= 1
            paths[path].inFlight += 1
            result.append(index)
        }
    }

    private mutating func advanceJoined(into result: inout [Int]) {
        var rank = 0
        for raw in joined {
            guard joinedInFlight < settings.joinedParallelism else { return }
            let index = Int(raw)
            guard contacts[index].state != .failed else { continue }
            guard isWanted(contacts[index], rank: rank) else { return }
            rank += 1
            guard contacts[index].state == .heard else { continue }
            contacts[index].state = .waiting
            contacts[index].path = -1
            contacts[index].attempts &+= 1
            joinedInFlight += 1
            result.append(index)
        }
    }

    // MARK: Answers

    /// A contact answered and named `closer` peers (not ourselves; their addresses already checked; their place
    /// where it is at hand).
    package mutating func answered(
        _ index: Int, closer: some Sequence<(peer: PeerID, key: KadKey?, addresses: [Multiaddr])>
    ) {
        guard contacts.indices.contains(index), contacts[index].state != .answered else { return }
        let path = Int(contacts[index].path)
        settle(index, .answered)
        let hops = contacts[index].hops < 255 ? contacts[index].hops + 1 : 255
        for named in closer {
            let key = named.key ?? indexes[named.peer].map { contacts[$0].key } ?? KadKey(named.peer)
            guard let found = add(named.peer, key, named.addresses, hops: hops) else { continue }
            if !isJoined, path >= 0 { insert(found, onPath: path) }
        }
    }

    /// A contact has taken longer than was expected of it: the next one is asked meanwhile.
    package mutating func slow(_ index: Int) {
        guard contacts.indices.contains(index), contacts[index].state == .waiting else { return }
        settle(index, .slow)
    }

    /// No path waits for a contact any more; before the search ends it may still answer.
    package mutating func late(_ index: Int) {
        guard contacts.indices.contains(index), [.waiting, .slow].contains(contacts[index].state) else { return }
        settle(index, .late)
    }

    /// A contact gave no answer, or has taken too long to wait for.
    package mutating func failed(_ index: Int) {
        guard contacts.indices.contains(index), contacts[index].state != .answered else { return }
        settle(index, .failed)
        contacts[index].tried += contacts[index].addresses.prefix(16)
        contacts[index].addresses = []
    }

    /// Asks nobody any more: it ends when those who were asked have answered.
    package mutating func stop() {
        for index in contacts.indices where contacts[index].state == .heard { failed(index) }
    }

    private mutating func settle(_ index: Int, _ state: State) {
        if contacts[index].state == .waiting {
            let path = Int(contacts[index].path)
            if path >= 0 { paths[path].inFlight -= 1 } else { joinedInFlight -= 1 }
        }
        contacts[index].state = state
    }

    /// Adds peers met elsewhere and asks all contacts that share `prefix` bits with the target, `limit` more
    /// than k at most.
    package mutating func widen(
        prefix: Int, limit: Int, with peers: some Sequence<(peer: PeerID, key: KadKey, addresses: [Multiaddr])>
    ) {
        regionPrefix = prefix
        regionLimit = limit
        isJoined = true
        for peer in peers { _ = add(peer.peer, peer.key, peer.addresses, hops: 2) }
    }

    // MARK: Results

    /// The contacts that answered, closest first, at most `count`.
    package func closest(_ count: Int) -> [Contact] {
        var result: [Contact] = []
        for raw in joined where contacts[Int(raw)].state == .answered {
            result.append(contacts[Int(raw)])
            if result.count == count { break }
        }
        return result
    }

    /// The distances of the `count` closest that are not known to fail, answered or not.
    package func nearest(_ count: Int) -> [KadKey] {
        var result: [KadKey] = []
        for raw in joined where contacts[Int(raw)].state != .failed {
            result.append(contacts[Int(raw)].distance)
            if result.count == count { break }
        }
        return result
    }

    /// The k closest that answered, and beyond them those that share `prefix` bits with the target.
    package func closest(andSharing prefix: Int?) -> [Contact] {
        let all = closest(prefix == nil ? settings.k : settings.k + Lookup.maximumOnPath)
        guard let prefix else { return all }
        return all.enumerated().compactMap { rank, contact in
            rank < settings.k || contact.key.commonPrefixLength(with: target) >= prefix ? contact : nil
        }
    }

    /// The index of `peer` among the contacts.
    package func index(of peer: PeerID) -> Int? { indexes[peer] }

    // MARK: Contacts

    /// The index of the contact, known or new; nil when there is no room or no way to it.
    private mutating func add(
        _ peer: PeerID, _ key: KadKey, _ addresses: [Multiaddr], hops: UInt8
    ) -> Int? {
        if let index = indexes[peer] {
            learn(addresses, of: index)
            return index
        }
        guard contacts.count < Lookup.maximumContacts, !addresses.isEmpty else { return nil }
        let index = contacts.count
        let distance = key ^ target
        contacts.append(
            Contact(
                peer: peer, key: key, distance: distance, addresses: addresses, state: .heard, hops: hops, path: -1))
        indexes[peer] = index
        joined.insert(Int32(index), at: rank(of: distance, in: joined))
        return index
    }

    /// The first who named a peer may have lied about where it is: other addresses give it one more chance.
    private mutating func learn(_ addresses: [Multiaddr], of index: Int) {
        switch contacts[index].state {
        case .heard:
            for address in addresses
            where contacts[index].addresses.count < 8 && !contacts[index].addresses.contains(address) {
                contacts[index].addresses.append(address)
            }
        case .failed:
            guard contacts[index].attempts < 3, !addresses.isEmpty,
                !addresses.allSatisfy({ contacts[index].tried.contains($0) })
            else { return }
            contacts[index].addresses = addresses.filter { !contacts[index].tried.contains($0) }
            contacts[index].state = .heard
        case .waiting, .slow, .late, .answered: break
        }
    }

    private mutating func insert(_ index: Int, onPath path: Int) {
        let place = rank(of: contacts[index].distance, in: paths[path].order)
        if place < paths[path].order.count, paths[path].order[place] == Int32(index) { return }
        guard place < Lookup.maximumOnPath else { return }
        paths[path].order.insert(Int32(index), at: place)
        if paths[path].order.count > Lookup.maximumOnPath { paths[path].order.removeLast() }
    }

    /// Where a distance stands, or would stand, in a list of contacts.
    private func rank(of distance: KadKey, in order: [Int32]) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if contacts[Int(order[middle])].distance < distance { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
