import DHT
import Multiformats
import NIOCore
import SansIO
import Transport

/// A request of ours that is under way.
struct Call {
    /// What carries it now.
    enum Stage {
        case datagram(DatagramCallID)
        case dialling(DialGate.Ticket?)
        case stream(UInt64)
    }

    let message: KadMessage
    let peer: KadPeer
    let deadline: Instant
    let timer: Scheduled<Void>
    var stage: Stage?
    /// What has come of an answer that arrives in parts, and how long the first took.
    var partial: KadMessage?
    var roundTrip: Duration?
}

/// A stream of ours on which requests are asked, one at a time.
struct ClientStream {
    let stream: PeerStream
    let peer: PeerID
    /// What is asked at the moment.
    var call: CallID?
    /// When it was asked; later, when the protocol was agreed only after that.
    var asked: Instant
    var isOpen = false
    /// Answers that it has brought.
    var answers = 0
    /// Closes it when nothing is asked for a while.
    var idle: Scheduled<Void>?
}

extension DHTService {
    /// How long a stream on which nothing is asked stays open. Others close theirs after a minute.
    private static let idleTime = TimeAmount.seconds(30)
    /// How long the other side may take to acknowledge an ADD_PROVIDER by closing its half.
    private static let acknowledgement = TimeAmount.seconds(2)
    /// How long a dial may take.
    private static let dialPatience = Duration.seconds(5)

    /// Carries a request: by datagram where the peer takes them, else, or when that fails, on a stream.
    func call(_ id: CallID, _ message: KadMessage, _ peer: KadPeer, _ timeout: Duration) {
        let timer = plane.controlLoop.scheduleTask(in: .nanoseconds(timeout.wholeNanoseconds)) {
            self.assumeIsolated { $0.fail(id, .timeout) }
        }
        calls[id] = Call(message: message, peer: peer, deadline: ControlPlane.now + timeout, timer: timer)
        if !sendDatagram(id) { useStream(id) }
    }

    /// Nobody waits for the call any more. What is on its way may still arrive; what waits in line does not go.
    func abandon(_ id: CallID) {
        guard case .dialling(let ticket)? = calls[id]?.stage else { return }
        calls.removeValue(forKey: id)?.timer.cancel()
        if let ticket { dials.cancel(ticket) }
    }

    func succeed(_ id: CallID, _ answer: KadMessage, _ report: CallReport) {
        guard let call = calls.removeValue(forKey: id) else { return }
        call.timer.cancel()
        feed(answer.kind == call.message.kind ? .answered(id, answer, report) : .failed(id, .malformed))
    }

    func fail(_ id: CallID, _ failure: CallFailure) {
        guard let call = calls.removeValue(forKey: id) else { return }
        call.timer.cancel()
        switch call.stage {
        case .dialling(let ticket?): dials.cancel(ticket)
        case .stream(let number): drop(number)
        case .datagram(let number): datagrams?.cancel(number)
        case .dialling(nil), nil: break
        }
        // Not in the middle of what the core has just asked for.
        plane.controlLoop.execute { self.assumeIsolated { $0.feed(.failed(id, failure)) } }
    }

    // MARK: Streams

    func useStream(_ id: CallID) {
        guard let call = calls[id] else { return }
        if let number = idleStreams.removeValue(forKey: call.peer.id) { return ask(id, on: number) }
        if let connection = host.connection(to: call.peer.id) { return openStream(id, on: connection) }
        let addresses = streamAddresses(of: call.peer)
        guard !addresses.isEmpty else { return fail(id, .unreachable) }
        calls[id]?.stage = .dialling(nil)
        let ticket = dials.connect(to: call.peer.id, addresses, patience: Self.dialPatience) { [weak self] connection in
            // The outcome can come at once, in the middle of what the core has just asked for.
            self?.onControl { $0.dialled(id, connection) }
        }
        if case .dialling? = calls[id]?.stage { calls[id]?.stage = .dialling(ticket) }
    }

    /// The addresses at which the peer may take streams. Ports are usually shared, so an address of datagrams
    /// hints at one where nothing better is known.
    func streamAddresses(of peer: KadPeer) -> [Multiaddr] {
        let known = peer.addresses + host.peerStore.addresses(of: peer.id, now: ControlPlane.now)
        let usable = AddressPolicy.ranked(known)
        return usable.isEmpty ? AddressPolicy.ranked(peer.addresses.compactMap(\.sharedStreamAddress)) : usable
    }

