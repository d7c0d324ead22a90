package import Multiformats
package import SansIO

/// The Kademlia core: a routing table, the queries under way and the records that we keep for others.
///
/// Pure: it asks its shell to send requests and tells it what to answer and what to store. The same core is
/// driven by streams, by datagrams and by the simulator; everything that a peer can make it remember is bounded
/// by its configuration.
///
///     somebody --.start--> query --.call--> shell, peer --.answered--> query --.finished--> somebody
///     peer's request --.request--> records and table --.respond or .refuse--> shell
///     identify --.found--> candidate --.call (a probe)--> peer --.answered--> table --.entered--> shell
///
/// Sources: https://specs.ipfs.tech/routing/kad-dht, https://github.com/libp2p/specs/tree/master/kad-dht
package struct Kademlia: Sendable {
    package let configuration: KademliaConfiguration
    /// Ourselves.
    package let peer: PeerID
    package let key: KadKey
    package internal(set) var mode: KadMode
    package internal(set) var table: RoutingTable
    package internal(set) var statistics = KademliaStatistics()
    package internal(set) var networkSize = NetworkSize()

    var ownAddresses: [Multiaddr] = []
    var generator: SeededGenerator
    private let epoch: KadTime
    private let start: Instant
    var timers = Timers<Timer>()

    var calls: [CallID: Call] = [:]
    private var lastCall: UInt64 = 0
    var queries: [UInt64: RunningQuery] = [:]
    var serials: [QueryID: UInt64] = [:]
    private var lastQuery: UInt64 = 0
    /// Providers whose addresses are to be looked up.
    var unresolved: [RunningQuery.Parent] = []
    var upkeep = Upkeep()
    /// What peers outside of the table take to answer, smoothed.
    var strangerTime: Duration?
    var strangerDeviation = Duration.zero

    var providers: ProviderTable
    var values: ValueTable
    var rates: SourceRates
    /// Where peers are that told us so themselves and need not serve this DHT.
    var contactBook = ExpiringMap<PeerID, [Multiaddr]>(capacity: 512, lifetime: .seconds(3600))

    enum Timer: Hashable, Sendable {
        case call(CallID)
        case query(UInt64)
        case refresh
        case sweepTable
        case sweepRecords
        case recheck(PeerID)
    }

    /// A core of `peer`'s that begins at `start`, which is `epoch` by the wall's clock. `seed` is its luck: which
    /// keys it refreshes its table with, and when exactly.
    package init(_ configuration: KademliaConfiguration, peer: PeerID, epoch: KadTime, start: Instant, seed: UInt64) {
        self.configuration = configuration
        self.peer = peer
        self.epoch = epoch
        self.start = start
        key = KadKey(peer)
        mode = configuration.mode
        table = RoutingTable(own: key, k: configuration.k, diversity: configuration.ipDiversity)
        generator = SeededGenerator(seed: seed)
        providers = ProviderTable(configuration)
        values = ValueTable(configuration)
        rates = SourceRates(configuration)
        timers.set(.sweepRecords, at: start + Kademlia.recordSweep)
    }

    /// The wall's time at `now`.
    func wallTime(_ now: Instant) -> KadTime { epoch.advanced(by: now - start) }

    static let recordSweep = Duration.seconds(3600)
    /// A query that wants every one of the closest peers does not end before they had so long, nor, where much is
    /// lost, before their calls end: when three datagrams or their answers are lost, a connection is set up, after
    /// four timeouts and over several round trips.
    static let lateWait = Duration.milliseconds(4500)

    /// Provider records and values kept for others, and the keys that have provider records.
    package var recordCounts: (providers: Int, providedKeys: Int, values: Int) {
        (providers.count, providers.keyCount, values.count)
    }

    /// Queries and calls under way, internal ones included.
    package var load: (queries: Int, calls: Int) { (queries.count, calls.count) }
}

// MARK: The core's face

