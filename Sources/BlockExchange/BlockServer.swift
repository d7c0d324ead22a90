import Multiformats
import SansIO

/// The serving half of Bitswap: remembers what peers want and answers in fair order.
///
/// A want goes fresh -> looking -> queued -> sending -> gone, or fresh -> looking -> absent until the block
/// arrives. What it costs is bounded: wants per peer, one look-up at a time per peer, envelopes and bytes
/// outstanding. A peer's state leaves with its connection.
struct BlockServer: Sendable {
    private struct Peer {
        var id: PeerID
        var version: BitswapVersion
        var wants: WantList
        /// CIDs whose size is to be looked up, in order; some may be gone again.
        var fresh: [CID] = []
        var lookup: UInt64?
        var failures = 0
    }

    private struct Lookup {
        var peer: Int
        var cids: [CID]
    }

    /// An envelope that the shell has.
    private struct Flight {
        var batch: ServeQueue.Batch
        var started: Instant
    }

    private struct Waiter: Hashable {
        var peer: Int
        var cid: CID
    }

    private let configuration: BitswapConfiguration
    private var peers: [Peer?] = []
    private var queue: ServeQueue
    private var lookups: [UInt64: Lookup] = [:]
    private var flights: [UInt64: Flight] = [:]
    /// Who waits to hear of a block that we lack, or may lack.
    private var waiters: [Multihash: [Waiter]] = [:]
    private var timers = Timers<Int>()
    private var counter: UInt64 = 0
    /// Wants that were refused or evicted since the start, for lack of room.
    private(set) var droppedWants = 0

    init(_ configuration: BitswapConfiguration) {
        self.configuration = configuration
        queue = ServeQueue(configuration)
    }

    var deadline: Instant? { timers.next }
    var outstandingBytes: Int { queue.outstandingBytes }
    var envelopes: Int { queue.envelopes }
    /// CIDs that somebody waits for; for tests of what is given back.
    var waitingCount: Int { waiters.count }

    func wants(of peer: Int) -> WantList? { peers.indices.contains(peer) ? peers[peer]?.wants : nil }

    private mutating func number() -> UInt64 {
        counter &+= 1
        return counter
    }

    // MARK: Connections

    mutating func connected(_ peer: Int, id: PeerID, version: BitswapVersion) {
        while peers.count <= peer { peers.append(nil) }
        peers[peer] = Peer(id: id, version: version, wants: WantList(capacity: configuration.wantsPerPeer))
        queue.open(peer)
    }

    mutating func negotiated(_ peer: Int, version: BitswapVersion) { peers[peer]?.version = version }

    mutating func disconnected(_ peer: Int) {
        guard let old = peers[peer] else { return }
        for (cid, want) in old.wants.wants { stopWaiting(peer, cid, want) }
        if let lookup = old.lookup { lookups[lookup] = nil }
        // Few: envelopes are bounded. The order is of no consequence.
        for (id, flight) in flights where flight.batch.lane == peer { flights[id] = nil }
        queue.close(peer)
        timers.cancel(peer)
        peers[peer] = nil
    }

    // MARK: Wants

    /// Takes in a message's wants.
    mutating func received(
        _ entries: [BitswapMessage.Entry], full: Bool, from peer: Int, now: Instant,
        into effects: inout [Bitswap.Effect]
    ) {
        guard peers[peer] != nil else { return }
        if full { replace(entries, of: peer) }
        for entry in entries {
            if entry.cancel { cancel(entry.cid, of: peer) } else { add(entry, of: peer) }
        }
        lookUp(peer, into: &effects)
        pump(now: now, into: &effects)
    }

    private mutating func replace(_ entries: [BitswapMessage.Entry], of peer: Int) {
        guard let wants = peers[peer]?.wants, wants.count > 0 else { return }
        let kept = Set(entries.lazy.filter { !$0.cancel }.map(\.cid))
        for (cid, want) in wants.sorted where !kept.contains(cid) && want.state != .sending { cancel(cid, of: peer) }
    }

