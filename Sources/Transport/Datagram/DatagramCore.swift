package import Multiformats
package import NIOCore
import PeerCrypto
package import SansIO

/// Authenticated datagrams as a value: packets and calls go in, packets and answers come out.
///
/// A stranger is asked in one round trip: the first packet carries a Noise IK handshake and a request, its
/// answer comes with the response. Nothing is kept for anybody who has not proven that he receives at his
/// address beyond ten seconds, and no stranger gets more bytes than he sent.
///
///     asks      call -> begin -> initiation    response -> answered, alive, session
///     answers   initiation -> request, answer -> response    first transport packet -> session
package struct DatagramCore: ProtocolCore, Sendable {
    package enum Input: Sendable {
        case packet(ByteBuffer, from: DatagramAddress, at: DatagramLocal)
        case call(DatagramCall)
        /// Nobody waits for the call any more; no `completed` follows.
        case cancel(DatagramCallID)
        /// The answer to a request, by its serial number. One that is longer than its room is not sent.
        case answer(UInt64, ByteBuffer, isWhole: Bool)
        /// The request gets no answer.
        case refuse(UInt64)
        /// Ends the sessions with a peer and fails the calls to it.
        case close(PeerID)
    }

    package enum Effect: Sendable {
        /// Sends a packet from a local address, or from whatever suits when there is none.
        case send(ByteBuffer, to: DatagramAddress, from: DatagramLocal?)
        case request(DatagramAsk)
        case completed(DatagramCallID, Result<DatagramAnswer, DatagramError>)
        /// The peer answered an initiation of ours at this address: it is there, and it is who it says.
        case alive(PeerID, DatagramAddress)
    }

    enum Timer: Hashable, Sendable {
        case call(DatagramCallID)
        case deadline(DatagramCallID)
        case handshake(UInt32)
        case session(UInt32)
        case housekeeping
    }

    /// A request of a peer that waits for its answer.
    struct Pending: Sendable {
        let index: UInt32
        let requestID: UInt32
        let room: Int
        /// Whether it came in an initiation.
        let isFirst: Bool
    }

    private static let housekeepingPeriod: Duration = .seconds(10)

    let configuration: DatagramConfiguration
    /// Under which private calls go; a new one every ten minutes.
    private var throwaway: (identity: DatagramIdentity, since: Instant)?
    var handshakes: [UInt32: OutgoingHandshake] = [:]
    var handshakesByTarget: [OutgoingHandshake.Target: UInt32] = [:]
    var unconfirmed: UnconfirmedSessions
    var sessions: SessionTable
    var calls: [DatagramCallID: OutgoingCall] = [:]
    var callsByRequest: [UInt32: DatagramCallID] = [:]
    var requests: ExpiringMap<UInt64, Pending>
    var timers = Timers<Timer>()
    var strangers = StrangerGuard()
    var tokens: RetryTokens
    /// Initiations without a token that are looked at.
    private var load: TokenBucket
    /// What proven sources ask of us; full again after five seconds, so forgetting then changes nothing.
    private var sources: ExpiringMap<DatagramAddress.Household, TokenBucket>
    private var lastSerial: UInt64 = 0
    private var lastRequestID: UInt32
    var counters = DatagramStatistics()

    package init(_ configuration: DatagramConfiguration, now: Instant) {
        self.configuration = configuration
        unconfirmed = UnconfirmedSessions(capacity: configuration.unconfirmed)
        sessions = SessionTable(capacity: configuration.sessions, perHousehold: configuration.sessionsPerHousehold)
        requests = ExpiringMap(capacity: configuration.requests, lifetime: UnconfirmedSessions.lifetime)
        tokens = RetryTokens(start: now, random: configuration.random)
        load = TokenBucket(rate: configuration.initiationRate, burst: configuration.initiationRate, now: now)
        sources = ExpiringMap(capacity: 4096, lifetime: .seconds(10))
        lastRequestID = Self.word(configuration.random(4))
    }

    var identity: DatagramIdentity { configuration.identity }

    /// Counters since the start, and what is held now.
    package var statistics: DatagramStatistics {
        var result = counters
        result.sessions = sessions.count
        result.unconfirmed = unconfirmed.count
        result.handshakes = handshakes.count
        result.calls = calls.count
        result.requests = requests.count
        result.remembered = strangers.count + sources.count + sessions.householdCount
        return result
    }

    package var deadline: Instant? { timers.next }

    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .packet(let packet, let source, let local):
            counters.packetsIn += 1
            counters.bytesIn += UInt64(packet.readableBytes)
            do throws(DatagramDrop) {
                try receive(packet, from: source, at: local, now: now, into: &effects)
            } catch {
                counters.count(error)
            }
        case .call(let call): begin(call, now: now, into: &effects)
        case .cancel(let id): forget(id)
        case .answer(let serial, let message, let isWhole):
            answer(serial, message, isWhole: isWhole, now: now, into: &effects)
        case .refuse(let serial): requests.remove(serial)
        case .close(let peer): close(peer, now: now, into: &effects)
        }
        keepHouse(now: now)
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        while let timer = timers.popDue(now) {
            switch timer {
            case .call(let id): sessionIsSilent(id, now: now, into: &effects)
            case .deadline(let id): fail(id, .timeout, into: &effects)
            case .handshake(let index): handshakeIsSilent(index, now: now, into: &effects)
            case .session(let index): checkEnd(of: index, now: now)
            case .housekeeping: expire(now: now)
            }
        }
        keepHouse(now: now)
    }

    // MARK: Packets

    private mutating func receive(
        _ packet: ByteBuffer, from source: DatagramAddress, at local: DatagramLocal, now: Instant,
        into effects: inout [Effect]
    ) throws(DatagramDrop) {
        guard source.port != 0 else { throw .malformed }
        switch try DatagramPacket(packet) {
        case .initiation(let sender, let mac, let token):
            guard DatagramPacket.mac(ofInitiation: packet, key: identity.macKey) == mac else { throw .wrongMAC }
            let origin = UnconfirmedSessions.Origin(source: source, mac: mac)
            try receiveInitiation(
                packet, sender: sender, token: token, origin: origin, at: local, now: now, into: &effects)
        case .response(let receiver):
            try receiveResponse(packet, receiver, from: source, at: local, now: now, into: &effects)
        case .retry(let receiver, let token):
            try receiveRetry(receiver, token, from: source, now: now, into: &effects)
        case .transport(let receiver, let counter):
            try receiveTransport(packet, receiver, counter, from: source, at: local, now: now, into: &effects)
        }
    }

    mutating func send(
        _ packet: ByteBuffer, to address: DatagramAddress, from local: DatagramLocal?, into effects: inout [Effect]
    ) {
        counters.packetsOut += 1
        counters.bytesOut += UInt64(packet.readableBytes)
        effects.append(.send(packet, to: address, from: local))
    }

    // MARK: Limits

    /// Whether an initiation without a token may be looked at.
    mutating func admitsInitiation(now: Instant) -> Bool { load.take(now: now) }

    /// Whether a source that has proven its address may have one request more.
    mutating func admits(_ source: DatagramAddress, now: Instant) -> Bool {
        if source.isLoopback, !configuration.limitsLoopback { return true }
        let household = source.household
        var bucket =
            sources.value(of: household, now: now)
            ?? TokenBucket(rate: configuration.sourceRate, burst: configuration.sourceBurst, now: now)
        let isAdmitted = bucket.take(now: now)
        sources.set(household, bucket, now: now)
        return isAdmitted
    }

    // MARK: Names

    /// An index that none of our sessions and handshakes has.
    mutating func makeIndex() -> UInt32 {
        while true {
            let index = Self.word(configuration.random(4))
            if handshakes[index] == nil, !sessions.contains(index), !unconfirmed.contains(index) { return index }
        }
    }

    mutating func makeSerial() -> UInt64 {
        lastSerial += 1
        return lastSerial
    }

    mutating func makeRequestID() -> UInt32 {
        repeat { lastRequestID &+= 1 } while callsByRequest[lastRequestID] != nil
        return lastRequestID
    }

    /// Who we are to the peer of a call.
    mutating func identity(isPrivate: Bool, now: Instant) -> DatagramIdentity {
        guard isPrivate else { return identity }
        if let throwaway, now - throwaway.since < DatagramSession.maximumAge { return throwaway.identity }
        let fresh = DatagramIdentity(KeyPair(seed: configuration.random(32)), network: identity.network)
        throwaway = (fresh, now)
        return fresh
    }

    func makeEphemeral() -> NoiseKeyPair { NoiseKeyPair(secret: configuration.random(32)) }

    private static func word(_ bytes: SecretBytes) -> UInt32 {
        bytes.reveal().prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    // MARK: Forgetting

    /// Takes a session in, newest of its peer; others may have to make room.
    mutating func insert(_ session: DatagramSession) {
        for removed in sessions.insert(session) { timers.cancel(.session(removed.index)) }
        timers.set(.session(session.index), at: session.end)
    }

    private mutating func checkEnd(of index: UInt32, now: Instant) {
        guard let session = sessions[index] else { return }
        if session.end <= now {
            sessions.remove(index)
        } else {
            timers.set(.session(index), at: session.end)
        }
    }

    private mutating func close(_ peer: PeerID, now: Instant, into effects: inout [Effect]) {
        for isPrivate in [false, true] {
            for index in sessions.all(of: peer, isPrivate: isPrivate) {
                sessions.remove(index)
                timers.cancel(.session(index))
            }
        }
        for index in handshakes.filter({ $0.value.target.peer == peer }).keys.sorted() {
            endHandshake(index, now: now)
        }
        for id in calls.filter({ $0.value.call.peer == peer }).keys.sorted() { fail(id, .closed, into: &effects) }
    }

    private mutating func keepHouse(now: Instant) {
        guard timers.deadline(of: .housekeeping) == nil, holdsExpiring else { return }
        timers.set(.housekeeping, at: now + Self.housekeepingPeriod)
    }

    private var holdsExpiring: Bool {
        unconfirmed.count + requests.count + sources.count + strangers.count > 0
    }

    private mutating func expire(now: Instant) {
        unconfirmed.expire(now: now)
        requests.expire(now: now)
        sources.expire(now: now)
        strangers.expire(now: now)
    }
}
