import Multiformats
import SansIO

/// Names one of our wants; it goes stale when the want is done.
struct WantID: Hashable, Sendable {
    let index: Int32
    let generation: UInt32
}

/// One block that we want, and what we know of it from each peer.
struct Want: Sendable {
    /// Where the want stands.
    enum Place: Hashable, Sendable {
        /// In the heaps of its sessions; nobody is asked for the block.
        case pending
        /// Reserved for a peer whose window is full.
        case queued(Int)
        /// Asked of at least one peer that may still send it.
        case asked
        /// Nobody known is left to ask; it waits for a HAVE, a provider or the next round.
        case unfound
    }

    /// What a peer was asked and what it said.
    struct Relation: Sendable {
        enum Asked: Sendable { case nothing, have, block }
        enum Answer: Sendable { case none, have, dontHave, timedOut }

        let peer: Int
        var asked = Asked.nothing
        var answer = Answer.none
        var askedAt = Instant.zero
        /// The peer's progress when it was asked, to tell its rate when it answers.
        var mark = PeerSpeed.Mark()
        /// The peer was asked for the block and is expected to send it: the want fills its window.
        var isInFlight = false

        /// The peer remembers our want, so that a cancel is due when it is done.
        var isRemembered: Bool { asked == .block || (asked == .have && answer != .have) }
        /// There is no use in asking the peer.
        var isNegative: Bool { answer == .dontHave || answer == .timedOut }
    }

    /// The CID that peers are asked for.
    let cid: CID
    /// Other CIDs of the same bytes that a session asked for.
    var aliases: [CID] = []
    var priority: Int32
    /// Orders wants of one priority by age.
    let sequence: UInt64
    var place = Place.pending
    /// The sessions that want it; one, nearly always.
    var sessions: [Bitswap.SessionID]
    var relations: [Relation] = []
    var inFlight = 0
    /// The session on whose account the want was broadcast.
    var broadcastBy: Bitswap.SessionID?

    func relation(_ peer: Int) -> Relation? { relations.first { $0.peer == peer } }
}

/// All blocks that we want, by multihash and in a table of slots that are used again.
struct Wanted: Sendable {
    private struct Slot {
        var generation: UInt32 = 0
        var want: Want?
    }

    private var slots: [Slot] = []
    private var free: [Int32] = []
    private var indices: [Multihash: Int32] = [:]
    private var sequence: UInt64 = 0

    var count: Int { indices.count }

    /// The CIDs wanted, oldest first.
    var cids: [CID] {
        slots.compactMap(\.want).sorted { $0.sequence < $1.sequence }.map(\.cid)
    }

    func id(of multihash: Multihash) -> WantID? {
        indices[multihash].map { WantID(index: $0, generation: slots[Int($0)].generation) }
    }

    /// Where the want stands; `nil` when it is done.
    func place(of id: WantID) -> Want.Place? {
        let index = Int(id.index)
        return slots[index].generation == id.generation ? slots[index].want?.place : nil
    }

    /// What is known of the want from `peer`.
    func relation(_ id: WantID, _ peer: Int) -> Want.Relation? {
        let index = Int(id.index)
        return slots[index].generation == id.generation ? slots[index].want?.relation(peer) : nil
    }

    func contains(_ id: WantID) -> Bool {
        slots[Int(id.index)].generation == id.generation && slots[Int(id.index)].want != nil
    }

    subscript(id: WantID) -> Want? {
        let slot = slots[Int(id.index)]
        return slot.generation == id.generation ? slot.want : nil
    }

    /// Adds a want for `cid`, which must not be there yet.
    mutating func insert(_ cid: CID, priority: Int32, session: Bitswap.SessionID) -> WantID {
        sequence &+= 1
        let want = Want(cid: cid, priority: priority, sequence: sequence, sessions: [session])
        let index: Int32
        if let last = free.popLast() {
            index = last
            slots[Int(index)].want = want
        } else {
            index = Int32(clamping: slots.count)
            slots.append(Slot(want: want))
        }
        indices[cid.multihash] = index
        return WantID(index: index, generation: slots[Int(index)].generation)
    }

    @discardableResult
    mutating func remove(_ id: WantID) -> Want? {
        guard let want = self[id] else { return nil }
        indices[want.cid.multihash] = nil
        slots[Int(id.index)].want = nil
        slots[Int(id.index)].generation &+= 1
        free.append(id.index)
        return want
    }

    /// Changes a want in place; nothing happens when it is done.
    mutating func update(_ id: WantID, _ change: (inout Want) -> Void) {
        let index = Int(id.index)
        guard slots[index].generation == id.generation, slots[index].want != nil else { return }
        if var want = slots[index].want.take() {
            change(&want)
            slots[index].want = want
        }
    }

    /// Changes what is known of a want from `peer`, in a relation that is made if there is none.
    mutating func relate(_ id: WantID, to peer: Int, _ change: (inout Want.Relation) -> Void) {
        update(id) { want in
            if let index = want.relations.firstIndex(where: { $0.peer == peer }) {
                change(&want.relations[index])
            } else {
                var relation = Want.Relation(peer: peer)
                change(&relation)
                want.relations.append(relation)
            }
        }
    }
}

/// An ordered list of wants from which finished ones vanish by and by; appending costs O(1) amortised.
struct WantSequence: Sendable {
    private(set) var ids: [WantID] = []
    private var limit = 64

    mutating func append(_ id: WantID, isLive: (WantID) -> Bool) {
        ids.append(id)
        guard ids.count > limit else { return }
        ids.removeAll { !isLive($0) }
        limit = max(64, 2 * ids.count)
    }

    mutating func removeAll() { ids = [] }
}
