package import Multiformats
import SansIO

/// What one peer wants from us: CID -> priority, type and how far the answer is.
///
/// Bounded: when it is full, the want of lowest priority, the newest among equals, makes room, or is not
/// taken at all when it is the new one. A want for the block replaces one for HAVE, never the reverse.
package struct WantList: Sendable {
    package enum State: Hashable, Sendable {
        /// Its size has to be looked up.
        case fresh
        /// The look-up is under way.
        case looking
        /// We lack the block; the want waits for it.
        case absent
        /// The answer waits in the serve queue.
        case queued
        /// The answer is in an envelope that the shell has.
        case sending
    }

    package struct Want: Hashable, Sendable {
        package var priority: Int32
        package var type: BitswapMessage.WantType
        package var sendDontHave: Bool
        package var state: State
        /// Tells this want from an earlier or later one for the same CID.
        package var sequence: UInt64
        /// The block's size in bytes, once it is known.
        package var size = 0
        /// The block came while it was being looked up, so that "absent" is not the last word.
        var arrived = false
    }

    package enum Change: Equatable, Sendable {
        /// The want is new or asks for more; `evicted` left for it.
        case added(evicted: Evicted?)
        /// It was there, with its answer under way.
        case unchanged
        /// It was there, and absent: the asker may have to be told again.
        case repeated
        /// The list is full of wants that matter more.
        case refused
    }

    package struct Evicted: Equatable, Sendable {
        package let cid: CID
        package let want: Want
    }

    /// Lowest priority first, then newest.
    private struct Rank: Comparable {
        var priority: Int32
        var sequence: UInt64
        var cid: CID

        static func < (left: Rank, right: Rank) -> Bool {
            left.priority == right.priority ? left.sequence > right.sequence : left.priority < right.priority
        }
    }

    private(set) var wants: [CID: Want] = [:]
    private var ranks = Heap<Rank>()
    private let capacity: Int

    package init(capacity: Int) {
        self.capacity = capacity
    }

    package var count: Int { wants.count }

    package subscript(cid: CID) -> Want? { wants[cid] }

    /// All wants, highest priority first, then oldest.
    package var sorted: [(cid: CID, want: Want)] {
        wants.map { (cid: $0.key, want: $0.value) }.sorted {
            $0.want.priority == $1.want.priority
                ? $0.want.sequence < $1.want.sequence : $0.want.priority > $1.want.priority
        }
    }

    /// Takes in one entry of a message; `sequence` numbers it among all.
    package mutating func add(_ entry: BitswapMessage.Entry, sequence: UInt64) -> Change {
        let cid = entry.cid
        if var want = wants[cid] {
            let upgrade = want.type == .have && entry.type == .block
            want.priority = entry.priority
            want.sendDontHave = want.sendDontHave || entry.sendDontHave
            if upgrade {
                want.type = .block
                want.state = .fresh
                want.sequence = sequence
            }
            wants[cid] = want
            // A changed priority is ranked when the want is next added; the old rank goes stale with the sequence.
            if upgrade { rank(want, cid) }
            return upgrade ? .added(evicted: nil) : want.state == .absent ? .repeated : .unchanged
        }
        var evicted: Evicted?
        if wants.count >= capacity {
            guard let lowest = lowest(), lowest.priority < entry.priority else { return .refused }
            ranks.pop()
            evicted = wants.removeValue(forKey: lowest.cid).map { Evicted(cid: lowest.cid, want: $0) }
        }
        let want = Want(
            priority: entry.priority, type: entry.type, sendDontHave: entry.sendDontHave, state: .fresh,
            sequence: sequence)
        wants[cid] = want
        rank(want, cid)
        return .added(evicted: evicted)
    }

    @discardableResult
    package mutating func remove(_ cid: CID) -> Want? {
        let want = wants.removeValue(forKey: cid)
        if ranks.count > 2 * capacity { dropStaleRanks() }
        return want
    }

    /// Changes the want for `cid`, if there is one.
    mutating func update(_ cid: CID, _ change: (inout Want) -> Void) {
        guard let index = wants.index(forKey: cid) else { return }
        change(&wants.values[index])
    }

    private mutating func rank(_ want: Want, _ cid: CID) {
        ranks.push(Rank(priority: want.priority, sequence: want.sequence, cid: cid))
        if ranks.count > 2 * capacity { dropStaleRanks() }
    }

    private mutating func lowest() -> Rank? {
        while let rank = ranks.first {
            if wants[rank.cid]?.sequence == rank.sequence { return rank }
            ranks.pop()
        }
        return nil
    }

    private mutating func dropStaleRanks() {
        let wants = self.wants
        ranks.removeAll { wants[$0.cid]?.sequence != $0.sequence }
    }
}
