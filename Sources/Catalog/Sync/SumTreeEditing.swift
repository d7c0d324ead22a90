extension SumTree {
    /// Adds a key; returns whether it was missing.
    @discardableResult
    package mutating func insert(_ key: UpdateKey) -> Bool {
        var sibling: Child?
        guard insert(key, at: root, level: height, isLast: true, &sibling) else { return false }
        totals.add(key)
        if let sibling {
            let low = height == 0 ? leaves[root].first : branches[root].first?.low
            let left = Child(low: low ?? .first, totals: totals - sibling.totals, index: root)
            root = place([left, sibling])
            height += 1
        }
        return true
    }

    /// Adds a key below the node `index`; `sibling` is the node that had to be put behind it.
    private mutating func insert(
        _ key: UpdateKey, at index: Int, level: Int, isLast: Bool, _ sibling: inout Child?
    ) -> Bool {
        guard level > 0 else { return insert(key, atLeaf: index, isLast: isLast, &sibling) }
        let slot = SumTree.slot(of: key, in: branches[index])
        let child = branches[index][slot].index
        var split: Child?
        let isLastChild = isLast && slot == branches[index].count - 1
        guard insert(key, at: child, level: level - 1, isLast: isLastChild, &split) else { return false }
        branches[index][slot].totals.add(key)
        if key < branches[index][slot].low { branches[index][slot].low = key }
        guard let split else { return true }
        branches[index][slot].totals = branches[index][slot].totals - split.totals
        guard branches[index].count == SumTree.branchCapacity else {
            branches[index].insert(split, at: slot + 1)
            return true
        }
        var right: [Child]
        if isLastChild {
            right = [split]
        } else {
            let half = SumTree.branchCapacity / 2
            right = Array(branches[index][half...])
            branches[index].removeSubrange(half...)
            if slot < half {
                branches[index].insert(split, at: slot + 1)
            } else {
                right.insert(split, at: slot + 1 - half)
            }
        }
        sibling = Child(low: right[0].low, totals: SumTree.totals(of: right), index: place(right))
        return true
    }

    private mutating func insert(_ key: UpdateKey, atLeaf index: Int, isLast: Bool, _ sibling: inout Child?) -> Bool {
        let size = leaves[index].count
        let position = SumTree.position(of: key, in: leaves[index])
        if position < size, leaves[index][position] == key { return false }
        guard size == SumTree.leafCapacity else {
            makeRoom(index, size)
            leaves[index].insert(key, at: position)
            return true
        }
        var right: [UpdateKey]
        if isLast, position == size {
            // Keys mostly come in order: what is behind them all starts a new leaf, and full ones stay full. Only
            // there, or a stranger who picks his times could fill the memory with leaves of one key each.
            right = [key]
        } else {
            let half = SumTree.leafCapacity / 2
            right = Array(leaves[index][half...])
            leaves[index].removeSubrange(half...)
            if position <= half {
                leaves[index].insert(key, at: position)
            } else {
                right.insert(key, at: position - half)
            }
        }
        sibling = Child(low: right[0], totals: Totals(right[...]), index: place(right))
        return true
    }

    /// Grows a leaf by steps, and never beyond what it can hold.
    private mutating func makeRoom(_ index: Int, _ size: Int) {
        guard size == leaves[index].capacity else { return }
        leaves[index].reserveCapacity(min(SumTree.leafCapacity, max(8, size + max(size / 2, 16))))
    }

    private mutating func place(_ keys: [UpdateKey]) -> Int {
        if let free = freeLeaves.popLast() {
            leaves[free] = keys
            return free
        }
        leaves.append(keys)
        return leaves.count - 1
    }

    private mutating func place(_ children: [Child]) -> Int {
        if let free = freeBranches.popLast() {
            branches[free] = children
            return free
        }
        branches.append(children)
        return branches.count - 1
    }

    private static func totals(of children: [Child]) -> Totals {
        children.reduce(Totals()) { $0 + $1.totals }
    }
}

// MARK: Removing

extension SumTree {
    /// Takes a key out; returns whether it was there.
    @discardableResult
    package mutating func remove(_ key: UpdateKey) -> Bool {
        guard remove(key, at: root, level: height) else { return false }
        totals.remove(key)
        while height > 0, branches[root].count == 1 {
            let only = branches[root][0].index
            branches[root] = []
            freeBranches.append(root)
            root = only
            height -= 1
        }
        return true
    }

    private mutating func remove(_ key: UpdateKey, at index: Int, level: Int) -> Bool {
        if level == 0 {
            let position = SumTree.position(of: key, in: leaves[index])
            guard position < leaves[index].count, leaves[index][position] == key else { return false }
            leaves[index].remove(at: position)
            return true
        }
        let slot = SumTree.slot(of: key, in: branches[index])
        guard remove(key, at: branches[index][slot].index, level: level - 1) else { return false }
        branches[index][slot].totals.remove(key)
        mend(index, slot, level - 1)
        return true
    }

    /// Joins a child that has become small with a neighbour, if one has room; one that is empty always goes.
    private mutating func mend(_ index: Int, _ slot: Int, _ level: Int) {
        let capacity = level == 0 ? SumTree.leafCapacity : SumTree.branchCapacity
        let size = self.size(of: branches[index][slot].index, level)
        guard size < capacity / 4, branches[index].count > 1 else { return }
        for left in [slot, slot - 1] where left >= 0 && left + 1 < branches[index].count {
            let (one, other) = (branches[index][left], branches[index][left + 1])
            let joined = self.size(of: one.index, level) + self.size(of: other.index, level)
            guard joined <= capacity * 3 / 4 || size == 0 else { continue }
            if level == 0 {
                leaves[one.index] += leaves[other.index]
                leaves[other.index] = []
                freeLeaves.append(other.index)
            } else {
                branches[one.index] += branches[other.index]
                branches[other.index] = []
                freeBranches.append(other.index)
            }
            branches[index][left].totals = one.totals + other.totals
            branches[index].remove(at: left + 1)
            return
        }
    }

    private func size(of index: Int, _ level: Int) -> Int {
        level == 0 ? leaves[index].count : branches[index].count
    }
}