    private mutating func add(_ entry: BitswapMessage.Entry, of peer: Int) {
        let before = peers[peer]?.wants[entry.cid]
        let sequence = number()
        guard let change = peers[peer]?.wants.add(entry, sequence: sequence) else { return }
        switch change {
        case .added(let evicted):
            if let evicted {
                droppedWants += 1
                release(evicted.cid, evicted.want, of: peer)
            }
            // An upgraded want leaves its old answer behind, which nobody will find live.
            if let before, before.state == .queued, isBlockTask(before) { forget(before, of: peer) }
            if before == nil || before?.state == .queued || before?.state == .sending { wait(peer, entry.cid) }
            markFresh(entry.cid, of: peer)
        case .unchanged: break
        case .repeated: tellAbsent(entry.cid, peer)
        case .refused: droppedWants += 1
        }
    }

    private mutating func cancel(_ cid: CID, of peer: Int) {
        if let want = peers[peer]?.wants.remove(cid) { release(cid, want, of: peer) }
    }

    private mutating func markFresh(_ cid: CID, of peer: Int) {
        peers[peer]?.fresh.append(cid)
        // Wanting and cancelling in turn must not let the list grow while a look-up is under way.
        guard let fresh = peers[peer]?.fresh, fresh.count > 4 * configuration.wantsPerPeer else { return }
        var seen: Set<CID> = []
        let wants = peers[peer]?.wants
        peers[peer]?.fresh = fresh.filter { wants?[$0]?.state == .fresh && seen.insert($0).inserted }
    }

    /// Gives back what a removed want held.
    private mutating func release(_ cid: CID, _ want: WantList.Want, of peer: Int) {
        stopWaiting(peer, cid, want)
        if want.state == .queued, isBlockTask(want) { forget(want, of: peer) }
    }

    private mutating func forget(_ want: WantList.Want, of peer: Int) {
        let peers = self.peers
        queue.forget(size: want.size, of: peer) { Self.isLive(peers, $0, $1, $2, $3) }
    }

    /// Whether the answer to a queued want is the block.
    private func isBlockTask(_ want: WantList.Want) -> Bool {
        want.type == .block || want.size <= configuration.smallBlockBytes
    }

    // MARK: The index of who waits

    private mutating func wait(_ peer: Int, _ cid: CID) {
        waiters[cid.multihash, default: []].append(Waiter(peer: peer, cid: cid))
    }

    private mutating func stopWaiting(_ peer: Int, _ cid: CID, _ want: WantList.Want) {
        switch want.state {
        case .fresh, .looking, .absent: forgetWaiter(peer, cid)
        case .queued, .sending: break
        }
    }

    private mutating func forgetWaiter(_ peer: Int, _ cid: CID) {
        guard let index = waiters[cid.multihash]?.firstIndex(of: Waiter(peer: peer, cid: cid)) else { return }
        waiters[cid.multihash]?.remove(at: index)
        if waiters[cid.multihash]?.isEmpty == true { waiters[cid.multihash] = nil }
    }

    /// Blocks have been stored: whoever waits for them is served.
    mutating func arrived(_ cids: [CID], now: Instant, into effects: inout [Bitswap.Effect]) {
        guard !waiters.isEmpty else { return }
        for cid in cids {
            for waiter in waiters[cid.multihash] ?? [] {
                guard let want = peers[waiter.peer]?.wants[waiter.cid] else { continue }
                switch want.state {
                case .looking: peers[waiter.peer]?.wants.update(waiter.cid) { $0.arrived = true }
                case .absent:
                    peers[waiter.peer]?.wants.update(waiter.cid) { $0.state = .fresh }
                    peers[waiter.peer]?.fresh.append(waiter.cid)
                    lookUp(waiter.peer, into: &effects)
                case .fresh, .queued, .sending: break
                }
            }
        }
    }

