import Multiformats
import SansIO

// What queries gather from answers, when they have enough, and how they end.

extension Kademlia {
    /// The most providers whose addresses a query looks up, at once and in all.
    private static let maximumResolving = 4
    private static let maximumResolved = 16

    /// Takes from an answer to the query's own request what it was asked for.
    mutating func take(
        _ message: KadMessage, _ query: inout RunningQuery, _ contact: Int, _ known: Lookup.Contact, _ voice: IPGroup,
        _ call: Call, now: Instant, into effects: inout [Effect]
    ) {
        switch query.goal {
        case .findPeer(let wanted):
            for named in message.closerPeers where named.id == wanted && known.peer != wanted {
                let addresses = believed(named.addresses, call)
                guard !addresses.isEmpty else { continue }
                if !query.sightings.voices.contains(voice) { query.sightings.voices.append(voice) }
                for address in addresses
                where query.sightings.addresses.count < 24 && !query.sightings.addresses.contains(address) {
                    query.sightings.addresses.append(address)
                }
            }
        case .findProviders:
            for named in message.providerPeers.prefix(FoundProviders.maximumPerVoice) where named.id != peer {
                takeProvider(
                    KadPeer(named.id, believed(named.addresses, call)), voice, &query, now: now, into: &effects)
            }
        case .getValue: takeValue(message, &query, contact, known, voice, now: now, into: &effects)
        case .provide:
            // Peers of the region keep the record wherever the lookup ends: no need to wait for it.
            guard let prefix = regionPrefix, known.key.commonPrefixLength(with: query.target) >= prefix else { return }
            query.store.keys = [query.key]
            query.store.targets.append(StoreWork.Target(peer: KadPeer(known.peer, known.addresses), key: known.key))
        case .closest, .announce, .putValue, .ping, .refresh: break
        }
    }

    private func believed(_ addresses: [Multiaddr], _ call: Call) -> [Multiaddr] {
        configuration.addressPolicy.believed(
            addresses, from: call.nearness, limit: configuration.addressesPerPeer)
    }

    private mutating func takeProvider(
        _ named: KadPeer, _ voice: IPGroup, _ query: inout RunningQuery, now: Instant, into effects: inout [Effect]
    ) {
        var provider = named
        if provider.addresses.isEmpty {
            provider.addresses = table.entry(of: named.id)?.addresses ?? contactBook.value(of: named.id, now: now) ?? []
        }
        guard let index = query.providers.add(provider, voice: voice) else { return }
        tell(index, &query, into: &effects)
        let found = query.providers.list[index]
        if found.peer.addresses.isEmpty, !found.isResolving, query.resolving < Kademlia.maximumResolving,
            query.resolved < Kademlia.maximumResolved
        {
            query.providers.update(index) { $0.isResolving = true }
            query.resolving += 1
            query.resolved += 1
            unresolved.append(RunningQuery.Parent(serial: query.serial, provider: named.id))
        }
    }

    /// Tells of a provider with addresses that were not told before.
    private func tell(_ index: Int, _ query: inout RunningQuery, into effects: inout [Effect]) {
        let found = query.providers.list[index]
        guard let user = query.user, found.peer.addresses.count > max(0, found.toldAddresses) else { return }
        query.providers.update(index) {
            $0.toldAddresses = $0.peer.addresses.count
            $0.timesTold += 1
        }
        effects.append(.progress(user, .provider(found.peer)))
    }

    /// The lookup of a provider's addresses has ended.
    mutating func resolved(
        _ parent: RunningQuery.Parent, _ addresses: [Multiaddr], now: Instant, into effects: inout [Effect]
    ) {
        guard var query = queries.removeValue(forKey: parent.serial) else { return }
        query.resolving = max(0, query.resolving - 1)
        if let index = query.providers.index(of: parent.provider), !addresses.isEmpty {
            query.providers.update(index) {
                for address in addresses where !$0.peer.addresses.contains(address) {
                    $0.peer.addresses.append(address)
                }
            }
            tell(index, &query, into: &effects)
        }
        run(&query, now: now, into: &effects)
    }

    // MARK: Enough

    /// Whether the query need not go on. One network's word is not enough, and in a region that is denser than
    /// the network the first answers are not: they may all be an attacker's.
    func hasEnough(_ query: RunningQuery) -> Bool {
        switch query.goal {
        case .findPeer(let wanted):
            if query.sightings.voices.count >= 2 { return true }
            guard let lane = query.lanes.first, let index = lane.index(of: wanted) else { return false }
            return lane.contacts[index].state == .answered
        case .findProviders(let limit):
            return limit > 0 && query.providers.agreed >= limit && !looksCrowded(query)
        case .getValue(let quorum):
            return quorum > 0 && query.values.count >= quorum && !looksCrowded(query)
        case .closest, .provide, .announce, .putValue, .ping, .refresh: return false
        }
    }

