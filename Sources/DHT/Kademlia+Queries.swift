import Multiformats
import SansIO

// How queries begin, whom they ask, and what they make of the answers.

extension Kademlia {
    mutating func begin(_ id: QueryID, _ query: Query, now: Instant, into effects: inout [Effect]) {
        statistics.queriesStarted += 1
        guard serials[id] == nil, serials.count < configuration.maximumQueries else {
            refuse(id, .tooMany, into: &effects)
            return
        }
        switch query {
        case .closestPeers(let key):
            guard !key.isEmpty, key.count <= KadMessage.Limits.keyBytes else {
                refuse(id, .invalid("the key must have 1 to \(KadMessage.Limits.keyBytes) bytes"), into: &effects)
                return
            }
            search(id, .closest, KadMessage(.findNode, key: key), now: now, into: &effects)
        case .findPeer(let peer): findPeer(peer, for: id, now: now, into: &effects)
        case .findProviders(let key, let limit):
            guard checkContentKeys([key], id, into: &effects) else { return }
            findProviders(key, limit: limit, for: id, now: now, into: &effects)
        case .provide(let key):
            guard checkContentKeys([key], id, into: &effects) else { return }
            guard hasAddresses else {
                refuse(id, .invalid("no address of ours is known that others could use"), into: &effects)
                return
            }
            provideOurselves(key, now: now, into: &effects)
            search(id, .provide, KadMessage(.findNode, key: key), now: now, into: &effects)
        case .announce(let keys, let peers):
            guard checkContentKeys(keys, id, into: &effects) else { return }
            announce(keys, to: peers, for: id, now: now, into: &effects)
        case .getValue(let key, let quorum): getValue(key, quorum: quorum, for: id, now: now, into: &effects)
        case .putValue(let key, let value): putValue(key, value, for: id, now: now, into: &effects)
        case .ping(let target):
            var running = newQuery(id, .ping, KadMessage(.ping), now: now)
            let call = send(
                KadMessage(.ping), to: target, key: KadKey(target.id), .ping(running.serial), now: now, into: &effects)
            running.calls = [call]
            queries[running.serial] = running
        }
    }

    private mutating func checkContentKeys(_ keys: [[UInt8]], _ id: QueryID, into effects: inout [Effect]) -> Bool {
        if keys.allSatisfy({ KadMessage.Limits.providerKeyBytes.contains($0.count) }) { return true }
        refuse(id, .invalid("a multihash has 1 to 80 bytes here"), into: &effects)
        return false
    }

    mutating func refuse(_ id: QueryID, _ failure: QueryFailure, into effects: inout [Effect]) {
        statistics.queriesFailed += 1
        effects.append(.finished(id, .failed(failure)))
    }

    // MARK: Beginning

    mutating func newQuery(
        _ id: QueryID?, _ goal: RunningQuery.Goal, _ request: KadMessage, now: Instant
    ) -> RunningQuery {
        let serial = nextSerial()
        if let id { serials[id] = serial }
        if case .announce = goal {} else { timers.set(.query(serial), at: now + configuration.queryTimeout) }
        return RunningQuery(
            serial: serial, user: id, goal: goal, key: request.key, target: KadKey(hashing: request.key),
            request: request)
    }

    /// Starts a lookup from the closest peers of the table; `seeds` are tried besides.
    mutating func search(
        _ id: QueryID?, _ goal: RunningQuery.Goal, _ request: KadMessage, parent: RunningQuery.Parent? = nil,
        prepare: (inout RunningQuery) -> Void = { _ in }, now: Instant, into effects: inout [Effect]
    ) {
        var query = newQuery(id, goal, request, now: now)
        query.parent = parent
        var paths = configuration.paths
        var isComplete = true
        if case .refresh(let target) = goal {
            paths = 1
            if case .bucket = target { isComplete = false }
        }
        query.lanes = [Lookup(target: query.target, settings: settings(paths: paths, isComplete: isComplete))]
        query.lanes[0].seed(seeds(query.target))
        prepare(&query)
        guard !query.lanes[0].contacts.isEmpty else {
            finish(&query, now: now, into: &effects)
            return
        }
        run(&query, now: now, into: &effects)
    }

    func settings(paths: Int, isComplete: Bool) -> Lookup.Settings {
        Lookup.Settings(
            k: configuration.k, beta: configuration.beta, paths: paths,
            parallelism: paths > 1 ? configuration.pathParallelism : configuration.alpha,
            joinedParallelism: configuration.alpha, isComplete: isComplete)
    }

    func seeds(_ target: KadKey) -> [(peer: PeerID, key: KadKey, addresses: [Multiaddr])] {
        table.closestPositions(to: target, count: configuration.k).map {
            let entry = table[$0]
            return (entry.peer, entry.key, entry.addresses)
        }
    }

