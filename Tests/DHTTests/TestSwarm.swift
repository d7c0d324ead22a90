import DHT
import Multiformats
import SansIO

/// Cores on a small virtual network: every message takes its time, peers can be dead, slow or hostile. What
/// happens follows from the seed alone.
final class TestSwarm {
    final class Member {
        let index: Int
        let peer: PeerID
        let key: KadKey
        let addresses: [Multiaddr]
        var core: Kademlia
        var isDead = false
        /// Answers in place of the core; nil leaves a request unanswered.
        var hostile: ((KadMessage, KadMessage?) -> KadMessage?)?
        /// Added to what its answers take.
        var delay = Duration.zero
        var stored: [KadRecordChange] = []
        var results: [QueryID: QueryResult] = [:]
        var finishedAt: [QueryID: Instant] = [:]
        var progress: [QueryID: [QueryProgress]] = [:]
        var nextQuery: UInt64 = 0
        var waiting: Set<CallID> = []
        var entered: Set<PeerID> = []

        init(index: Int, identity: (PeerID, [Multiaddr]), core: Kademlia) {
            self.index = index
            (peer, addresses) = identity
            key = KadKey(peer)
            self.core = core
        }

        var kadPeer: KadPeer { KadPeer(peer, addresses) }
    }

    private enum Action {
        case request(from: Int, CallID, KadMessage, to: PeerID)
        case answer(to: Int, CallID, KadMessage, roundTrip: Duration)
        case failure(to: Int, CallID, CallFailure)
        case tick(Int)
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

    static let epoch = KadTime(milliseconds: 1_800_000_000_000)
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var members: [Member] = []
    private(set) var byPeer: [PeerID: Int] = [:]
    private(set) var messages = 0
    /// A digest of everything that was sent.
    private(set) var trace: UInt64 = 0xcbf2_9ce4_8422_2325
    private var events = Heap<Event>()
    private var sequence: UInt64 = 0
    private var awake: [Int: Instant] = [:]
    private var generator: SeededGenerator
    private var lastRequest: UInt64 = 0
    var latency = (low: Duration.milliseconds(5), high: Duration.milliseconds(50))

    init(
        _ count: Int, seed: UInt64, configuration: KademliaConfiguration = KademliaConfiguration(),
        address: (Int) -> String = TestSwarm.publicAddress
    ) {
        generator = SeededGenerator(seed: seed)
        for _ in 0..<count { add(configuration, address: address) }
    }

    @discardableResult
    func add(
        _ configuration: KademliaConfiguration = KademliaConfiguration(), peer: PeerID? = nil,
        address: (Int) -> String = TestSwarm.publicAddress
    ) -> Member {
        let index = members.count
        let peer = peer ?? TestSwarm.peer(&generator)
        let addresses = [try! Multiaddr(address(index))]
        let core = Kademlia(configuration, peer: peer, epoch: TestSwarm.epoch, start: now, seed: generator.next())
        let member = Member(index: index, identity: (peer, addresses), core: core)
        members.append(member)
        byPeer[peer] = index
        feed(member, .addressesChanged(addresses))
        return member
    }

