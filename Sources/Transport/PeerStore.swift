package import Multiformats
import NIOCore
import PeerCrypto
package import SansIO
import Synchronization

/// Where a peer store keeps what outlives the process. Both closures may block; they are called off the
/// event loops and deal with their own errors.
package struct PeerStoreBackend: Sendable {
    /// Every entry that was saved.
    package let load: @Sendable () -> [(key: [UInt8], value: [UInt8])]
    /// Saves entries; a `nil` value deletes.
    package let save: @Sendable ([(key: [UInt8], value: [UInt8]?)]) -> Void

    package init(
        load: @escaping @Sendable () -> [(key: [UInt8], value: [UInt8])],
        save: @escaping @Sendable ([(key: [UInt8], value: [UInt8]?)]) -> Void
    ) {
        self.load = load
        self.save = save
    }
}

/// What is known about peers: addresses with an expiry, protocols, agent, key, newest signed record.
///
/// Bounded in peers, addresses and protocols; peers that were never connected go first. Safe anywhere.
package final class PeerStore: Sendable {
    /// How long addresses are kept.
    package enum Lifetime {
        /// Told by others.
        package static let learned: Duration = .seconds(3_600)
        /// Of a peer that was connected, after it went.
        package static let recentlyConnected: Duration = .seconds(900)
        /// Given for one dial.
        package static let temporary: Duration = .seconds(120)
        /// From the last run of this process.
        package static let restored: Duration = .seconds(86_400)
    }

    /// One peer, as others see it.
    package struct Info: Sendable {
        package var addresses: [Multiaddr]
        package var protocols: [String]
        package var agentVersion: String
        package var protocolVersion: String
        /// Seconds since 1970; `nil` when it was never connected.
        package var lastConnected: UInt64?
        package var isConnected: Bool
    }

    private let limits: TransportLimits
    private let backend: PeerStoreBackend?
    private let state = Mutex(State())

    fileprivate struct State {
        var peers: [PeerID: PeerEntry] = [:]
        var changed: Set<PeerID> = []
    }

    /// A store that starts with what `backend` saved.
    package init(limits: TransportLimits, backend: PeerStoreBackend? = nil, now: Instant) {
        self.limits = limits
        self.backend = backend
        guard let backend else { return }
        let saved = backend.load().prefix(limits.peers)
        state.withLock { state in
            for (key, value) in saved {
                guard let peer = try? PeerID(key),
                    let entry = try? PeerEntry(saved: value, expires: now + Lifetime.restored, limits: limits)
                else { continue }
                state.peers[peer] = entry
            }
        }
    }

    // MARK: Asking

    /// The peer's addresses that have not expired, the latest news first.
    package func addresses(of peer: PeerID, now: Instant) -> [Multiaddr] {
        state.withLock { $0.peers[peer]?.addresses.filter { $0.expires > now }.map(\.address) } ?? []
    }

    /// The protocols that the peer told in identify; `nil` when it has told none yet.
    package func protocols(of peer: PeerID) -> [String]? {
        state.withLock { $0.peers[peer].flatMap { $0.isIdentified ? $0.protocols : nil } }
    }

    package func info(of peer: PeerID, now: Instant) -> Info? {
        state.withLock { $0.peers[peer]?.info(now: now) }
    }

    /// Everyone known, connected or not.
    package var peers: [PeerID] { state.withLock { Array($0.peers.keys) } }

    // MARK: Telling

    /// Adds addresses that are good for `lifetime` at least. The caller has checked that they are credible.
    package func add(_ addresses: [Multiaddr], of peer: PeerID, for lifetime: Duration, now: Instant) {
        guard !addresses.isEmpty else { return }
        change(peer, now: now) { $0.add(addresses, until: now + lifetime, most: limits.addressesPerPeer) }
    }

    /// Takes in what the peer said about itself. Gives whether its protocols changed.
    @discardableResult
    package func identified(
        _ peer: PeerID, protocols: [String]?, agentVersion: String?, protocolVersion: String?, key: [UInt8]?,
        now: Instant
    ) -> Bool {
        change(peer, now: now) { entry in
            entry.isIdentified = true
            if let agentVersion { entry.agentVersion = agentVersion }
            if let protocolVersion { entry.protocolVersion = protocolVersion }
            if let key { entry.publicKey = key }
            guard let protocols else { return false }
            let new = Array(protocols.prefix(limits.protocolsPerPeer))
            defer { entry.protocols = new }
            return Set(new) != Set(entry.protocols)
        }
    }

    /// Takes in a signed record, already verified, unless a newer one is known. The addresses of a record
    /// replace what the peer said unsigned.
    @discardableResult
    package func add(
        record: [UInt8], sequence: UInt64, addresses: [Multiaddr], of peer: PeerID, for lifetime: Duration, now: Instant
    ) -> Bool {
        change(peer, now: now) { entry in
            guard sequence > entry.recordSequence else { return false }
            entry.recordSequence = sequence
            entry.record = record
            entry.addresses = []
            entry.add(addresses, until: now + lifetime, most: limits.addressesPerPeer)
            return true
        }
    }

    /// The peer's newest signed record, as an envelope.
    package func record(of peer: PeerID) -> [UInt8]? { state.withLock { $0.peers[peer]?.record } }

    package func connected(_ peer: PeerID, now: Instant) {
        change(peer, now: now) { entry in
            entry.isConnected = true
            entry.lastConnected = WallClock.seconds()
        }
    }

    /// The last connection is gone: the addresses expire from now on, the protocols are forgotten.
    package func disconnected(_ peer: PeerID, now: Instant) {
        change(peer, now: now) { entry in
            entry.isConnected = false
            entry.lastConnected = WallClock.seconds()
            entry.shrink(until: now + Lifetime.recentlyConnected)
        }
    }

    package func forget(_ peer: PeerID) {
        state.withLock { state in
            state.peers[peer] = nil
            state.changed.insert(peer)
        }
    }

    // MARK: Keeping

    /// Forgets what expired. Peers that were connected once are remembered without addresses.
    package func prune(now: Instant) {
        state.withLock { state in
            for (peer, entry) in state.peers where !entry.isConnected {
                var entry = entry
                entry.addresses.removeAll { $0.expires <= now }
                state.peers[peer] = entry.addresses.isEmpty && entry.lastConnected == nil ? nil : entry
            }
        }
    }

    /// Saves what changed since the last time: peers that were connected. May block.
    package func save() {
        guard let backend else { return }
        let changes = state.withLock { state in
            defer { state.changed.removeAll() }
            return state.changed.compactMap { peer -> (key: [UInt8], value: [UInt8]?)? in
                guard let entry = state.peers[peer] else { return (peer.bytes, nil) }
                return entry.lastConnected == nil ? nil : (peer.bytes, entry.encoded)
            }
        }
        if !changes.isEmpty { backend.save(changes) }
    }

    private func change<R>(_ peer: PeerID, now: Instant, _ body: (inout PeerEntry) -> R) -> R {
        state.withLock { state in
            if state.peers[peer] == nil, state.peers.count >= limits.peers { state.makeRoom() }
            state.changed.insert(peer)
            return body(&state.peers[peer, default: PeerEntry()])
        }
    }
}

extension PeerStore.State {
    /// Drops the sixteenth of the peers that is worth least, so that the search for it is rare.
    mutating func makeRoom() {
        let order = peers.filter { !$0.value.isConnected }
            .sorted { ($0.value.lastConnected ?? 0) < ($1.value.lastConnected ?? 0) }
        for (peer, _) in order.prefix(max(1, peers.count / 16)) {
            peers[peer] = nil
            changed.insert(peer)
        }
    }
}
