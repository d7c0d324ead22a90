import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

extension FuzzTarget {
    /// Gossip's frames, and its core fed with them.
    static let gossip: [FuzzTarget] = [
        FuzzTarget("gossip", maximumLength: 8192) { input in
            guard let rpc = try? GossipRPC(decoding: ByteBuffer(bytes: input)) else { return }
            for message in rpc.messages {
                _ = (message.author, message.sequence, message.topic.name)
                _ = (try? message.check(.strictSign), try? message.check(.strictNoSign))
                _ = MessageIdentifier.authorAndSequence.id(of: message)
            }
            for limit in [400, 1 << 20] {
                var again = GossipRPC()
                for var frame in rpc.frames(limit: limit) {
                    let length = try? frame.readVarint()
                    agree(length == UInt64(frame.readableBytes), "a frame says how long it is")
                    guard let part = try? GossipRPC(decoding: frame) else {
                        return agree(false, "what is written reads")
                    }
                    again.subscriptions += part.subscriptions
                    again.messages += part.messages
                    again.iwant += part.iwant
                    again.idontwant += part.idontwant
                    again.graft += part.graft
                    again.prune += part.prune
                    again.ihave += part.ihave
                }
                agree(again.subscriptions == rpc.subscriptions && again.messages == rpc.messages, "messages")
                agree(again.iwant == rpc.iwant && again.idontwant == rpc.idontwant, "ids")
                agree(again.graft == rpc.graft && again.prune == rpc.prune, "grafts and prunes")
                agree(again.ihave.flatMap(\.ids) == rpc.ihave.flatMap(\.ids), "what there is")
            }
        },
        FuzzTarget("gossip-core", maximumLength: 8192) { input in
            var node = FuzzedGossip()
            var rest = ByteBuffer(bytes: input)
            var steps = 0
            while let step: UInt8 = rest.readInteger(), steps < 256 {
                steps += 1
                node.play(step, &rest)
            }
            node.end()
        },
    ]
}

/// A node in two topics with a few peers; steps of the input are what the peers and the shell do.
private struct FuzzedGossip {
    private static let keys = (1...4).map { KeyPair(seed: [UInt8](repeating: UInt8($0), count: 32)) }
    private static let topics = [Topic("a"), Topic("b"), Topic("c")]

    private var core: GossipSub
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var effects: [GossipSub.Effect] = []
    private var waiting: [ValidationID] = []
    private var delivered: Set<MessageID> = []
    private var published: UInt64 = 0

    init() {
        var configuration = GossipConfiguration()
        configuration.scoring = .largeSwarm
        configuration.topicSettings[Self.topics[0]] = .anonymous(dataBytes: 4096, scoring: .largeSwarm)
        configuration.exchangesPeers = true
        configuration.topics = 64
        configuration.waiting = 32
        configuration.unwantedPerPeer = 32
        configuration.backoffs = 8
        core = GossipSub(
            configuration, peer: Self.keys[0].peerID, key: Self.keys[0], sequence: 1, start: now, seed: 1)
        handle(.subscribe(Self.topics[0]))
        handle(.subscribe(Self.topics[1]))
        handle(.connected(Self.keys[1].peerID, .v1_2, isOutbound: true, ipGroup: 1))
    }

    mutating func play(_ step: UInt8, _ rest: inout ByteBuffer) {
        let peer = Self.keys[1 + Int(step >> 4) % 3].peerID
        let topic = Self.topics[Int(step >> 4) % 3]
        switch step & 15 {
        case 0:
            let version = GossipVersion(rawValue: (step >> 6) & 3) ?? .v1_2
            handle(.connected(peer, version, isOutbound: step >> 7 == 1, ipGroup: UInt64(step >> 6)))
        case 1: handle(.disconnected(peer))
        case 2:
            now = now + .milliseconds(Int64(rest.readInteger(as: UInt8.self) ?? 1) * 50)
            core.tick(now: now, into: &effects)
            settle()
        case 3: handle(.subscribe(topic))
        case 4: handle(.unsubscribe(topic))
        case 5:
            published += 1
            let size = Int(rest.readInteger(as: UInt16.self) ?? 0) % 5_000
            handle(.publish(PublishID(published), topic, ByteBuffer(repeating: step, count: size)))
        case 6, 7:
            let verdicts: [GossipVerdict] = [.accept, .ignore, .reject, .invalidSignature]
            if let id = waiting.popLast() { handle(.validated(id, verdicts[Int(step >> 4) % 4])) }
        case 8: handle(.directPeers(step >> 4 == 0 ? [] : [peer]))
        case 9: handle(.applicationScore(peer, Double(step) * 4 - 300))
        case 10: handle(.peerRecord(peer, ByteBuffer(repeating: 1, count: Int(step))))
        default:
            let length = Int(rest.readInteger(as: UInt16.self) ?? 0)
            guard let payload = rest.readSlice(length: min(length, rest.readableBytes)),
                let rpc = try? GossipRPC(decoding: payload)
            else { return }
            handle(.received(rpc, from: peer))
        }
    }

    /// What strangers did leaves nothing behind once they are gone, but what is to outlive them for a while.
    mutating func end() {
        for key in Self.keys.dropFirst() { handle(.disconnected(key.peerID)) }
        for topic in Self.topics { handle(.unsubscribe(topic)) }
        agree(core.load.peers == 0 && core.load.unwanted == 0, "peers that left")
        now = now + .seconds(5_000)
        for _ in 0..<20 {
            now = now + .seconds(1)
            core.tick(now: now, into: &effects)
        }
        settle()
        agree(core.load.topics == 0 && core.load.backoffs == 0, "topics that nobody is in")
        agree(core.load.waiting == 0 && core.load.cached == 0 && core.load.promises == 0, "messages of the past")
    }

    private mutating func handle(_ input: GossipSub.Input) {
        core.handle(input, now: now, into: &effects)
        settle()
    }

    private mutating func settle() {
        for effect in effects {
            switch effect {
            case .send(let frame, let peer):
                var bytes = frame.bytes
                guard let length = try? bytes.readVarint(), length == UInt64(bytes.readableBytes),
                    let rpc = try? GossipRPC(decoding: bytes)
                else { return agree(false, "what is sent reads") }
                agree(!rpc.isEmpty && bytes.readableBytes <= 1 << 20, "a frame of the right size")
                agree(peer != Self.keys[0].peerID, "nothing goes to ourselves")
            case .validate(let id, let message, _, _):
                agree(!message.topic.bytes.readableBytesView.isEmpty, "a message in a topic")
                waiting.append(id)
            case .deliver(_, let id, _):
                agree(delivered.insert(id).inserted || now.nanoseconds > 121_000_000_000, "twice")
            case .exchange(let hints, _, _): agree(hints.allSatisfy { $0.record != nil }, "hints with records")
            case .published, .refused, .storeSequence, .dial, .graylisted: break
            }
        }
        effects.removeAll(keepingCapacity: true)
        let load = core.load
        agree(load.waiting <= 32 && load.topics <= 64 + 3 && load.backoffs <= 24, "more than there is room for")
        agree(load.unwanted <= 3 * 32, "more unwanted than remembered")
        for topic in Self.topics { agree(core.meshPeers(of: topic).count <= 3, "mesh peers that are not there") }
    }
}
