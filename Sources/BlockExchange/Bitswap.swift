package import Multiformats
package import SansIO

/// Bitswap as a value: what peers and sessions want goes in, messages, blocks and questions come out.
///
/// It owns the wants of both directions (`BlockServer` for the peers', `BlockClient` for ours), but no block:
/// those are slices that pass through on their way from a message to the store. The shell carries out the
/// effects:
///
///     message from a stream --.received--> core --.verify--> worker hashes --.verified--> core --.deliver--> store
///     store has new blocks --.blocksAvailable--> core --.lookup--> store sizes --.lookedUp--> core
///         --.serve--> worker reads, stream writes --.sent--> core
///     session --.want--> core --.send--> the peer's stream of wants
///
/// Everything that a peer can fill is bounded by `BitswapConfiguration`, and effects come in an order that
/// depends on nothing but the inputs.
/// Source: https://specs.ipfs.tech/bitswap-protocol
package struct Bitswap: ProtocolCore {
    /// Chosen by the shell; must be new for each session.
    package struct SessionID: Hashable, Sendable, Comparable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    package enum Input: Sendable {
        // Connections

        /// A peer that speaks Bitswap is connected: once for each peer, however many connections it has.
        /// `version` as far as identify tells; 1.2 when it does not. Due before the first message from the peer is
        /// handed in, else that is dropped; saying it again only corrects the version.
        case connected(PeerID, version: BitswapVersion)
        /// The peer's last connection is gone, and with it its wants and its envelopes.
        case disconnected(PeerID)
        /// The stream for our wants was negotiated with that version.
        case negotiated(PeerID, BitswapVersion)
        /// The transport's round trip to a peer.
        case pinged(PeerID, Duration)

        // Messages

        /// A message from any stream of the peer. Blocks in it come back in `.verify`, if they can be ours.
        case received(BitswapMessage, from: PeerID)
        /// Bytes of a message that is not complete yet have come: the peer is alive, if slow. Optional;
        /// a few times a second is enough.
        case receiving(from: PeerID)
        /// The answer to `.verify`: blocks with the CIDs that hashing gave, and how many gave none.
        case verified([Block], rejected: Int, from: PeerID)
        /// The message in a `.send` could not be written whole; the peer gets a full want list soon.
        case sendFailed(to: PeerID)

        // Serving

        /// The answer to `.lookup`: each CID with the block's size in bytes, or `nil` when it is not stored.
        case lookedUp(UInt64, [(cid: CID, size: Int?)])
        /// Blocks are in the store that may not have been there before, from whatever source; peers that
        /// want them are served, and sessions need no longer fetch them.
        case blocksAvailable([CID])
        /// The envelope with that id is written; the blocks in `missing` could not be read.
        case sent(UInt64, missing: [CID])
        /// It could not be written; nothing or half of it has arrived.
        case envelopeFailed(UInt64)

        // Fetching

        /// A new session. `peers` are likely to have its blocks, whether connected yet or not.
        case openSession(SessionID, peers: [PeerID])
        /// The session wants these blocks; higher priorities first, older wants first among equals. The store
        /// has been asked before. CIDs that no hash allows (`Multihash.isAllowed`) are ignored.
        case want(SessionID, [CID], priority: Int32)
        /// The session does not want these blocks any more.
        case cancel(SessionID, [CID])
        /// The session ends and with it all its wants.
        case closeSession(SessionID)
        /// An answer to `.findProviders`, complete or not: peers that claim to have the block. Those that are
        /// not connected join when they are; dialling them is the shell's work.
        case providersFound(CID, [PeerID])
    }

    package enum Effect: Sendable {
        /// Write the message (`framed(version)`) on our stream of wants to the peer, opening it if need be.
        case send(BitswapMessage, to: PeerID)
        /// Hash these and answer `.verified`. They are blocks of one message.
        case verify([ReceivedBlock], from: PeerID)
        /// Wanted blocks: store them, wake whoever waits for these CIDs, then say `.blocksAvailable`. Each
        /// CID that a session asked for comes exactly once.
        case deliver([Block], from: PeerID)
        /// Answer `.lookedUp` with that id.
        case lookup(UInt64, [CID])
        /// Read the blocks and send one message; answer `.sent` or `.envelopeFailed`.
        case serve(Envelope)
        /// No peer at hand has the block that the session wants; answer `.providersFound` at any time.
        case findProviders(CID, SessionID)
        /// The peer did what no honest one does; the shell decides what follows.
        case misbehaved(PeerID, Misbehaviour)
    }

    /// What a peer did wrong. Scope: the peer.
    package enum Misbehaviour: Hashable, Sendable {
        /// That many blocks that were never asked for; they were dropped.
        case unsolicitedBlocks(Int)
        /// That many blocks whose prefix makes no CID.
        case garbage(Int)
        /// It said HAVE, then DONT_HAVE.
        case contradiction(CID)
        /// It said HAVE, or was the only source, and sent nothing in time.
        case stalled
    }

    package struct Statistics: Hashable, Sendable {
        package var blocksReceived: UInt64 = 0
        package var bytesReceived: UInt64 = 0
        package var blocksSent: UInt64 = 0
        package var bytesSent: UInt64 = 0
        package var messagesReceived: UInt64 = 0
        /// Blocks that came after they were no longer wanted, and their bytes.
        package var duplicateBlocks: UInt64 = 0
        package var duplicateBytes: UInt64 = 0
        /// Blocks that were never wanted.
        package var unsolicitedBlocks: UInt64 = 0
        package var haves: UInt64 = 0
        package var dontHaves: UInt64 = 0
        package var timeouts: UInt64 = 0
        package var stolenWants: UInt64 = 0

        package init() {}
    }

    private var counters = Statistics()
    private var server: BlockServer
    private var client: BlockClient
    private var slots: [PeerID: Int] = [:]
    private var free: [Int] = []
    private var slotCount = 0
    private var ledgers: ExpiringMap<PeerID, Ledger>

    package init(configuration: BitswapConfiguration = BitswapConfiguration(), generator: SeededGenerator) {
        server = BlockServer(configuration)
        client = BlockClient(configuration, generator: generator)
        ledgers = ExpiringMap(
            capacity: configuration.rememberedPeers, lifetime: configuration.reputationLifetime)
    }

    package var deadline: Instant? {
        switch (server.deadline, client.deadline) {
        case (let one?, let other?): min(one, other)
        case (let one, let other): one ?? other
        }
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        ledgers.expire(now: now)
        server.tick(now: now, into: &effects)
        client.tick(now: now, into: &effects)
        client.flush(now: now, into: &effects)
    }

    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .connected(let id, let version): connected(id, version, now: now, into: &effects)
        case .disconnected(let id): disconnected(id, now: now, into: &effects)
        case .negotiated(let id, let version):
            guard let peer = slots[id] else { break }
            server.negotiated(peer, version: version)
            client.negotiated(peer, version: version, now: now, into: &effects)
        case .pinged(let id, let roundTrip):
            if let peer = slots[id] { client.pinged(peer, roundTrip) }
        case .received(let message, let id): received(message, from: id, now: now, into: &effects)
        case .receiving(let id):
            if let peer = slots[id] { client.isAlive(peer, now: now) }
        case .verified(let blocks, let rejected, let id):
            verified(blocks, rejected: rejected, from: id, now: now, into: &effects)
        case .sendFailed(let id):
            if let peer = slots[id] { client.sendFailed(peer, now: now, into: &effects) }
        case .lookedUp(let id, let sizes): server.lookedUp(id, sizes, now: now, into: &effects)
        case .blocksAvailable(let cids):
            client.obtained(cids, now: now, into: &effects)
            server.arrived(cids, now: now, into: &effects)
        case .sent(let id, let missing): sent(id, missing: missing, now: now, into: &effects)
        case .envelopeFailed(let id): server.sendFailed(id, now: now, into: &effects)
        case .openSession(let id, let peers):
            client.open(id, peers: peers, slots: peers.map { slots[$0] }, now: now)
        case .want(let id, let cids, let priority):
            client.want(id, cids, priority: priority, now: now, into: &effects)
        case .cancel(let id, let cids): client.cancel(id, cids, now: now, into: &effects)
        case .closeSession(let id): client.close(id, now: now, into: &effects)
        case .providersFound(let cid, let peers):
            client.providersFound(cid, peers, slots: peers.map { slots[$0] }, now: now, into: &effects)
        }
        client.flush(now: now, into: &effects)
    }

    // MARK: Connections

    private mutating func connected(
        _ id: PeerID, _ version: BitswapVersion, now: Instant, into effects: inout [Effect]
    ) {
        if let peer = slots[id] {
            server.negotiated(peer, version: version)
            client.negotiated(peer, version: version, now: now, into: &effects)
            return
        }
        let peer = free.popLast() ?? slotCount
        if peer == slotCount { slotCount += 1 }
        slots[id] = peer
        server.connected(peer, id: id, version: version)
        client.connected(peer, id: id, version: version, now: now, into: &effects)
    }

    private mutating func disconnected(_ id: PeerID, now: Instant, into effects: inout [Effect]) {
        guard let peer = slots.removeValue(forKey: id) else { return }
        server.disconnected(peer)
        client.disconnected(peer, now: now, into: &effects)
        free.append(peer)
    }

    // MARK: Messages

    private mutating func received(
        _ message: BitswapMessage, from id: PeerID, now: Instant, into effects: inout [Effect]
    ) {
        guard let peer = slots[id] else { return }
        counters.messagesReceived &+= 1
        note(id, now: now) { $0.exchanges &+= 1 }
        client.received(message.presences, from: peer, now: now, into: &effects)
        if !message.blocks.isEmpty {
            if client.mayExpectBlocks(from: peer, now: now) {
                client.isAlive(peer, now: now)
                effects.append(.verify(message.blocks, from: id))
            } else {
                unsolicited(message.blocks.count, from: id, now: now, into: &effects)
            }
        }
        server.received(message.entries, full: message.full, from: peer, now: now, into: &effects)
    }

    private mutating func verified(
        _ blocks: [Block], rejected: Int, from id: PeerID, now: Instant, into effects: inout [Effect]
    ) {
        // Blocks of a peer that has left meanwhile are as good as others.
        let verdict = client.received(blocks, rejected: rejected, from: slots[id], id: id, now: now, into: &effects)
        counters.blocksReceived &+= UInt64(verdict.wanted)
        counters.bytesReceived &+= UInt64(verdict.wantedBytes)
        counters.duplicateBlocks &+= UInt64(verdict.duplicates)
        counters.duplicateBytes &+= UInt64(verdict.duplicateBytes)
        if verdict.wanted + verdict.duplicates > 0 {
            note(id, now: now) {
                $0.blocksReceived &+= UInt64(verdict.wanted)
                $0.bytesReceived &+= UInt64(verdict.wantedBytes)
                $0.duplicates &+= UInt64(verdict.duplicates)
            }
        }
        if verdict.unsolicited > 0 { unsolicited(verdict.unsolicited, from: id, now: now, into: &effects) }
        if rejected > 0 { effects.append(.misbehaved(id, .garbage(rejected))) }
    }

    private mutating func unsolicited(_ count: Int, from id: PeerID, now: Instant, into effects: inout [Effect]) {
        counters.unsolicitedBlocks &+= UInt64(count)
        note(id, now: now) { $0.unsolicited &+= UInt64(count) }
        if let peer = slots[id] { client.punish(peer, Double(count), now: now) }
        effects.append(.misbehaved(id, .unsolicitedBlocks(count)))
    }

    private mutating func sent(_ id: UInt64, missing: [CID], now: Instant, into effects: inout [Effect]) {
        guard let result = server.sent(id, missing: missing, now: now, into: &effects) else { return }
        counters.blocksSent &+= UInt64(result.blocks)
        counters.bytesSent &+= UInt64(result.bytes)
        note(result.peer, now: now) {
            $0.blocksSent &+= UInt64(result.blocks)
            $0.bytesSent &+= UInt64(result.bytes)
            $0.exchanges &+= 1
        }
    }

    private mutating func note(_ id: PeerID, now: Instant, _ change: (inout Ledger) -> Void) {
        var ledger = ledgers.value(of: id, now: now) ?? Ledger()
        change(&ledger)
        ledgers.set(id, ledger, now: now)
    }
}