extension Kademlia: ProtocolCore {
    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .addressesChanged(let addresses):
            ownAddresses = Array(addresses.prefix(2 * configuration.addressesPerPeer))
        case .modeChanged(let mode): self.mode = mode
        case .found(let peer, let addresses): found(peer, at: addresses, now: now, into: &effects)
        case .stoppedServing(let peer): stoppedServing(peer, now: now, into: &effects)
        case .request(let id, let message, let requester):
            serve(id, message, from: requester, now: now, into: &effects)
        case .answered(let id, let message, let report):
            answered(id, message, report, now: now, into: &effects)
        case .failed(let id, let failure): failed(id, failure, now: now, into: &effects)
        case .start(let id, let query): begin(id, query, now: now, into: &effects)
        case .cancel(let id): cancel(id, now: now, into: &effects)
        case .restoreRecords(let changes): restore(changes, now: now)
        case .restorePeers(let peers): restore(peers, now: now, into: &effects)
        }
        work(now: now, into: &effects)
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        while let timer = timers.popDue(now) {
            switch timer {
            case .call(let id): callIsLate(id, now: now, into: &effects)
            case .query(let serial): queryIsLate(serial, now: now, into: &effects)
            case .refresh: refreshIsDue(now: now, into: &effects)
            case .sweepTable: sweepTable(now: now, into: &effects)
            case .recheck(let peer): recheck(peer, now: now, into: &effects)
            case .sweepRecords:
                timers.set(.sweepRecords, at: now + Kademlia.recordSweep)
                for change in providers.expire(now: wallTime(now)) { effects.append(.store(change)) }
                for change in values.expire(now: wallTime(now)) { effects.append(.store(change)) }
                contactBook.expire(now: now)
            }
            work(now: now, into: &effects)
        }
    }

    package var deadline: Instant? { timers.next }
}

// MARK: Calls

extension Kademlia {
    /// A request of ours on its way.
    struct Call: Sendable {
        enum Purpose: Sendable {
            /// A contact of a query's lookup; lane 0 is the query's own, others search the region around it.
            case lookup(UInt64, lane: Int, contact: Int)
            /// A query's announcement or value, to that target.
            case store(UInt64, target: Int)
            case ping(UInt64)
            /// Whether a candidate serves.
            case probe(KadPeer)
            /// Whether a peer of the table is still there.
            case check
            /// Nobody waits; only its speed is of interest.
            case none
        }

        enum Stage: Sendable {
            case fresh
            /// Others are asked meanwhile.
            case slow
            /// Only the last step of its query still waits for it.
            case late
            /// Its query no longer waits for it.
            case givenUp
        }

        let peer: PeerID
        let key: KadKey
        let kind: KadMessage.Kind
        let messageKey: [UInt8]
        var purpose: Purpose
        let sent: Instant
        let deadline: Instant
        var stage: Stage
        let patience: Duration
        /// What to believe of addresses that it tells.
        let nearness: KadAddressPolicy.Nearness
        /// The record that a PUT_VALUE must come back with.
        let value: [UInt8]?
    }

    /// Sends a request. Lookups hear when it is late, others only when it has failed.
    mutating func send(
        _ message: KadMessage, to target: KadPeer, key: KadKey, _ purpose: Call.Purpose, now: Instant,
        into effects: inout [Effect]
    ) -> CallID {
        lastCall &+= 1
        let id = CallID(lastCall)
        let timeout = configuration.callTimeout
        // The shell reports within the timeout; a shell that forgets must not make us wait for ever.
        let deadline = now + timeout + .seconds(2)
        var patience = timeout
        if case .lookup = purpose { patience = self.patience(for: key) }
        calls[id] = Call(
            peer: target.id, key: key, kind: message.kind, messageKey: message.key, purpose: purpose, sent: now,
            deadline: deadline, stage: patience < timeout ? .fresh : .givenUp, patience: patience,
            nearness: KadAddressPolicy.Nearness(of: target.addresses), value: message.record?.value)
        timers.set(.call(id), at: patience < timeout ? now + patience : deadline)
        statistics.callsSent[message.kind] += 1
        effects.append(.call(id, message, to: target, timeout: timeout))
        return id
    }

    /// How long a lookup waits for a peer before it asks another one meanwhile.
    private func patience(for key: KadKey) -> Duration {
        let limits = (low: Duration.milliseconds(100), high: Duration.seconds(2))
        if let position = table.position(of: key), let roundTrip = table[position].roundTrip {
            return min(max(roundTrip + table[position].deviation * 4, limits.low), limits.high)
        }
        guard let strangerTime else { return configuration.firstPatience }
        return min(max(strangerTime + strangerDeviation * 4, limits.low * 2), limits.high)
    }

    private mutating func answered(
        _ id: CallID, _ message: KadMessage, _ report: CallReport, now: Instant, into effects: inout [Effect]
    ) {
        guard let call = calls[id] else { return }
        // Some implementations leave the key out of answers.
        guard message.kind == call.kind, message.key.isEmpty || message.key == call.messageKey else {
            failed(id, .malformed, now: now, into: &effects)
            return
        }
        calls[id] = nil
        timers.cancel(.call(id))
        statistics.callsAnswered[call.kind] += 1
        heard(call, report, now: now)
        switch call.purpose {
        case .lookup(let serial, let lane, let contact):
            contactAnswered(serial, lane, contact, call, message, report, now: now, into: &effects)
        case .store(let serial, let target):
            let isTaken = call.kind != .putValue || message.record.map { $0.value == call.value } ?? false
            storeEnded(serial, target, isTaken: isTaken, now: now, into: &effects)
        case .ping(let serial): pingEnded(serial, .pong(report), now: now, into: &effects)
        case .probe(let candidate): probeAnswered(candidate, call, report, now: now, into: &effects)
        case .check: upkeep.checks = max(0, upkeep.checks - 1)
        case .none: break
        }
    }

