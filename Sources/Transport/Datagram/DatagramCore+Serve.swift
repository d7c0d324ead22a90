import Multiformats
import NIOCore
import PeerCrypto
import SansIO

// What peers ask of us: their initiations, the packets of their sessions, and our answers.
extension DatagramCore {
    /// An initiation whose mac is right. The cheap ways out come before any scalar multiplication.
    mutating func receiveInitiation(
        _ packet: ByteBuffer, sender: UInt32, token: ShortMAC, origin: UnconfirmedSessions.Origin,
        at local: DatagramLocal, now: Instant, into effects: inout [Effect]
    ) throws(DatagramDrop) {
        unconfirmed.expire(now: now)
        if let (_, entry) = unconfirmed.entry(of: origin) {
            switch entry.stage {
            case .answering: throw .pending
            case .answered(_, let response), .confirmed(let response):
                counters.responsesRepeated += 1
                send(response, to: origin.source, from: local, into: &effects)
                return
            }
        }
        if tokens.accepts(token, from: origin.source, now: now) {
            // Only a source that is proven has a bucket of its own: others could be feigned to empty it.
            guard admits(origin.source, now: now) else { throw .limited }
        } else if !admitsInitiation(now: now) {
            counters.retriesSent += 1
            let retry = DatagramPacket.encodeRetry(receiver: sender, token: tokens.token(for: origin.source, now: now))
            send(retry, to: origin.source, from: local, into: &effects)
            throw .overloaded
        }
        let handshake = try ReceivedHandshake(packet, sender: sender, for: identity)
        counters.handshakesReceived += 1
        let index = makeIndex()
        unconfirmed.insert(
            index,
            UnconfirmedSessions.Entry(
                origin: origin, local: local, received: now, length: packet.readableBytes,
                stage: .answering(handshake)))
        ask(
            handshake.body, of: handshake.peer, at: origin.source, index: index,
            room: DatagramPacket.room(forResponseTo: packet.readableBytes), isConfirmed: false, now: now,
            into: &effects)
    }

    /// A packet of a session, or the one that confirms a session.
    mutating func receiveTransport(
        _ packet: ByteBuffer, _ index: UInt32, _ counter: UInt64, from source: DatagramAddress,
        at local: DatagramLocal, now: Instant, into effects: inout [Effect]
    ) throws(DatagramDrop) {
        let body: DatagramBody
        if let opened = try sessions.with(
            index,
            { (session) throws(DatagramDrop) in
                try session.open(packet, counter: counter, from: source, at: local, now: now)
            })
        {
            body = opened
        } else if let (session, opened) = try unconfirmed.open(
            index, packet, counter: counter, from: source, at: local, now: now)
        {
            counters.handshakesConfirmed += 1
            strangers.confirmed(source, now: now)
            insert(session)
            body = opened
        } else {
            throw .unknownIndex
        }
        guard let session = sessions[index] else { throw .unknownIndex }
        if body.isAnswer {
            try receiveAnswer(body, from: session.peer, at: source, now: now, into: &effects)
            return
        }
        // Nobody knows us by a throwaway identity, so nobody has anything to ask of it.
        guard !session.isPrivate else { throw .unexpected }
        guard admits(source, now: now) else { throw .limited }
        let isNew = try sessions.with(index) { (session) throws(DatagramDrop) in
            session.isNewRequest(body.requestID)
        }
        guard isNew == true else { throw .unexpected }
        ask(
            body, of: session.peer, at: source, index: index, room: DatagramPacket.maximumMessage, isConfirmed: true,
            now: now, into: &effects)
    }

    private mutating func ask(
        _ body: DatagramBody, of peer: PeerID, at address: DatagramAddress, index: UInt32, room: Int,
        isConfirmed: Bool, now: Instant, into effects: inout [Effect]
    ) {
        counters.requestsReceived += 1
        let serial = makeSerial()
        requests.set(
            serial, Pending(index: index, requestID: body.requestID, room: room, isFirst: !isConfirmed), now: now)
        effects.append(
            .request(
                DatagramAsk(
                    serial: serial, peer: peer, address: address, isConfirmed: isConfirmed, message: body.message,
                    offset: body.offset, room: room)))
    }

    /// Our answer to a request, made once; a repeated request is then answered from memory.
    mutating func answer(
        _ serial: UInt64, _ message: ByteBuffer, isWhole: Bool, now: Instant, into effects: inout [Effect]
    ) {
        guard let pending = requests.value(of: serial, now: now) else { return }
        requests.remove(serial)
        guard message.readableBytes <= pending.room else {
            counters.answersTooLong += 1
            return
        }
        let body = DatagramBody.answer(pending.requestID, message, isWhole: isWhole)
        if pending.isFirst {
            respond(pending.index, body, now: now, into: &effects)
            return
        }
        let sealed = try? sessions.with(pending.index) { (session) throws(DatagramDrop) in
            session.seal(body, now: now)
        }
        guard let packet = sealed.flatMap({ $0 }), let session = sessions[pending.index] else { return }
        counters.answersSent += 1
        send(packet, to: session.remote, from: session.local, into: &effects)
    }

    /// Finishes the handshake that a stranger began; the session then waits for its confirmation.
    private mutating func respond(
        _ index: UInt32, _ body: DatagramBody, now: Instant, into effects: inout [Effect]
    ) {
        guard let entry = unconfirmed[index], case .answering(let handshake) = entry.stage,
            now < entry.received + UnconfirmedSessions.lifetime,
            let (response, remoteIndex, keys) = handshake.respond(
                index: index, answer: body, ephemeral: makeEphemeral()),
            response.readableBytes <= entry.length
        else { return }
        let session = DatagramSession(
            index: index, remoteIndex: remoteIndex, peer: handshake.peer, remote: entry.origin.source,
            local: entry.local, keys: keys, maximumPackets: configuration.packetsPerKey, created: entry.received,
            now: now, isProven: false)
        unconfirmed.setStage(index, .answered(session, response: response))
        counters.answersSent += 1
        send(response, to: entry.origin.source, from: entry.local, into: &effects)
    }
}
