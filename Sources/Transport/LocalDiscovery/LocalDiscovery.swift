package import Multiformats
package import SansIO

/// Finds peers on the local network, and is found there, without knowing anyone: libp2p's use of multicast DNS.
///
/// On each link it asks for `_p2p._udp.local`, more and more seldom, and answers those who ask with its addresses
/// on that link. A link on which this node has no address that others could use stays silent: a node that listens on
/// loopback only sends nothing at all.
///
/// Everything that is read comes from anyone in the same network: what is kept is bounded for each source and in
/// all, and an address that is told is only worth a dial, in which the peer proves its name.
/// Sources: libp2p/specs discovery/mdns.md; RFC 6762 (multicast DNS); RFC 6763 (service discovery).
package struct LocalDiscovery: ProtocolCore, Sendable {
    /// A network interface: what is sent on it reaches its neighbours only.
    package struct Link: Hashable, Sendable {
        /// The system's number of it.
        package var id: Int
        /// Our addresses on it.
        package var addresses: [IPAddress]

        package init(id: Int, addresses: [IPAddress]) {
            self.id = id
            self.addresses = addresses
        }
    }

    /// What happened.
    package enum Input: Sendable {
        /// The links there are, in place of those before, and all addresses of this node (without wildcards).
        case network([Link], [Multiaddr])
        /// A packet that came on a link, to its multicast group.
        case packet([UInt8], link: Int, from: IPAddress)
        /// The node stops: it takes back what it told.
        case stop
    }

    /// What is to be done.
    package enum Effect: Sendable {
        /// Send to the group, on every address family of the link.
        case send([UInt8], link: Int)
        /// A peer is near: one that is new, has moved or was last told a minute ago. Addresses without `/p2p`.
        case found(PeerID, [Multiaddr])
    }

    /// A peer as it was heard on one link.
    struct Sighting: Sendable {
        var instance: DNSName
        var addresses: [Multiaddr]
        var source: IPAddress
        var expires: Instant
        var told: Instant
    }

    struct SightingKey: Hashable, Sendable {
        var peer: PeerID
        var link: Int
    }

    /// A link that is in use.
    struct Presence: Sendable {
        var link: Link
        /// Our addresses on it; never empty.
        var announced: [Multiaddr]
        /// The pause until the question after the next.
        var interval = LocalDiscovery.firstInterval
        var wanted: Set<UInt16> = []
        var asksForTypes = false
        var lastAnswer: Instant?
        /// How often to answer without being asked: when others cannot know us yet.
        var announcements = 2
        var budget: TokenBucket
    }

    enum Alarm: Hashable, Sendable {
        case ask(Int)
        case answer(Int)
        case expire(SightingKey)
    }

    /// How long others may believe our records, in seconds.
    static let timeToLive: UInt32 = 120
    static let firstInterval = Duration.seconds(1)
    /// Half of `timeToLive`, so that each record is asked for again before it ends.
    static let longestInterval = Duration.seconds(60)
    /// Answers leave no faster than this on a link (RFC 6762, section 6).
    static let answerPause = Duration.seconds(1)
    /// A peer that stays is told again after this, for whoever has lost its connection.
    static let tellAgain = Duration.seconds(60)
    /// The most peers remembered, and the most of them that one neighbour may have named.
    static let maximumPeers = 512
    static let maximumPeersPerSource = 32
    static let maximumPeersPerPacket = 8
    static let maximumAddresses = 16
    /// Packets a second that are looked at on a link, and how many may come at once.
    static let packetRate = 100.0
    static let packetBurst = 400.0

    let peer: PeerID
    /// `_p2p._udp.local`, or the private network's own.
    package let service: DNSName
    /// Our instance of the service: a random label, since a PeerID can be longer than a label and says who we are.
    package let instance: DNSName
    let host: DNSName
    var presences: [Int: Presence] = [:]
    var sightings: [SightingKey: Sighting] = [:]
    var perSource: [IPAddress: Int] = [:]
    private var timers = Timers<Alarm>()
    private var generator: SeededGenerator

    /// A core for `peer`; `fingerprint` names the private network in hexadecimal digits, 32 of them.
    ///
    /// Throws when the fingerprint makes no label.
    package init(peer: PeerID, fingerprint: String? = nil, seed: UInt64) throws(DNSError) {
        self.peer = peer
        generator = SeededGenerator(seed: seed)
        let local = try DNSName("local")
        service = try local.below("_udp").below(fingerprint.map { "_p2p-\($0)" } ?? "_p2p")
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        var label = ""
        for _ in 0..<40 { label.append(letters[Int.random(in: 0..<letters.count, using: &generator)]) }
        instance = try service.below(label)
        host = try local.below(label)
    }

    package var deadline: Instant? { timers.next }

    /// How many peers are known now, each once a link.
    package var knownPeers: Int { sightings.count }

    /// The ids of the links that are in use, in order.
    package var activeLinks: [Int] { presences.keys.sorted() }

    /// Which of our `addresses` may be told on `link`: those of this interface, neither loopback nor relayed, and
    /// none that needs a zone.
    package static func announced(_ addresses: [Multiaddr], on link: Link) -> [Multiaddr] {
        var seen: Set<Multiaddr> = []
        return addresses.map(\.withoutPeerID).filter { address in
            isUseful(address) && IPAddress(address).map { link.addresses.contains($0) } ?? false
                && seen.insert(address).inserted
        }
    }

    /// Whether a neighbour can dial it without more than it says.
    static func isUseful(_ address: Multiaddr) -> Bool {
        guard let ip = address.ipAddress, !address.isRelayed, !address.isLoopback, !address.isUnspecified else {
            return false
        }
        return (address.isPrivate || address.isPublic) && !(ip.count == 16 && ip[0] == 0xfe)
    }

    package mutating func handle(_ input: consuming Input, now: Instant, into effects: inout [Effect]) {
        switch input {
        case .network(let links, let addresses): setNetwork(links, addresses, now: now)
        case .packet(let bytes, let link, let source):
            guard presences[link]?.budget.take(now: now) == true, let message = try? DNSMessage(decoding: bytes),
                message.isOrdinary
            else { return }
            if message.isResponse {
                hear(message, on: link, from: source, now: now, into: &effects)
            } else {
                consider(message, on: link, now: now)
            }
        case .stop:
            for id in activeLinks where presences[id]?.lastAnswer != nil {
                effects.append(.send(goodbye.encoded, link: id))
            }
            presences = [:]
            sightings = [:]
            perSource = [:]
            timers.removeAll()
        }
    }

    package mutating func tick(now: Instant, into effects: inout [Effect]) {
        while let alarm = timers.popDue(now) {
            switch alarm {
            case .ask(let id):
                guard let presence = presences[id] else { continue }
                effects.append(.send(question(on: id, now: now).encoded, link: id))
                presences[id]?.interval = min(presence.interval * 2, Self.longestInterval)
                timers.set(.ask(id), at: now + presence.interval + jitter(0..<50))
            case .answer(let id): sendAnswer(on: id, now: now, into: &effects)
            case .expire(let key): forget(key)
            }
        }
    }

    /// A short random wait in milliseconds, so that not everyone speaks at once.
    private mutating func jitter(_ range: Range<Int64>) -> Duration {
        .milliseconds(Int64.random(in: range, using: &generator))
    }

    // MARK: Links

    private mutating func setNetwork(_ links: [Link], _ addresses: [Multiaddr], now: Instant) {
        var before = presences
        for link in links {
            let announced = Self.announced(addresses, on: link)
            guard !announced.isEmpty else { continue }
            let old = before.removeValue(forKey: link.id)
            if old?.announced == announced, old?.link == link { continue }
            // New here, or somebody else than before: as if it started.
            presences[link.id] = Presence(
                link: link, announced: announced,
                budget: old?.budget ?? TokenBucket(rate: Self.packetRate, burst: Self.packetBurst, now: now))
            presences[link.id]?.lastAnswer = old?.lastAnswer
            timers.set(.ask(link.id), at: now + jitter(20..<120))
            want([DNSMessage.ptr], on: link.id, now: now)
        }
        for id in before.keys.sorted() {
            presences[id] = nil
            timers.cancel(.ask(id))
            timers.cancel(.answer(id))
            for key in sightings.keys where key.link == id { forget(key) }
        }
    }

    // MARK: Answering

    /// Notes what a question wants of us.
    private mutating func consider(_ message: DNSMessage, on id: Int, now: Instant) {
        var wanted: Set<UInt16> = []
        for question in message.questions where question.recordClass == 1 || question.recordClass == 255 {
            wanted.formUnion(records(for: question))
            if question.name == Self.types, question.type == DNSMessage.ptr { presences[id]?.asksForTypes = true }
        }
        let isKnown = message.answers.contains { record in
            // Whoever knows us for half of our time needs no answer (RFC 6762, section 7.1).
            record.data == .ptr(instance) && record.name == service && record.timeToLive >= Self.timeToLive / 2
        }
        if isKnown { wanted.remove(DNSMessage.ptr) }
        if !wanted.isEmpty || presences[id]?.asksForTypes == true { want(wanted, on: id, now: now) }
    }

    private mutating func want(_ types: Set<UInt16>, on id: Int, now: Instant) {
        presences[id]?.wanted.formUnion(types)
        let earliest = presences[id]?.lastAnswer.map { $0 + Self.answerPause } ?? .zero
        timers.setEarlier(.answer(id), at: max(now + jitter(20..<120), earliest))
    }

    private mutating func sendAnswer(on id: Int, now: Instant, into effects: inout [Effect]) {
        guard let presence = presences[id], let answer = answer(presence) else { return }
        effects.append(.send(answer.encoded, link: id))
        presences[id]?.wanted = []
        presences[id]?.asksForTypes = false
        presences[id]?.lastAnswer = now
        guard presence.announcements > 0 else { return }
        presences[id]?.announcements -= 1
        if presence.announcements > 1 { want([DNSMessage.ptr], on: id, now: now) }
    }

    // MARK: Hearing

    private mutating func hear(
        _ message: DNSMessage, on link: Int, from source: IPAddress, now: Instant, into effects: inout [Effect]
    ) {
        for name in goodbyes(in: message) {
            for key in sightings.keys where key.link == link && sightings[key]?.instance == name { forget(key) }
        }
        for told in peers(in: message) {
            let key = SightingKey(peer: told.peer, link: link)
            guard told.timeToLive > 0 else {
                forget(key)
                continue
            }
            let expires = now + .seconds(Int64(min(told.timeToLive, 3600)))
            if var known = sightings[key] {
                let hasChanged = known.addresses != told.addresses
                known.expires = expires
                known.instance = told.instance
                known.addresses = told.addresses
                if hasChanged || now - known.told >= Self.tellAgain {
                    known.told = now
                    effects.append(.found(told.peer, told.addresses))
                }
                sightings[key] = known
            } else {
                guard sightings.count < Self.maximumPeers,
                    perSource[source, default: 0] < Self.maximumPeersPerSource
                else { continue }
                perSource[source, default: 0] += 1
                sightings[key] = Sighting(
                    instance: told.instance, addresses: told.addresses, source: source, expires: expires, told: now)
                effects.append(.found(told.peer, told.addresses))
            }
            timers.set(.expire(key), at: expires)
        }
    }

    private mutating func forget(_ key: SightingKey) {
        guard let sighting = sightings.removeValue(forKey: key) else { return }
        timers.cancel(.expire(key))
        let left = perSource[sighting.source, default: 1] - 1
        perSource[sighting.source] = left > 0 ? left : nil
    }
}
