import DHT
import Multiformats
import SansIO

/// A request under way, with everything that both ends and the links know of it.
final class Flight {
    let caller: Int
    let incarnation: Int
    /// Nil for what no core waits for, like a flood.
    let call: CallID?
    let message: KadMessage
    let target: PeerID
    /// Where it may be, the first tried with datagrams, all with streams.
    let endpoints: [Endpoint]
    var endpoint: Endpoint
    var host: Int?
    let deadline: Instant
    var transport: KadTransport
    var transmissions = 0
    var lastSent: Instant
    var timerAt = Instant.distantFuture
    var isAbandoned = false
    /// Whether anything came back.
    var wasReached = false
    /// Computed once, sent as often as it is asked for.
    var answer: KadMessage?
    var wasServed = false

    init(
        caller: SimulatedNode, call: CallID?, message: KadMessage, target: PeerID, endpoints: [Endpoint], host: Int?,
        now: Instant, deadline: Instant, transport: KadTransport
    ) {
        self.caller = caller.index
        incarnation = caller.incarnation
        self.call = call
        self.message = message
        self.target = target
        self.endpoints = endpoints
        endpoint = endpoints.first ?? Endpoint(address: 0)
        self.host = host
        self.deadline = deadline
        self.transport = transport
        lastSent = now
    }

    var isWrite: Bool { message.kind == .addProvider || message.kind == .putValue }
}

// How a request travels: datagrams first, with their retransmission, then a stream.

extension Simulator {
    func send(
        _ call: CallID?, _ message: KadMessage, to peer: KadPeer, timeout: Duration, from node: SimulatedNode
    ) {
        callCount += 1
        lastFlight += 1
        let id = lastFlight
        trace.mix(UInt64(node.index) << 8 | UInt64(message.kind.rawValue))
        trace.mix(message.key.prefix(16))
        let endpoints = peer.addresses.prefix(16).compactMap(Endpoint.init)
        let endpoint = endpoints.first ?? Endpoint(address: 0)
        let canDatagram =
            usesDatagrams && peer.addresses.contains { $0 == endpoint.datagramAddress }
            && node.resting[endpoint].map { $0 <= now } ?? true
        let flight = Flight(
            caller: node, call: call, message: message, target: peer.id, endpoints: endpoints, host: hosts[endpoint],
            now: now, deadline: now + timeout, transport: canDatagram ? .datagram : .stream)
        flights[id] = flight
        if let call, node.calls.updateValue(id, forKey: call) != nil {
            violate("node \(node.index) began call \(call.rawValue) twice")
        }
        if endpoints.isEmpty {
            queue.schedule(.failure(id, .unreachable), at: now)
        } else if canDatagram {
            transmit(id, flight)
        } else {
            openStream(id, flight)
        }
    }

    func abandon(_ call: CallID, of node: SimulatedNode) {
        trace.mix(call.rawValue)
        guard let id = node.calls[call], let flight = flights[id] else { return }
        flight.isAbandoned = true
    }

    // MARK: Datagrams

    private func transmit(_ id: UInt64, _ flight: Flight) {
        let node = nodes[flight.caller]
        flight.transmissions += 1
        datagramCount += 1
        flight.lastSent = now
        let session = flight.host.flatMap { liveSession(node.sessions[$0]) }
        // The first retransmission is a fresh initiation, in case the other lost the session.
        let onSession = session != nil && flight.transmissions == 1
        let isProbe = flight.isWrite && !onSession
        let bytes = onSession ? 32 + flight.message.estimatedSize : isProbe ? 512 : 1200
        node.bytesSent += bytes
        if let host = flight.host {
            let copies = network.datagram(from: node.index, to: host, bytes: bytes, now: now)
            let event = Event.request(id, onSession: onSession, isProbe: isProbe)
            if let first = copies.first { queue.schedule(event, at: now + .nanoseconds(Int64(first))) }
            if let second = copies.second { queue.schedule(event, at: now + .nanoseconds(Int64(second))) }
        }
        // Doubling; but the last packet's answer takes no longer than the first's.
        let wait = (session?.timeout ?? 500_000_000) * (flight.transmissions == 2 ? 2 : 1)
        setTimer(id, flight, after: wait)
    }

    private func setTimer(_ id: UInt64, _ flight: Flight, after nanoseconds: UInt64) {
        flight.timerAt = min(now + .nanoseconds(Int64(clamping: nanoseconds)), flight.deadline)
        queue.schedule(.timer(id), at: flight.timerAt)
    }

