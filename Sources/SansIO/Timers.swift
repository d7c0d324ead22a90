/// A core's pending deadlines by key: at most one for a key, the earliest at hand.
///
/// Setting, moving and cancelling cost O(log n). Deadlines at the same instant fire in the order in which
/// they were set, so that a run can be repeated exactly. `next` is what a core answers as its `deadline`.
///
/// `public`, unlike the rest of the house, because only so do other modules get it specialised.
public struct Timers<Key: Hashable & Sendable>: Sendable {
    @usableFromInline struct Entry: Sendable {
        @usableFromInline var deadline: Instant
        @usableFromInline var sequence: UInt64
        @usableFromInline var key: Key

        @inlinable
        init(deadline: Instant, sequence: UInt64, key: Key) {
            self.deadline = deadline
            self.sequence = sequence
            self.key = key
        }

        @inlinable
        static func < (left: Entry, right: Entry) -> Bool {
            left.deadline == right.deadline ? left.sequence < right.sequence : left.deadline < right.deadline
        }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var positions: [Key: Int] = [:]
    @usableFromInline var sequence: UInt64 = 0

    /// Timers of which none is set.
    @inlinable public init() {}

    /// How many are set.
    @inlinable public var count: Int { heap.count }
    /// Whether none is set.
    @inlinable public var isEmpty: Bool { heap.isEmpty }

    /// The earliest deadline; `nil` when nothing is pending.
    @inlinable public var next: Instant? { heap.first?.deadline }

    /// When `key` fires; `nil` when it is not set.
    @inlinable public func deadline(of key: Key) -> Instant? { positions[key].map { heap[$0].deadline } }

    /// Sets the deadline of `key`, in place of one that it had.
    @inlinable public mutating func set(_ key: Key, at deadline: Instant) {
        sequence &+= 1
        let entry = Entry(deadline: deadline, sequence: sequence, key: key)
        if let position = positions[key] {
            heap[position] = entry
            settle(position)
        } else {
            heap.append(entry)
            positions[key] = heap.count - 1
            rise(heap.count - 1)
        }
    }

    /// Sets the deadline of `key` unless it fires earlier already.
    @inlinable public mutating func setEarlier(_ key: Key, at deadline: Instant) {
        if let current = self.deadline(of: key), current <= deadline { return }
        set(key, at: deadline)
    }

    /// Forgets `key`; returns whether it was set.
    @discardableResult
    @inlinable public mutating func cancel(_ key: Key) -> Bool {
        guard let position = positions.removeValue(forKey: key) else { return false }
        let last = heap.removeLast()
        if position < heap.count {
            heap[position] = last
            positions[last.key] = position
            settle(position)
        }
        return true
    }

    /// Removes and returns the earliest key that is due at `now`; call it until it gives `nil`.
    @inlinable public mutating func popDue(_ now: Instant) -> Key? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        cancel(first.key)
        return first.key
    }

    /// Forgets all of them.
    @inlinable public mutating func removeAll() {
        heap = []
        positions = [:]
    }

    @inlinable mutating func settle(_ position: Int) {
        if position > 0, heap[position] < heap[(position - 1) / 2] { rise(position) } else { sink(position) }
    }

    @inlinable mutating func rise(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child] < heap[parent] else { return }
            exchange(child, parent)
            child = parent
        }
    }

    @inlinable mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, heap[left] < heap[least] { least = left }
            if left + 1 < heap.count, heap[left + 1] < heap[least] { least = left + 1 }
            guard least != parent else { return }
            exchange(parent, least)
            parent = least
        }
    }

    @inlinable mutating func exchange(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        positions[heap[one].key] = one
        positions[heap[other].key] = other
    }
}
