import Multiformats
import SansIO

// Who enters the table, who leaves it, and when it is refreshed.

/// What the care of the table remembers.
struct Upkeep: Sendable {
    struct Candidate: Sendable {
        var peer: KadPeer
        var key: KadKey
        var groups: [IPGroup]
    }

    var candidates: [Candidate] = []
    /// Candidates being probed.
    var probing: Set<PeerID> = []
    /// Checks under way.
    var checks = 0
    /// Candidates that failed their probe lately.
    var resting = SeenCache<PeerID>(capacity: 1024, lifetime: .seconds(300))
    var lost = LostPeers()
    /// When anybody last answered: while nobody does, the fault is ours.
    var lastAnswer = Instant.zero
    /// The share of the last answers, weighted towards the newest, that took longer than expected.
    var lateness = 0.0
    /// Whether so many are late that packets must be getting lost on our own way.
    var isLossy: Bool { lateness > 0.1 }

    // MARK: Refresh

    /// What a refresh still has to look up.
    enum Target: Sendable {
        case own
        /// Anything, to learn how large the network is.
        case anywhere
        case bucket(Int)
    }

    var targets: [Target] = []
    /// Refresh lookups under way.
    var refreshing = 0
    /// Buckets from this one on were filled by the last lookup of our own key.
    var neighbourhood = 0
    /// The wait after the next refresh, while the table is small.
    var smallTableDelay = Duration.seconds(15)
    var refreshes = 0
}

extension Kademlia {
    // MARK: Candidates

    mutating func found(_ peer: PeerID, at addresses: [Multiaddr], now: Instant, into effects: inout [Effect]) {
        guard peer != self.peer else { return }
        let usable = Array(
            addresses.lazy.filter { [policy = configuration.addressPolicy] in policy.admits($0) }
                .prefix(configuration.addressesPerPeer))
        guard !usable.isEmpty else { return }
        let key = KadKey(peer)
        if let position = table.position(of: key) {
            table.setAddresses(usable, at: position)
            table.update(position) { $0.heard = now }
            return
        }
        upkeep.resting.remove(peer)
        consider(KadPeer(peer, usable), key: key, now: now, into: &effects)
    }

    /// Takes a peer that seems to serve as a candidate, if there may be room for it.
    mutating func consider(_ candidate: KadPeer, key: KadKey, now: Instant, into effects: inout [Effect]) {
        guard !candidate.addresses.isEmpty, candidate.id != peer, !upkeep.probing.contains(candidate.id),
            !upkeep.resting.contains(candidate.id, now: now)
        else { return }
        let groups = IPGroup.networks(of: candidate.addresses)
        switch table.refusal(of: key, groups: groups) {
        case nil:
            guard upkeep.candidates.count < configuration.maximumCandidates,
                !upkeep.candidates.contains(where: { $0.key == key })
            else { return }
            // One network must not fill the queue before others.
            if let group = groups.first, configuration.ipDiversity != nil {
                guard upkeep.candidates.count(where: { $0.groups.contains(group) }) < 8 else { return }
            }
            upkeep.candidates.append(Upkeep.Candidate(peer: candidate, key: key, groups: groups))
        case .bucketFull:
            table.wait(candidate, key: key)
            let bucket = self.key.commonPrefixLength(with: key)
            if let quiet = table.quietest(in: bucket), table[quiet].heard + configuration.checkAfter / 2 <= now {
                check(quiet, now: now, into: &effects)
            }
        case .ourselves, .known, .crowdedNetwork: break
        }
    }

    mutating func startProbes(now: Instant, into effects: inout [Effect]) {
        guard !upkeep.candidates.isEmpty else { return }
        var taken = 0
        while taken < upkeep.candidates.count, upkeep.probing.count < configuration.maximumProbes {
            let candidate = upkeep.candidates[taken]
            taken += 1
            guard table.refusal(of: candidate.key, groups: candidate.groups) == nil else { continue }
            upkeep.probing.insert(candidate.peer.id)
            _ = send(
                KadMessage(.findNode, key: candidate.peer.id.bytes), to: candidate.peer, key: candidate.key,
                .probe(candidate.peer), now: now, into: &effects)
        }
        upkeep.candidates.removeFirst(taken)
    }

    mutating func probeAnswered(
        _ candidate: KadPeer, _ call: Call, _ report: CallReport, now: Instant, into effects: inout [Effect]
    ) {
        upkeep.probing.remove(candidate.id)
        let wasEmpty = table.count == 0
        guard table.insert(candidate, key: call.key, now: now) == nil else { return }
        if let time = report.roundTrip, let position = table.position(of: call.key) {
            table.update(position) { $0.measured(time) }
        }
        upkeep.lost.remove(call.key)
        effects.append(.entered(candidate))
        if wasEmpty { upkeep.smallTableDelay = .seconds(15) }
        if wasEmpty || timers.deadline(of: .refresh) == nil { timers.set(.refresh, at: now) }
        timers.setEarlier(.sweepTable, at: now + configuration.checkAfter)
    }

    mutating func probeFailed(_ candidate: KadPeer, now: Instant) {
        upkeep.probing.remove(candidate.id)
        upkeep.resting.insert(candidate.id, now: now)
    }

    /// Peers of the table before a restart, the best first.
    mutating func restore(_ peers: [KadPeer], now: Instant, into effects: inout [Effect]) {
        for saved in peers.prefix(configuration.maximumCandidates) {
            found(saved.id, at: saved.addresses, now: now, into: &effects)
        }
    }

