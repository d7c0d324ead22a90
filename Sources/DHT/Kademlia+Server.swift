import Multiformats
import SansIO

// What others ask of us. Every request ends in an answer or a refusal within the same call.

extension Kademlia {
    mutating func serve(
        _ id: RequestID, _ message: KadMessage, from requester: Requester, now: Instant, into effects: inout [Effect]
    ) {
        guard mode == .server, requester.peer != peer else {
            statistics.requestsRefused[message.kind] += 1
            effects.append(.refuse(id))
            return
        }
        guard rates.take(requester.address, now: now) else {
            statistics.requestsOverRate += 1
            statistics.requestsRefused[message.kind] += 1
            effects.append(.refuse(id))
            return
        }
        let place = KadKey(requester.peer)
        if requester.isConfirmed { meet(requester, place, now: now, into: &effects) }
        guard let answer = answer(message, requester, place, now: now, into: &effects) else {
            statistics.requestsRefused[message.kind] += 1
            effects.append(.refuse(id))
            return
        }
        statistics.requestsServed[message.kind] += 1
        effects.append(.respond(id, answer))
    }

    /// A request shows that its sender lives. A datagram also shows where it listens; whether it serves is for
    /// the probe to find out. A stream's sender is `found` once identify has said so.
    private mutating func meet(
        _ requester: Requester, _ place: KadKey, now: Instant, into effects: inout [Effect]
    ) {
        if let position = table.position(of: place) {
            table.update(position) { $0.heard = now }
        } else if requester.transport == .datagram, let address = requester.address,
            configuration.addressPolicy.admits(address)
        {
            consider(KadPeer(requester.peer, [address]), key: place, now: now, into: &effects)
        }
    }

    /// The answer; nil to refuse.
    private mutating func answer(
        _ message: KadMessage, _ requester: Requester, _ place: KadKey, now: Instant, into effects: inout [Effect]
    ) -> KadMessage? {
        switch message.kind {
        case .ping: return KadMessage(.ping, key: message.key)
        case .findNode:
            guard isUsable(message.key) else { return nil }
            return findNode(message.key, requester, place, now: now)
        case .getProviders:
            guard KadMessage.Limits.providerKeyBytes.contains(message.key.count) else { return nil }
            let isNear = isOnThisMachine(requester)
            let named = providers.providers(of: message.key, now: wallTime(now)).compactMap { provider in
                let addresses = provider.id == peer ? ownAddresses : provider.addresses
                return KadPeer(provider.id, given(addresses, isNear: isNear))
            }
            return KadMessage(
                .getProviders, key: message.key, closerPeers: closer(KadKey(hashing: message.key), requester, place),
                providerPeers: named)
        case .getValue:
            guard isUsable(message.key) else { return nil }
            var record: KadRecord?
            if let value = values.value(of: message.key, now: wallTime(now)),
                isValid(value.bytes, for: message.key, now: now)
            {
                record = KadRecord(key: message.key, value: value.bytes)
            }
            return KadMessage(
                .getValue, key: message.key, record: record,
                closerPeers: closer(KadKey(hashing: message.key), requester, place))
        case .addProvider:
            return addProvider(message, requester, now: now, into: &effects) ? stripped(message) : nil
        case .putValue: return putValue(message, requester, now: now, into: &effects) ? stripped(message) : nil
        }
    }

    private func isUsable(_ key: [UInt8]) -> Bool { !key.isEmpty && key.count <= KadMessage.Limits.keyBytes }

    /// What comes back of a request that stores something: never the peers in it.
    private func stripped(_ message: KadMessage) -> KadMessage {
        KadMessage(message.kind, key: message.key, record: message.record)
    }

    // MARK: Peers

