import DHT
import Multiformats
import NIOCore
import SansIO
import Transport

extension DHTService {
    /// The longest request that a datagram carries, in bytes.
    private static let longestRequest = 1_160
    /// How long a datagram is waited for; a stream is tried then.
    private static let datagramPatience = Duration.seconds(4)
    /// So many closer peers do for a step of a lookup; the farther ones of the answer are not fetched.
    private static let enoughCloser = 8

    /// Sends a request as a datagram; false when the peer takes none, or it is too long.
    func sendDatagram(_ id: CallID) -> Bool {
        guard let datagrams, let call = calls[id], let address = datagramAddress(of: call.peer) else { return false }
        var payload = call.message.encode()
        if payload.readableBytes > Self.longestRequest {
            let brief = call.message.encode(fitting: Self.longestRequest)
            guard brief.isWhole else { return false }
            payload = brief.bytes
        }
        send(payload, id, to: address, offset: 0, by: datagrams)
        return true
    }

    private func datagramAddress(of peer: KadPeer) -> Multiaddr? {
        func usable(_ address: Multiaddr) -> Bool { address.isDatagram && network.owns(address) }
        return peer.addresses.first(where: usable)
            ?? host.peerStore.addresses(of: peer.id, now: ControlPlane.now).first(where: usable)
    }

    private func send(
        _ payload: ByteBuffer, _ id: CallID, to address: Multiaddr, offset: UInt8, by datagrams: DatagramEndpoint
    ) {
        guard let call = calls[id] else { return }
        let isWrite = call.message.kind == .addProvider || call.message.kind == .putValue
        let left = call.deadline - ControlPlane.now
        let number = datagrams.call(
            call.peer.id, at: address, payload, kind: isWrite ? .write : .read, offset: offset,
            deadline: min(Self.datagramPatience, left / 2)
        ) { [weak self] result in
            self?.onControl { $0.answered(id, result, payload: payload, address: address) }
        }
        calls[id]?.stage = .datagram(number)
    }

    private func answered(
        _ id: CallID, _ result: Result<DatagramAnswer, DatagramError>, payload: ByteBuffer, address: Multiaddr
    ) {
        guard let call = calls[id], case .datagram? = call.stage else { return }
        guard case .success(let answer) = result else { return useStream(id) }
        guard var message = try? KadMessage(decoding: answer.message), message.kind == call.message.kind else {
            return fail(id, .malformed)
        }
        let before = call.partial?.peerCount ?? 0
        if let partial = call.partial { message = partial.joined(with: message) }
        let report = CallReport(transport: .datagram, roundTrip: call.roundTrip ?? answer.roundTrip)
        let isEnough = message.kind == .findNode && message.closerPeers.count >= Self.enoughCloser
        if answer.isWhole || isEnough { return succeed(id, message, report) }
        guard let datagrams, message.peerCount > before, let offset = UInt8(exactly: message.peerCount) else {
            // A record that does not fit into any datagram, for one.
            return useStream(id)
        }
        calls[id]?.partial = message
        calls[id]?.roundTrip = report.roundTrip
        send(payload, id, to: address, offset: offset, by: datagrams)
    }

    /// A peer asked by datagram.
    func serve(_ request: DatagramRequest) {
        guard let message = try? KadMessage(decoding: request.message) else { return request.refuse() }
        let requester = Requester(
            peer: request.peer, address: request.address, transport: .datagram, isConfirmed: request.isConfirmed)
        asked(message, by: requester) { answer in
            guard let answer else { return request.refuse() }
            let (bytes, isWhole) = answer.encode(fitting: request.room, dropping: Int(request.offset))
            request.answer(bytes, isWhole: isWhole)
        }
    }

    /// A peer answered a datagram of ours: it serves at `address`, whatever else is known of it.
    func answered(_ peer: PeerID, at address: Multiaddr) {
        let known = driver.core.table.entry(of: peer)?.addresses ?? []
        if !known.contains(address) { found(peer, [address] + known) }
    }
}

extension KadMessage {
    /// An answer and its next part.
    fileprivate func joined(with next: KadMessage) -> KadMessage {
        var result = self
        result.record = record ?? next.record
        result.closerPeers += next.closerPeers.filter { new in !closerPeers.contains { $0.id == new.id } }
        result.providerPeers += next.providerPeers.filter { new in !providerPeers.contains { $0.id == new.id } }
        return result
    }
}
