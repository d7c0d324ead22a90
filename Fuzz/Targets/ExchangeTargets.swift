import BlockExchange
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

extension FuzzTarget {
    /// Bitswap's messages, and its core fed with them.
    static let exchange: [FuzzTarget] = [
        FuzzTarget("bitswap", maximumLength: 8192) { input in
            guard let message = try? BitswapMessage(decoding: ByteBuffer(bytes: input)) else { return }
            for block in message.blocks { _ = block.block { ContentHash.hash($0, code: $1) } }
            let encoded = message.encoded(.v1_2)
            guard let again = try? BitswapMessage(decoding: encoded) else {
                return agree(false, "what is written reads")
            }
            agree(again.entries == message.entries && again.presences == message.presences, "wants and presences")
            agree(again.full == message.full && again.pendingBytes == message.pendingBytes, "flags and numbers")
            agree(again.blocks.count == message.blocks.count, "blocks")
            let framed = message.framed(.v1_2).reduce(0) { $0 + $1.readableBytes }
            agree(framed == encoded.readableBytes + Varint.length(of: UInt64(encoded.readableBytes)), "framing")
            _ = (message.encoded(.v1_0), message.encoded(.v1_1))
        },
        FuzzTarget("bitswap-core", maximumLength: 8192) { input in
            var exchange = FuzzedExchange()
            var rest = ByteBuffer(bytes: input)
            var steps = 0
            while let step: UInt8 = rest.readInteger(), steps < 256 {
                steps += 1
                exchange.play(step, &rest)
            }
            exchange.end()
        },
    ]
}

/// A node with a few peers and blocks; steps of the input are what the peers and the shell do.
private struct FuzzedExchange {
    private static let peers = (1...3).map { KeyPair(seed: [UInt8](repeating: UInt8($0), count: 32)).peerID }
    private static let blocks = (0..<8).map { number in
        let data = ByteBuffer(repeating: UInt8(number), count: 700 * (number + 1))
        return Block(cid: CID(codec: .raw, multihash: ContentHash.sha256(data)), data: data)
    }

    private let configuration: BitswapConfiguration
    private var core: Bitswap
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var effects: [Bitswap.Effect] = []
    private var delivered: [CID: Int] = [:]
    private var sessions: UInt64 = 0
    private var envelopes: [BlockExchange.Envelope] = []

    init() {
        var configuration = BitswapConfiguration()
        configuration.wantsPerPeer = 64
        self.configuration = configuration
        core = Bitswap(configuration: configuration, generator: SeededGenerator(seed: 1))
        handle(.connected(Self.peers[0], version: .v1_2))
        openSession()
    }

    mutating func play(_ step: UInt8, _ rest: inout ByteBuffer) {
        let peer = Self.peers[Int(step >> 4) % Self.peers.count]
        switch step & 15 {
        case 0: handle(.connected(peer, version: .v1_2))
        case 1: handle(.disconnected(peer))
        case 2:
            now = now + .milliseconds(Int64(rest.readInteger(as: UInt8.self) ?? 1) * 100)
            core.tick(now: now, into: &effects)
            settle()
        case 3: openSession()
        case 4: handle(.closeSession(Bitswap.SessionID(sessions)))
        case 5: handle(.sendFailed(to: peer))
        case 6: if let envelope = envelopes.popLast() { handle(.sent(envelope.id, missing: [])) }
        case 7: if let envelope = envelopes.popLast() { handle(.envelopeFailed(envelope.id)) }
        case 8: handle(.blocksAvailable(Self.blocks.map(\.cid)))
        case 9: handle(.providersFound(Self.blocks[0].cid, Self.peers))
        case 10: handle(.negotiated(peer, [.v1_0, .v1_1, .v1_2][Int(step >> 4) % 3]))
        case 11:
            let block = Self.blocks[Int(rest.readInteger(as: UInt8.self) ?? 0) % Self.blocks.count]
            var message = BitswapMessage()
            message.blocks = [ReceivedBlock(block)]
            handle(.received(message, from: peer))
        case 12:
            var message = BitswapMessage()
            message.entries = [.init(cid: Self.blocks[Int(step >> 4) % 8].cid, type: .have, sendDontHave: true)]
            handle(.received(message, from: peer))
        default:
            let length = Int(rest.readInteger(as: UInt16.self) ?? 0)
            guard let payload = rest.readSlice(length: min(length, rest.readableBytes)),
                let message = try? BitswapMessage(decoding: payload)
            else { return }
            handle(.received(message, from: peer))
        }
    }

    /// What strangers did leaves nothing behind once they are gone.
    mutating func end() {
        for peer in Self.peers { handle(.disconnected(peer)) }
        agree(core.outstanding == (0, 0), "envelopes of peers that left")
        agree(core.load.waiting == 0, "wants of peers that left")
    }

    private mutating func openSession() {
        guard sessions < 4 else { return }
        sessions += 1
        handle(.openSession(Bitswap.SessionID(sessions), peers: []))
        handle(.want(Bitswap.SessionID(sessions), Self.blocks.map(\.cid), priority: 1))
    }

    private mutating func handle(_ input: Bitswap.Input) {
        core.handle(input, now: now, into: &effects)
        settle()
    }

    /// Does what the core asks for, as the shell would.
    private mutating func settle() {
        var rounds = 0
        while !effects.isEmpty {
            rounds += 1
            agree(rounds < 1000, "effects that never end")
            let batch = effects
            effects.removeAll(keepingCapacity: true)
            for effect in batch {
                switch effect {
                case .verify(let received, let peer):
                    let blocks = received.compactMap { $0.block { ContentHash.hash($0, code: $1) } }
                    core.handle(
                        .verified(blocks, rejected: received.count - blocks.count, from: peer), now: now,
                        into: &effects)
                case .deliver(let blocks, _):
                    for block in blocks {
                        agree(ContentHash.verify(block.data, matches: block.cid), "a block is what its CID says")
                        agree(
                            Self.blocks.contains { $0.cid.multihash == block.cid.multihash }, "a block that was wanted")
                    }
                case .lookup(let id, let cids):
                    let sizes = cids.map { cid in
                        (cid: cid, size: Self.blocks.first { $0.cid.multihash == cid.multihash }?.data.readableBytes)
                    }
                    core.handle(.lookedUp(id, sizes), now: now, into: &effects)
                case .serve(let envelope): envelopes.append(envelope)
                case .send, .findProviders, .misbehaved: break
                }
            }
            agree(core.outstanding.bytes <= configuration.outstandingBytes, "more outstanding than allowed")
            agree(core.outstanding.envelopes <= configuration.envelopes, "more envelopes than allowed")
        }
    }
}