    private var regionPrefix: Int? {
        configuration.usesRegions ? networkSize.regionPrefix(k: configuration.k) : nil
    }

    private func looksCrowded(_ query: RunningQuery) -> Bool {
        guard configuration.usesRegions, let lane = query.lanes.first else { return false }
        return networkSize.isCrowded(lane.nearest(configuration.k), k: configuration.k)
    }

    /// The levels below the region's prefix that are searched beside the target.
    private static let searchedLevels = 4

    /// Searches the region around the target when its closest peers are denser than the network: an attacker
    /// with many PeerIDs there would keep all others out of every answer to the key itself. Returns whether
    /// there is something new to ask.
    ///
    /// Sources: Sridhar et al., "Content Censorship in the InterPlanetary File System" (NDSS 2024), and the
    /// region-based storing of its successors.
    mutating func widen(_ query: inout RunningQuery, now: Instant, into effects: inout [Effect]) -> Bool {
        switch query.goal {
        case .closest, .findProviders, .provide, .getValue, .putValue: break
        case .findPeer, .announce, .ping, .refresh: return false
        }
        if let prefix = query.crowdedPrefix {
            guard query.lanes.count > 1 else { return false }
            let met = query.lanes.dropFirst().flatMap { $0.closest(configuration.k + configuration.regionLimit) }
                .filter { $0.key.commonPrefixLength(with: query.target) >= prefix }
            query.lanes.removeSubrange(1...)
            query.laneKeys = []
            query.lanes[0].widen(
                prefix: prefix, limit: configuration.regionLimit, with: met.map { ($0.peer, $0.key, $0.addresses) })
            return true
        }
        guard let prefix = regionPrefix else { return false }
        let answered = query.lanes[0].closest(configuration.k)
        guard networkSize.isCrowded(answered.map(\.distance), k: configuration.k) else { return false }
        statistics.crowdedRegions += 1
        query.crowdedPrefix = prefix
        for level in prefix..<(prefix + Kademlia.searchedLevels) {
            let key = RandomKeys.key(sharing: level + 1, with: query.target.flipping(level), &generator)
            var lane = Lookup(target: KadKey(hashing: key), settings: settings(paths: 1, isComplete: true))
            lane.seed(seeds(lane.target))
            lane.seed(answered.map { ($0.peer, $0.key, $0.addresses) })
            query.lanes.append(lane)
            query.laneKeys.append(key)
        }
        query.lanes[0].widen(
            prefix: prefix, limit: configuration.regionLimit,
            with: EmptyCollection<(peer: PeerID, key: KadKey, addresses: [Multiaddr])>())
        return true
    }

    // MARK: Storing

    /// Whether anything in this DHT could reach us.
    var hasAddresses: Bool { ownAddresses.contains(where: configuration.addressPolicy.admits) }

    /// Our own addresses that are of use to `other`.
    private func ownAddresses(for other: KadPeer) -> [Multiaddr] {
        let isOnThisMachine = KadAddressPolicy.Nearness(of: other.addresses) == .sameMachine
        return Array(
            ownAddresses.lazy.filter { [policy = configuration.addressPolicy] in
                policy.admits($0) && (isOnThisMachine || !$0.isLoopback)
            }.prefix(configuration.addressesPerPeer))
    }

    mutating func announce(
        _ keys: [[UInt8]], to peers: [KadPeer], for id: QueryID, now: Instant, into effects: inout [Effect]
    ) {
        var query = newQuery(id, .announce, KadMessage(.addProvider), now: now)
        query.store.keys = keys
        query.store.targets = peers.filter { $0.id != peer }.map { StoreWork.Target(peer: $0, key: KadKey($0.id)) }
        query.store.isStarted = true
        for key in keys { provideOurselves(key, now: now, into: &effects) }
        run(&query, now: now, into: &effects)
    }

    /// Notes that we provide, for those who ask us.
    mutating func provideOurselves(_ key: [UInt8], now: Instant, into effects: inout [Effect]) {
        for change in providers.add(key: key, peer: peer, addresses: [], source: .own, now: wallTime(now)) {
            // Our own records come back with the next announcement.
            if case .noProvider = change { effects.append(.store(change)) }
        }
    }