    // MARK: Looking up sizes

    private mutating func lookUp(_ peer: Int, into effects: inout [Bitswap.Effect]) {
        guard peers[peer]?.lookup == nil, let fresh = peers[peer]?.fresh, !fresh.isEmpty else { return }
        peers[peer]?.fresh = []
        var cids: [CID] = []
        cids.reserveCapacity(min(fresh.count, configuration.wantsPerPeer))
        for cid in fresh where peers[peer]?.wants[cid]?.state == .fresh {
            peers[peer]?.wants.update(cid) { $0.state = .looking }
            cids.append(cid)
        }
        guard !cids.isEmpty else { return }
        let id = number()
        peers[peer]?.lookup = id
        lookups[id] = Lookup(peer: peer, cids: cids)
        effects.append(.lookup(id, cids))
    }

    /// The answer to `.lookup`.
    mutating func lookedUp(
        _ id: UInt64, _ sizes: [(cid: CID, size: Int?)], now: Instant, into effects: inout [Bitswap.Effect]
    ) {
        guard let lookup = lookups.removeValue(forKey: id) else { return }
        let peer = lookup.peer
        peers[peer]?.lookup = nil
        for (cid, size) in sizes { settle(cid, size: size, peer) }
        // What the shell left out counts as absent.
        if sizes.count < lookup.cids.count { for cid in lookup.cids { settle(cid, size: nil, peer) } }
        lookUp(peer, into: &effects)
        pump(now: now, into: &effects)
    }

    private mutating func settle(_ cid: CID, size: Int?, _ peer: Int) {
        guard let want = peers[peer]?.wants[cid], want.state == .looking else { return }
        guard let size else {
            peers[peer]?.wants.update(cid) {
                $0.state = want.arrived ? .fresh : .absent
                $0.arrived = false
            }
            if want.arrived { peers[peer]?.fresh.append(cid) } else { tellAbsent(cid, peer) }
            return
        }
        forgetWaiter(peer, cid)
        peers[peer]?.wants.update(cid) {
            $0.state = .queued
            $0.size = size
        }
        if want.type == .block || size <= configuration.smallBlockBytes {
            queue.push(
                ServeQueue.Task(cid: cid, size: size, priority: want.priority, sequence: want.sequence), to: peer)
        } else {
            queue.push(ServeQueue.Answer(cid: cid, has: true, sequence: want.sequence), to: peer)
        }
    }

    private mutating func tellAbsent(_ cid: CID, _ peer: Int) {
        guard let state = peers[peer], state.version.hasPresences, let want = state.wants[cid], want.sendDontHave
        else { return }
        queue.push(ServeQueue.Answer(cid: cid, has: false, sequence: want.sequence), to: peer)
    }

    // MARK: Serving

    private static func isLive(
        _ peers: [Peer?], _ peer: Int, _ cid: CID, _ sequence: UInt64, _ kind: ServeQueue.Kind
    ) -> Bool {
        guard let want = peers[peer]?.wants[cid], want.sequence == sequence else { return false }
        return kind == .dontHave ? want.state == .absent : want.state == .queued
    }

    private mutating func pump(now: Instant, into effects: inout [Bitswap.Effect]) {
        while let batch = nextBatch(now: now) { send(batch, now: now, into: &effects) }
    }

    /// A function of its own, so that its second reference to the peers is gone before they are changed.
    private mutating func nextBatch(now: Instant) -> ServeQueue.Batch? {
        let peers = self.peers
        return queue.next(now: now) { Self.isLive(peers, $0, $1, $2, $3) }
    }

