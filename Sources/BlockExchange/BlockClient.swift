import Multiformats
import SansIO

/// The fetching half of Bitswap: sessions, what they want, and whom to ask for it.
///
/// A want is pending until a peer's window has room, then asked of one peer at a time; a DONT_HAVE, a silence
/// or a lost connection sends it on to the next. Which peer gets the next want follows from how soon each
/// would deliver it, so that fast peers do more by themselves. At the end of a session idle peers take over
/// what slow ones still owe. The parts: this file has sessions and connections, `BlockClientAsking.swift`
/// chooses peers, `BlockClientAnswers.swift` takes in what they say, `BlockClientTimers.swift` what they do not.
struct BlockClient: Sendable {
    typealias Effects = [Bitswap.Effect]

    enum Timer: Hashable, Sendable {
        /// Whether the peer has been silent for too long.
        case silence(Int)
        /// A full want list for the peer whose stream broke.
        case resend(Int)
        case rebroadcast(Bitswap.SessionID)
        case search(Bitswap.SessionID)
    }

    struct Counters: Sendable {
        var haves: UInt64 = 0
        var dontHaves: UInt64 = 0
        var timeouts: UInt64 = 0
        var stolen: UInt64 = 0
    }

    let configuration: BitswapConfiguration
    var generator: SeededGenerator
    var wanted = Wanted()
    var peers: [PeerWants] = []
    /// The connected peers, longest connected first.
    var connected: [Int] = []
    var sessions: [Bitswap.SessionID: Session] = [:]
    /// The sessions, oldest first.
    var order: [Bitswap.SessionID] = []
    var timers = Timers<Timer>()
    /// What was wanted a moment ago, to tell duplicates from blocks that nobody asked for.
    var recent: RecentBlocks
    /// How peers behaved that have left.
    var reputations: ExpiringMap<PeerID, PeerSpeed>
    /// Peers with something to be sent.
    var dirty: [Int] = []
    var counters = Counters()

    init(_ configuration: BitswapConfiguration, generator: SeededGenerator) {
        self.configuration = configuration
        self.generator = generator
        recent = RecentBlocks(capacity: configuration.recentBlocks, lifetime: configuration.recentLifetime)
        reputations = ExpiringMap(
            capacity: configuration.rememberedPeers, lifetime: configuration.reputationLifetime)
    }

    var deadline: Instant? { timers.next }
    var sessionCount: Int { sessions.count }

    func speed(of peer: Int) -> PeerSpeed? { peers.indices.contains(peer) ? peers[peer].speed : nil }

    // MARK: Sessions

    mutating func open(_ id: Bitswap.SessionID, peers ids: [PeerID], slots: [Int?], now: Instant) {
        guard sessions[id] == nil else { return }
        var session = Session(id: id)
        session.progressAt = now
        // Whoever names peers knows; nobody else is bothered until they fail.
        session.isConfirmed = slots.contains { $0 != nil }
        sessions[id] = session
        order.append(id)
        for (peer, slot) in zip(ids, slots) {
            if let slot { join(id, slot) } else { sessions[id]?.await(peer) }
        }
    }

    mutating func want(
        _ session: Bitswap.SessionID, _ cids: [CID], priority: Int32, now: Instant, into effects: inout Effects
    ) {
        guard sessions[session] != nil else { return }
        if timers.deadline(of: .rebroadcast(session)) == nil {
            sessions[session]?.progressAt = now
            timers.set(.rebroadcast(session), at: now + rebroadcastDelay())
        }
        var added: [WantID] = []
        added.reserveCapacity(cids.count)
        for cid in cids where cid.multihash.isAllowed {
            if cid.isIdentity { continue }
            if let id = wanted.id(of: cid.multihash) {
                guard share(id, as: cid, with: session) else { continue }
                added.append(id)
            } else {
                added.append(wanted.insert(cid, priority: priority, session: session))
            }
        }
        for id in added {
            list(id, in: session)
            if wanted.place(of: id) == .pending { makePending(id, in: session) }
        }
        pump(session, now: now, into: &effects)
        if sessions[session]?.isConfirmed == false {
            for id in added {
                guard sessions[session].map({ $0.broadcasts < configuration.broadcastWants }) == true else { break }
                broadcast(id, now: now)
            }
        }
        considerSearch(session, now: now, into: &effects)
    }

    /// Adds a session to a want; `false` when it has it already.
    private mutating func share(_ id: WantID, as cid: CID, with session: Bitswap.SessionID) -> Bool {
        var isNew = false
        wanted.update(id) { want in
            if want.cid != cid, !want.aliases.contains(cid) { want.aliases.append(cid) }
            isNew = !want.sessions.contains(session)
            if isNew { want.sessions.append(session) }
        }
        return isNew
    }