    mutating func startRefresh(
        _ bytes: [UInt8], _ target: Upkeep.Target, now: Instant, into effects: inout [Effect]
    ) {
        search(nil, .refresh(target), KadMessage(.findNode, key: bytes), now: now, into: &effects)
    }

    private mutating func findPeer(_ peer: PeerID, for id: QueryID, now: Instant, into effects: inout [Effect]) {
        if peer == self.peer {
            statistics.queriesSucceeded += 1
            effects.append(.finished(id, .peer(KadPeer(peer, ownAddresses))))
        } else if let entry = table.entry(of: peer), entry.failures == 0,
            entry.heard + configuration.refreshInterval > now
        {
            statistics.queriesSucceeded += 1
            effects.append(.finished(id, .peer(entry.kadPeer)))
        } else {
            resolve(peer, id, parent: nil, now: now, into: &effects)
        }
    }

    /// Looks for a peer's addresses, for somebody or for a query that has found it without any.
    mutating func resolve(
        _ peer: PeerID, _ id: QueryID?, parent: RunningQuery.Parent?, now: Instant, into effects: inout [Effect]
    ) {
        let known = contactBook.value(of: peer, now: now) ?? []
        search(
            id, .findPeer(peer), KadMessage(.findNode, key: peer.bytes), parent: parent,
            prepare: { $0.lanes[0].seed([(peer, KadKey(peer), known)]) }, now: now, into: &effects)
    }

    private mutating func findProviders(
        _ key: [UInt8], limit: Int, for id: QueryID, now: Instant, into effects: inout [Effect]
    ) {
        var found = FoundProviders()
        for provider in providers.providers(of: key, now: wallTime(now)) {
            let named = provider.id == peer ? KadPeer(peer, ownAddresses) : provider
            guard let index = found.add(named, voice: .own), !named.addresses.isEmpty else { continue }
            found.update(index) {
                $0.toldAddresses = named.addresses.count
                $0.timesTold = 1
            }
            effects.append(.progress(id, .provider(named)))
        }
        search(
            id, .findProviders(limit: max(0, limit)), KadMessage(.getProviders, key: key),
            prepare: { $0.providers = found }, now: now, into: &effects)
    }

    // MARK: Running

    /// Asks whom the query has to ask, and ends it when nothing is left.
    mutating func run(_ query: inout RunningQuery, now: Instant, into effects: inout [Effect]) {
        while true {
            for lane in query.lanes.indices {
                for contact in query.lanes[lane].next() {
                    ask(contact, lane, &query, now: now, into: &effects)
                }
            }
            sendStores(&query, now: now, into: &effects)
            guard !query.lanes.isEmpty, query.lanes.allSatisfy(\.isFinished) else { break }
            if widen(&query, now: now, into: &effects) { continue }
            guard query.resolving == 0 else { break }
            if query.storesAtEnd, !query.store.isStarted {
                startStores(&query)
                continue
            }
            if query.storesAtEnd, !query.store.isDone { break }
            finish(&query, now: now, into: &effects)
            return
        }
        if query.lanes.isEmpty, query.store.isDone {
            finish(&query, now: now, into: &effects)
            return
        }
        queries[query.serial] = query
    }

    private mutating func ask(
        _ contact: Int, _ lane: Int, _ query: inout RunningQuery, now: Instant, into effects: inout [Effect]
    ) {
        let known = query.lanes[lane].contacts[contact]
        guard query.callCount < configuration.maximumCallsPerQuery else {
            query.lanes[lane].failed(contact)
            query.lanes[lane].stop()
            return
        }
        query.callCount += 1
        let message = lane == 0 ? query.request : KadMessage(.findNode, key: query.laneKeys[lane - 1])
        if let user = query.user { effects.append(.progress(user, .asking(known.peer))) }
        let call = send(
            message, to: KadPeer(known.peer, known.addresses), key: known.key,
            .lookup(query.serial, lane: lane, contact: contact), now: now, into: &effects)
        query.calls.append(call)
    }

    // MARK: Answers

