import Multiformats
import SansIO

// How the table learns of new peers without being asked anything: lookups of our own key, of keys in buckets
// that have room, and of a key anywhere to estimate how large the network is.

extension Kademlia {
    /// Deeper buckets cannot be aimed at by trying keys; the lookup of our own key fills them.
    private static let deepestRefresh = 15
    private static let maximumRefreshes = 2
    /// Peers that stopped answering are tried again with each refresh, so many at a time.
    private static let lostPerRefresh = 8

    mutating func refreshIsDue(now: Instant, into effects: inout [Effect]) {
        retryLost(now: now, into: &effects)
        guard table.count > 0 || !upkeep.lost.isEmpty else { return }
        var wait = configuration.refreshInterval
        // The first ones come soon, since a swarm that starts at once fills its tables as it goes.
        if table.count < configuration.k || upkeep.refreshes < 3 {
            wait = min(wait, upkeep.smallTableDelay)
            upkeep.smallTableDelay = min(upkeep.smallTableDelay * 2, configuration.refreshInterval)
        }
        // A tenth more or less, so that a swarm that started at once does not stay in step.
        let jitter = Double(generator.next() % 2001) / 10_000 - 0.1
        timers.set(.refresh, at: now + wait + .nanoseconds(Int64(wait.inSeconds * jitter * 1e9)))
        guard table.count > 0, upkeep.targets.isEmpty, upkeep.refreshing == 0 else { return }
        upkeep.targets = [.own]
        upkeep.refreshes += 1
        if upkeep.refreshes <= 4 || upkeep.refreshes % 4 == 0 { upkeep.targets.append(.anywhere) }
    }

    /// Tries a few of those that stopped answering, if there is room for them.
    private mutating func retryLost(now: Instant, into effects: inout [Effect]) {
        let again = upkeep.lost.next(Kademlia.lostPerRefresh, now: now) { key, peer in
            table.refusal(of: key, groups: IPGroup.networks(of: peer.addresses)) == nil
        }
        for (key, peer) in again { consider(peer, key: key, now: now, into: &effects) }
    }

    mutating func continueRefresh(now: Instant, into effects: inout [Effect]) {
        while upkeep.refreshing < Kademlia.maximumRefreshes, !upkeep.targets.isEmpty {
            let target = upkeep.targets.removeFirst()
            let bytes: [UInt8]
            switch target {
            case .own: bytes = peer.bytes
            case .anywhere: bytes = RandomKeys.key(sharing: 0, with: key, &generator)
            case .bucket(let bucket):
                bytes = RandomKeys.key(sharing: bucket + 1, with: key.flipping(bucket), &generator)
            }
            upkeep.refreshing += 1
            statistics.refreshes += 1
            startRefresh(bytes, target, now: now, into: &effects)
        }
    }

    /// A refresh lookup has ended. After that of our own key it is known which buckets it has not covered.
    mutating func refreshEnded(_ target: Upkeep.Target, closest: [Lookup.Contact]) {
        upkeep.refreshing = max(0, upkeep.refreshing - 1)
        guard case .own = target, closest.count >= configuration.k, let last = closest.last else { return }
        upkeep.neighbourhood = last.key.commonPrefixLength(with: key)
        planBuckets()
    }

    /// Lines up the buckets that have room or were not looked into for long.
    private mutating func planBuckets() {
        guard let deepest = table.deepest else { return }
        for bucket in 0...min(deepest, upkeep.neighbourhood, Kademlia.deepestRefresh)
        where table.population(of: bucket) < configuration.k {
            upkeep.targets.append(.bucket(bucket))
        }
    }
}
