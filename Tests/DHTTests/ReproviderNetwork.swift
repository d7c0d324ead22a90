import DHT
import Multiformats
import PeerCrypto
import SansIO

/// A network in memory as a reprovider meets it: lookups that find the true closest peers after a while, and
/// peers that note what they are told.
struct ReproviderNetwork {
    /// Sorted by place.
    private(set) var peers: [(place: KadKey, peer: KadPeer)] = []
    /// Neither found nor told.
    var unreachable: Set<PeerID> = []
    /// Found by lookups, and silent when they are told.
    var deaf: Set<PeerID> = []
    /// No query finds anybody.
    var isCut = false
    /// Queries vanish without a result.
    var loses = false
    var lookupTime = Duration.milliseconds(400)
    var announceTime = Duration.milliseconds(100)
    var timeout = Duration.seconds(10)

    private let own: PeerID
    var core: Reprovider
    private(set) var now: Instant
    private var events = Heap<Event>()
    private var sequence = 0

    /// Who was told of each key.
    private(set) var told: [Multihash: Set<PeerID>] = [:]
    private(set) var lastTold: [Multihash: Instant] = [:]
    private(set) var lookups = 0
    private(set) var announces = 0
    private(set) var cancelled = 0
    private(set) var running: Set<QueryID> = []
    private(set) var mostRunning = 0
    /// The disk.
    private(set) var persisted: [Multihash: ProvideRecord] = [:]

    private struct Event: Comparable {
        let at: Instant
        let sequence: Int
        let query: QueryID
        let result: QueryResult
        /// Keys and peers that are told when it comes.
        let told: [(Multihash, [PeerID])]

        static func < (left: Event, right: Event) -> Bool { (left.at, left.sequence) < (right.at, right.sequence) }
        static func == (left: Event, right: Event) -> Bool { left.sequence == right.sequence }
    }

    static let epoch = KadTime(milliseconds: 1_800_000_000_000)

    init(peers count: Int, seed: UInt64, configuration: ReproviderConfiguration = ReproviderConfiguration()) throws {
        for index in 0..<count { peers.append(try Self.peer(seed, index)) }
        peers.sort { $0.place < $1.place }
        now = .zero
        own = try Self.peer(seed, -1).1.id
        core = Reprovider(configuration, peer: own, epoch: Self.epoch, start: .zero)
    }

    private static func peer(_ seed: UInt64, _ index: Int) throws -> (KadKey, KadPeer) {
        let id = try PeerID(multihash: ContentHash.sha256(Array("peer \(seed) \(index)".utf8)))
        return (KadKey(id), KadPeer(id, []))
    }

    static func keys(_ count: Int, _ seed: UInt64 = 0) -> [Multihash] {
        (0..<count).map { ContentHash.sha256(Array("content \(seed) \($0)".utf8)) }
    }

    /// The true closest peers, found the slow way.
    func closest(to key: Multihash, _ count: Int = 20) -> [PeerID] {
        let place = KadKey(hashing: key.bytes)
        return peers.sorted { ($0.place ^ place) < ($1.place ^ place) }.prefix(count).map(\.peer.id)
    }

    /// The same from the neighbours in the sorted list, for lookups.
    private func lookup(_ place: KadKey) -> [KadPeer] {
        var depth = 0
        var range = peers.indices
        // Halves by the next bit until fewer than enough would be left.
        while depth < 250 {
            let middle = range.partitioningIndex { peers[$0].place.bit(depth) }
            let next = place.bit(depth) ? middle..<range.upperBound : range.lowerBound..<middle
            guard next.count >= 40 else { break }
            range = next
            depth += 1
        }
        return peers[range].sorted { ($0.place ^ place) < ($1.place ^ place) }.prefix(20).map(\.peer)
    }

    // MARK: Running

    mutating func handle(_ input: Reprovider.Input) {
        var effects: [Reprovider.Effect] = []
        core.handle(input, now: now, into: &effects)
        carryOut(effects)
    }