    mutating func contactAnswered(
        _ serial: UInt64, _ lane: Int, _ contact: Int, _ call: Call, _ message: KadMessage, _ report: CallReport,
        now: Instant, into effects: inout [Effect]
    ) {
        guard var query = queries.removeValue(forKey: serial) else { return }
        guard lane < query.lanes.count else {
            queries[serial] = query
            return
        }
        let known = query.lanes[lane].contacts[contact]
        let closer = checked(message.closerPeers, call, query.lanes[lane])
        if let user = query.user {
            let named = closer.map { KadPeer($0.peer, $0.addresses) }
            effects.append(.progress(user, .answered(known.peer, report, closer: named)))
        }
        query.lanes[lane].answered(contact, closer: closer)
        if lane == 0 {
            let voice = IPGroup(voiceOf: known.key, at: known.addresses)
            take(message, &query, contact, known, voice, call, now: now, into: &effects)
        }
        if table.position(of: known.key) == nil {
            consider(KadPeer(known.peer, known.addresses), key: known.key, now: now, into: &effects)
        }
        if hasEnough(query) {
            finish(&query, now: now, into: &effects)
        } else {
            run(&query, now: now, into: &effects)
        }
    }

    /// The peers that an answer names, as far as they can be believed: no more than an honest answer has, never
    /// ourselves, and with the addresses that our table has proved rather than those told.
    private func checked(
        _ peers: [KadPeer], _ call: Call, _ lookup: Lookup
    ) -> [(peer: PeerID, key: KadKey?, addresses: [Multiaddr])] {
        var result: [(peer: PeerID, key: KadKey?, addresses: [Multiaddr])] = []
        result.reserveCapacity(min(peers.count, 2 * configuration.k))
        for named in peers.prefix(2 * configuration.k) where named.id != peer {
            var key: KadKey?
            if lookup.index(of: named.id) == nil {
                let place = KadKey(named.id)
                if let position = table.position(of: place) {
                    result.append((named.id, place, table[position].addresses))
                    continue
                }
                key = place
            }
            let addresses = configuration.addressPolicy.believed(
                named.addresses, from: call.nearness, limit: configuration.addressesPerPeer)
            result.append((named.id, key, addresses))
        }
        return result
    }

    mutating func contactFailed(
        _ serial: UInt64, _ lane: Int, _ contact: Int, _ call: Call, _ failure: CallFailure, now: Instant,
        into effects: inout [Effect]
    ) {
        if let user = queries[serial]?.user { effects.append(.progress(user, .failed(call.peer, failure))) }
        reconsider(serial, lane, now: now, into: &effects) { $0.failed(contact) }
    }

    /// Changes what a lookup thinks of one of its contacts, and goes on with what follows.
    mutating func reconsider(
        _ serial: UInt64, _ lane: Int, now: Instant, into effects: inout [Effect], _ change: (inout Lookup) -> Void
    ) {
        guard var query = queries.removeValue(forKey: serial) else { return }
        if lane < query.lanes.count { change(&query.lanes[lane]) }
        run(&query, now: now, into: &effects)
    }

    /// Whether a query is about all of the closest peers, so that a late one is worth waiting for.
    func wantsAll(_ serial: UInt64) -> Bool {
        switch queries[serial]?.goal {
        case .closest, .provide, .putValue: true
        default: false
        }
    }

    mutating func queryIsLate(_ serial: UInt64, now: Instant, into effects: inout [Effect]) {
        guard var query = queries.removeValue(forKey: serial) else { return }
        finish(&query, now: now, into: &effects)
    }

    mutating func cancel(_ id: QueryID, now: Instant, into effects: inout [Effect]) {
        guard let serial = serials[id], var query = queries.removeValue(forKey: serial) else { return }
        conclude(&query, .failed(.cancelled), now: now, into: &effects)
    }

    mutating func pingEnded(_ serial: UInt64, _ result: QueryResult, now: Instant, into effects: inout [Effect]) {
        guard var query = queries.removeValue(forKey: serial) else { return }
        query.calls = []
        conclude(&query, result, now: now, into: &effects)
    }

    /// Ends a query: nobody waits for its calls any more.
    mutating func conclude(
        _ query: inout RunningQuery, _ result: QueryResult, now: Instant, into effects: inout [Effect]
    ) {
        timers.cancel(.query(query.serial))
        for id in query.calls {
            guard let call = calls[id] else { continue }
            calls[id]?.purpose = .none
            // Its time to be late has no meaning any more, only its end.
            if call.stage != .givenUp {
                calls[id]?.stage = .givenUp
                timers.set(.call(id), at: call.deadline)
            }
            statistics.callsAbandoned += 1
            effects.append(.abandon(id))
        }
        query.calls = []
        if case .refresh(let target) = query.goal {
            refreshEnded(target, closest: query.lanes.first?.closest(configuration.k) ?? [])
        }
        if let user = query.user {
            serials[user] = nil
            if result.isSuccess { statistics.queriesSucceeded += 1 } else { statistics.queriesFailed += 1 }
            effects.append(.finished(user, result))
        }
        if let parent = query.parent {
            var addresses: [Multiaddr] = []
            if case .peer(let found?) = result { addresses = found.addresses }
            resolved(parent, addresses, now: now, into: &effects)
        }
    }
}
