import Multiformats
import SansIO

// Whom to ask for what.

extension BlockClient {
    // MARK: Membership

    /// Makes a connected peer one of the session's; a full session gives up one that is of no use. Returns
    /// whether the peer is new there.
    @discardableResult
    mutating func join(_ id: Bitswap.SessionID, _ peer: Int) -> Bool {
        guard let members = sessions[id]?.peers, !members.contains(peer) else { return false }
        if members.count >= configuration.peersPerSession {
            guard let useless = members.first(where: { peers[$0].isStalled || peers[$0].speed.isBad }) else {
                return false
            }
            leave(id, useless)
        }
        sessions[id]?.peers.append(peer)
        peers[peer].sessions.append(id)
        return true
    }

    mutating func leave(_ id: Bitswap.SessionID, _ peer: Int) {
        sessions[id]?.peers.removeAll { $0 == peer }
        peers[peer].sessions.removeAll { $0 == id }
    }

    /// A session without peers takes the likeliest of the connected ones: one that has delivered before, or
    /// else the nearest. Asking it for the block at once saves a round trip if it has it, and costs nothing
    /// if not, since everybody else is asked for HAVE in the same moment.
    private mutating func guess(_ id: Bitswap.SessionID) {
        guard sessions[id]?.guess == nil else { return }
        var best: Int?
        var least = Double.infinity
        for peer in connected where !peers[peer].isStalled && !peers[peer].speed.isBad {
            let time = peers[peer].speed.expectedTime(inFlight: 0) + (peers[peer].speed.hasDelivered ? 0 : 1e6)
            if time < least {
                least = time
                best = peer
            }
        }
        guard let best else { return }
        sessions[id]?.guess = best
        join(id, best)
    }

    // MARK: Distribution

    /// Puts a want back to where windows are filled from.
    mutating func makePending(_ id: WantID) {
        wanted.update(id) { $0.place = .pending }
        guard let sessions = wanted[id]?.sessions else { return }
        for session in sessions { makePending(id, in: session) }
    }

    mutating func makePending(_ id: WantID, in session: Bitswap.SessionID) {
        guard let want = wanted[id] else { return }
        sessions[session]?.pending.push(Session.Pending(priority: want.priority, sequence: want.sequence, id: id))
    }

    /// Fills the windows of a session's peers: first with what is reserved for them, then with what is pending.
    mutating func pump(_ id: Bitswap.SessionID, now: Instant, into effects: inout Effects) {
        guard let members = sessions[id]?.peers else { return }
        for peer in members { drain(peer, now: now) }
        while let next = sessions[id]?.pending.first {
            guard wanted.place(of: next.id) == .pending else {
                sessions[id]?.pending.pop()
                continue
            }
            if sessions[id]?.peers.isEmpty == true { guess(id) }
            guard let peer = nextPeer(id) else { break }
            sessions[id]?.pending.pop()
            if wanted.relation(next.id, peer)?.isNegative == true {
                reassign(next.id, now: now, into: &effects)
            } else {
                askBlock(next.id, of: peer, now: now)
            }
        }
        if sessions[id]?.pending.isEmpty == true { relieve(id, now: now) }
    }

    /// Asks a peer for what was reserved for it, as far as its window goes.
    private mutating func drain(_ peer: Int, now: Instant) {
        while peers[peer].queued > 0, peers[peer].hasRoom, let want = peers[peer].dequeue() {
            if wanted.place(of: want) == .queued(peer) { askBlock(want, of: peer, now: now) }
        }
    }

    /// The session's peer that would deliver one more block soonest, among those with room.
    private func nextPeer(_ id: Bitswap.SessionID) -> Int? {
        guard let members = sessions[id]?.peers else { return nil }
        var best: Int?
        var least = Double.infinity
        // A bad peer is better than none, but not than any other that is merely busy.
        let allBad = members.allSatisfy { peers[$0].speed.isBad || peers[$0].isStalled }
        for peer in members where mayTakeMore(peer) && (allBad || !peers[peer].speed.isBad) {
            let time = peers[peer].speed.expectedTime(inFlight: peers[peer].inFlight)
            if time < least {
                least = time
                best = peer
            }
        }
        return best
    }

    /// Whether a want may be tried on the peer; one that often lacks what it is asked for gets few at once.
    private func mayTakeMore(_ peer: Int) -> Bool {
        guard peers[peer].hasRoom, !peers[peer].isStalled, peers[peer].queued == 0 else { return false }
        let window = Double(peers[peer].speed.window) * min(1, 2 * peers[peer].speed.hitRate)
        return peers[peer].inFlight < max(configuration.minimumWindow, Int(window))
    }

    /// Finds the next peer for a want that the last one did not satisfy.
    mutating func reassign(_ id: WantID, now: Instant, into effects: inout Effects) {
        guard let want = wanted[id] else { return }
        if let best = candidate(for: want) {
            give(id, to: best, now: now)
            probe(want, id, except: best, now: now)
        } else {
            giveUp(id, now: now, into: &effects)
        }
    }