    /// The closest peers are known: they, and all that were met in the region, are told.
    func startStores(_ query: inout RunningQuery) {
        query.store.keys = [query.key]
        query.store.isStarted = true
        let told = Set(query.store.targets.map(\.key))
        let chosen = query.lanes[0].closest(andSharing: query.crowdedPrefix ?? regionPrefix)
        for contact in chosen.prefix(configuration.k + configuration.regionLimit) where !told.contains(contact.key) {
            query.store.targets.append(
                StoreWork.Target(peer: KadPeer(contact.peer, contact.addresses), key: contact.key))
        }
    }

    mutating func sendStores(_ query: inout RunningQuery, now: Instant, into effects: inout [Effect]) {
        if query.calls.count > 1024 { query.calls.removeAll { [calls] in calls[$0] == nil } }
        while let (target, key) = query.store.next() {
            let other = query.store.targets[target]
            let message: KadMessage
            if case .putValue = query.goal {
                message = KadMessage(
                    .putValue, key: query.key, record: KadRecord(key: query.key, value: query.value))
            } else {
                let addresses = ownAddresses(for: other.peer)
                guard !addresses.isEmpty else {
                    query.store.ended(target, isTaken: false)
                    continue
                }
                message = KadMessage(
                    .addProvider, key: query.store.keys[key],
                    providerPeers: [KadPeer(peer, addresses, connection: .connected)])
            }
            let call = send(
                message, to: other.peer, key: other.key, .store(query.serial, target: target), now: now, into: &effects)
            query.calls.append(call)
        }
    }

    mutating func storeEnded(
        _ serial: UInt64, _ target: Int, isTaken: Bool, now: Instant, into effects: inout [Effect]
    ) {
        guard var query = queries.removeValue(forKey: serial) else { return }
        query.store.ended(target, isTaken: isTaken)
        run(&query, now: now, into: &effects)
    }

    // MARK: Ends

    /// Ends a query with what it has.
    mutating func finish(_ query: inout RunningQuery, now: Instant, into effects: inout [Effect]) {
        let lane = query.lanes.first
        if let lane, lane.isJoined, lane.isFinished, query.crowdedPrefix == nil {
            networkSize.add(
                target: query.target, distances: lane.closest(configuration.k).map(\.distance), k: configuration.k)
        }
        let hasAnswers = lane.map { $0.contacts.contains { $0.state == .answered } } ?? true
        let nothing = QueryResult.failed(lane?.contacts.isEmpty ?? true ? .noPeers : .unreachable)
        let result: QueryResult
        switch query.goal {
        case .closest, .refresh:
            let peers = lane?.closest(andSharing: query.crowdedPrefix) ?? []
            result = peers.isEmpty ? nothing : .peers(peers.map { KadPeer($0.peer, $0.addresses) })
        case .findPeer(let wanted):
            let contact = lane.flatMap { lane in lane.index(of: wanted).map { lane.contacts[$0] } }
            if let contact, contact.state == .answered {
                result = .peer(KadPeer(wanted, contact.addresses, connection: .connected))
            } else if !query.sightings.addresses.isEmpty {
                result = .peer(KadPeer(wanted, query.sightings.addresses))
            } else {
                result = hasAnswers ? .peer(nil) : nothing
            }
        case .findProviders:
            if let user = query.user {
                for found in query.providers.list where found.toldAddresses < 0 {
                    effects.append(.progress(user, .provider(found.peer)))
                }
            }
            let found = query.providers.ranked
            result = found.isEmpty && !hasAnswers ? nothing : .providers(found)
        case .provide, .putValue:
            result =
                query.store.targets.isEmpty ? nothing : .stored(query.store.succeeded, of: query.store.targets.count)
        case .announce: result = .stored(query.store.succeeded, of: query.store.targets.count)
        case .getValue:
            let best = query.values.bestValue
            correct(query, now: now, into: &effects)
            result = best == nil && !hasAnswers ? nothing : .value(best)
        case .ping: result = .failed(.unreachable)
        }
        conclude(&query, result, now: now, into: &effects)
    }
}

extension QueryResult {
    /// Whether it is what was asked for.
    var isSuccess: Bool {
        switch self {
        case .peers(let peers), .providers(let peers): !peers.isEmpty
        case .peer(let peer): peer != nil
        case .stored(let count, _): count > 0
        case .value(let value): value != nil
        case .pong: true
        case .failed: false
        }
    }
}
