package import Multiformats
package import SansIO

extension Reprovider {
    /// How things stand.
    package func status(now: Instant) -> ReproviderStatus {
        let wall = clock.wall(now)
        return ReproviderStatus(
            strategy: configuration.strategy, isOnline: isOnline,
            queued: keys.count(.queued) + keys.count(.urgent) + keys.count(.working), urgent: keys.count(.urgent),
            failing: keys.count(.failing), provided: keys.provided, total: keys.count,
            ratePerHour: rate.perHour(wall: wall), now: KadTime(milliseconds: wall),
            cycleEnds: KadTime(milliseconds: clock.end(now: now)), cycle: cycle, lastCycle: lastCycle,
            networkSize: estimate.peers.map { Int(min($0.rounded(), 1e12)) })
    }

    /// Whether we provide this key, and when it was last announced.
    package func record(of key: Multihash) -> ProvideRecord? { keys.entry(key)?.record }

    /// Own keys of a region that are looked up where the region's announced ones leave gaps.
    private static let probes = 128

    // MARK: Starting

    /// Starts what there is room for.
    mutating func work(now: Instant, into effects: inout [Effect]) {
        guard isOnline, pausedUntil == nil else { return }
        startUrgent(now: now, into: &effects)
        startWalks(now: now, into: &effects)
        while gatheringUntil == nil, startRegion() { startWalks(now: now, into: &effects) }
        startAnnounces(now: now, into: &effects)
    }

    private mutating func startUrgent(now: Instant, into effects: inout [Effect]) {
        let room = configuration.parallelUrgent - running.urgent
        guard room > 0, !urgent.isEmpty else { return }
        var started = 0
        var read = 0
        while started < room, read < urgent.count {
            let place = urgent[read]
            read += 1
            // What was withdrawn or came in again meanwhile is passed over.
            var isDue = false
            let entry = keys.update(place) { entry in
                isDue = entry.state == .urgent
                if isDue { entry.state = .working }
            }
            guard isDue, let entry else { continue }
            started += 1
            running.urgent += 1
            statistics.lookups += 1
            cycle.lookups += 1
            start(.provide(key: entry.key.bytes), .urgent(place), now: now, into: &effects)
        }
        urgent.removeFirst(read)
    }

    /// Takes the next region with queued keys; `false` when there is none or no room.
    private mutating func startRegion() -> Bool {
        // Before anything is known of the network, one key tells how large it is.
        let most = estimate.peers == nil ? 1 : configuration.parallelRegions
        guard regions.count < configuration.parallelRegions * 4, regions.count(where: { $0.value.isStarting }) < most,
            let first = keys.firstQueued(from: cursor)
        else { return false }
        let bits = estimate.peers == nil ? ProvideKeys.bits : regionBits
        let width = ProvideKeys.bucketCount >> bits
        let end = (first / width + 1) * width
        let limit = estimate.peers == nil ? 1 : configuration.regionKeys
        let taken = keys.take(first..<end, limit: limit)
        cursor = taken.count < limit ? end % ProvideKeys.bucketCount : first
        serial += 1
        // What is announced now may be a part of the region, whose closest peers are in all of it.
        let probes = keys.sample(first / width * width..<end, most: Self.probes)
        regions[serial] = RegionWork(taken, probes: probes, replication: configuration.replication)
        return true
    }

    private mutating func startWalks(now: Instant, into effects: inout [Effect]) {
        let depth = walkBits
        for number in regions.keys.sorted() {
            while running.walks < configuration.parallelLookups, let index = regions[number]?.nextWalk(depth: depth),
                let key = regions[number]?.spot(index).key
            {
                regions[number]?.walks(index)
                running.walks += 1
                statistics.lookups += 1
                cycle.lookups += 1
                start(.closestPeers(key: key.bytes), .walk(region: number, key: index), now: now, into: &effects)
            }
        }
    }

    private mutating func startAnnounces(now: Instant, into effects: inout [Effect]) {
        for number in regions.keys.sorted() {
            while running.announces < configuration.parallelAnnounces, let announce = regions[number]?.nextAnnounce(),
                let region = regions[number]
            {
                running.announces += 1
                statistics.announcements += announce.keys.count
                let keys = announce.keys.map { region.keys[$0].key.bytes }
                start(
                    .announce(keys: keys, to: [region.peer(announce.peer)]), .announce(region: number, announce),
                    now: now, into: &effects)
            }
        }
    }

    private mutating func start(_ query: Query, _ errand: Errand, now: Instant, into effects: inout [Effect]) {
        serial += 1
        let id = QueryID(Self.queryBit | UInt64(serial))
        errands[id] = errand
        timeouts.set(id, at: now + configuration.queryTimeout)
        effects.append(.start(id, query))
    }

    // MARK: Results

    mutating func finished(_ query: QueryID, _ result: QueryResult, now: Instant, into effects: inout [Effect]) {
        timeouts.cancel(query)
        guard let errand = errands.removeValue(forKey: query) else { return }
        switch errand {
        case .urgent(let place):
            running.urgent -= 1
            finishUrgent(place, result, now: now, into: &effects)
        case .walk(let region, let key):
            running.walks -= 1
            finishWalk(region, key, result, now: now)
            endRegion(region, now: now, into: &effects)
        case .announce(let region, let announce):
            running.announces -= 1
            var wasTaken = false
            if case .stored(let count, let of) = result { wasTaken = count > 0 && count >= of }
            if !wasTaken { statistics.failedAnnouncements += announce.keys.count }
            regions[region]?.ended(announce, wasTaken: wasTaken)
            endRegion(region, now: now, into: &effects)
        }
    }