    /// The best peer that may have the block: those that said so are preferred by their certainty.
    func candidate(for want: Want) -> Int? {
        var best: Int?
        var least = Double.infinity
        func consider(_ peer: Int, _ relation: Want.Relation?) {
            guard peers[peer].isConnected, !peers[peer].isStalled, relation?.answer != .dontHave,
                relation?.isInFlight != true
            else { return }
            let speed = peers[peer].speed
            var time = speed.expectedTime(inFlight: peers[peer].inFlight + peers[peer].queued)
            if relation?.answer == .have { time *= speed.hitRate }
            // It was slow with this one before, but lives.
            if relation?.answer == .timedOut { time += 1e3 }
            if speed.isBad { time += 1e6 }
            if time < least {
                least = time
                best = peer
            }
        }
        for relation in want.relations where relation.answer == .have { consider(relation.peer, relation) }
        for session in want.sessions {
            for peer in sessions[session]?.peers ?? [] { consider(peer, want.relation(peer)) }
        }
        return best
    }

    /// Asks other peers of the session whether they have a block that is hard to find.
    private mutating func probe(_ want: Want, _ id: WantID, except chosen: Int, now: Instant) {
        var asked = 0
        for session in want.sessions {
            for peer in sessions[session]?.peers ?? [] where peer != chosen && want.relation(peer) == nil {
                guard asked < configuration.probePeers else { return }
                if askHave(id, of: peer, now: now) { asked += 1 }
            }
        }
    }

    /// Asks a peer for the block now, or as soon as its window has room.
    mutating func give(_ id: WantID, to peer: Int, now: Instant) {
        if peers[peer].hasRoom {
            askBlock(id, of: peer, now: now)
        } else {
            wanted.update(id) { $0.place = .queued(peer) }
            peers[peer].enqueue(id)
        }
    }

    /// Nobody known has the block: ask all the others, and say so to whoever searches.
    mutating func giveUp(_ id: WantID, now: Instant, into effects: inout Effects) {
        wanted.update(id) { $0.place = .unfound }
        guard let want = wanted[id] else { return }
        // Peers of old versions cannot be asked for HAVE; they are tried one after the other.
        if let old = connected.first(where: {
            !peers[$0].version.hasPresences && !peers[$0].isStalled && want.relation($0) == nil
        }) {
            return give(id, to: old, now: now)
        }
        for session in want.sessions {
            noteUnfound(id, in: session)
            if (sessions[session]?.broadcasts ?? 0) < configuration.broadcastWants { broadcast(id, now: now) }
            considerSearch(session, now: now, into: &effects)
        }
    }

    private mutating func noteUnfound(_ id: WantID, in session: Bitswap.SessionID) {
        let wanted = self.wanted
        sessions[session]?.unfound.append(id) { wanted.place(of: $0) == .unfound }
    }

    // MARK: The end of a session

    /// Lets idle peers take over what slow ones still owe. The slow peer is sent a cancel and loses the wants
    /// that it would have come to last, so hardly any block comes twice.
    private mutating func relieve(_ id: Bitswap.SessionID, now: Instant) {
        guard let members = sessions[id]?.peers, members.count > 1 else { return }
        for idle in members
        where peers[idle].inFlight == 0 && peers[idle].queued == 0 && peers[idle].speed.hasDelivered
            && !peers[idle].isStalled && !peers[idle].speed.isBad && peers[idle].hasRoom
        {
            var victim: Int?
            var most = 2 * peers[idle].speed.expectedTime(inFlight: 0) + peers[idle].speed.latency
            for peer in members where peer != idle && peers[peer].inFlight + peers[peer].queued > 0 {
                let time = peers[peer].speed.expectedTime(inFlight: peers[peer].inFlight + peers[peer].queued)
                if time > most {
                    most = time
                    victim = peer
                }
            }
            if let victim { takeOver(id, from: victim, by: idle, now: now) }
        }
    }

    private mutating func takeOver(_ session: Bitswap.SessionID, from slow: Int, by idle: Int, now: Instant) {
        // In proportion to the speeds, both would then end at the same time.
        let share = peers[idle].speed.rate / (peers[idle].speed.rate + peers[slow].speed.rate)
        let owed = peers[slow].inFlight + peers[slow].queued
        var room = min(max(1, Int(Double(owed) * share)), peers[idle].speed.window)
        for id in peers[slow].drainQueue().reversed() {
            guard wanted.place(of: id) == .queued(slow) else { continue }
            if room > 0, mayTakeOver(id, session, by: idle) {
                room -= 1
                counters.stolen &+= 1
                askBlock(id, of: idle, now: now)
            } else {
                peers[slow].enqueue(id)
            }
        }
        var looked = 0
        let limit = 4 * room + 64
        // What it will send next is probably on its way already, beyond the reach of a cancel.
        var spare = peers[slow].inFlight - committedBlocks(of: slow)
        for id in peers[slow].asked.ids.reversed() {
            guard room > 0, spare > 0, looked < limit else { return }
            looked += 1
            guard wanted.relation(id, slow)?.isInFlight == true, mayTakeOver(id, session, by: idle) else { continue }
            room -= 1
            spare -= 1
            counters.stolen &+= 1
            withdraw(id, from: slow, answer: .none, now: now)
            askBlock(id, of: idle, now: now)
        }
    }