// MARK: What can be asked of the core

extension Bitswap {
    package var statistics: Statistics {
        var result = counters
        result.haves = client.counters.haves
        result.dontHaves = client.counters.dontHaves
        result.timeouts = client.counters.timeouts
        result.stolenWants = client.counters.stolen
        return result
    }

    /// Everything that passed between us and a peer, as long as it is remembered.
    package func ledger(of id: PeerID, now: Instant) -> Ledger? { ledgers.value(of: id, now: now) }

    /// What we want, oldest first.
    package var wantList: [CID] { client.wanted.cids }

    /// What a connected peer wants from us, most important first.
    package func wantList(of id: PeerID) -> [CID] {
        slots[id].flatMap { server.wants(of: $0) }.map { $0.sorted.map(\.cid) } ?? []
    }

    /// How fast a connected peer answers us.
    package func speed(of id: PeerID) -> PeerSpeed? { slots[id].flatMap { client.speed(of: $0) } }

    /// The connected peers that speak Bitswap, in order.
    package var connectedPeers: [PeerID] { slots.keys.sorted() }

    /// Block bytes and envelopes that the shell holds for peers.
    package var outstanding: (bytes: Int, envelopes: Int) { (server.outstandingBytes, server.envelopes) }

    /// Sizes of what peers and sessions can fill, for metrics and for tests of what is given back.
    package var load: (wants: Int, waiting: Int, sessions: Int, droppedWants: Int) {
        (client.wanted.count, server.waitingCount, client.sessionCount, server.droppedWants)
    }
}
