import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// One core and peers that do what a test says.
struct TestCore {
    static let topic = Topic("updates")
    var core: GossipSub
    var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var effects: [GossipSub.Effect] = []
    private var lastPeer: UInt8 = 0
    private var lastPublish: UInt64 = 0
    private var lastData: UInt64 = 0

    static let key = KeyPair(seed: [UInt8](repeating: 200, count: 32))

    init(seed: UInt64 = 1, _ change: (inout GossipConfiguration) -> Void = { _ in }) {
        var configuration = GossipConfiguration()
        configuration.topicSettings[Self.topic] = .anonymous(dataBytes: 64 << 10)
        change(&configuration)
        core = GossipSub(
            configuration, peer: Self.key.peerID, key: Self.key, sequence: 1_000, start: now, seed: seed)
    }

    /// With scores that are easy to compute: nothing counts but what a test switches on.
    static func scored(seed: UInt64 = 1, _ change: (inout GossipConfiguration) -> Void = { _ in }) -> TestCore {
        TestCore(seed: seed) { configuration in
            var rules = TopicScoreParameters()
            rules.timeInMeshWeight = 0
            rules.firstDeliveriesDecay = 1
            rules.invalidDecay = 1
            rules.invalidWeight = -10
            var parameters = ScoreParameters()
            parameters.behaviourThreshold = 0
            parameters.behaviourDecay = 1
            configuration.scoring = parameters
            configuration.topicSettings[topic]?.scoring = rules
            change(&configuration)
        }
    }

    // MARK: Peers

    static func key(_ number: UInt8) -> KeyPair { KeyPair(seed: [UInt8](repeating: number, count: 32)) }

    /// A new connected peer that is in these topics.
    mutating func join(
        _ topics: [Topic] = [topic], version: GossipVersion = .v1_2, isOutbound: Bool = false, group: UInt64? = nil
    ) -> PeerID {
        lastPeer += 1
        let peer = Self.key(lastPeer).peerID
        connect(peer, topics, version: version, isOutbound: isOutbound, group: group)
        return peer
    }

    mutating func connect(
        _ peer: PeerID, _ topics: [Topic] = [topic], version: GossipVersion = .v1_2, isOutbound: Bool = false,
        group: UInt64? = nil
    ) {
        handle(.connected(peer, version, isOutbound: isOutbound, ipGroup: group))
        receive(from: peer) { $0.subscriptions = topics.map { .init($0, isSubscribed: true) } }
    }

    mutating func receive(from peer: PeerID, _ fill: (inout GossipRPC) -> Void) {
        var rpc = GossipRPC()
        fill(&rpc)
        handle(.received(rpc, from: peer))
    }

    /// A message nobody has seen.
    mutating func message(size: Int = 100, in topic: Topic = topic) -> GossipMessage {
        lastData += 1
        var data = ByteBuffer(integer: lastData)
        data.writeRepeatingByte(1, count: max(0, size - 8))
        return GossipMessage(data, in: topic)
    }

    static func id(_ message: GossipMessage) -> MessageID { MessageID(sha256: message.dataHash) }

    /// The peer brings a new message and the validator says this; gives the message.
    @discardableResult
    mutating func bring(_ peer: PeerID, size: Int = 100, _ verdict: GossipVerdict = .accept) -> GossipMessage {
        let message = message(size: size)
        receive(from: peer) { $0.messages = [message] }
        answer(verdict)
        return message
    }

    // MARK: The core

    mutating func handle(_ input: GossipSub.Input) { core.handle(input, now: now, into: &effects) }

    /// Answers the last question for a validation.
    mutating func answer(_ verdict: GossipVerdict) {
        if let last = validations.last { handle(.validated(last, verdict)) }
    }

    mutating func subscribe(_ topic: Topic = topic) { handle(.subscribe(topic)) }

    @discardableResult
    mutating func publish(size: Int = 100, in topic: Topic = topic) -> MessageID? {
        lastPublish += 1
        handle(.publish(PublishID(lastPublish), topic, message(size: size).data))
        for case .published(PublishID(lastPublish), let id, _) in effects { return id }
        return nil
    }

    /// Lets so many heartbeats pass.
    mutating func beat(_ count: Int = 1) {
        for _ in 0..<count {
            now = max(now, core.deadline ?? now)
            core.tick(now: now, into: &effects)
        }
    }

    mutating func wait(_ time: Duration) {
        let end = now + time
        while let deadline = core.deadline, deadline <= end {
            now = max(now, deadline)
            core.tick(now: now, into: &effects)
        }
        now = end
    }

    mutating func forget() { effects = [] }

    // MARK: What it did

    var validations: [ValidationID] {
        effects.compactMap { if case .validate(let id, _, _, _) = $0 { id } else { nil } }
    }
    var delivered: [MessageID] {
        effects.compactMap { if case .deliver(_, let id, _) = $0 { id } else { nil } }
    }

    /// Everything that was sent to a peer, in one.
    func sent(to peer: PeerID) -> GossipRPC {
        var all = GossipRPC()
        for case .send(let frame, peer) in effects {
            var bytes = frame.bytes
            guard (try? bytes.readVarint()) == UInt64(bytes.readableBytes),
                let rpc = try? GossipRPC(decoding: bytes)
            else { preconditionFailure("a frame that does not read") }
            all.subscriptions += rpc.subscriptions
            all.messages += rpc.messages
            all.ihave += rpc.ihave
            all.iwant += rpc.iwant
            all.graft += rpc.graft
            all.prune += rpc.prune
            all.idontwant += rpc.idontwant
        }
        return all
    }

    var mesh: [PeerID] { core.meshPeers(of: Self.topic) }
    func score(_ peer: PeerID) -> Double { core.score(of: peer) ?? .nan }
}