    func timer(_ id: UInt64) {
        guard let flight = flights[id], flight.timerAt <= now else { return }
        guard flight.deadline > now else {
            fail(id, flight.wasReached ? .timeout : .unreachable)
            return
        }
        let node = nodes[flight.caller]
        guard flight.incarnation == node.incarnation, node.isUp else {
            flights[id] = nil
            return
        }
        guard flight.transport == .datagram, !flight.isAbandoned else {
            setTimer(id, flight, after: .max)
            return
        }
        // An address that never answered gets two packets, then rests.
        let isKnown = flight.host.map { node.sessions[$0] != nil } ?? false
        if flight.transmissions < (isKnown ? 3 : 2) {
            transmit(id, flight)
        } else {
            if !isKnown { rest(flight.endpoint, node) }
            flight.transport = .stream
            openStream(id, flight)
        }
    }

    private func rest(_ endpoint: Endpoint, _ node: SimulatedNode) {
        if node.resting.count >= 4096 { node.resting = node.resting.filter { $0.value > now } }
        if node.resting.count < 4096 { node.resting[endpoint] = now + .seconds(600) }
    }

    // MARK: Streams

    private func openStream(_ id: UInt64, _ flight: Flight) {
        let node = nodes[flight.caller]
        streamCount += 1
        flight.lastSent = now
        setTimer(id, flight, after: .max)
        // All addresses are dialled, and one of them may be right.
        if let right = flight.endpoints.first(where: { hosts[$0].map { nodes[$0].peer == flight.target } ?? false }) {
            flight.endpoint = right
            flight.host = hosts[right]
        }
        guard let host = flight.host else { return }
        let isOpen = liveSession(node.streams[host], with: host)
        let other = nodes[host]
        let bytes = 60 + flight.message.estimatedSize
        node.bytesSent += bytes
        // A connection costs four round trips (TCP, security, muxer, identify), then the request travels.
        guard let time = network.stream(from: node.index, to: host, trips: isOpen ? 1 : 9, bytes: bytes, now: now)
        else { return }
        if !isOpen, other.state == .refusing || other.isUp && other.peer != flight.target {
            let trips = other.state == .refusing ? 2 : 6
            if let time = network.stream(from: node.index, to: host, trips: trips, bytes: 60, now: now) {
                queue.schedule(.failure(id, .unreachable), at: now + .nanoseconds(Int64(time)))
            }
            return
        }
        queue.schedule(.request(id, onSession: true, isProbe: false), at: now + .nanoseconds(Int64(time)))
    }

    private func liveSession(_ session: Session?) -> Session? {
        guard let session, session.lastUsed + Session.idle > now else { return nil }
        return session
    }

    /// Whether a connection is still there: one end's restart is noticed by the other.
    private func liveSession(_ session: Session?, with host: Int) -> Bool {
        liveSession(session).map { $0.incarnation == nodes[host].incarnation && nodes[host].isUp } ?? false
    }

    // MARK: At the host

    func arrive(_ id: UInt64, onSession: Bool, isProbe: Bool) {
        guard let flight = flights[id], let index = flight.host else { return }
        let host = nodes[index]
        let caller = nodes[flight.caller]
        trace.mix(UInt64(index))
        guard host.isUp, host.peer == flight.target, caller.incarnation == flight.incarnation else { return }
        if host.isBehindNAT, liveSession(host.sessions[caller.index]) == nil,
            liveSession(host.streams[caller.index]) == nil
        {
            return
        }
        var isConfirmed = true
        if flight.transport == .stream {
            if !liveSession(caller.streams[index], with: index) { connected(caller, host, isNew: true) }
            touchStreams(caller, host)
        } else if onSession {
            // Keys of an earlier run open nothing.
            guard caller.sessions[index]?.incarnation == host.incarnation else { return }
            host.sessions[caller.index, default: Session(incarnation: caller.incarnation, lastUsed: now)].lastUsed = now
            host.sessions[caller.index]?.incarnation = caller.incarnation
        } else {
            isConfirmed = false
        }
        if isProbe {
            sendBack(id, flight, bytes: 120, isProbe: true)
            return
        }
        if flight.wasServed, flight.answer != nil || flight.transport == .datagram {
            // A repeat, perhaps on a stream after the datagrams' answers were lost: computed once.
            sendAnswer(id, flight, after: 0)
            return
        }
        flight.wasServed = true
        host.requestsServed += 1
        let isStreamWrite = flight.transport == .stream && flight.message.kind == .addProvider
        let address =
            flight.transport == .stream
            ? caller.identity.endpoint.streamAddress : caller.identity.endpoint.datagramAddress
        ask(
            host, RequestID(id), flight.message,
            from: Requester(
                peer: caller.peer, address: address, transport: flight.transport, isConfirmed: isConfirmed))
        // What was written to a stream counts as answered, whatever its reader makes of it.
        if isStreamWrite, flights[id] != nil, flight.answer == nil {
            flight.answer = flight.message
            sendAnswer(id, flight, after: 0)
        }
    }

