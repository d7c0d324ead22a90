package import Multiformats
package import SansIO

/// Tells the network which contents this node has, again and again.
///
/// Urgent keys go out alone and at once. All others are announced by regions of the keyspace: neighbours in it
/// have the same closest peers, so a few lookups serve a whole region, and each peer is told of many keys in one
/// go. After its first announcement every key has its turn once a cycle, at a time that only its place, the calendar
/// and the node decide; so a restart changes nothing, and only what missed its turn is caught up on.
///
/// The shell carries out effects in order: `persist` is done before what follows it, and before the call that
/// brought the keys returns, so that nothing accepted is lost when the process dies.
package struct Reprovider: ProtocolCore, Sendable {
    package enum Input: Sendable {
        /// We have the content of these multihashes. With `urgently` each is announced at once, even when it
        /// was before.
        case provide([Multihash], urgently: Bool)
        /// We no longer have them, or do not want them to be found.
        case withdraw([Multihash])
        /// What was persisted before the restart.
        case restored([ProvideRecord])
        /// A query that was started has ended.
        case finished(QueryID, QueryResult)
        /// Whether there are peers to ask. It is `false` at the start; saying `true` again ends pauses.
        case networkChanged(isOnline: Bool)
        /// Announces everything again now.
        case provideEverything
    }

    package enum Effect: Sendable {
        case persist([ProvideRecord])
        case forget([Multihash])
        /// Starts a query on `Kademlia`; `finished` follows with the same id.
        case start(QueryID, Query)
        /// Its result is no longer needed.
        case cancel(QueryID)
    }

    /// What a running query is for.
    enum Errand: Sendable {
        case urgent(KadKey)
        case walk(region: Int, key: Int)
        case announce(region: Int, RegionWork.Announce)
    }

    struct Retry: Comparable, Sendable {
        let at: Instant
        let sequence: Int
        let places: [KadKey]

        static func < (left: Retry, right: Retry) -> Bool { (left.at, left.sequence) < (right.at, right.sequence) }
        static func == (left: Retry, right: Retry) -> Bool { left.sequence == right.sequence }
    }

    /// Ids of the reprovider's queries have this bit, so that they never meet those of others.
    package static let queryBit: UInt64 = 1 << 63

    package let configuration: ReproviderConfiguration
    var clock: ProvideClock
    var keys = ProvideKeys()
    var urgent: [KadKey] = []
    var retries = Heap<Retry>()
    var regions: [Int: RegionWork] = [:]
    var errands: [QueryID: Errand] = [:]
    var timeouts = Timers<QueryID>()
    var running = Running()
    var estimate = NetworkEstimate()
    var isOnline = false
    /// The bucket from which the next region is sought.
    var cursor = 0
    var serial = 0
    /// Nothing is started before.
    var pausedUntil: Instant?
    var pauses = 0
    /// Lookups that failed since one succeeded.
    var failedInARow = 0
    var gatheringUntil: Instant?
    var rate = RateMeter()
    var cycle: ReproviderStatus.Cycle
    var lastCycle: ReproviderStatus.Cycle?
    package internal(set) var statistics = ProvideStatistics()

    /// How many queries of each sort are under way.
    struct Running: Sendable {
        var urgent = 0
        var walks = 0
        var announces = 0
    }

    /// - Parameter peer: who we are; it shifts our cycle, so that nodes do not all sweep at the same time.
    /// - Parameter epoch: what time of the calendar `start` is.
    package init(_ configuration: ReproviderConfiguration, peer: PeerID, epoch: KadTime, start: Instant) {
        self.configuration = configuration
        clock = ProvideClock(configuration, phase: KadKey(peer).words.0, epoch: epoch, start: start)
        cycle = ReproviderStatus.Cycle(began: epoch)
    }

    // MARK: Inputs

    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .provide(let multihashes, let urgently):
            provide(multihashes, urgently: urgently, now: now, into: &effects)
        case .withdraw(let multihashes):
            let removed = multihashes.filter { keys.remove($0) != nil }
            if !removed.isEmpty { effects.append(.forget(removed)) }
        case .restored(let records):
            restore(records, now: now)
        case .finished(let query, let result):
            finished(query, result, now: now, into: &effects)
        case .networkChanged(let online):
            networkChanged(online, now: now, into: &effects)
        case .provideEverything:
            keys.queue(0..<ProvideKeys.bucketCount, notSince: .max)
        }
        tick(now: now, into: &effects)
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        while let query = timeouts.popDue(now) {
            effects.append(.cancel(query))
            finished(query, .failed(.unreachable), now: now, into: &effects)
        }
        takeTurns(now: now)
        while let retry = retries.first, retry.at <= now {
            retries.pop()
            for place in retry.places { requeue(place) }
        }
        if let until = gatheringUntil, until <= now { gatheringUntil = nil }
        if let until = pausedUntil, until <= now { pausedUntil = nil }
        work(now: now, into: &effects)
    }

    package var deadline: Instant? {
        var candidates = [timeouts.next, retries.first?.at]
        if keys.count > 0 { candidates.append(clock.nextTurn) }
        if isOnline { candidates += [pausedUntil, gatheringUntil] }
        return candidates.compactMap { $0 }.min()
    }

    private mutating func provide(
        _ multihashes: [Multihash], urgently: Bool, now: Instant, into effects: inout [Effect]
    ) {
        let wasIdle = keys.count(.queued) == 0 && regions.isEmpty
        var records: [ProvideRecord] = []
        for key in multihashes {
            let place = KadKey(hashing: key.bytes)
            var entry = ProvideEntry(place: place, key: key)
            entry.state = .queued
            entry.isUrgent = urgently
            var isChanged = keys.insert(entry)
            if urgently {
                let isNew = isChanged
                let known = keys.update(place) { known in
                    isChanged = isChanged || !known.isUrgent
                    known.isUrgent = true
                }
                // In that queue already, or on its way: nothing would come of asking twice.
                if isNew || known.map({ $0.state != .urgent && $0.state != .working }) ?? false {
                    keys.update(place) { $0.state = .urgent }
                    urgent.append(place)
                }
            }
            if isChanged, let record = keys.update(place, { _ in })?.record { records.append(record) }
        }
        if !records.isEmpty { effects.append(.persist(records)) }
        if wasIdle, keys.count(.queued) > 0 { gatheringUntil = now + configuration.gathering }
    }

    /// What was announced recently enough rests until its turn; the rest is late.
    private mutating func restore(_ records: [ProvideRecord], now: Instant) {
        let wall = clock.wall(now)
        for record in records {
            let place = KadKey(hashing: record.key.bytes)
            var entry = ProvideEntry(place: place, key: record.key)
            entry.isUrgent = record.isUrgent
            // A time to come is a clock that was set back.
            entry.lastProvided = min(record.lastProvided?.milliseconds ?? 0, wall)
            let turn = clock.lastTurn(of: ProvideKeys.bucket(of: place), now: now)
            let isLate = entry.lastProvided == 0 || entry.lastProvided + clock.freshness < turn
            entry.state = !isLate ? .resting : entry.lastProvided == 0 && record.isUrgent ? .urgent : .queued
            if keys.insert(entry), entry.state == .urgent { urgent.append(place) }
        }
    }

    /// Queues the regions whose turn has come.
    private mutating func takeTurns(now: Instant) {
        let wall = clock.wall(now)
        let oldest = wall > clock.freshness ? wall - clock.freshness : 0
        for turn in clock.turns(upTo: now, bits: turnBits) {
            keys.queue(turn.buckets, notSince: oldest)
            guard turn.beginsCycle else { continue }
            lastCycle = cycle
            cycle = ReproviderStatus.Cycle(began: KadTime(milliseconds: wall))
        }
    }

    private mutating func requeue(_ place: KadKey) {
        let entry = keys.update(place) { entry in
            guard entry.state == .failing else { return }
            entry.state = entry.isUrgent && entry.lastProvided == 0 ? .urgent : .queued
        }
        if entry?.state == .urgent, !urgent.contains(place) { urgent.append(place) }
    }

    private mutating func networkChanged(_ online: Bool, now: Instant, into effects: inout [Effect]) {
        pausedUntil = nil
        pauses = 0
        guard isOnline, !online else {
            isOnline = online
            return
        }
        isOnline = false
        for query in errands.keys.sorted() { effects.append(.cancel(query)) }
        for errand in errands.sorted(by: { $0.key < $1.key }) {
            guard case .urgent(let place) = errand.value else { continue }
            if keys.update(place, { $0.state = .urgent }) != nil { urgent.append(place) }
        }
        for (_, region) in regions.sorted(by: { $0.key < $1.key }) {
            for entry in region.keys { keys.update(entry.place) { if $0.state == .working { $0.state = .queued } } }
        }
        errands = [:]
        regions = [:]
        timeouts.removeAll()
        running = Running()
    }
}