    private mutating func list(_ id: WantID, in session: Bitswap.SessionID) {
        let wanted = self.wanted
        sessions[session]?.wants.append(id) { wanted[$0]?.sessions.contains(session) == true }
    }

    mutating func cancel(_ session: Bitswap.SessionID, _ cids: [CID], now: Instant, into effects: inout Effects) {
        for cid in cids {
            if let id = wanted.id(of: cid.multihash) { release(id, by: session, now: now) }
        }
        pumpAll(now: now, into: &effects)
    }

    mutating func close(_ id: Bitswap.SessionID, now: Instant, into effects: inout Effects) {
        guard let session = sessions[id] else { return }
        var freed = false
        for want in session.wants.ids where wanted.contains(want) {
            release(want, by: id, now: now)
            freed = true
        }
        for peer in session.peers { peers[peer].sessions.removeAll { $0 == id } }
        timers.cancel(.rebroadcast(id))
        timers.cancel(.search(id))
        sessions[id] = nil
        if order.last == id { order.removeLast() } else { order.removeAll { $0 == id } }
        if freed { pumpAll(now: now, into: &effects) }
    }

    /// Gives windows that cancelled wants filled to others.
    private mutating func pumpAll(now: Instant, into effects: inout Effects) {
        for session in order where sessions[session]?.pending.isEmpty == false {
            pump(session, now: now, into: &effects)
        }
    }

    /// One session gives a want up; it ends when it was the last.
    private mutating func release(_ id: WantID, by session: Bitswap.SessionID, now: Instant) {
        guard let want = wanted[id], want.sessions.contains(session) else { return }
        if want.sessions.count > 1 {
            wanted.update(id) { $0.sessions.removeAll { $0 == session } }
        } else {
            finish(id, except: nil, now: now)
        }
    }

    /// Ends a want: whoever remembers it is told, except `peer`, who knows. Returns the want.
    @discardableResult
    mutating func finish(_ id: WantID, except peer: Int?, now: Instant) -> Want? {
        guard let want = wanted.remove(id) else { return nil }
        for relation in want.relations {
            if relation.isInFlight { peers[relation.peer].inFlight -= 1 }
            if relation.isRemembered, relation.peer != peer {
                tell(relation.peer, BitswapMessage.Entry(cid: want.cid, priority: 0, cancel: true), now: now)
            }
        }
        if let session = want.broadcastBy { sessions[session]?.broadcasts -= 1 }
        if !want.relations.isEmpty || peer != nil { recent.insert(want.cid.multihash, now: now) }
        return want
    }

    /// Blocks are in the store, wherever from: nobody needs to send them any more.
    mutating func obtained(_ cids: [CID], now: Instant, into effects: inout Effects) {
        guard wanted.count > 0 else { return }
        var touched: [Bitswap.SessionID] = []
        for cid in cids {
            guard let id = wanted.id(of: cid.multihash), let want = finish(id, except: nil, now: now) else { continue }
            for session in want.sessions where !touched.contains(session) { touched.append(session) }
        }
        for session in touched { pump(session, now: now, into: &effects) }
    }

    // MARK: Connections

    mutating func connected(
        _ peer: Int, id: PeerID, version: BitswapVersion, now: Instant, into effects: inout Effects
    ) {
        let speed = reputations.value(of: id, now: now) ?? PeerSpeed(configuration)
        reputations.remove(id)
        var state = PeerWants(id: id, version: version, speed: speed)
        state.progressAt = now
        if peer < peers.count { peers[peer] = state } else { peers.append(state) }
        connected.append(peer)
        for session in order { offer(peer, to: session, now: now, into: &effects) }
    }

    /// Tells a session of a peer that has just connected.
    private mutating func offer(
        _ peer: Int, to id: Bitswap.SessionID, now: Instant, into effects: inout Effects
    ) {
        guard let session = sessions[id] else { return }
        if session.awaited.contains(peers[peer].id) {
            sessions[id]?.awaited.removeAll { $0 == peers[peer].id }
            join(id, peer)
            retryUnfound(id, with: peer, now: now)
            pump(id, now: now, into: &effects)
        } else if session.peers.isEmpty {
            pump(id, now: now, into: &effects)
            retryUnfound(id, with: peer, now: now)
        } else {
            askAbout(session.isConfirmed ? session.unfound : session.wants, of: peer, now: now)
        }
    }