    func respond(_ request: RequestID, _ message: KadMessage, from host: SimulatedNode) {
        let id = request.rawValue
        guard let flight = flights[id] else { return }
        guard let hostility = host.hostility else {
            flight.answer = message
            sendAnswer(id, flight, after: 0)
            return
        }
        let reply = conspiracy.reply(
            hostility, to: flight.message, honest: message, from: host.identity, asker: nodes[flight.caller].peer)
        switch reply {
        case .silence: flight.answer = nil
        case .message(let message, let delay):
            flight.answer = message
            sendAnswer(id, flight, after: UInt64(clamping: delay.wholeNanoseconds))
        }
    }

    func refuse(_ request: RequestID, from host: SimulatedNode) {
        guard let flight = flights[request.rawValue], flight.transport == .stream,
            flight.message.kind != .addProvider
        else { return }
        let time = network.stream(from: host.index, to: flight.caller, trips: 1, bytes: 40, now: now)
        guard let time else { return }
        queue.schedule(.failure(request.rawValue, .refused), at: now + .nanoseconds(Int64(time)))
    }

    private func sendAnswer(_ id: UInt64, _ flight: Flight, after delay: UInt64) {
        guard let answer = flight.answer else { return }
        sendBack(id, flight, bytes: 56 + answer.estimatedSize, isProbe: false, after: delay)
    }

    private func sendBack(_ id: UInt64, _ flight: Flight, bytes: Int, isProbe: Bool, after delay: UInt64 = 0) {
        guard let host = flight.host else { return }
        nodes[host].bytesSent += bytes
        let event = Event.answer(id, isProbe: isProbe)
        switch flight.transport {
        case .stream:
            let time = network.stream(from: host, to: flight.caller, trips: 1, bytes: bytes, now: now)
            if let time { queue.schedule(event, at: now + .nanoseconds(Int64(clamping: delay &+ time))) }
        case .datagram:
            // What does not fit is fetched in further round trips of the session.
            let more = UInt64(max(0, (bytes - 1) / 1200)) * 2 * network.latency(host, flight.caller)
            let copies = network.datagram(from: host, to: flight.caller, bytes: bytes, now: now)
            for time in [copies.first, copies.second] {
                guard let time else { continue }
                queue.schedule(event, at: now + .nanoseconds(Int64(clamping: delay &+ more &+ time)))
            }
        }
    }

    // MARK: Back at the caller

    func answered(_ id: UInt64, isProbe: Bool) {
        guard let flight = flights[id], let index = flight.host else { return }
        let node = nodes[flight.caller]
        guard node.isUp, node.incarnation == flight.incarnation else {
            flights[id] = nil
            return
        }
        flight.wasReached = true
        trace.mix(UInt64(node.index))
        let host = nodes[index]
        let time = (now - flight.lastSent).wholeNanoseconds
        var isNew = false
        if flight.transport == .datagram {
            var session = node.sessions[index] ?? Session(incarnation: 0, lastUsed: now)
            isNew = session.incarnation != host.incarnation
            session.incarnation = host.incarnation
            session.lastUsed = now
            if flight.transmissions == 1 { session.sample(UInt64(max(1, time))) }
            node.sessions[index] = session
            node.resting[flight.endpoint] = nil
            if isProbe {
                guard !flight.wasServed else { return }
                flight.transmissions = 0
                transmit(id, flight)
                return
            }
        }
        guard let answer = flight.answer else { return }
        flights[id] = nil
        guard let call = flight.call else { return }
        node.calls[call] = nil
        feed(node, .answered(call, answer, CallReport(transport: flight.transport, roundTrip: .nanoseconds(time))))
        if isNew, host.mode == .server { feed(node, .found(host.peer, addresses: host.identity.addresses)) }
    }

    func fail(_ id: UInt64, _ failure: CallFailure) {
        guard let flight = flights.removeValue(forKey: id), let call = flight.call else { return }
        let node = nodes[flight.caller]
        guard node.isUp, node.incarnation == flight.incarnation else { return }
        node.calls[call] = nil
        trace.mix(UInt64(node.index))
        feed(node, .failed(call, failure))
    }

    /// Both ends of a new connection have identified each other.
    func connected(_ one: SimulatedNode, _ other: SimulatedNode, isNew: Bool) {
        guard one.isUp, other.isUp else { return }
        touchStreams(one, other)
        if other.mode == .server { feed(one, .found(other.peer, addresses: other.identity.addresses)) }
        if one.mode == .server { feed(other, .found(one.peer, addresses: one.identity.addresses)) }
    }

    private func touchStreams(_ one: SimulatedNode, _ other: SimulatedNode) {
        one.streams[other.index] = Session(incarnation: other.incarnation, lastUsed: now)
        other.streams[one.index] = Session(incarnation: one.incarnation, lastUsed: now)
    }
}

extension KadMessage {
    /// About how many bytes it takes: 53 for a peer with one IPv4 address (datagram.md).
    var estimatedSize: Int {
        12 + key.count + 53 * (closerPeers.count + providerPeers.count) + (record.map { $0.value.count + 8 } ?? 0)
    }
}