    private mutating func send(_ batch: ServeQueue.Batch, now: Instant, into effects: inout [Bitswap.Effect]) {
        guard let peer = peers[batch.lane] else { return }
        var items: [Envelope.Item] = []
        items.reserveCapacity(batch.tasks.count)
        for task in batch.tasks {
            items.append(
                Envelope.Item(
                    cid: task.cid, size: task.size,
                    sendDontHave: peer.version.hasPresences && peer.wants[task.cid]?.sendDontHave == true))
        }
        for task in batch.tasks { peers[batch.lane]?.wants.update(task.cid) { $0.state = .sending } }
        for answer in batch.answers where answer.has {
            peers[batch.lane]?.wants.update(answer.cid) { $0.state = .sending }
        }
        let id = number()
        flights[id] = Flight(batch: batch, started: now)
        effects.append(
            .serve(
                Envelope(
                    id: id, peer: peer.id, version: peer.version, blocks: items,
                    presences: batch.answers.map { BitswapMessage.Presence(cid: $0.cid, has: $0.has) },
                    pendingBytes: Int32(clamping: queue.queuedBytes(batch.lane)))))
    }

    /// The shell has sent an envelope, but for the blocks in `missing`; returns the peer and what it got.
    mutating func sent(
        _ id: UInt64, missing: [CID], now: Instant, into effects: inout [Bitswap.Effect]
    ) -> (peer: PeerID, blocks: Int, bytes: Int)? {
        guard let flight = flights.removeValue(forKey: id) else { return nil }
        let lane = flight.batch.lane
        queue.finished(lane, bytes: flight.batch.bytes, took: now - flight.started)
        peers[lane]?.failures = 0
        let absent = Set(missing)
        var blocks = 0
        var bytes = 0
        for task in flight.batch.tasks {
            if absent.contains(task.cid) {
                guard let want = peers[lane]?.wants[task.cid], want.sequence == task.sequence else { continue }
                peers[lane]?.wants.update(task.cid) { $0.state = .absent }
                wait(lane, task.cid)
            } else {
                blocks += 1
                bytes += task.size
                finish(task.cid, task.sequence, lane)
            }
        }
        for answer in flight.batch.answers where answer.has { finish(answer.cid, answer.sequence, lane) }
        pump(now: now, into: &effects)
        return peers[lane].map { ($0.id, blocks, bytes) }
    }

    private mutating func finish(_ cid: CID, _ sequence: UInt64, _ lane: Int) {
        if peers[lane]?.wants[cid]?.sequence == sequence { peers[lane]?.wants.remove(cid) }
    }

    /// An envelope could not be sent: its answers wait for another try, a few times.
    mutating func sendFailed(_ id: UInt64, now: Instant, into effects: inout [Bitswap.Effect]) {
        guard let flight = flights.removeValue(forKey: id) else { return }
        let lane = flight.batch.lane
        queue.finished(lane, bytes: flight.batch.bytes, took: nil)
        guard let failures = peers[lane]?.failures else { return }
        peers[lane]?.failures = failures + 1
        let retries = failures < configuration.sendRetries
        for task in flight.batch.tasks {
            guard let want = peers[lane]?.wants[task.cid], want.sequence == task.sequence else { continue }
            guard retries else { peers[lane]?.wants.remove(task.cid); continue }
            peers[lane]?.wants.update(task.cid) { $0.state = .queued }
            queue.push(task, to: lane)
        }
        for answer in flight.batch.answers {
            guard let want = peers[lane]?.wants[answer.cid], want.sequence == answer.sequence else { continue }
            if answer.has {
                guard retries else { peers[lane]?.wants.remove(answer.cid); continue }
                peers[lane]?.wants.update(answer.cid) { $0.state = .queued }
            }
            if retries { queue.push(answer, to: lane) }
        }
        let until = now + configuration.sendRetryDelay * (failures + 1)
        queue.rest(lane, until: until)
        timers.set(lane, at: until)
        pump(now: now, into: &effects)
    }

    mutating func tick(now: Instant, into effects: inout [Bitswap.Effect]) {
        var due = false
        while timers.popDue(now) != nil { due = true }
        if due { pump(now: now, into: &effects) }
    }
}
