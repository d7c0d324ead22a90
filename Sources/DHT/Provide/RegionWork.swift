import Multiformats

/// The announcement of the keys of one region: first the lookups that its peers are found with, then each peer
/// is told of all the keys that it is among the closest to.
struct RegionWork: Sendable {
    /// A lookup at one of the keys, or a peer to be told of some.
    struct Announce: Sendable {
        var peer: Int
        /// Indices into `keys`.
        var keys: [Int]
    }

    /// What is announced, sorted by place.
    let keys: [ProvideEntry]
    /// Others of our keys in the region: what may be looked up to know everyone there.
    private let probes: [ProvideEntry]
    private var neighbourhood: Neighbourhood
    /// For each key its closest peers once they are known, as indices into the neighbourhood's peers.
    private var closest: [[Int]?]
    private var undecided: Int
    /// Keys and probes that were looked up, with or without success.
    private var walked: [Bool]
    private var walking: [Int] = []
    private var failures = 0
    private var announces: [Announce] = []
    private var isFound = false
    private var telling = 0
    /// How many of its peers took each key.
    private var told: [Int]

    /// After so many failed lookups the rest of the region waits for its next try.
    private static let mostFailures = 3
    /// Lookups of one region at a time: each may spare the others.
    private static let parallelWalks = 3

    init(_ keys: [ProvideEntry], probes: [ProvideEntry], replication: Int) {
        self.keys = keys
        self.probes = probes
        neighbourhood = Neighbourhood(replication: replication)
        closest = [[Int]?](repeating: nil, count: keys.count)
        walked = [Bool](repeating: false, count: keys.count + probes.count)
        told = [Int](repeating: 0, count: keys.count)
        undecided = keys.count
    }

    // MARK: Finding the peers

    /// The key or probe of that number.
    func spot(_ index: Int) -> ProvideEntry { index < keys.count ? keys[index] : probes[index - keys.count] }

    /// What to look up next, if anything: the number of a key or probe.
    ///
    /// - Parameter depth: how many bits a lookup's target shares with all that the lookup is expected to cover.
    func nextWalk(depth: Int) -> Int? {
        guard undecided > 0, failures < Self.mostFailures, walking.count < Self.parallelWalks else { return nil }
        let busy = walking.map { Neighbourhood.subtree(spot($0).place, depth) }
        var other: Int?
        for index in walked.indices where !walked[index] {
            let isKey = index < keys.count
            if isKey, closest[index] != nil { continue }
            let place = spot(index).place
            guard !busy.contains(where: { $0.contains(place.words.0) }) else { continue }
            // Where nobody is known first. A key whose surroundings are known needs its own lookup only when what
            // is under way did not help.
            if !neighbourhood.isCovered(place) { return index }
            if isKey { other = other ?? index }
        }
        return walking.isEmpty ? other : nil
    }

    /// Key or probe `index` is being looked up; `found` or `notFound` follows.
    mutating func walks(_ index: Int) {
        walked[index] = true
        walking.append(index)
    }

    /// The peers closest to key or probe `index`, or fewer when `isWhole` says that these are all.
    ///
    /// - Parameter density: how many bits leave about as many peers in a subtree as a key has closest ones.
    mutating func found(_ index: Int, _ answer: [KadPeer], isWhole: Bool, density: Int) {
        walking.removeAll { $0 == index }
        let numbers = neighbourhood.learn(answer, around: spot(index).place, isWhole: isWhole)
        if index < keys.count, closest[index] == nil {
            undecided -= 1
            // What the lookup says of its own target is as good as it gets.
            closest[index] = numbers
        }
        for other in keys.indices where closest[other] == nil {
            guard let peers = neighbourhood.closest(to: keys[other].place, density: density) else { continue }
            closest[other] = peers
            undecided -= 1
        }
    }

    mutating func notFound(_ index: Int) {
        walking.removeAll { $0 == index }
        failures += 1
    }

    // MARK: Telling them

    /// Whether lookups or announces are still to be started.
    var isStarting: Bool { !isFound || !announces.isEmpty }

    /// Whether everything has ended.
    var isDone: Bool { isFound && announces.isEmpty && telling == 0 }

    func peer(_ index: Int) -> KadPeer { neighbourhood.peers[index] }

    /// Goes over to telling once no lookup runs or is worth starting. At most `most` keys go into one announce.
    mutating func finishFinding(most: Int) {
        guard !isFound, walking.isEmpty else { return }
        isFound = true
        var keysOfPeer = [[Int]](repeating: [], count: neighbourhood.peers.count)
        for (key, peers) in closest.enumerated() {
            for peer in peers ?? [] { keysOfPeer[peer].append(key) }
        }
        // Popped from the end; peers take turns, so that a slow one holds back only itself.
        var start = 0
        var rounds: [Announce] = []
        while true {
            let round = keysOfPeer.enumerated().compactMap { peer, keys in
                keys.count > start
                    ? Announce(peer: peer, keys: Array(keys[start..<min(start + most, keys.count)])) : nil
            }
            guard !round.isEmpty else { break }
            rounds += round
            start += most
        }
        announces = rounds.reversed()
    }

    mutating func nextAnnounce() -> Announce? {
        guard let announce = announces.popLast() else { return nil }
        telling += 1
        return announce
    }

    mutating func ended(_ announce: Announce, wasTaken: Bool) {
        telling -= 1
        guard wasTaken else {
            // Who did not take this is told nothing more now.
            announces.removeAll { $0.peer == announce.peer }
            return
        }
        for key in announce.keys { told[key] += 1 }
    }

    /// Whether at least half of the key's closest peers, and one, took it.
    func isProvided(_ index: Int) -> Bool {
        guard let count = closest[index]?.count, count > 0 else { return false }
        return told[index] * 2 >= count
    }
}