    private mutating func failed(_ id: CallID, _ failure: CallFailure, now: Instant, into effects: inout [Effect]) {
        guard let call = calls.removeValue(forKey: id) else { return }
        timers.cancel(.call(id))
        statistics.callsFailed[call.kind] += 1
        switch call.purpose {
        case .lookup(let serial, let lane, let contact):
            contactFailed(serial, lane, contact, call, failure, now: now, into: &effects)
        case .store(let serial, let target):
            storeEnded(serial, target, isTaken: false, now: now, into: &effects)
        case .ping(let serial): pingEnded(serial, .failed(.unreachable), now: now, into: &effects)
        case .probe(let candidate): probeFailed(candidate, now: now)
        case .check, .none: break
        }
        missed(call, failure, now: now, into: &effects)
    }

    private mutating func callIsLate(_ id: CallID, now: Instant, into effects: inout [Effect]) {
        guard var call = calls[id] else { return }
        switch call.stage {
        case .fresh:
            call.stage = .slow
            calls[id] = call
            let end = max(call.patience * 4, .milliseconds(1500))
            timers.set(.call(id), at: min(call.sent + end, call.deadline))
            if case .lookup(let serial, let lane, let contact) = call.purpose {
                reconsider(serial, lane, now: now, into: &effects) { $0.slow(contact) }
            }
        case .slow:
            if case .lookup(let serial, let lane, let contact) = call.purpose, wantsAll(serial) {
                call.stage = .late
                calls[id] = call
                let end = call.sent + max(call.patience * 4, Kademlia.lateWait)
                timers.set(.call(id), at: max(now, upkeep.isLossy ? call.deadline : min(end, call.deadline)))
                reconsider(serial, lane, now: now, into: &effects) { $0.late(contact) }
            } else {
                giveUp(id, call, now: now, into: &effects)
            }
            suspect(call, now: now, into: &effects)
        case .late: giveUp(id, call, now: now, into: &effects)
        case .givenUp:
            // Of an abandoned call the shell need not tell the end, so its silence says nothing.
            if case .none = call.purpose {
                calls[id] = nil
            } else {
                failed(id, .timeout, now: now, into: &effects)
            }
        }
    }

    private mutating func giveUp(_ id: CallID, _ call: Call, now: Instant, into effects: inout [Effect]) {
        calls[id]?.stage = .givenUp
        timers.set(.call(id), at: max(call.deadline, now))
        if case .lookup(let serial, let lane, let contact) = call.purpose {
            // Its answer is still welcome, but the lookup goes on as if it had failed.
            reconsider(serial, lane, now: now, into: &effects) { $0.failed(contact) }
        }
    }

    /// Learns from an answer that its peer lives, and how fast it is.
    private mutating func heard(_ call: Call, _ report: CallReport, now: Instant) {
        upkeep.lastAnswer = now
        upkeep.lateness += ((call.stage == .fresh ? 0 : 1) - upkeep.lateness) / 32
        let time = report.roundTrip ?? now - call.sent
        if let position = table.position(of: call.key) {
            table.update(position) {
                $0.heard = now
                $0.failures = 0
                $0.isChecked = false
                $0.measured(time)
            }
            timers.cancel(.recheck(call.peer))
        } else {
            // With the set-up of a connection: that is what the next stranger will take.
            let whole = now - call.sent
            guard let old = strangerTime else {
                (strangerTime, strangerDeviation) = (whole, whole / 2)
                return
            }
            let error = whole > old ? whole - old : old - whole
            strangerDeviation = (strangerDeviation * 7 + error) / 8
            strangerTime = (old * 15 + whole) / 16
        }
    }

    /// Runs what an input has made possible: lookups of providers' addresses, probes, the next refreshes.
    private mutating func work(now: Instant, into effects: inout [Effect]) {
        while !unresolved.isEmpty {
            let parent = unresolved.removeFirst()
            resolve(parent.provider, nil, parent: parent, now: now, into: &effects)
        }
        startProbes(now: now, into: &effects)
        continueRefresh(now: now, into: &effects)
    }

    /// A number for a new query.
    mutating func nextSerial() -> UInt64 {
        lastQuery &+= 1
        return lastQuery
    }
}
