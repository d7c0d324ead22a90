/// What a peer said it has already: for a few heartbeats, and no more than so many.
struct UnwantedMessages: Sendable {
    private var ids: Set<MessageID> = []
    private var queue = Queue<(id: MessageID, tick: UInt64)>()

    var count: Int { ids.count }

    func contains(_ id: MessageID) -> Bool { !ids.isEmpty && ids.contains(id) }

    /// Returns whether there was room.
    @discardableResult
    mutating func insert(_ id: MessageID, until tick: UInt64, capacity: Int) -> Bool {
        guard ids.count < capacity else { return false }
        if ids.insert(id).inserted { queue.append((id, tick)) }
        return true
    }

    mutating func expire(tick: UInt64) {
        while let first = queue.first, first.tick <= tick {
            queue.popFirst()
            ids.remove(first.id)
        }
    }
}
