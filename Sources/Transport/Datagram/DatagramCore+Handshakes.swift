import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// A handshake of ours in flight, with one request in it.
struct OutgoingHandshake: Sendable {
    /// The responder forgets an initiation after ten seconds; we stop waiting a little earlier.
    static let lifetime: Duration = .seconds(8)

    /// Whom it is for and where.
    struct Target: Hashable, Sendable {
        let peer: PeerID
        let address: DatagramAddress
        let isPrivate: Bool
    }

    let target: Target
    let isPublic: Bool
    let requestID: UInt32
    /// The call whose request is in the packet; none when that is a PING which only opens the session.
    let carried: DatagramCallID?
    /// Calls that are sent on the session once it is there.
    var waiting: [DatagramCallID]
    var handshake: InitiatedHandshake
    let firstSent: Instant
    var lastSent: Instant
    /// Packets sent so far, and how many there may be.
    var transmissions = 1
    let limit: Int
    var timeout: Duration
    /// Whether a retry came; a second one is not believed.
    var isRetried = false

    /// Everybody who waits for it, the one whose request it carries first.
    var callers: [DatagramCallID] { (carried.map { [$0] } ?? []) + waiting }

    /// When to look again, `wait` from now.
    func wakeUp(after wait: Duration, now: Instant) -> Instant { min(now + wait, firstSent + Self.lifetime) }
}

// Beginning sessions: what is sent to whom, how often, and what comes back.
extension DatagramCore {
    /// The request that opens a session for a write: a Kademlia PING, `type = 5` and nothing else.
    private static let ping = ByteBuffer(bytes: [0x08, 0x05])
    private static let pingLength = 512

    /// PINGs ask for little, so their padding may be short.
    private static func isPing(_ message: ByteBuffer) -> Bool {
        message.readableBytes <= 64 && message.readableBytesView.starts(with: ping.readableBytesView)
    }

    /// Begins a handshake for a call, or joins the one that is under way to the same peer and address.
    mutating func shakeHands(for id: DatagramCallID, now: Instant, into effects: inout [Effect]) {
        guard let entry = calls[id] else { return }
        let call = entry.call
        let target = OutgoingHandshake.Target(
            peer: call.peer, address: call.address, isPrivate: call.isPrivate)
        if let index = handshakesByTarget[target], handshakes[index] != nil {
            handshakes[index]?.waiting.append(id)
            return
        }
        guard handshakes.count < configuration.handshakes else { return fail(id, .busy, into: &effects) }
        guard let key = call.peer.publicKey, key.kind == .ed25519 else {
            return fail(id, .unsupportedKey, into: &effects)
        }
        let address = call.address.multiaddr
        guard address.isPublic || address.isPrivate || address.isLoopback else {
            return fail(id, .badAddress, into: &effects)
        }
        if let refusal = strangers.begin(call.address, isPublic: address.isPublic, now: now) {
            // An address that has just failed us is as good as one that timed out.
            return fail(id, entry.transmissions > 0 ? .timeout : refusal, into: &effects)
        }
        let carries = call.fitsFirstPacket
        let body: DatagramBody =
            carries
            ? .request(entry.requestID, call.message, offset: call.offset)
            : .request(makeRequestID(), Self.ping, offset: 0)
        let index = makeIndex()
        let length = Self.isPing(body.message) ? Self.pingLength : DatagramPacket.maximumLength
        guard
            let handshake = InitiatedHandshake(
                from: identity(isPrivate: call.isPrivate, now: now), to: key, index: index, body: body, length: length,
                ephemeral: makeEphemeral())
        else {
            strangers.ended(call.address, isPublic: address.isPublic, now: now)
            return fail(id, .unsupportedKey, into: &effects)
        }
        let timeout =
            strangers.timeout(of: call.address, now: now) * OutgoingCall.patience(after: entry.transmissions)
        let limit = OutgoingCall.transmissions - min(entry.transmissions, carries ? 2 : 1)
        if carries { calls[id]?.transmissions += 1 }
        let outgoing = OutgoingHandshake(
            target: target, isPublic: address.isPublic, requestID: body.requestID, carried: carries ? id : nil,
            waiting: carries ? [] : [id], handshake: handshake, firstSent: now, lastSent: now, limit: limit,
            timeout: timeout)
        handshakes[index] = outgoing
        handshakesByTarget[target] = index
        timers.set(.handshake(index), at: outgoing.wakeUp(after: timeout, now: now))
        counters.handshakesBegun += 1
        send(handshake.packet, to: call.address, from: nil, into: &effects)
    }