    private func dialled(_ id: CallID, _ connection: Connection?) {
        guard case .dialling? = calls[id]?.stage else { return }
        guard let connection else { return fail(id, .unreachable) }
        openStream(id, on: connection)
    }

    private func openStream(_ id: CallID, on connection: Connection) {
        guard calls[id] != nil, !stopped else { return }
        lastStream += 1
        let number = lastStream
        let stream = host.openStream(on: connection, protocols: [network.protocolID]) { [weak self] _ in
            KadClientStream { [weak self] news in self?.onControl { $0.heard(news, on: number) } }
        }
        streams[number] = ClientStream(stream: stream, peer: connection.remotePeer, asked: ControlPlane.now)
        ask(id, on: number)
    }

    private func ask(_ id: CallID, on number: UInt64) {
        guard let message = calls[id]?.message, let stream = streams[number]?.stream else { return }
        streams[number]?.idle?.cancel()
        streams[number]?.idle = nil
        streams[number]?.call = id
        streams[number]?.asked = ControlPlane.now
        calls[id]?.stage = .stream(number)
        stream.write(KadFraming.framed(message))
        guard message.kind == .addProvider else { return }
        // No answer is expected; the other side closing its half says that it was taken.
        stream.closeWrite()
        streams[number]?.idle = plane.controlLoop.scheduleTask(in: Self.acknowledgement) {
            self.assumeIsolated { $0.heard(.ended, on: number) }
        }
    }

    private func heard(_ news: KadClientStream.News, on number: UInt64) {
        guard let stream = streams[number] else { return }
        let kind = stream.call.flatMap { calls[$0]?.message.kind }
        switch news {
        case .opened:
            streams[number]?.isOpen = true
            streams[number]?.asked = ControlPlane.now
        case .answer(let message):
            guard let call = stream.call else { return drop(number) }
            let report = CallReport(transport: .stream, roundTrip: ControlPlane.now - stream.asked)
            streams[number]?.call = nil
            streams[number]?.answers += 1
            if kind == .addProvider { drop(number) } else { rest(number) }
            succeed(call, message, report)
        case .ended:
            guard let call = stream.call else { return drop(number) }
            guard kind == .addProvider, stream.isOpen, let message = calls[call]?.message else {
                return ended(number, call, .refused)
            }
            streams[number]?.call = nil
            drop(number)
            succeed(call, KadMessage(.addProvider, key: message.key), CallReport(transport: .stream))
        case .failed(let failure): ended(number, stream.call, failure)
        }
    }

    private func ended(_ number: UInt64, _ call: CallID?, _ failure: CallFailure) {
        let wasUsed = (streams[number]?.answers ?? 0) > 0
        drop(number)
        guard let call else { return }
        // A stream that rested may be gone by the time it is needed again; a fresh one tells what the peer means.
        if wasUsed, failure != .malformed { useStream(call) } else { fail(call, failure) }
    }

    /// Keeps a stream for the peer's next request; one is enough.
    private func rest(_ number: UInt64) {
        guard let stream = streams[number] else { return }
        guard idleStreams[stream.peer] == nil else { return drop(number) }
        idleStreams[stream.peer] = number
        streams[number]?.idle = plane.controlLoop.scheduleTask(in: Self.idleTime) {
            self.assumeIsolated { $0.drop(number) }
        }
    }

    private func drop(_ number: UInt64) {
        guard let stream = streams.removeValue(forKey: number) else { return }
        stream.idle?.cancel()
        if idleStreams[stream.peer] == number { idleStreams[stream.peer] = nil }
        if stream.call == nil { stream.stream.close() } else { stream.stream.reset() }
    }
}

extension Multiaddr {
    /// For `/ip4/<a>/udp/<port>` (or ip6) and nothing more: the same with `/tcp`.
    var sharedStreamAddress: Multiaddr? { replacing(.udp, by: .tcp) }

    /// For `/ip4/<a>/tcp/<port>` (or ip6) and nothing more: the same with `/udp`.
    var sharedDatagramAddress: Multiaddr? { replacing(.tcp, by: .udp) }

    private func replacing(_ old: Proto, by new: Proto) -> Multiaddr? {
        let parts = withoutPeerID.components
        guard parts.count == 2, ipAddress != nil, parts[1].proto == old,
            let last = try? Component(new, parts[1].value)
        else { return nil }
        return try? Multiaddr(components: [parts[0], last])
    }
}
