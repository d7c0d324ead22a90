import Multiformats
import SansIO

/// What each peer's conduct is worth: P1 to P7 of the specification.
///
/// Peers are known by their slots while they are connected; what is bad about them is kept for a while after that,
/// so that nobody gets a new start by coming back.
struct PeerScore: Sendable {
    /// Conduct in one topic.
    struct TopicStats: Sendable {
        var inMesh = false
        var graftedAt = Instant.zero
        var secondsInMesh = 0.0
        var firstDeliveries = 0.0
        /// When it was last the first to bring something.
        var lastFirst: Instant?
        /// Whether it left the mesh for being idle and has brought nothing since.
        var wasIdle = false
        var meshDeliveries = 0.0
        /// Whether it has been in the mesh for long enough that missing deliveries count.
        var isActive = false
        var failures = 0.0
        var invalid = 0.0
    }

    struct PeerStats: Sendable {
        var topics: [TopicStats] = []
        var application = 0.0
        var behaviour = 0.0
        var group: UInt64?
    }

    let parameters: ScoreParameters
    /// The rules of the topics that count, by their number here.
    private(set) var topics: [TopicScoreParameters] = []
    /// The topics' own deliveries and idle peers, both fading.
    private var activity: [(deliveries: Double, idle: Double)] = []
    private(set) var stats: [PeerStats] = []
    private var groups: [UInt64: Int] = [:]
    private var retained: ExpiringMap<PeerID, PeerStats>

    init(_ parameters: ScoreParameters) {
        self.parameters = parameters
        retained = ExpiringMap(capacity: Swift.max(1, parameters.retained), lifetime: parameters.retention)
    }

    /// A number for a topic whose conduct counts.
    mutating func addTopic(_ parameters: TopicScoreParameters) -> Int {
        topics.append(parameters)
        activity.append((0, 0))
        for slot in stats.indices { stats[slot].topics.append(TopicStats()) }
        return topics.count - 1
    }

    // MARK: Connections

    mutating func connected(_ slot: Int, _ peer: PeerID, group: UInt64?, now: Instant) {
        while stats.count <= slot { stats.append(PeerStats()) }
        stats[slot] = retained.value(of: peer, now: now) ?? PeerStats()
        retained.remove(peer)
        while stats[slot].topics.count < topics.count { stats[slot].topics.append(TopicStats()) }
        stats[slot].group = nil
        setGroup(group, of: slot)
    }

    /// The address that a peer comes from may change.
    mutating func setGroup(_ group: UInt64?, of slot: Int) {
        guard stats[slot].group != group else { return }
        leaveGroup(slot)
        stats[slot].group = group
        if let group { groups[group, default: 0] += 1 }
    }

    private mutating func leaveGroup(_ slot: Int) {
        guard let group = stats[slot].group, let count = groups[group] else { return }
        groups[group] = count > 1 ? count - 1 : nil
        stats[slot].group = nil
    }

    mutating func disconnected(_ slot: Int, _ peer: PeerID, now: Instant) {
        for topic in topics.indices where stats[slot].topics[topic].inMesh { pruned(slot, topic: topic) }
        let score = score(of: slot)
        leaveGroup(slot)
        if score < 0 {
            for topic in topics.indices {
                stats[slot].topics[topic].firstDeliveries = 0
                stats[slot].topics[topic].lastFirst = nil
            }
            retained.set(peer, stats[slot], now: now)
        }
        stats[slot] = PeerStats()
    }

    // MARK: The mesh

    mutating func grafted(_ slot: Int, topic: Int, now: Instant) {
        stats[slot].topics[topic].inMesh = true
        stats[slot].topics[topic].graftedAt = now
        stats[slot].topics[topic].secondsInMesh = 0
        stats[slot].topics[topic].isActive = false
    }

    mutating func pruned(_ slot: Int, topic: Int) {
        let deficit = deficit(stats[slot].topics[topic], topics[topic])
        stats[slot].topics[topic].failures += deficit * deficit
        stats[slot].topics[topic].inMesh = false
        stats[slot].topics[topic].isActive = false
    }

    // MARK: Idle peers

    /// What is left of an idle peer after a second: half after ten minutes.
    private static let idleDecay = 0.998_845

    /// Whether a mesh peer brings next to nothing of what others bring.
    func isIdle(_ slot: Int, topic: Int, now: Instant) -> Bool {
        let rules = topics[topic]
        let peer = stats[slot].topics[topic]
        guard rules.idleShare > 0, peer.inMesh, activity[topic].deliveries >= rules.idleFloor,
            now - peer.graftedAt >= rules.idleActivation
        else { return false }
        return peer.meshDeliveries < min(rules.idleShare * activity[topic].deliveries, rules.meshDeliveriesCap / 2)
    }

    /// An idle peer leaves the mesh: what it once earned no longer speaks for it.
    mutating func droppedIdle(_ slot: Int, topic: Int) {
        stats[slot].topics[topic].firstDeliveries = 0
        stats[slot].topics[topic].lastFirst = nil
        stats[slot].topics[topic].wasIdle = true
        activity[topic].idle += 1
    }

    /// Whether so many were idle of late that strangers are not welcome.
    func isWary(topic: Int) -> Bool { countsIdle(topic: topic) && activity[topic].idle >= topics[topic].idleAlarm }

    /// Whether anybody can be idle in the topic.
    func countsIdle(topic: Int) -> Bool { topics[topic].idleShare > 0 }