    private mutating func finishUrgent(
        _ place: KadKey, _ result: QueryResult, now: Instant, into effects: inout [Effect]
    ) {
        if case .failed(.noPeers) = result {
            if keys.update(place, { $0.state = .urgent }) != nil { urgent.append(place) }
            return pause(now: now)
        }
        if case .stored(let count, let of) = result, count > 0, count * 2 >= of {
            pauses = 0
            succeeded([place], now: now, into: &effects)
        } else {
            statistics.failedLookups += 1
            failed([place], now: now)
        }
    }

    private mutating func finishWalk(_ region: Int, _ key: Int, _ result: QueryResult, now: Instant) {
        guard let place = regions[region]?.spot(key).place else { return }
        guard case .peers(let peers) = result, !peers.isEmpty else {
            statistics.failedLookups += 1
            regions[region]?.notFound(key)
            failedInARow += 1
            // Nobody to ask, or nobody who answers: the keys are not to blame.
            if failedInARow >= 3 { return pause(now: now) }
            if case .failed(let failure) = result, failure != .noPeers { return }
            return pause(now: now)
        }
        failedInARow = 0
        pauses = 0
        // Few peers are all there are only where no more were ever seen.
        let most = Double(configuration.replication) * 2.5
        let isWhole = (estimate.peers ?? 0) < most
        estimate.note(peers, around: place, wanted: configuration.replication)
        let density = max(0, walkBits - 1)
        regions[region]?.found(key, peers, isWhole: isWhole, density: density)
    }

    /// Settles a region of which everything has ended.
    private mutating func endRegion(_ number: Int, now: Instant, into effects: inout [Effect]) {
        // While a lookup could still help, `work` starts it when there is room.
        guard regions[number]?.nextWalk(depth: walkBits) == nil else { return }
        regions[number]?.finishFinding(most: configuration.announceKeys)
        guard let region = regions[number], region.isDone else { return }
        regions[number] = nil
        var provided: [KadKey] = []
        var missed: [KadKey] = []
        for (index, entry) in region.keys.enumerated() {
            if region.isProvided(index) { provided.append(entry.place) } else { missed.append(entry.place) }
        }
        if pausedUntil != nil, provided.isEmpty {
            for place in missed { keys.update(place) { if $0.state == .working { $0.state = .queued } } }
            return
        }
        succeeded(provided, now: now, into: &effects)
        failed(missed, now: now)
    }

    private mutating func succeeded(_ places: [KadKey], now: Instant, into effects: inout [Effect]) {
        let wall = clock.wall(now)
        let records = places.compactMap { place in
            keys.update(place) { entry in
                entry.lastProvided = wall
                entry.failures = 0
                if entry.state == .working { entry.state = .resting }
            }?.record
        }
        guard !records.isEmpty else { return }
        statistics.provided += records.count
        cycle.provided += records.count
        rate.note(records.count, wall: wall)
        effects.append(.persist(records))
    }

    private mutating func failed(_ places: [KadKey], now: Instant) {
        guard !places.isEmpty else { return }
        statistics.failed += places.count
        cycle.failed += places.count
        var groups: [UInt8: [KadKey]] = [:]
        for place in places {
            let entry = keys.update(place) { entry in
                entry.failures = min(entry.failures + 1, 16)
                if entry.state == .working { entry.state = .failing }
            }
            guard let entry, entry.state == .failing else { continue }
            groups[entry.failures | (entry.isUrgent && entry.lastProvided == 0 ? 0x80 : 0), default: []].append(place)
        }
        for (group, places) in groups.sorted(by: { $0.key < $1.key }) {
            let base = group & 0x80 != 0 ? configuration.urgentRetry : configuration.retry
            let longest = group & 0x80 != 0 ? configuration.retry : configuration.longestRetry
            let delay = min(longest, base * Double(UInt64(1) << UInt64(group & 0x7f - 1)))
            serial += 1
            retries.push(Retry(at: now + delay, sequence: serial, places: places))
        }
    }

    private mutating func pause(now: Instant) {
        guard pausedUntil == nil else { return }
        let delay = min(configuration.longestPause, configuration.pause * Double(UInt64(1) << UInt64(min(pauses, 16))))
        pauses += 1
        pausedUntil = now + delay
    }

    // MARK: Sizes

    /// Bits of the regions in which at least twice the replication of peers is to be expected.
    var regionBits: Int { bits(Double(configuration.replication * 2)) }

    /// Bits of the turns of a cycle.
    var turnBits: Int { max(regionBits, configuration.leastTurnBits) }

    /// Bits that a lookup's target shares with what it is expected to cover.
    var walkBits: Int { estimate.peers == nil ? 0 : bits(Double(configuration.replication), most: 60) + 1 }

    /// How many bits leave about `peers` peers in a region.
    private func bits(_ peers: Double, most: Int = ProvideKeys.bits) -> Int {
        guard let all = estimate.peers, all > peers else { return 0 }
        var bits = 0
        var left = all / 2
        while left >= peers, bits < most {
            left /= 2
            bits += 1
        }
        return bits
    }
}
