import Multiformats
import NIOCore
import SansIO

// What peers answer: presences and blocks.

extension BlockClient {
    /// What became of the blocks of one message.
    struct Verdict {
        var wanted = 0
        var wantedBytes = 0
        var duplicates = 0
        var duplicateBytes = 0
        var unsolicited = 0
    }

    // MARK: HAVE and DONT_HAVE

    mutating func received(
        _ presences: [BitswapMessage.Presence], from peer: Int, now: Instant, into effects: inout Effects
    ) {
        let wasUnreachable = peers[peer].resets > configuration.sendRetries
        peers[peer].resets = 0
        if wasUnreachable { revive(peer, now: now) }
        guard !presences.isEmpty else { return }
        for presence in presences {
            guard let id = wanted.id(of: presence.cid.multihash) else {
                if presence.has { hadIt(peer, now: now) }
                continue
            }
            // Answers to what was never asked mean nothing.
            guard let relation = wanted.relation(id, peer), relation.asked != .nothing else { continue }
            if presence.has {
                has(id, relation, now: now)
            } else {
                lacks(id, relation, presence.cid, now: now, into: &effects)
            }
        }
        pumpSessions(of: peer, now: now, into: &effects)
    }

    private mutating func has(_ id: WantID, _ relation: Want.Relation, now: Instant) {
        guard relation.answer != .have, let want = wanted[id] else { return }
        let peer = relation.peer
        counters.haves &+= 1
        if relation.answer == .none, !relation.isInFlight { peers[peer].speed.answered(after: now - relation.askedAt) }
        wanted.relate(id, to: peer) { $0.answer = .have }
        for session in want.sessions { confirm(session, by: peer, now: now) }
        switch want.place {
        case .unfound: give(id, to: peer, now: now)
        // A doubtful peer gets nothing that others may still take.
        case .pending where !peers[peer].isStalled && !peers[peer].speed.isBad: give(id, to: peer, now: now)
        case .pending, .queued: break
        case .asked: hurry(want, after: now - relation.askedAt, now: now)
        }
    }

    /// Somebody has what a peer that never delivered anything was asked for on a guess: that one gets little
    /// more time than the other needed to say so.
    private mutating func hurry(_ want: Want, after elapsed: Duration, now: Instant) {
        for relation in want.relations
        where relation.isInFlight && !peers[relation.peer].speed.hasDelivered {
            let patience = max(.milliseconds(100), elapsed * 2)
            peers[relation.peer].impatience = patience
            timers.setEarlier(.silence(relation.peer), at: now + patience)
        }
    }

    private mutating func lacks(
        _ id: WantID, _ relation: Want.Relation, _ cid: CID, now: Instant, into effects: inout Effects
    ) {
        let peer = relation.peer
        guard relation.answer != .dontHave else { return }
        counters.dontHaves &+= 1
        peers[peer].impatience = nil
        peers[peer].progressAt = now
        if relation.answer == .have {
            peers[peer].speed.punish(1)
            effects.append(.misbehaved(peers[peer].id, .contradiction(cid)))
        }
        if relation.answer == .none { peers[peer].speed.answered(after: now - relation.askedAt) }
        let wasInFlight = unflight(id, peer)
        if wasInFlight { peers[peer].speed.missed() }
        wanted.relate(id, to: peer) { $0.answer = .dontHave }
        guard let want = wanted[id] else { return }
        // A wrong guess makes room for another peer.
        for session in want.sessions where sessions[session]?.guess == peer && sessions[session]?.isConfirmed == false {
            leave(session, peer)
        }
        switch want.place {
        case .asked where want.inFlight == 0: reassign(id, now: now, into: &effects)
        case .unfound:
            for session in want.sessions { considerSearch(session, now: now, into: &effects) }
        case .pending where wasInFlight: reassign(id, now: now, into: &effects)
        case .asked, .pending, .queued: break
        }
    }

    /// A HAVE for what is done comes too late for that block, but its peer is still good for the others of the
    /// sessions that asked.
    private mutating func hadIt(_ peer: Int, now: Instant) {
        for session in peers[peer].probes where sessions[session] != nil { confirm(session, by: peer, now: now) }
    }

