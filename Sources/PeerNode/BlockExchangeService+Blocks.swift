import BlockExchange
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import Storage
import Transport

// Where blocks go: from a message through hashing to the store, and from the store into an envelope.
extension BlockExchangeService {
    /// A message from a peer; `done` is called once its wants are looked up and its blocks stored or dropped.
    func received(_ message: BitswapMessage, from peer: PeerID, _ done: @escaping @Sendable () -> Void) {
        feed(.received(message, from: peer), token: MessageToken(done))
    }

    func verify(_ received: [ReceivedBlock], from peer: PeerID, _ token: MessageToken?) {
        plane.pool.submit { _ in
            let verified = received.compactMap { $0.block(hashing: { ContentHash.hash($0, code: $1) }) }
            self.onControl {
                $0.feed(.verified(verified, rejected: received.count - verified.count, from: peer), token: token)
            }
        }
    }

    /// Stores wanted blocks, then wakes those who want them.
    func store(_ delivered: [Block], from peer: PeerID, _ token: MessageToken?) {
        let blocks = blocks
        plane.pool.submit { _ in
            // The sessions that want them hold leases, which keep whatever is put meanwhile.
            let result = Result { try blocks.put(delivered) }
            self.onControl { service in
                for block in delivered { service.resume(block.cid, with: result.map { block.data }) }
                if case .success = result { service.feed(.blocksAvailable(delivered.map(\.cid))) }
                withExtendedLifetime(token) {}
            }
        }
    }

    func lookUp(_ id: UInt64, _ cids: [CID], _ token: MessageToken?) {
        let blocks = blocks
        plane.pool.submit { _ in
            let sizes = (try? blocks.sizes(of: cids)) ?? cids.map { _ in nil }
            let answer = zip(cids, sizes).map { (cid: $0, size: $1) }
            self.onControl {
                $0.feed(.lookedUp(id, answer))
                withExtendedLifetime(token) {}
            }
        }
    }

    /// Reads an envelope's blocks and writes it on the peer's stream for blocks.
    func serve(_ envelope: BlockExchange.Envelope) {
        let blocks = blocks
        plane.pool.submit { _ in
            let data = envelope.blocks.map { (try? blocks.get($0.cid)) ?? nil }
            let missing = zip(envelope.blocks, data).filter { $0.1 == nil }.map(\.0.cid)
            let message = envelope.message(with: data)
            self.onControl { $0.write(message, of: envelope, missing: missing) }
        }
    }

    private func write(_ message: BitswapMessage, of envelope: BlockExchange.Envelope, missing: [CID]) {
        guard !stopped else { return }
        link(to: envelope.peer).write(message, on: .blocks) { [weak self] outcome in
            self?.onControl {
                $0.feed(outcome ? .sent(envelope.id, missing: missing) : .envelopeFailed(envelope.id))
            }
        }
    }

    /// Writes a message of wants.
    func send(_ message: BitswapMessage, to peer: PeerID) {
        link(to: peer).write(message, on: .wants) { [weak self] outcome in
            if !outcome { self?.onControl { $0.feed(.sendFailed(to: peer)) } }
        }
    }

    // MARK: Streams

    /// The handler of a stream with `peer`: one of its own (no lane), or ours for wants or blocks.
    nonisolated func reader(of peer: PeerID, lane: BitswapLink.Lane?) -> BitswapReader {
        BitswapReader(
            .init(
                message: { [weak self] message, done in
                    self?.onControl { $0.received(message, from: peer, done) }
                },
                opened: { [weak self] stream in
                    guard let version = BitswapVersion(protocolID: stream.protocolID) else { return stream.reset() }
                    // Wants may come before identify has told what the peer speaks.
                    guard let lane else { return self?.onControl { $0.feed(.connected(peer, version: version)) } ?? () }
                    self?.onControl { $0.opened(lane, stream, version, to: peer) }
                },
                alive: { [weak self] in self?.onControl { $0.feed(.receiving(from: peer)) } },
                writable: { [weak self] in
                    if let lane { self?.onControl { $0.links[peer]?.drained(lane) } }
                },
                failed: { [weak self] in
                    if let lane { self?.onControl { $0.links[peer]?.failed(lane) } }
                }), budget: receiveBudget)
    }

    private func link(to peer: PeerID) -> BitswapLink {
        if let link = links[peer] { return link }
        let link = BitswapLink(peer: peer) { [weak self] lane in
            // Opening can fail at once, and must not do so in the middle of a write.
            self?.onControl { $0.open(lane, to: peer) }
        }
        links[peer] = link
        return link
    }

    private func open(_ lane: BitswapLink.Lane, to peer: PeerID) {
        guard let connection = host.connection(to: peer) else { return links[peer]?.failed(lane) ?? () }
        host.openStream(on: connection, protocols: BitswapVersion.protocolIDs) { [weak self] _ in
            self?.reader(of: peer, lane: lane)
        }
    }

    func opened(_ lane: BitswapLink.Lane, _ stream: PeerStream, _ version: BitswapVersion, to peer: PeerID) {
        guard let link = links[peer], !stopped else { return stream.close() }
        if lane == .wants { feed(.negotiated(peer, version)) }
        link.opened(lane, stream, version)
    }
}
