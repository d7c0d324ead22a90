import SansIO

/// What peers told of and were asked for, and whether it came.
///
/// One id of each request is watched, chosen by chance: a peer cannot know which it may leave out.
struct Promises: Sendable {
    private let followUp: Duration
    /// How many open promises there are of an id.
    private var open: [MessageID: Int] = [:]
    private var queue = Queue<(id: MessageID, peer: PeerReference, deadline: Instant)>()

    init(followUp: Duration) { self.followUp = followUp }

    var count: Int { queue.count }

    mutating func add(_ id: MessageID, by peer: PeerReference, now: Instant) {
        open[id, default: 0] += 1
        queue.append((id, peer, now + followUp))
    }

    /// The message came, from whomever.
    mutating func fulfil(_ id: MessageID) {
        if !open.isEmpty { open[id] = nil }
    }

    /// The next peer whose promise was not kept until `now`; nil when there is none.
    mutating func broken(now: Instant) -> PeerReference? {
        while let first = queue.first, first.deadline <= now {
            queue.popFirst()
            guard let count = open[first.id] else { continue }
            open[first.id] = count > 1 ? count - 1 : nil
            return first.peer
        }
        return nil
    }
}