    /// Blocks that a peer has read and queued for us, as we would have for it: more when it is fast, and of a
    /// very slow peer only those that come within a second.
    private func committedBlocks(of peer: Int) -> Int {
        let speed = peers[peer].speed
        let usual = min(Double(configuration.outstandingBytesPerPeer), speed.rate)
        let bytes = min(Double(configuration.outstandingBytesFastPeer), max(usual, speed.rate / 10))
        return speed.hasDelivered ? Int(bytes / max(speed.blockBytes, 1)) : 0
    }

    private func mayTakeOver(_ id: WantID, _ session: Bitswap.SessionID, by idle: Int) -> Bool {
        guard let want = wanted[id], want.sessions.contains(session) else { return false }
        let relation = want.relation(idle)
        return relation?.isNegative != true && relation?.isInFlight != true
    }

    /// Takes a want back from a peer that was asked for the block.
    mutating func withdraw(_ id: WantID, from peer: Int, answer: Want.Relation.Answer, now: Instant) {
        unflight(id, peer)
        wanted.relate(id, to: peer) {
            $0.asked = .nothing
            $0.answer = answer
        }
        if let cid = wanted[id]?.cid {
            tell(peer, BitswapMessage.Entry(cid: cid, priority: 0, cancel: true), now: now)
        }
    }

    /// The want no longer fills the peer's window; returns whether it did.
    @discardableResult
    mutating func unflight(_ id: WantID, _ peer: Int) -> Bool {
        guard wanted.relation(id, peer)?.isInFlight == true else { return false }
        wanted.relate(id, to: peer) { $0.isInFlight = false }
        wanted.update(id) { $0.inFlight -= 1 }
        peers[peer].inFlight -= 1
        return true
    }

    // MARK: Asking

    /// Sends WANT-BLOCK.
    mutating func askBlock(_ id: WantID, of peer: Int, now: Instant) {
        guard peers[peer].isConnected, let want = wanted[id], want.relation(peer)?.isInFlight != true else { return }
        let inFlight = peers[peer].inFlight
        let mark = peers[peer].speed.mark(inFlight: inFlight, now: now)
        if inFlight == 0 { peers[peer].progressAt = now }
        peers[peer].inFlight += 1
        markAsked(id, of: peer, mark: mark, now: now)
        tell(
            peer,
            BitswapMessage.Entry(
                cid: want.cid, priority: want.priority, type: .block, sendDontHave: peers[peer].version.hasPresences),
            now: now)
        timers.setEarlier(.silence(peer), at: now + (peers[peer].impatience ?? peers[peer].speed.timeout))
    }

    private mutating func markAsked(_ id: WantID, of peer: Int, mark: PeerSpeed.Mark, now: Instant) {
        remember(id, of: peer)
        wanted.update(id) {
            $0.inFlight += 1
            $0.place = .asked
        }
        wanted.relate(id, to: peer) {
            $0.asked = .block
            if $0.answer != .have { $0.answer = .none }
            $0.askedAt = now
            $0.mark = mark
            $0.isInFlight = true
        }
    }

    private mutating func remember(_ id: WantID, of peer: Int) {
        let wanted = self.wanted
        peers[peer].asked.append(id) { wanted.contains($0) }
    }

    /// Sends WANT-HAVE, to peers that know it; returns whether it did.
    @discardableResult
    mutating func askHave(_ id: WantID, of peer: Int, now: Instant) -> Bool {
        guard peers[peer].isConnected, peers[peer].version.hasPresences, let want = wanted[id] else { return false }
        remember(id, of: peer)
        wanted.relate(id, to: peer) {
            $0.asked = .have
            $0.answer = .none
            $0.askedAt = now
        }
        tell(
            peer,
            BitswapMessage.Entry(cid: want.cid, priority: want.priority, type: .have, sendDontHave: true), now: now)
        return true
    }

    /// Asks every connected peer that was not asked yet whether it has the block, the best first.
    mutating func broadcast(_ id: WantID, now: Instant) {
        guard let want = wanted[id] else { return }
        var targets = connected.filter { want.relation($0) == nil && peers[$0].version.hasPresences }
        if targets.count > configuration.broadcastPeers {
            let times = peers.map { $0.speed.expectedTime(inFlight: 0) }
            targets.sort { times[$0] < times[$1] }
            targets = Array(targets.prefix(configuration.broadcastPeers))
        }
        guard !targets.isEmpty else { return }
        if want.broadcastBy == nil, let session = want.sessions.first {
            wanted.update(id) { $0.broadcastBy = session }
            sessions[session]?.broadcasts += 1
        }
        for peer in targets {
            askHave(id, of: peer, now: now)
            for session in want.sessions { peers[peer].noteProbe(session) }
        }
    }
}