    /// The closest peers and, whatever it is, the one that was asked for.
    private func findNode(
        _ key: [UInt8], _ requester: Requester, _ place: KadKey, now: Instant
    ) -> KadMessage {
        let target = KadKey(hashing: key)
        var peers = closer(target, requester, place, includesRequester: target == place)
        if peers.first.map({ KadKey($0.id) != target }) ?? true, let wanted = try? PeerID(key) {
            let isNear = isOnThisMachine(requester)
            let known = wanted == peer ? ownAddresses : contactBook.value(of: wanted, now: now) ?? []
            let addresses = given(known, isNear: isNear)
            if !addresses.isEmpty { peers.insert(KadPeer(wanted, addresses), at: 0) }
        }
        return KadMessage(.findNode, key: key, closerPeers: peers)
    }

    /// The k closest of the table, without whoever asks.
    private func closer(
        _ target: KadKey, _ requester: Requester, _ place: KadKey, includesRequester: Bool = false
    ) -> [KadPeer] {
        let isNear = isOnThisMachine(requester)
        var result: [KadPeer] = []
        result.reserveCapacity(configuration.k)
        for position in table.closestPositions(to: target, count: configuration.k + 1) {
            let entry = table[position]
            if entry.key == place, !includesRequester { continue }
            if entry.hasLoopback, !isNear {
                let addresses = given(entry.addresses, isNear: false)
                if !addresses.isEmpty { result.append(KadPeer(entry.peer, addresses)) }
            } else {
                result.append(entry.kadPeer)
            }
            if result.count == configuration.k { break }
        }
        return result
    }

    private func isOnThisMachine(_ requester: Requester) -> Bool { requester.address?.isLoopback ?? false }

    /// What of known addresses somebody may learn: loopback is for this machine.
    private func given(_ addresses: [Multiaddr], isNear: Bool) -> [Multiaddr] {
        addresses.filter { configuration.addressPolicy.admits($0) && (isNear || !$0.isLoopback) }
    }

    // MARK: Records

    private mutating func addProvider(
        _ message: KadMessage, _ requester: Requester, now: Instant, into effects: inout [Effect]
    ) -> Bool {
        guard requester.isConfirmed, KadMessage.Limits.providerKeyBytes.contains(message.key.count),
            let named = message.providerPeers.first(where: { $0.id == requester.peer && !$0.addresses.isEmpty })
        else { return false }
        let nearness = KadAddressPolicy.Nearness(of: requester.address.map { [$0] } ?? [])
        let addresses = configuration.addressPolicy.believed(
            named.addresses, from: nearness, limit: configuration.addressesPerPeer)
        if !addresses.isEmpty { contactBook.set(requester.peer, addresses, now: now) }
        let changes = providers.add(
            key: message.key, peer: requester.peer, addresses: addresses,
            source: IPGroup(source: requester.address), now: wallTime(now))
        for change in changes { effects.append(.store(change)) }
        return true
    }

    private mutating func putValue(
        _ message: KadMessage, _ requester: Requester, now: Instant, into effects: inout [Effect]
    ) -> Bool {
        guard requester.isConfirmed, let record = message.record, record.key == message.key,
            let validator = validator(of: message.key), isValid(record.value, for: message.key, now: now)
        else { return false }
        let wall = wallTime(now)
        if let old = values.value(of: message.key, now: wall), old.bytes != record.value,
            isValid(old.bytes, for: message.key, now: now), validator.select([old.bytes, record.value]) == 0
        {
            return false
        }
        let changes = values.set(
            record.value, for: message.key, source: IPGroup(source: requester.address), received: wall)
        for change in changes { effects.append(.store(change)) }
        return true
    }

    /// What was kept before a restart.
    mutating func restore(_ changes: [KadRecordChange], now: Instant) {
        let wall = wallTime(now)
        for change in changes {
            switch change {
            case .provider(let key, let peer, let addresses, let expires):
                guard KadMessage.Limits.providerKeyBytes.contains(key.count) else { continue }
                providers.restore(
                    key: key, peer: peer, addresses: addresses, source: IPGroup(source: addresses.first),
                    expires: expires, now: wall)
            case .value(let key, let record, let received):
                guard isValid(record, for: key, now: now) else { continue }
                _ = values.set(record, for: key, source: .unknown, received: min(received, wall))
            case .noProvider, .noValue: continue
            }
        }
    }
}
