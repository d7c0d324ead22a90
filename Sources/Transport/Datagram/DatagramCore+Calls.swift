import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// A call of ours and how far it has come.
struct OutgoingCall: Sendable {
    /// Transmissions of one request: the first and two more.
    static let transmissions = 3

    let call: DatagramCall
    let requestID: UInt32
    /// How often the request itself went out.
    var transmissions = 0
    /// Whether a handshake that it waited for came to nothing.
    var hasWaited = false
    var lastSent: Instant

    /// How many timeouts to wait for an answer when `sent` packets went before this one: they double, but the
    /// last one's answer takes no longer than the first's would, and a connection may be tried after it.
    static func patience(after sent: Int) -> Int { sent + 1 < transmissions ? 1 << sent : 1 }
}

// Our own requests. A peer with an open session is asked on it; the first retransmission is a fresh
// initiation, so that a peer that restarted or moved, or a router that forgot us, costs one timeout.
extension DatagramCore {
    mutating func begin(_ call: DatagramCall, now: Instant, into effects: inout [Effect]) {
        counters.callsBegun += 1
        if let refusal = refusal(of: call) {
            counters.callsFailed += 1
            effects.append(.completed(call.id, .failure(refusal)))
            return
        }
        let entry = OutgoingCall(call: call, requestID: makeRequestID(), lastSent: now)
        calls[call.id] = entry
        callsByRequest[entry.requestID] = call.id
        timers.set(.deadline(call.id), at: now + call.deadline)
        if let index = sessions.newest(of: call.peer, isPrivate: call.isPrivate, now: now) {
            transmit(call.id, on: index, now: now, into: &effects)
        } else {
            shakeHands(for: call.id, now: now, into: &effects)
        }
    }

    private func refusal(of call: DatagramCall) -> DatagramError? {
        if calls.count >= configuration.calls || calls[call.id] != nil { return .busy }
        if call.peer == identity.peer || call.address.port == 0 { return .badAddress }
        if call.message.readableBytes > DatagramPacket.maximumMessage { return .tooLarge }
        return nil
    }

    /// Sends the request of a call on the session of `index`.
    mutating func transmit(_ id: DatagramCallID, on index: UInt32, now: Instant, into effects: inout [Effect]) {
        guard var entry = calls[id] else { return }
        let body = DatagramBody.request(entry.requestID, entry.call.message, offset: entry.call.offset)
        let sealed = try? sessions.with(index) { (session) throws(DatagramDrop) in session.seal(body, now: now) }
        guard let packet = sealed.flatMap({ $0 }), let session = sessions[index] else {
            return fail(id, .closed, into: &effects)
        }
        let timeout = strangers.timeout(of: session.remote, now: now)
        timers.set(.call(id), at: now + timeout * OutgoingCall.patience(after: entry.transmissions))
        entry.transmissions += 1
        entry.lastSent = now
        calls[id] = entry
        send(packet, to: session.remote, from: session.local, into: &effects)
    }

    /// No answer came on the session in time.
    mutating func sessionIsSilent(_ id: DatagramCallID, now: Instant, into effects: inout [Effect]) {
        guard let entry = calls[id] else { return }
        guard entry.transmissions < OutgoingCall.transmissions else { return fail(id, .timeout, into: &effects) }
        shakeHands(for: id, now: now, into: &effects)
    }

    mutating func receiveAnswer(
        _ body: DatagramBody, from peer: PeerID, at source: DatagramAddress, now: Instant,
        into effects: inout [Effect]
    ) throws(DatagramDrop) {
        guard let id = callsByRequest[body.requestID], let entry = calls[id], entry.call.peer == peer,
            entry.transmissions > 0
        else { throw .unexpected }
        // The answer of a request that was sent twice may be to either, so it measures nothing.
        if entry.transmissions == 1 { strangers.measured(source, now - entry.lastSent, now: now) }
        complete(id, body, since: entry.lastSent, now: now, into: &effects)
    }

    mutating func complete(
        _ id: DatagramCallID, _ body: DatagramBody, since sent: Instant, now: Instant, into effects: inout [Effect]
    ) {
        forget(id)
        counters.callsAnswered += 1
        let answer = DatagramAnswer(message: body.message, isWhole: !body.hasMore, roundTrip: now - sent)
        effects.append(.completed(id, .success(answer)))
    }

    mutating func fail(_ id: DatagramCallID, _ error: DatagramError, into effects: inout [Effect]) {
        guard calls[id] != nil else { return }
        forget(id)
        counters.callsFailed += 1
        effects.append(.completed(id, .failure(error)))
    }

    /// Drops a call; a handshake that it began goes on for a while without it.
    mutating func forget(_ id: DatagramCallID) {
        guard let entry = calls.removeValue(forKey: id) else { return }
        callsByRequest[entry.requestID] = nil
        timers.cancel(.call(id))
        timers.cancel(.deadline(id))
    }
}