    /// A handshake that carried a call, or that another call had begun, brought no session. The other may have had
    /// fewer packets left, so who only waited tries once more.
    private mutating func waitedInVain(
        _ id: DatagramCallID, isOwn: Bool, now: Instant, into effects: inout [Effect]
    ) {
        guard let entry = calls[id] else { return }
        guard !isOwn, !entry.hasWaited, entry.transmissions < OutgoingCall.transmissions else {
            return fail(id, .timeout, into: &effects)
        }
        calls[id]?.hasWaited = true
        shakeHands(for: id, now: now, into: &effects)
    }

    /// No response came in time: the same packet again, as long as somebody waits and the address may have it.
    mutating func handshakeIsSilent(_ index: UInt32, now: Instant, into effects: inout [Effect]) {
        guard var outgoing = handshakes[index] else { return }
        let isWanted = outgoing.callers.contains { calls[$0] != nil }
        let isOver =
            !isWanted || outgoing.transmissions >= outgoing.limit
            || now - outgoing.firstSent >= OutgoingHandshake.lifetime
        guard !isOver,
            strangers.packet(to: outgoing.target.address, isPublic: outgoing.isPublic, now: now) == nil
        else {
            endHandshake(index, now: now)
            for id in outgoing.callers {
                waitedInVain(id, isOwn: id == outgoing.carried, now: now, into: &effects)
            }
            return
        }
        outgoing.transmissions += 1
        outgoing.lastSent = now
        outgoing.timeout =
            outgoing.transmissions < outgoing.limit
            ? outgoing.timeout * 2 : strangers.timeout(of: outgoing.target.address, now: now)
        handshakes[index] = outgoing
        timers.set(.handshake(index), at: outgoing.wakeUp(after: outgoing.timeout, now: now))
        send(outgoing.handshake.packet, to: outgoing.target.address, from: nil, into: &effects)
    }

    /// A response counts from the address that was asked alone, and for a handshake in flight.
    mutating func receiveResponse(
        _ packet: ByteBuffer, _ index: UInt32, from source: DatagramAddress, at local: DatagramLocal, now: Instant,
        into effects: inout [Effect]
    ) throws(DatagramDrop) {
        guard let outgoing = handshakes[index] else { throw .unknownIndex }
        guard source == outgoing.target.address else { throw .wrongAddress }
        let (payload, keys) = try outgoing.handshake.open(packet)
        guard payload.body.requestID == outgoing.requestID else { throw .unexpected }
        endHandshake(index, now: now)
        counters.handshakesAnswered += 1
        let isClear = outgoing.transmissions == 1 && !outgoing.isRetried
        strangers.answered(
            source, isPublic: outgoing.isPublic, packets: outgoing.transmissions,
            sample: isClear ? now - outgoing.lastSent : nil, now: now)
        insert(
            DatagramSession(
                index: index, remoteIndex: payload.index, peer: outgoing.target.peer, remote: source, local: local,
                keys: keys, maximumPackets: configuration.packetsPerKey, created: outgoing.firstSent, now: now,
                isProven: false, isPrivate: outgoing.target.isPrivate))
        effects.append(.alive(outgoing.target.peer, source))
        if let id = outgoing.carried, calls[id] != nil {
            complete(id, payload.body, since: outgoing.lastSent, now: now, into: &effects)
        }
        for id in outgoing.waiting { transmit(id, on: index, now: now, into: &effects) }
    }

    /// The responder wants to see that we receive here: the same packet again, with its token in it.
    mutating func receiveRetry(
        _ index: UInt32, _ token: ShortMAC, from source: DatagramAddress, now: Instant, into effects: inout [Effect]
    ) throws(DatagramDrop) {
        guard var outgoing = handshakes[index] else { throw .unknownIndex }
        guard source == outgoing.target.address else { throw .wrongAddress }
        guard !outgoing.isRetried, !token.isZero else { throw .unexpected }
        strangers.askedBack(source, isPublic: outgoing.isPublic, packets: outgoing.transmissions, now: now)
        guard strangers.packet(to: source, isPublic: outgoing.isPublic, now: now) == nil else { throw .limited }
        outgoing.isRetried = true
        outgoing.lastSent = now
        outgoing.handshake.setToken(token)
        handshakes[index] = outgoing
        timers.set(.handshake(index), at: outgoing.wakeUp(after: outgoing.timeout, now: now))
        send(outgoing.handshake.packet, to: source, from: nil, into: &effects)
    }

    mutating func endHandshake(_ index: UInt32, now: Instant) {
        guard let outgoing = handshakes.removeValue(forKey: index) else { return }
        timers.cancel(.handshake(index))
        if handshakesByTarget[outgoing.target] == index { handshakesByTarget[outgoing.target] = nil }
        strangers.ended(outgoing.target.address, isPublic: outgoing.isPublic, now: now)
    }
}
