import Synchronization

/// A number of bytes that many share: taken before memory is promised, given back after.
package final class MemoryBudget: Sendable {
    package let limit: Int
    private let parent: MemoryBudget?
    private let used = Atomic<Int>(0)

    /// A budget of `limit` bytes; what is taken from it is taken from `parent` too.
    package init(limit: Int, within parent: MemoryBudget? = nil) {
        self.limit = limit
        self.parent = parent
    }

    /// The bytes that are taken now.
    package var taken: Int { used.load(ordering: .relaxed) }

    /// Takes `bytes`; `false`, and nothing taken, when they do not fit.
    package func take(_ bytes: Int) -> Bool {
        let after = used.add(bytes, ordering: .relaxed).newValue
        if after <= limit, parent?.take(bytes) ?? true { return true }
        used.subtract(bytes, ordering: .relaxed)
        return false
    }

    /// Gives back what was taken.
    package func give(_ bytes: Int) {
        used.subtract(bytes, ordering: .relaxed)
        parent?.give(bytes)
    }
}
