import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// Gossip cores on a small virtual network of lossless links. What happens follows from the seed alone.
final class TestMesh {
    final class Member {
        let index: Int
        let peer: PeerID
        var core: GossipSub
        var isUp = true
        var links: Set<Int> = []
        /// Ids of what it was delivered, each with how often.
        var delivered: [MessageID: Int] = [:]
        var deliveredAt: [MessageID: Instant] = [:]
        var others: [GossipSub.Effect] = []
        var awake: Instant?
        /// Sees a frame before the core does; what it returns is handed in.
        var filter: ((GossipRPC, PeerID) -> GossipRPC?)?

        init(index: Int, peer: PeerID, core: GossipSub) {
            self.index = index
            self.peer = peer
            self.core = core
        }
    }

    private enum Action {
        case frame(from: Int, to: Int, ByteBuffer)
        case validated(Int, ValidationID, GossipVerdict)
        case tick(Int)
        case action(() -> Void)
    }

    private struct Event: Comparable {
        let at: Instant
        let sequence: UInt64
        let action: Action
        static func < (left: Event, right: Event) -> Bool {
            left.at == right.at ? left.sequence < right.sequence : left.at < right.at
        }
        static func == (left: Event, right: Event) -> Bool { left.sequence == right.sequence }
    }

    static let topic = Topic("updates")
    private(set) var now = Instant(nanoseconds: 5_000_000_000)
    private(set) var members: [Member] = []
    private var byPeer: [PeerID: Int] = [:]
    private var events = Heap<Event>()
    private var sequence: UInt64 = 0
    private(set) var trace: UInt64 = 0xcbf2_9ce4_8422_2325
    private(set) var frames = 0
    private(set) var bytes = 0
    var generator: SeededGenerator
    var latency = (low: Duration.milliseconds(5), high: Duration.milliseconds(50))
    /// How long a validator takes.
    var validation = Duration.zero
    /// What it says.
    var verdict: (GossipMessage) -> GossipVerdict = { _ in .accept }

    init(
        _ count: Int, seed: UInt64, version: GossipVersion = .v1_2,
        configuration: GossipConfiguration = TestMesh.anonymous
    ) {
        generator = SeededGenerator(seed: seed)
        for _ in 0..<count { add(configuration) }
    }

    /// Our updates topic is anonymous and goes by hash; all others are IPFS's.
    static var anonymous: GossipConfiguration {
        var configuration = GossipConfiguration()
        configuration.topicSettings[topic] = .anonymous(dataBytes: 64 << 10)
        return configuration
    }