    /// Peers worth saving for the next start: those that have lasted the longest and were not failing. The first
    /// few are of different networks, as anchors.
    package func savedPeers() -> [KadPeer] {
        let sorted = table.entries.sorted { left, right in
            if (left.failures == 0) != (right.failures == 0) { return left.failures == 0 }
            return left.added == right.added ? left.key < right.key : left.added < right.added
        }
        var seen: Set<IPGroup> = []
        var anchors: [KadPeer] = []
        var others: [KadPeer] = []
        for entry in sorted {
            let isNew = entry.groups.isEmpty || entry.groups.allSatisfy { !seen.contains($0) }
            if anchors.count < 8, isNew {
                seen.formUnion(entry.groups)
                anchors.append(entry.kadPeer)
            } else {
                others.append(entry.kadPeer)
            }
        }
        return Array((anchors + others).prefix(configuration.savedPeers))
    }

    // MARK: Leaving

    mutating func stoppedServing(_ peer: PeerID, now: Instant, into effects: inout [Effect]) {
        upkeep.candidates.removeAll { $0.peer.id == peer }
        if let position = table.position(of: KadKey(peer)) { remove(position, now: now, into: &effects) }
    }

    private mutating func remove(_ position: RoutingTable.Position, now: Instant, into effects: inout [Effect]) {
        let waiting = table.takeWaiting(in: position.bucket)
        let entry = table.remove(position)
        timers.cancel(.recheck(entry.peer))
        effects.append(.left(entry.peer))
        for candidate in waiting { consider(candidate, key: KadKey(candidate.id), now: now, into: &effects) }
        if table.count < configuration.k {
            timers.setEarlier(.refresh, at: now + upkeep.smallTableDelay)
        }
    }

    /// A call failed. A peer of the table leaves after the second failure in a row: one may be the network's.
    mutating func missed(_ call: Call, _ failure: CallFailure, now: Instant, into effects: inout [Effect]) {
        var isCheck = false
        if case .check = call.purpose {
            isCheck = true
            upkeep.checks = max(0, upkeep.checks - 1)
        }
        guard let position = table.position(of: call.key) else { return }
        if isCheck { table.update(position) { $0.isChecked = false } }
        // What came from it after the call was sent says more than the call's failure.
        guard table[position].heard <= call.sent else { return }
        guard upkeep.lastAnswer > call.sent else {
            // Nobody has answered since: it may well be we who are cut off.
            timers.setEarlier(.recheck(call.peer), at: now + .seconds(30))
            return
        }
        table.update(position) { $0.failures += 1 }
        if table[position].failures >= 2 || isCheck && failure == .refused {
            if failure != .refused { upkeep.lost.add(table[position], now: now) }
            remove(position, now: now, into: &effects)
        } else {
            verify(position, now: now, into: &effects)
        }
    }

    /// Checks a peer, and with it the one that was heard of last, unless somebody has just answered: only while
    /// others answer does silence say anything.
    private mutating func verify(
        _ position: RoutingTable.Position, now: Instant, into effects: inout [Effect]
    ) {
        check(position, now: now, into: &effects)
        guard upkeep.lastAnswer + .seconds(1) < now else { return }
        var freshest: (heard: Instant, position: RoutingTable.Position)?
        table.forEach { other, entry in
            if other != position, freshest.map({ entry.heard > $0.heard }) ?? true { freshest = (entry.heard, other) }
        }
        if let freshest { check(freshest.position, now: now, into: &effects) }
    }

    /// A peer of the table has kept a lookup waiting: it is asked whether it is there.
    mutating func suspect(_ call: Call, now: Instant, into effects: inout [Effect]) {
        guard let position = table.position(of: call.key), table[position].heard <= call.sent else { return }
        check(position, now: now, into: &effects)
    }

    private mutating func check(
        _ position: RoutingTable.Position, now: Instant, into effects: inout [Effect]
    ) {
        let entry = table[position]
        guard !entry.isChecked else { return }
        guard upkeep.checks < configuration.maximumProbes else {
            timers.setEarlier(.recheck(entry.peer), at: now + .seconds(5))
            return
        }
        upkeep.checks += 1
        table.update(position) { $0.isChecked = true }
        _ = send(
            KadMessage(.findNode, key: entry.peer.bytes), to: entry.kadPeer, key: entry.key, .check, now: now,
            into: &effects)
    }

    mutating func recheck(_ peer: PeerID, now: Instant, into effects: inout [Effect]) {
        guard let position = table.position(of: KadKey(peer)) else { return }
        verify(position, now: now, into: &effects)
    }

    /// Checks the peers that were not heard of for long, as many at once as may be.
    mutating func sweepTable(now: Instant, into effects: inout [Effect]) {
        guard table.count > 0 else { return }
        var quiet: [(heard: Instant, position: RoutingTable.Position)] = []
        var next = Instant.distantFuture
        table.forEach { position, entry in
            if entry.heard + configuration.checkAfter <= now {
                if !entry.isChecked { quiet.append((entry.heard, position)) }
            } else {
                next = min(next, entry.heard + configuration.checkAfter)
            }
        }
        let room = max(0, configuration.maximumProbes - upkeep.checks)
        quiet.sort { $0.heard < $1.heard }
        for entry in quiet.prefix(room) { check(entry.position, now: now, into: &effects) }
        // Not for each peer by itself: those that are due soon are taken together.
        let soon = now + (quiet.count > room ? .seconds(1) : configuration.checkAfter / 10)
        timers.set(.sweepTable, at: quiet.count > room ? soon : max(soon, next))
    }
}
