import Multiformats
import SansIO

// What peers do not answer: silence, broken streams, searches and the next round.

extension BlockClient {
    mutating func tick(now: Instant, into effects: inout Effects) {
        reputations.expire(now: now)
        while let timer = timers.popDue(now) {
            switch timer {
            case .silence(let peer): listen(to: peer, now: now, into: &effects)
            case .resend(let peer): resend(to: peer, now: now)
            case .rebroadcast(let session): rebroadcast(session, now: now, into: &effects)
            case .search(let session): search(session, now: now, into: &effects)
            }
        }
    }

    // MARK: Silence

    /// Checks whether a peer that owes blocks has been silent for too long.
    private mutating func listen(to peer: Int, now: Instant, into effects: inout Effects) {
        guard peers[peer].inFlight > 0 else { return }
        let timeout = peers[peer].impatience ?? peers[peer].speed.timeout
        // Half messages count as life, but not for ever.
        let alive = min(peers[peer].aliveAt, peers[peer].progressAt + .seconds(30))
        let since = peers[peer].impatience == nil ? max(peers[peer].progressAt, alive) : peers[peer].progressAt
        if now - since < timeout {
            dropOverdue(peer, now: now, into: &effects)
            return timers.set(.silence(peer), at: since + timeout)
        }
        let patience = max(timeout, configuration.loneTimeout)
        let isLone = now - since >= patience
        var moved: [WantID] = []
        var lied = false
        for id in peers[peer].asked.ids {
            guard let relation = wanted.relation(id, peer), relation.isInFlight, let want = wanted[id] else { continue }
            if candidate(for: want) != nil {
                withdraw(id, from: peer, answer: .timedOut, now: now)
            } else if isLone {
                // Nobody else has it: the peer may still send it, and is not told otherwise.
                unflight(id, peer)
                wanted.relate(id, to: peer) { $0.answer = .timedOut }
            } else {
                continue
            }
            lied = lied || relation.answer == .have
            moved.append(id)
        }
        guard !moved.isEmpty else { return timers.set(.silence(peer), at: since + patience) }
        counters.timeouts &+= UInt64(moved.count)
        peers[peer].isStalled = true
        peers[peer].speed.punish(1)
        if lied || isLone { effects.append(.misbehaved(peers[peer].id, .stalled)) }
        for id in moved where wanted[id]?.inFlight == 0 { reassign(id, now: now, into: &effects) }
        for id in peers[peer].drainQueue() where wanted.place(of: id) == .queued(peer) {
            reassign(id, now: now, into: &effects)
        }
        pumpSessions(of: peer, now: now, into: &effects)
        if peers[peer].inFlight > 0 { timers.set(.silence(peer), at: now + patience) }
    }

    /// A peer that delivers, but has passed over its oldest wants for long, has lost them.
    private mutating func dropOverdue(_ peer: Int, now: Instant, into effects: inout Effects) {
        let limit = max(configuration.maximumTimeout, peers[peer].speed.timeout * 4)
        var looked = 0
        for id in peers[peer].asked.ids where looked < 8 {
            guard let relation = wanted.relation(id, peer), relation.isInFlight else { continue }
            looked += 1
            guard now - relation.askedAt >= limit, let want = wanted[id], candidate(for: want) != nil else { continue }
            counters.timeouts &+= 1
            withdraw(id, from: peer, answer: .timedOut, now: now)
            if wanted[id]?.inFlight == 0 { reassign(id, now: now, into: &effects) }
        }
    }

    // MARK: Broken streams

    /// Our stream of wants broke: what was on it may be lost, so the next message says everything.
    mutating func sendFailed(_ peer: Int, now: Instant, into effects: inout Effects) {
        guard !peers[peer].isResting else { return }
        peers[peer].resets += 1
        peers[peer].isResting = true
        let delay = configuration.sendRetryDelay * peers[peer].resets
        timers.set(.resend(peer), at: now + min(delay, configuration.maximumTimeout))
        guard peers[peer].resets > configuration.sendRetries else { return }
        // It cannot be reached: others are asked, until it is heard of again.
        peers[peer].isStalled = true
        for id in peers[peer].asked.ids where unflight(id, peer) {
            wanted.relate(id, to: peer) { $0.answer = .timedOut }
            if wanted[id]?.inFlight == 0 { reassign(id, now: now, into: &effects) }
        }
    }

    private mutating func resend(to peer: Int, now: Instant) {
        peers[peer].isResting = false
        peers[peer].needsFull = true
        peers[peer].mustSend = true
        peers[peer].clearOutbox()
        var seen: Set<WantID> = []
        for id in peers[peer].asked.ids where seen.insert(id).inserted {
            guard let want = wanted[id], let relation = want.relation(peer), relation.isRemembered else { continue }
            if relation.answer == .dontHave {
                // The full list makes the peer forget it.
                wanted.relate(id, to: peer) { $0.asked = .nothing }
            } else {
                tell(
                    peer,
                    BitswapMessage.Entry(
                        cid: want.cid, priority: want.priority, type: relation.asked == .block ? .block : .have,
                        sendDontHave: peers[peer].version.hasPresences),
                    now: now)
            }
        }
        dirty.append(peer)
    }