    static func peer(_ generator: inout SeededGenerator) -> PeerID {
        let digest = (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        return try! PeerID(multihash: Multihash(code: .sha2_256, digest: digest))
    }

    /// Each in a network of its own.
    static func publicAddress(_ index: Int) -> String {
        "/ip4/\(80 + index / 250 % 20).\(index % 250).\(index / 5000).7/udp/4001"
    }

    static func address(_ index: Int) -> Multiaddr { try! Multiaddr(publicAddress(index)) }

    /// Everyone learns of the first, as after a connection to it, then has `time` to look around.
    func bootstrap(for time: Duration = .seconds(120)) {
        for member in members.dropFirst() {
            meet(member, members[0])
            run(for: .milliseconds(200))
        }
        run(for: time)
    }

    func meet(_ one: Member, _ other: Member) {
        feed(one, .found(other.peer, addresses: other.addresses))
        feed(other, .found(one.peer, addresses: one.addresses))
    }

    // MARK: Time

    func feed(_ member: Member, _ input: Kademlia.Input) {
        var effects: [Kademlia.Effect] = []
        member.core.handle(input, now: now, into: &effects)
        perform(effects, member)
    }

    private func schedule(_ action: Action, after delay: Duration) {
        sequence += 1
        events.push(Event(at: now + delay, sequence: sequence, action: action))
    }

    /// Runs for `time`, or until `done`.
    func run(for time: Duration, until done: () -> Bool = { false }) {
        let end = now + time
        while !done(), let next = events.first, next.at <= end {
            events.pop()
            now = next.at
            perform(next.action)
        }
        if !done() { now = end }
    }

    private func oneWay() -> Duration {
        let span = UInt64((latency.high - latency.low).wholeNanoseconds)
        return latency.low + .nanoseconds(Int64(generator.next() % max(1, span)))
    }

    private func perform(_ action: Action) {
        switch action {
        case .tick(let index):
            guard awake[index] == now else { return }
            awake[index] = nil
            guard !members[index].isDead else { return }
            var effects: [Kademlia.Effect] = []
            members[index].core.tick(now: now, into: &effects)
            perform(effects, members[index])
        case .request(let from, let call, let message, let target):
            guard let index = byPeer[target], !members[index].isDead else { return }
            let sender = members[from]
            let host = members[index]
            lastRequest += 1
            var effects: [Kademlia.Effect] = []
            let requester = Requester(
                peer: sender.peer, address: sender.addresses.first, transport: .datagram, isConfirmed: true)
            host.core.handle(.request(RequestID(lastRequest), message, from: requester), now: now, into: &effects)
            var answer: KadMessage?
            for case .respond(_, let message) in effects { answer = message }
            if let hostile = host.hostile { answer = hostile(message, answer) }
            perform(effects, host)
            let back = oneWay() + host.delay
            if let answer {
                schedule(.answer(to: from, call, answer, roundTrip: back * 2), after: back)
            } else if host.hostile == nil {
                schedule(.failure(to: from, call, .refused), after: back)
            }
        case .answer(let index, let call, let message, let roundTrip):
            let member = members[index]
            guard !member.isDead, member.waiting.remove(call) != nil else { return }
            feed(member, .answered(call, message, CallReport(transport: .datagram, roundTrip: roundTrip)))
        case .failure(let index, let call, let failure):
            let member = members[index]
            guard !member.isDead, member.waiting.remove(call) != nil else { return }
            feed(member, .failed(call, failure))
        }
    }

    private func perform(_ effects: [Kademlia.Effect], _ member: Member) {
        for effect in effects {
            switch effect {
            case .call(let call, let message, let target, let timeout):
                messages += 1
                mix(UInt64(member.index) << 32 | UInt64(message.kind.rawValue))
                mix(KadKey(target.id).bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
                member.waiting.insert(call)
                // Only who is where it is said to be can be reached.
                let host = byPeer[target.id].map { members[$0] }
                if let host, target.addresses.contains(where: host.addresses.contains) {
                    schedule(.request(from: member.index, call, message, to: target.id), after: oneWay())
                }
                schedule(.failure(to: member.index, call, .timeout), after: timeout)
            case .progress(let id, let step): member.progress[id, default: []].append(step)
            case .finished(let id, let result):
                member.results[id] = result
                member.finishedAt[id] = now
            case .store(let change): member.stored.append(change)
            case .entered(let peer): member.entered.insert(peer.id)
            case .left(let peer): member.entered.remove(peer)
            case .respond, .refuse, .abandon: break
            }
        }
        if let deadline = member.core.deadline {
            let at = max(deadline, now)
            if awake[member.index].map({ at < $0 }) ?? true {
                awake[member.index] = at
                sequence += 1
                events.push(Event(at: at, sequence: sequence, action: .tick(member.index)))
            }
        }
    }

    private func mix(_ value: UInt64) { trace = (trace ^ value) &* 0x100_0000_01b3 }

    // MARK: Queries

    @discardableResult
    func start(_ member: Member, _ query: Query) -> QueryID {
        member.nextQuery += 1
        let id = QueryID(member.nextQuery)
        feed(member, .start(id, query))
        return id
    }

    /// Runs a query to its end.
    func ask(_ member: Member, _ query: Query) -> QueryResult? {
        let id = start(member, query)
        run(for: .seconds(120)) { member.results[id] != nil }
        return member.results[id]
    }

    /// The closest living peers to a key, by looking at all of them.
    func closest(to key: KadKey, count: Int, besides: Member) -> [PeerID] {
        members.filter { !$0.isDead && $0.index != besides.index }
            .sorted { ($0.key ^ key) < ($1.key ^ key) }.prefix(count).map(\.peer)
    }

    func multihash() -> [UInt8] {
        Multihash(code: .sha2_256, digest: (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) }).bytes
    }
}
