import SansIO

/// A bounded set of items from many sources in which no source can take the others' room.
///
/// When it is full, the source with the most items gives up its oldest; a newcomer who has as many as anybody
/// else replaces an item of its own. So a flood from one source only pushes out itself.
struct FairRoom<ID: Hashable & Sendable>: Sendable {
    private struct Place: Sendable {
        var source: IPGroup
        var sequence: UInt64
    }

    private struct Source: Sendable {
        /// Oldest first from `head` on; items that left or were renewed are still in it, with an old sequence.
        var queue: [(sequence: UInt64, id: ID)] = []
        var head = 0
        var count = 0
    }

    let capacity: Int
    private var places: [ID: Place] = [:]
    private var sources: [IPGroup: Source] = [:]
    /// The source with the most items fires first.
    private var ranks = Timers<IPGroup>()
    private var sequence: UInt64 = 0

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { places.count }

    /// Takes `id`, new or renewed. The result names what has to leave for it: `id` itself when there is no room.
    mutating func insert(_ id: ID, source: IPGroup) -> ID? {
        var victim: ID?
        if places[id] == nil, places.count >= capacity {
            guard let candidate = self.victim(for: source) else { return id }
            victim = candidate
            remove(candidate)
        }
        remove(id)
        sequence &+= 1
        places[id] = Place(source: source, sequence: sequence)
        sources[source, default: Source()].queue.append((sequence, id))
        changeCount(of: source, by: 1)
        return victim
    }

    mutating func remove(_ id: ID) {
        guard let place = places.removeValue(forKey: id) else { return }
        changeCount(of: place.source, by: -1)
    }

    private mutating func victim(for newcomer: IPGroup) -> ID? {
        guard let largest = ranks.popDue(.distantFuture) else { return nil }
        let most = sources[largest]?.count ?? 0
        rank(largest, most)
        let own = sources[newcomer]?.count ?? 0
        if most > own { return oldest(of: largest) }
        return own > 0 ? oldest(of: newcomer) : nil
    }

    private mutating func oldest(of source: IPGroup) -> ID? {
        while let first = sources[source].flatMap({ $0.head < $0.queue.count ? $0.queue[$0.head] : nil }) {
            if places[first.id]?.sequence == first.sequence { return first.id }
            sources[source]?.head += 1
        }
        return nil
    }

    private mutating func changeCount(of source: IPGroup, by change: Int) {
        guard var state = sources.removeValue(forKey: source) else { return }
        state.count += change
        guard state.count > 0 else {
            ranks.cancel(source)
            return
        }
        if state.queue.count > 2 * state.count + 16 {
            state.queue.removeAll { places[$0.id]?.sequence != $0.sequence }
            state.head = 0
        }
        let count = state.count
        sources[source] = state
        rank(source, count)
    }

    private mutating func rank(_ source: IPGroup, _ count: Int) {
        ranks.set(source, at: Instant(nanoseconds: .max - UInt64(count)))
    }
}