    // MARK: Searches

    /// Sees to it that providers are looked for when connected peers do not suffice.
    mutating func considerSearch(_ id: Bitswap.SessionID, now: Instant, into effects: inout Effects) {
        guard let session = sessions[id] else { return }
        if timers.deadline(of: .search(id)) != nil {
            // When nobody at hand is left to answer, waiting longer brings nothing.
            guard session.searchedAt == nil, let missing = missing(session), !isAnswerDue(missing) else { return }
            return search(id, now: now, into: &effects)
        }
        guard let missing = missing(session) else {
            // A guess that is not answered soon is followed by a search, too.
            if !session.isConfirmed, session.searchedAt == nil, !session.wants.ids.isEmpty {
                timers.set(.search(id), at: now + configuration.searchDelay)
            }
            return
        }
        if let searchedAt = session.searchedAt {
            timers.set(.search(id), at: max(now, searchedAt + configuration.searchInterval))
        } else if isAnswerDue(missing) {
            timers.set(.search(id), at: now + configuration.searchDelay)
        } else {
            search(id, now: now, into: &effects)
        }
    }

    /// Whether somebody was asked for it and has not answered.
    private func isAnswerDue(_ id: WantID) -> Bool {
        wanted[id]?.relations.contains { $0.asked != .nothing && $0.answer == .none } == true
    }

    /// A want of the session that nobody at hand can satisfy.
    private func missing(_ session: Session) -> WantID? {
        if let unfound = session.unfound.ids.first(where: { wanted.place(of: $0) == .unfound }) { return unfound }
        guard session.peers.isEmpty, let pending = session.pending.first?.id else { return nil }
        return wanted.place(of: pending) == .pending ? pending : nil
    }

    private mutating func search(_ id: Bitswap.SessionID, now: Instant, into effects: inout Effects) {
        guard let session = sessions[id] else { return }
        let target =
            missing(session) ?? (session.isConfirmed ? nil : session.wants.ids.first(where: wanted.contains))
        guard let target, let cid = wanted[target]?.cid else { return }
        sessions[id]?.searchedAt = now
        timers.set(.search(id), at: now + configuration.searchInterval)
        effects.append(.findProviders(cid, id))
    }

    /// Peers that claim to have a block; those not connected are awaited.
    mutating func providersFound(
        _ cid: CID, _ ids: [PeerID], slots: [Int?], now: Instant, into effects: inout Effects
    ) {
        guard let id = wanted.id(of: cid.multihash), let sessions = wanted[id]?.sessions else { return }
        for session in sessions {
            for (peerID, slot) in zip(ids, slots) {
                guard let peer = slot else {
                    self.sessions[session]?.await(peerID)
                    continue
                }
                guard wanted.relation(id, peer)?.isNegative != true else { continue }
                join(session, peer)
                retryUnfound(session, with: peer, now: now)
            }
            pump(session, now: now, into: &effects)
        }
    }

    // MARK: The next round

    /// 30 to 60 s, so that many nodes do not ask in step.
    mutating func rebroadcastDelay() -> Duration {
        configuration.rebroadcast * (1 + Double.random(in: 0..<1, using: &generator))
    }

    /// A session without progress for long forgets what peers lacked and asks them all again.
    private mutating func rebroadcast(_ id: Bitswap.SessionID, now: Instant, into effects: inout Effects) {
        guard let session = sessions[id], session.wants.ids.contains(where: wanted.contains) else { return }
        let due = session.progressAt + configuration.rebroadcast
        guard due <= now else { return timers.set(.rebroadcast(id), at: max(due, now + configuration.searchDelay)) }
        timers.set(.rebroadcast(id), at: now + rebroadcastDelay())
        for peer in session.peers { peers[peer].isStalled = false }
        sessions[id]?.guess = nil
        var round = 0
        for want in session.unfound.ids where wanted.place(of: want) == .unfound {
            wanted.update(want) { want in
                for index in want.relations.indices where !want.relations[index].isInFlight {
                    want.relations[index].answer = .none
                }
            }
            makePending(want)
        }
        pump(id, now: now, into: &effects)
        for want in session.wants.ids where round < configuration.broadcastWants {
            guard let place = wanted.place(of: want), place == .pending || place == .unfound else { continue }
            round += 1
            askEverybody(want, now: now)
        }
        considerSearch(id, now: now, into: &effects)
    }

    private mutating func askEverybody(_ id: WantID, now: Instant) {
        guard let want = wanted[id] else { return }
        for peer in connected.prefix(configuration.broadcastPeers) where want.relation(peer)?.isInFlight != true {
            askHave(id, of: peer, now: now)
        }
    }
}
