package import Multiformats
package import SansIO

/// Turns "connect to this peer" into attempts at addresses: the best first, the next one when it fails or
/// 250 ms later, one dial per peer however many ask for it.
///
/// ```
/// dial -> attempt(best) --fails--> attempt(next) ... -> failed
///              |--250 ms--> attempt(next) in parallel
///              |--succeeds--> cancel the others
/// ```
/// An address that failed rests for a time that grows with each failure.
package struct Dialer: ProtocolCore, Sendable {
    package enum Input: Sendable {
        /// Wants a connection to the peer. `isForced` tries resting addresses too.
        case dial(PeerID, addresses: [Multiaddr], isForced: Bool)
        case attemptSucceeded(UInt64)
        case attemptFailed(UInt64, ConnectionError)
        /// The peer dialled us meanwhile.
        case connected(PeerID)
    }

    package enum Effect: Hashable, Sendable {
        case attempt(UInt64, PeerID, Multiaddr)
        case cancel(UInt64)
        /// No address is left, or time is up; the error of the last attempt.
        case failed(PeerID, ConnectionError)
    }

    private struct Dial {
        var waiting: [Multiaddr]
        var active: [UInt64: (address: Multiaddr, deadline: Instant)] = [:]
        var tried: Set<Multiaddr>
        var nextStart: Instant?
        var lastError: ConnectionError = .noAddress
        let deadline: Instant
    }

    private struct Rest {
        var failures: Int
        var until: Instant
    }

    private static let parallel = 4
    private static let mostAddresses = 32
    private static let mostResting = 1_024
    private static let firstRest: Duration = .seconds(5)
    private static let longestRest: Duration = .seconds(300)

    private let limits: TransportLimits
    private var dials: [PeerID: Dial] = [:]
    private var attempts: [UInt64: PeerID] = [:]
    private var resting: [Multiaddr: Rest] = [:]
    private var nextAttempt: UInt64 = 0

    package init(limits: TransportLimits) { self.limits = limits }

    package func isDialing(_ peer: PeerID) -> Bool { dials[peer] != nil }

    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .dial(let peer, let addresses, let isForced):
            start(peer, addresses, isForced: isForced, now: now, into: &effects)
        case .attemptSucceeded(let attempt): succeed(attempt, into: &effects)
        case .attemptFailed(let attempt, let error): fail(attempt, error, now: now, into: &effects)
        case .connected(let peer): settle(peer)
        }
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        for (peer, dial) in dials {
            if now >= dial.deadline {
                abandon(peer, into: &effects)
                effects.append(.failed(peer, .timeout))
                continue
            }
            for (attempt, state) in dial.active where now >= state.deadline {
                effects.append(.cancel(attempt))
                fail(attempt, .timeout, now: now, into: &effects)
            }
            if let start = dials[peer]?.nextStart, now >= start { startNext(peer, now: now, into: &effects) }
        }
    }

    package var deadline: Instant? {
        dials.values.flatMap { dial in
            [dial.deadline] + [dial.nextStart].compactMap { $0 } + dial.active.values.map(\.deadline)
        }.min()
    }

    private mutating func start(
        _ peer: PeerID, _ addresses: [Multiaddr], isForced: Bool, now: Instant, into effects: inout [Effect]
    ) {
        let ranked = AddressPolicy.ranked(addresses).prefix(Self.mostAddresses)
        let usable = ranked.filter { isForced || !isResting($0, now: now) }
        if dials[peer] != nil {
            add(usable, to: peer, now: now, into: &effects)
            return
        }
        guard !usable.isEmpty else {
            effects.append(.failed(peer, ranked.isEmpty ? .noAddress : .backoff))
            return
        }
        dials[peer] = Dial(waiting: usable, tried: Set(usable), deadline: now + limits.dialTimeout)
        startNext(peer, now: now, into: &effects)
    }

    /// Addresses that came to a dial under way.
    private mutating func add(
        _ addresses: [Multiaddr], to peer: PeerID, now: Instant, into effects: inout [Effect]
    ) {
        guard var dial = dials[peer] else { return }
        let new = addresses.filter { dial.tried.insert($0).inserted }
        dial.waiting += new.prefix(max(0, Self.mostAddresses - dial.waiting.count))
        if dial.nextStart == nil, !dial.waiting.isEmpty { dial.nextStart = now + limits.dialStagger }
        dials[peer] = dial
    }

    private mutating func startNext(_ peer: PeerID, now: Instant, into effects: inout [Effect]) {
        guard var dial = dials[peer] else { return }
        guard !dial.waiting.isEmpty, dial.active.count < Self.parallel else {
            dial.nextStart = nil
            dials[peer] = dial
            return
        }
        let address = dial.waiting.removeFirst()
        nextAttempt += 1
        attempts[nextAttempt] = peer
        dial.active[nextAttempt] = (address, now + limits.attemptTimeout)
        dial.nextStart = dial.waiting.isEmpty ? nil : now + limits.dialStagger
        dials[peer] = dial
        effects.append(.attempt(nextAttempt, peer, address))
    }

    private mutating func succeed(_ attempt: UInt64, into effects: inout [Effect]) {
        guard let peer = attempts.removeValue(forKey: attempt), let dial = dials[peer] else { return }
        if let address = dial.active[attempt]?.address { resting[address] = nil }
        dials[peer]?.active[attempt] = nil
        abandon(peer, into: &effects)
    }

    private mutating func fail(
        _ attempt: UInt64, _ error: ConnectionError, now: Instant, into effects: inout [Effect]
    ) {
        guard let peer = attempts.removeValue(forKey: attempt), var dial = dials[peer] else { return }
        if let address = dial.active.removeValue(forKey: attempt)?.address, error != .shuttingDown {
            rest(address, now: now)
        }
        dial.lastError = error
        dials[peer] = dial
        if dial.active.isEmpty, dial.waiting.isEmpty {
            dials[peer] = nil
            effects.append(.failed(peer, error))
        } else if !dial.waiting.isEmpty {
            startNext(peer, now: now, into: &effects)
        }
    }

    /// Starts nothing new for a peer that is connected. What is under way runs on: when both sides dial at
    /// once and both gave up their own attempt for the other's, no connection would be left.
    private mutating func settle(_ peer: PeerID) {
        dials[peer]?.waiting = []
        dials[peer]?.nextStart = nil
    }

    /// Ends a dial without a word about it.
    private mutating func abandon(_ peer: PeerID, into effects: inout [Effect]) {
        guard let dial = dials.removeValue(forKey: peer) else { return }
        for attempt in dial.active.keys.sorted() {
            attempts[attempt] = nil
            effects.append(.cancel(attempt))
        }
    }

    // MARK: Resting addresses

    private func isResting(_ address: Multiaddr, now: Instant) -> Bool {
        resting[address].map { now < $0.until } ?? false
    }

    private mutating func rest(_ address: Multiaddr, now: Instant) {
        if resting.count >= Self.mostResting, resting[address] == nil {
            resting = resting.filter { now < $0.value.until }
            if resting.count >= Self.mostResting { resting.removeAll(keepingCapacity: true) }
        }
        let failures = min((resting[address]?.failures ?? 0) + 1, 16)
        let duration = min(Self.longestRest, Self.firstRest * (1 << (failures - 1)))
        resting[address] = Rest(failures: failures, until: now + duration)
    }
}