    @discardableResult
    func add(_ configuration: GossipConfiguration = TestMesh.anonymous) -> Member {
        let index = members.count
        let key = KeyPair(seed: (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) })
        let core = GossipSub(
            configuration, peer: key.peerID, key: key, sequence: UInt64(index) << 32, start: now, seed: generator.next()
        )
        let member = Member(index: index, peer: key.peerID, core: core)
        members.append(member)
        byPeer[key.peerID] = index
        wake(member)
        return member
    }

    // MARK: Links

    /// `one` dials `other`.
    func connect(_ one: Int, _ other: Int, version: GossipVersion = .v1_2) {
        guard one != other, members[one].isUp, members[other].isUp, members[one].links.insert(other).inserted else {
            return
        }
        members[other].links.insert(one)
        feed(members[one], .connected(members[other].peer, version, isOutbound: true, ipGroup: nil))
        feed(members[other], .connected(members[one].peer, version, isOutbound: false, ipGroup: nil))
    }

    func disconnect(_ one: Int, _ other: Int) {
        guard members[one].links.remove(other) != nil else { return }
        members[other].links.remove(one)
        feed(members[one], .disconnected(members[other].peer))
        feed(members[other], .disconnected(members[one].peer))
    }

    /// Everybody dials some others, by lot.
    func connectAll(degree: Int) {
        for one in members.indices {
            for _ in 0..<degree { connect(one, Int(generator.next() % UInt64(members.count))) }
        }
    }

    func subscribeAll(_ topic: Topic = TestMesh.topic) { for member in members { feed(member, .subscribe(topic)) } }

    // MARK: Time

    func after(_ delay: Duration, _ body: @escaping () -> Void) { schedule(.action(body), after: delay) }

    private func schedule(_ action: Action, after delay: Duration) {
        sequence += 1
        events.push(Event(at: now + delay, sequence: sequence, action: action))
    }

    func run(for time: Duration) {
        let end = now + time
        while let next = events.first, next.at <= end {
            events.pop()
            now = next.at
            perform(next.action)
        }
        now = end
    }

    private func perform(_ action: Action) {
        switch action {
        case .action(let body): body()
        case .tick(let index):
            let member = members[index]
            guard member.isUp, member.awake == now else { return }
            member.awake = nil
            var effects: [GossipSub.Effect] = []
            member.core.tick(now: now, into: &effects)
            perform(effects, member)
        case .validated(let index, let id, let verdict):
            if members[index].isUp { feed(members[index], .validated(id, verdict)) }
        case .frame(let from, let to, var bytes):
            let (sender, receiver) = (members[from], members[to])
            guard sender.isUp, receiver.isUp, receiver.links.contains(from) else { return }
            guard let length = try? bytes.readVarint(), length == UInt64(bytes.readableBytes),
                var rpc = try? GossipRPC(decoding: bytes)
            else { return fatal("a frame that does not read") }
            if let filter = receiver.filter {
                guard let filtered = filter(rpc, sender.peer) else { return }
                rpc = filtered
            }
            feed(receiver, .received(rpc, from: sender.peer))
        }
    }

    private func fatal(_ text: String) { preconditionFailure(text) }

    // MARK: Cores

    func feed(_ member: Member, _ input: GossipSub.Input) {
        var effects: [GossipSub.Effect] = []
        member.core.handle(input, now: now, into: &effects)
        perform(effects, member)
    }

    private func wake(_ member: Member) {
        guard let deadline = member.core.deadline, member.awake.map({ deadline < $0 }) ?? true else { return }
        member.awake = max(deadline, now)
        sequence += 1
        events.push(Event(at: max(deadline, now), sequence: sequence, action: .tick(member.index)))
    }

    /// The latency of a pair is always the same, so that frames arrive in order.
    private func latency(_ one: Int, _ other: Int) -> Duration {
        var mixer = SeededGenerator(seed: UInt64(min(one, other)) << 32 | UInt64(max(one, other)))
        let span = UInt64((latency.high - latency.low).wholeNanoseconds)
        return latency.low + .nanoseconds(Int64(mixer.next() % max(1, span)))
    }

    private func perform(_ effects: [GossipSub.Effect], _ member: Member) {
        for effect in effects {
            switch effect {
            case .send(let frame, let peer):
                guard let other = byPeer[peer] else { continue }
                frames += 1
                bytes += frame.bytes.readableBytes
                mix(UInt64(member.index) << 32 | UInt64(other))
                mix(UInt64(frame.bytes.readableBytes))
                schedule(.frame(from: member.index, to: other, frame.bytes), after: latency(member.index, other))
            case .validate(let id, let message, _, _):
                schedule(.validated(member.index, id, verdict(message)), after: validation)
            case .deliver(_, let id, _):
                member.delivered[id, default: 0] += 1
                member.deliveredAt[id] = now
            case .published(_, let id, _):
                member.delivered[id, default: 0] += 1
                member.others.append(effect)
            default: member.others.append(effect)
            }
        }
        wake(member)
    }

    private func mix(_ value: UInt64) { trace = (trace ^ value) &* 0x100_0000_01b3 }

    // MARK: Messages

    private var lastMessage: UInt64 = 0

    /// Publishes new data and gives its id.
    @discardableResult
    func publish(_ member: Member, size: Int = 1024, topic: Topic = TestMesh.topic) -> MessageID? {
        lastMessage += 1
        var data = ByteBuffer()
        data.writeInteger(lastMessage)
        data.writeRepeatingByte(7, count: max(0, size - 8))
        feed(member, .publish(PublishID(lastMessage), topic, data))
        for case .published(PublishID(lastMessage), let id, _) in member.others.suffix(1) { return id }
        return nil
    }
}