    /// Asks a peer for what nobody else had, as if it were sure to have it.
    mutating func retryUnfound(_ id: Bitswap.SessionID, with peer: Int, now: Instant) {
        guard let session = sessions[id] else { return }
        for want in session.unfound.ids where wanted.place(of: want) == .unfound {
            if wanted.relation(want, peer)?.isNegative != true { give(want, to: peer, now: now) }
        }
    }

    /// Asks a peer whether it has the first of some wants.
    private mutating func askAbout(_ wants: WantSequence, of peer: Int, now: Instant) {
        var asked = 0
        for id in wants.ids where wanted.contains(id) && wanted.relation(id, peer) == nil {
            guard asked < configuration.broadcastWants else { return }
            if askHave(id, of: peer, now: now) { asked += 1 }
        }
    }

    mutating func disconnected(_ peer: Int, now: Instant, into effects: inout Effects) {
        let state = peers[peer]
        reputations.set(state.id, state.speed, now: now)
        timers.cancel(.silence(peer))
        timers.cancel(.resend(peer))
        connected.removeAll { $0 == peer }
        peers[peer] = PeerWants(id: state.id, version: state.version, speed: state.speed)
        peers[peer].isConnected = false
        for session in state.sessions {
            sessions[session]?.peers.removeAll { $0 == peer }
            sessions[session]?.await(state.id)
            if sessions[session]?.guess == peer { sessions[session]?.guess = nil }
        }
        var touched = state.sessions
        for id in state.asked.ids {
            var wasLast = false
            wanted.update(id) { want in
                guard let index = want.relations.firstIndex(where: { $0.peer == peer }) else { return }
                if want.relations[index].isInFlight {
                    want.inFlight -= 1
                    wasLast = want.inFlight == 0 && want.place == .asked
                }
                want.relations.remove(at: index)
            }
            guard wasLast else { continue }
            makePending(id)
            for session in wanted[id]?.sessions ?? [] where !touched.contains(session) { touched.append(session) }
        }
        for id in state.queue.dropFirst(state.queueHead) where wanted.place(of: id) == .queued(peer) { makePending(id) }
        for session in touched {
            pump(session, now: now, into: &effects)
            considerSearch(session, now: now, into: &effects)
        }
    }

    mutating func negotiated(_ peer: Int, version: BitswapVersion, now: Instant, into effects: inout Effects) {
        let before = peers[peer].version
        peers[peer].version = version
        guard before.hasPresences, !version.hasPresences else { return }
        // What was asked as WANT-HAVE means nothing to the peer; what nobody else has is asked in earnest.
        for id in peers[peer].asked.ids {
            guard let relation = wanted.relation(id, peer), relation.asked == .have else { continue }
            wanted.relate(id, to: peer) { $0.asked = .nothing }
            if wanted.place(of: id) == .unfound { give(id, to: peer, now: now) }
        }
    }

    mutating func pinged(_ peer: Int, _ roundTrip: Duration) { peers[peer].speed.pinged(roundTrip) }

    mutating func isAlive(_ peer: Int, now: Instant) { peers[peer].aliveAt = now }

    /// Marks a peer down; one that has become bad is relieved of what it was asked as soon as others can help.
    mutating func punish(_ peer: Int, _ points: Double, now: Instant) {
        peers[peer].speed.punish(points)
        guard peers[peer].speed.isBad, peers[peer].inFlight > 0 else { return }
        peers[peer].impatience = .zero
        timers.setEarlier(.silence(peer), at: now)
    }

    /// Whether blocks from the peer can be worth hashing.
    func mayExpectBlocks(from peer: Int, now: Instant) -> Bool {
        guard let asked = peers[peer].lastAsked else { return false }
        return peers[peer].inFlight > 0 || now - asked < configuration.recentLifetime
    }

    // MARK: Messages

    /// Puts an entry into the message that the peer gets at the end of this `handle`.
    mutating func tell(_ peer: Int, _ entry: BitswapMessage.Entry, now: Instant) {
        guard peers[peer].isConnected else { return }
        peers[peer].write(entry)
        if !entry.cancel { peers[peer].lastAsked = now }
        if dirty.last != peer { dirty.append(peer) }
    }

    /// Emits the messages that came together.
    mutating func flush(now: Instant, into effects: inout Effects) {
        guard !dirty.isEmpty else { return }
        // A peer that is named twice has nothing left the second time.
        for peer in dirty {
            if let message = peers[peer].takeMessage() { effects.append(.send(message, to: peers[peer].id)) }
        }
        dirty.removeAll(keepingCapacity: true)
    }
}