    /// Whether the peer left the mesh for being idle and has brought nothing since.
    func wasIdle(_ slot: Int, topic: Int) -> Bool { stats[slot].topics[topic].wasIdle }

    /// Whether the peer has brought anything new of late. What it earned lasts for longer, but a peer that turned silent
    /// must not live on it.
    func isUseful(_ slot: Int, topic: Int, now: Instant) -> Bool {
        guard let last = stats[slot].topics[topic].lastFirst else { return false }
        return now - last <= topics[topic].usefulness
    }

    // MARK: Messages

    /// A message was accepted, whoever brought it.
    mutating func delivered(topic: Int) { activity[topic].deliveries += 1 }

    /// The peer was the first to bring a message that is valid.
    mutating func deliveredFirst(_ slot: Int, topic: Int, now: Instant) {
        let rules = topics[topic]
        let first = stats[slot].topics[topic].firstDeliveries
        stats[slot].topics[topic].firstDeliveries = min(first + 1, rules.firstDeliveriesCap)
        stats[slot].topics[topic].lastFirst = now
        stats[slot].topics[topic].wasIdle = false
        deliveredInMesh(slot, topic: topic)
    }

    /// A mesh peer brought a valid message soon enough.
    mutating func deliveredInMesh(_ slot: Int, topic: Int) {
        guard stats[slot].topics[topic].inMesh else { return }
        let count = stats[slot].topics[topic].meshDeliveries
        stats[slot].topics[topic].meshDeliveries = min(count + 1, topics[topic].meshDeliveriesCap)
    }

    mutating func deliveredInvalid(_ slot: Int, topic: Int) { stats[slot].topics[topic].invalid += 1 }

    /// The same of a peer that left before its message was looked at.
    mutating func deliveredInvalid(_ peer: PeerID, topic: Int, now: Instant) {
        var past = retained.value(of: peer, now: now) ?? PeerStats()
        while past.topics.count < topics.count { past.topics.append(TopicStats()) }
        past.topics[topic].invalid += 1
        retained.set(peer, past, now: now)
    }

    mutating func penalise(_ slot: Int, _ misdeeds: Double) { stats[slot].behaviour += misdeeds }

    mutating func setApplication(_ slot: Int, _ score: Double) {
        stats[slot].application = score.isFinite ? score : 0
    }

    // MARK: Time

    /// A second has passed: everything fades, and time in the mesh counts.
    mutating func decay(now: Instant) {
        retained.expire(now: now)
        let zero = parameters.decayToZero
        func fade(_ value: inout Double, _ factor: Double) {
            guard value != 0 else { return }
            value *= factor
            if value < zero { value = 0 }
        }
        for topic in topics.indices {
            fade(&activity[topic].deliveries, topics[topic].meshDeliveriesDecay)
            fade(&activity[topic].idle, Self.idleDecay)
        }
        for slot in stats.indices {
            fade(&stats[slot].behaviour, parameters.behaviourDecay)
            for topic in stats[slot].topics.indices {
                let rules = topics[topic]
                fade(&stats[slot].topics[topic].firstDeliveries, rules.firstDeliveriesDecay)
                fade(&stats[slot].topics[topic].meshDeliveries, rules.meshDeliveriesDecay)
                fade(&stats[slot].topics[topic].failures, rules.failureDecay)
                fade(&stats[slot].topics[topic].invalid, rules.invalidDecay)
                guard stats[slot].topics[topic].inMesh else { continue }
                let time = now - stats[slot].topics[topic].graftedAt
                stats[slot].topics[topic].secondsInMesh = time.inSeconds
                if time > rules.meshDeliveriesActivation { stats[slot].topics[topic].isActive = true }
            }
        }
    }

    // MARK: The score

    func score(of slot: Int) -> Double {
        let peer = stats[slot]
        var sum = 0.0
        for (topic, rules) in zip(peer.topics, topics) { sum += rules.weight * score(topic, rules) }
        sum = min(sum, parameters.topicCap)
        sum += parameters.applicationWeight * peer.application
        if parameters.colocationWeight != 0, let group = peer.group {
            let surplus = Double((groups[group] ?? 0) - parameters.colocationThreshold)
            if surplus > 0 { sum += parameters.colocationWeight * surplus * surplus }
        }
        let excess = peer.behaviour - parameters.behaviourThreshold
        if excess > 0 { sum += parameters.behaviourWeight * excess * excess }
        return sum
    }

    private func score(_ topic: TopicStats, _ rules: TopicScoreParameters) -> Double {
        var sum =
            rules.firstDeliveriesWeight * topic.firstDeliveries + rules.failureWeight * topic.failures
            + rules.invalidWeight * topic.invalid * topic.invalid
        if topic.inMesh {
            sum += rules.timeInMeshWeight * min(topic.secondsInMesh / rules.timeInMeshQuantum, rules.timeInMeshCap)
        }
        let deficit = deficit(topic, rules)
        if deficit > 0 { sum += rules.meshDeliveriesWeight * deficit * deficit }
        return sum
    }

    /// Mesh deliveries missing to the threshold; 0 while they do not count.
    private func deficit(_ topic: TopicStats, _ rules: TopicScoreParameters) -> Double {
        guard topic.isActive, rules.meshDeliveriesWeight != 0 else { return 0 }
        return max(0, rules.meshDeliveriesThreshold - topic.meshDeliveries)
    }
}