    /// A peer has shown that it has a block of the session; then it probably has the others.
    private mutating func confirm(_ session: Bitswap.SessionID, by peer: Int, now: Instant) {
        guard let wasConfirmed = sessions[session]?.isConfirmed else { return }
        sessions[session]?.isConfirmed = true
        if join(session, peer) || !wasConfirmed { retryUnfound(session, with: peer, now: now) }
    }

    // MARK: Blocks

    /// Takes in the blocks of one message. `peer` is `nil` when it has left since.
    mutating func received(
        _ blocks: [Block], rejected: Int, from peer: Int?, id peerID: PeerID, now: Instant, into effects: inout Effects
    ) -> Verdict {
        var verdict = Verdict()
        var delivered: [Block] = []
        delivered.reserveCapacity(blocks.count)
        var touched: [Int] = peer.map { [$0] } ?? []
        var sessionsTouched: [Bitswap.SessionID] = []
        for block in blocks {
            let bytes = block.data.readableBytes
            guard let id = wanted.id(of: block.cid.multihash) else {
                if recent.contains(block.cid.multihash, now: now) {
                    verdict.duplicates += 1
                    verdict.duplicateBytes += bytes
                } else {
                    verdict.unsolicited += 1
                }
                continue
            }
            guard let want = finish(id, except: peer, now: now) else { continue }
            verdict.wanted += 1
            verdict.wantedBytes += bytes
            delivered.append(Block(cid: want.cid, data: block.data))
            for alias in want.aliases { delivered.append(Block(cid: alias, data: block.data)) }
            if let peer { credit(peer, want, bytes: bytes, now: now) }
            for relation in want.relations where relation.isInFlight && !touched.contains(relation.peer) {
                touched.append(relation.peer)
            }
            for session in want.sessions {
                sessions[session]?.progressAt = now
                if let peer { confirm(session, by: peer, now: now) }
                if !sessionsTouched.contains(session) { sessionsTouched.append(session) }
            }
        }
        if let peer, rejected > 0 { punish(peer, 4 * Double(rejected), now: now) }
        if !delivered.isEmpty { effects.append(.deliver(delivered, from: peerID)) }
        if let peer, verdict.wanted > 0 { revive(peer, now: now) }
        for peer in touched { pumpSessions(of: peer, now: now, into: &effects) }
        for session in sessionsTouched where peer.map({ !peers[$0].sessions.contains(session) }) ?? true {
            pump(session, now: now, into: &effects)
        }
        return verdict
    }

    private mutating func credit(_ peer: Int, _ want: Want, bytes: Int, now: Instant) {
        peers[peer].progressAt = now
        peers[peer].impatience = nil
        // A block that comes late, after it was asked elsewhere, says nothing about the speed.
        guard let relation = want.relation(peer), relation.asked != .nothing, relation.answer != .timedOut else {
            return
        }
        peers[peer].speed.received(
            bytes: bytes, after: now - relation.askedAt, mark: relation.mark, inFlight: peers[peer].inFlight, now: now)
    }

    /// A peer that was given up as silent delivers again: what it still remembers is in flight once more, and
    /// what was withdrawn from it may be asked again if nobody else had it.
    private mutating func revive(_ peer: Int, now: Instant) {
        guard peers[peer].isStalled else { return }
        peers[peer].isStalled = false
        for id in peers[peer].asked.ids {
            guard let relation = wanted.relation(id, peer), relation.answer == .timedOut else { continue }
            guard wanted.place(of: id) == .unfound else {
                wanted.relate(id, to: peer) { $0.answer = .none }
                continue
            }
            guard relation.asked == .block else {
                give(id, to: peer, now: now)
                continue
            }
            wanted.relate(id, to: peer) {
                $0.answer = .none
                $0.isInFlight = true
                $0.askedAt = now
            }
            wanted.update(id) {
                $0.inFlight += 1
                $0.place = .asked
            }
            peers[peer].inFlight += 1
        }
        if peers[peer].inFlight > 0 { timers.setEarlier(.silence(peer), at: now + peers[peer].speed.timeout) }
    }

    /// Fills the peer's window again, beginning with another session each time.
    mutating func pumpSessions(of peer: Int, now: Instant, into effects: inout Effects) {
        let members = peers[peer].sessions
        guard !members.isEmpty else { return }
        peers[peer].turn = (peers[peer].turn + 1) % members.count
        let first = peers[peer].turn
        for offset in members.indices { pump(members[(first + offset) % members.count], now: now, into: &effects) }
    }
}
