package import SansIO

/// What will happen, by virtual time; what happens at the same instant happens in the order of its scheduling.
package struct EventQueue<Event> {
    private struct Entry: Comparable {
        let time: Instant
        let sequence: UInt64
        let event: Event

        static func == (left: Entry, right: Entry) -> Bool { left.sequence == right.sequence }
        static func < (left: Entry, right: Entry) -> Bool {
            left.time == right.time ? left.sequence < right.sequence : left.time < right.time
        }
    }

    private var heap = Heap<Entry>()
    private var sequence: UInt64 = 0
    /// The instant of the last event taken.
    package private(set) var now = Instant.zero

    package init() {}

    package var count: Int { heap.count }

    /// When the next event happens.
    package var next: Instant? { heap.first?.time }

    /// Lets `event` happen at `time`, or now if that is past.
    package mutating func schedule(_ event: Event, at time: Instant) {
        sequence += 1
        heap.push(Entry(time: max(time, now), sequence: sequence, event: event))
    }

    /// Takes the next event and moves time to it.
    package mutating func pop() -> Event? {
        guard let entry = heap.pop() else { return nil }
        now = entry.time
        return entry.event
    }
}
