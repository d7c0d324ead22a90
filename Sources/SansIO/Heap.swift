/// A binary heap whose smallest element comes out first: the one queue by rank that all cores share.
///
/// Push and pop cost O(log n), `first` O(1). Elements that compare equal come out in no particular order;
/// give them a sequence number where the order must not depend on history.
///
/// `public`, unlike the rest of the house, because only so do other modules get it specialised.
public struct Heap<Element: Comparable> {
    @usableFromInline var elements: [Element] = []

    /// An empty heap.
    @inlinable public init() {}

    /// How many elements there are.
    @inlinable public var count: Int { elements.count }
    /// Whether there is none.
    @inlinable public var isEmpty: Bool { elements.isEmpty }

    /// The smallest element.
    @inlinable public var first: Element? { elements.first }

    /// Every element, in no particular but a reproducible order.
    @inlinable public var unordered: [Element] { elements }

    /// Adds an element.
    @inlinable public mutating func push(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard elements[child] < elements[parent] else { break }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    /// Removes the smallest element.
    @discardableResult
    @inlinable public mutating func pop() -> Element? {
        guard let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return last }
        let smallest = elements[0]
        elements[0] = last
        sink(from: 0)
        return smallest
    }

    /// Drops what `isStale` says, in O(n); for heaps whose elements are deleted lazily.
    @inlinable public mutating func removeAll(where isStale: (Element) -> Bool) {
        elements.removeAll(where: isStale)
        guard elements.count > 1 else { return }
        for index in stride(from: elements.count / 2 - 1, through: 0, by: -1) { sink(from: index) }
    }

    /// Removes all elements.
    @inlinable public mutating func removeAll() { elements = [] }

    @inlinable mutating func sink(from start: Int) {
        var parent = start
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < elements.count, elements[left] < elements[least] { least = left }
            if left + 1 < elements.count, elements[left + 1] < elements[least] { least = left + 1 }
            guard least != parent else { return }
            elements.swapAt(parent, least)
            parent = least
        }
    }
}

extension Heap: Sendable where Element: Sendable {}
