import Multiformats
import SansIO

/// A query under way: its lookup, and what it has gathered so far.
struct RunningQuery: Sendable {
    enum Goal: Sendable {
        case closest
        case findPeer(PeerID)
        case findProviders(limit: Int)
        case provide
        case announce
        case getValue(quorum: Int)
        case putValue
        case ping
        case refresh(Upkeep.Target)
    }

    /// The query that waits for the addresses of a provider.
    struct Parent: Sendable {
        let serial: UInt64
        let provider: PeerID
    }

    let serial: UInt64
    /// Who waits for it; nil for those of our own.
    let user: QueryID?
    var parent: Parent?
    let goal: Goal
    let key: [UInt8]
    let target: KadKey
    /// What each contact of the lookup is asked.
    let request: KadMessage
    /// The lookup, and behind it those that search a crowded region around its target.
    var lanes: [Lookup] = []
    /// What the contacts of the lanes behind the first are asked for.
    var laneKeys: [[UInt8]] = []
    /// The prefix of the region around the target, once it turned out to be crowded.
    var crowdedPrefix: Int?
    /// Calls that it waits for, in the order in which they were made.
    var calls: [CallID] = []
    var callCount = 0

    var providers = FoundProviders()
    var values = FoundValues()
    /// What is put.
    var value: [UInt8] = []
    var store = StoreWork()
    /// Who named the peer that is looked for, and where.
    var sightings: (voices: [IPGroup], addresses: [Multiaddr]) = ([], [])
    /// Lookups of providers' addresses that it waits for.
    var resolving = 0
    var resolved = 0

    init(
        serial: UInt64, user: QueryID?, goal: Goal, key: [UInt8], target: KadKey, request: KadMessage
    ) {
        self.serial = serial
        self.user = user
        self.goal = goal
        self.key = key
        self.target = target
        self.request = request
    }

    /// Whether its result is the closest peers, told or only named.
    var storesAtEnd: Bool {
        switch goal {
        case .provide, .putValue: true
        default: false
        }
    }
}

/// The providers that a query has heard of, and who named them.
struct FoundProviders: Sendable {
    struct Found: Sendable {
        var peer: KadPeer
        /// The first few networks (or peers, where networks say nothing) that named it.
        var voices: [IPGroup]
        /// How many of its addresses were told on.
        var toldAddresses = -1
        var timesTold = 0
        var isResolving = false
        /// Its rank among those that its first voice named.
        var turn: Int
    }

    /// What one voice, and all together, can add.
    static let maximumPerVoice = 64
    static let maximum = 2000

    private(set) var list: [Found] = []
    private var indexes: [PeerID: Int] = [:]
    private var contributions: [IPGroup: Int] = [:]

    /// Notes what `voice` said; returns the index when it is new, or has new addresses.
    mutating func add(_ peer: KadPeer, voice: IPGroup) -> Int? {
        if let index = indexes[peer.id] {
            if list[index].voices.count < 4, !list[index].voices.contains(voice) { list[index].voices.append(voice) }
            var isNew = false
            for address in peer.addresses
            where list[index].peer.addresses.count < 24 && !list[index].peer.addresses.contains(address) {
                list[index].peer.addresses.append(address)
                isNew = true
            }
            return isNew && list[index].timesTold < 3 ? index : nil
        }
        let turn = contributions[voice, default: 0]
        guard turn < FoundProviders.maximumPerVoice, list.count < FoundProviders.maximum else { return nil }
        contributions[voice] = turn + 1
        indexes[peer.id] = list.count
        list.append(Found(peer: peer, voices: [voice], turn: turn))
        return list.count - 1
    }

    mutating func update(_ index: Int, _ body: (inout Found) -> Void) { body(&list[index]) }

    func index(of peer: PeerID) -> Int? { indexes[peer] }

    /// How many were named by more than one voice: an attacker in one network cannot end a search by himself.
    var agreed: Int { list.count { $0.voices.count > 1 } }

    /// All of them, each voice's first before its second: one who names many hides nobody.
    var ranked: [KadPeer] {
        list.enumerated().sorted { ($0.element.turn, $0.offset) < ($1.element.turn, $1.offset) }.map(\.element.peer)
    }
}

/// The values that a query has been given.
struct FoundValues: Sendable {
    /// Different valid values, and who gave each (the contact's index; -1 for our own).
    private(set) var list: [(value: [UInt8], holders: [Int])] = []
    /// Networks that gave a valid one.
    private(set) var voices: [IPGroup] = []
    /// How many gave a valid one.
    private(set) var count = 0
    private(set) var best: Int?
    private static let maximum = 64

    /// Notes a valid value; returns whether it is the best so far, and was not that before.
    mutating func add(_ value: [UInt8], from contact: Int, voice: IPGroup, select: ([[UInt8]]) -> Int) -> Bool {
        count += 1
        if !voices.contains(voice), voices.count < 64 { voices.append(voice) }
        if let index = list.firstIndex(where: { $0.value == value }) {
            list[index].holders.append(contact)
            return false
        }
        guard list.count < FoundValues.maximum else { return false }
        list.append((value, [contact]))
        guard let best else {
            self.best = 0
            return true
        }
        guard select([list[best].value, value]) == 1 else { return false }
        self.best = list.count - 1
        return true
    }

    var bestValue: [UInt8]? { best.map { list[$0].value } }
}

/// Messages that go out to many peers.
struct StoreWork: Sendable {
    struct Target: Sendable {
        var peer: KadPeer
        var key: KadKey
        /// The next message for it, and how many of its messages are under way.
        var next = 0
        var inFlight = 0
        var taken = 0
        var isGone = false
    }

    /// Messages, each for every target; empty until they are known.
    var keys: [[UInt8]] = []
    var targets: [Target] = []
    var inFlight = 0
    /// The first target that may have messages left.
    var first = 0
    var isStarted = false

    /// Requests under way to one peer, and in all.
    static let maximumPerPeer = 8
    static let maximum = 64

    /// How many targets took everything.
    var succeeded: Int { targets.count { $0.taken == keys.count && !keys.isEmpty } }

    /// The next message to send: target and key; nil when all are sent or enough are under way.
    mutating func next() -> (target: Int, key: Int)? {
        guard inFlight < StoreWork.maximum else { return nil }
        while first < targets.count, targets[first].isGone || targets[first].next >= keys.count { first += 1 }
        for index in first..<max(first, targets.count) {
            let target = targets[index]
            guard !target.isGone, target.next < keys.count, target.inFlight < StoreWork.maximumPerPeer else { continue }
            targets[index].next += 1
            targets[index].inFlight += 1
            inFlight += 1
            return (index, target.next)
        }
        return nil
    }

    /// A message was taken or not. A peer that did not take one is not sent the rest.
    mutating func ended(_ target: Int, isTaken: Bool) {
        guard targets.indices.contains(target) else { return }
        inFlight -= 1
        targets[target].inFlight -= 1
        if isTaken { targets[target].taken += 1 } else { targets[target].isGone = true }
    }

    var isDone: Bool {
        isStarted && inFlight == 0 && targets.allSatisfy { $0.isGone || $0.next >= keys.count }
    }
}
