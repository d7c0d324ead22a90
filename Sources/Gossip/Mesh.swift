import SansIO

/// One topic: who is in it, and whom we exchange its messages with.
struct Mesh: Sendable {
    let topic: Topic
    let settings: TopicSettings
    /// Its number among the topics whose conduct counts; only one that we were in has one.
    var scored: Int?
    var isSubscribed = false
    /// All connected peers that are in the topic.
    var members = PeerSet()
    /// Members that get every message whatever the mesh is: floodsub peers and direct ones.
    var eager = PeerSet()
    /// The mesh itself; empty while we are not in the topic.
    var peers = PeerSet()
    /// Whom own messages go to while we are not in the topic.
    var fanout = PeerSet()
    var lastPublished: Instant?
    var backoffs: Backoffs

    init(_ topic: Topic, _ settings: TopicSettings, backoffs: Int) {
        self.topic = topic
        self.settings = settings
        self.backoffs = Backoffs(capacity: backoffs)
    }

    /// Whether nothing is lost when it is forgotten.
    var isIdle: Bool { !isSubscribed && members.isEmpty && fanout.isEmpty && backoffs.isEmpty }
}

extension Mesh {
    /// What the choice among too many peers depends on.
    struct Candidate: Sendable {
        let slot: Int
        let score: Double
        let isOutbound: Bool
    }

    /// Which peers leave a mesh that has too many: the best by score stay, the others by lot, but so that enough
    /// stay that we dialled ourselves.
    static func excess(
        _ candidates: [Candidate], _ configuration: GossipConfiguration, _ luck: inout SeededGenerator
    ) -> [Int] {
        let degree = configuration.degree
        guard candidates.count > degree else { return [] }
        // Shuffled first, so that equal scores are in no order that anybody chose.
        var order = candidates.shuffled(using: &luck)
        order.sort { $0.score > $1.score }
        let best = min(configuration.degreeScore, order.count)
        order[best...].shuffle(using: &luck)
        let outbound = order[..<degree].count(where: \.isOutbound)
        var missing = configuration.degreeOutbound - outbound
        if missing > 0 {
            // Those by lot make room from the last on, except for outbound ones.
            var place = degree - 1
            for index in degree..<order.count where missing > 0 && order[index].isOutbound {
                while place > 0, order[place].isOutbound { place -= 1 }
                order.swapAt(index, place)
                missing -= 1
                place -= 1
                if place < 0 { break }
            }
        }
        return order[degree...].map(\.slot)
    }
}