    /// The node dies, and starts anew from its disk `after` later.
    mutating func restart(after time: Duration = .zero, configuration: ReproviderConfiguration? = nil) throws {
        now = now + time
        let wall = KadTime(milliseconds: Self.epoch.milliseconds + now.nanoseconds / 1_000_000)
        core = Reprovider(configuration ?? core.configuration, peer: own, epoch: wall, start: now)
        events = Heap()
        running = []
        // In the form in which the disk has it.
        let records = persisted.values.compactMap { ProvideRecord(storedKey: $0.key.bytes, value: $0.storedValue) }
            .sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }
        handle(.restored(records))
    }

    /// Runs until nothing is under way and nothing is due before `end`, or `isEnough`.
    mutating func run(for time: Duration, until isEnough: (Self) -> Bool = { _ in false }) {
        let end = now + time
        while !isEnough(self) {
            let event = events.first?.at ?? .distantFuture
            let deadline = core.deadline ?? .distantFuture
            let next = min(event, deadline)
            guard next <= end else { break }
            now = max(now, next)
            var effects: [Reprovider.Effect] = []
            if event <= deadline, let event = events.pop() {
                guard running.remove(event.query) != nil else { continue }
                for (key, peers) in event.told where !peers.isEmpty {
                    told[key, default: []].formUnion(peers)
                    lastTold[key] = now
                }
                core.handle(.finished(event.query, event.result), now: now, into: &effects)
            } else {
                core.tick(now: now, into: &effects)
            }
            carryOut(effects)
        }
        if !isEnough(self) { now = end }
    }

    private mutating func carryOut(_ effects: [Reprovider.Effect]) {
        for effect in effects {
            switch effect {
            case .persist(let records): for record in records { persisted[record.key] = record }
            case .forget(let keys): for key in keys { persisted[key] = nil }
            case .cancel(let query):
                cancelled += 1
                running.remove(query)
            case .start(let id, let query):
                running.insert(id)
                mostRunning = max(mostRunning, running.count)
                start(id, query)
            }
        }
    }

    private mutating func start(_ id: QueryID, _ query: Query) {
        guard !loses else { return }
        switch query {
        case .closestPeers(let key):
            lookups += 1
            let found = lookup(KadKey(hashing: key)).filter { !unreachable.contains($0.id) }
            finish(id, isCut ? .failed(.noPeers) : .peers(found), after: lookupTime)
        case .provide(let key):
            lookups += 1
            let found = lookup(KadKey(hashing: key)).map(\.id)
            let taken = found.filter { !unreachable.contains($0) && !deaf.contains($0) }
            let result = isCut ? QueryResult.failed(.noPeers) : .stored(taken.count, of: found.count)
            let named: [(Multihash, [PeerID])] =
                isCut ? [] : [key].compactMap { try? Multihash($0) }.map { ($0, taken) }
            finish(id, result, after: lookupTime + announceTime, told: named)
        case .announce(let keys, let to):
            announces += 1
            let taken = isCut ? [] : to.map(\.id).filter { !unreachable.contains($0) && !deaf.contains($0) }
            let named = keys.compactMap { try? Multihash($0) }.map { ($0, taken) }
            let isSlow = taken.count < to.count
            finish(id, .stored(taken.count, of: to.count), after: isSlow ? timeout : announceTime, told: named)
        default:
            finish(id, .failed(.invalid("not a reprovider's query")), after: .zero)
        }
    }

    private mutating func finish(
        _ id: QueryID, _ result: QueryResult, after time: Duration, told: [(Multihash, [PeerID])] = []
    ) {
        sequence += 1
        events.push(Event(at: now + time, sequence: sequence, query: id, result: result, told: told))
    }

    /// How many of `keys` have been told to all of their closest peers, and nobody else was bothered.
    func complete(_ keys: [Multihash]) -> Int {
        keys.count { told[$0] == Set(closest(to: $0)) }
    }

    var status: ReproviderStatus { core.status(now: now) }
}

extension Range where Bound == Int {
    /// The first index for which `isBehind` holds, when it holds for all that follow.
    fileprivate func partitioningIndex(where isBehind: (Int) -> Bool) -> Int {
        var low = lowerBound
        var high = upperBound
        while low < high {
            let middle = (low + high) / 2
            if isBehind(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
