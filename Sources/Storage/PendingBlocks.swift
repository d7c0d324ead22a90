import Multiformats
import Synchronization

/// What was put or touched and is not in the index yet, and who holds back garbage collection.
///
/// A plain value; `BlockWriter` keeps it behind its lock.
///
/// ```
/// put  -> entries + order        flush begins: order -> (in flight)      commit: leaves entries
/// touch -> touches               flush begins: touches -> flushing       commit: gone
/// GC   -> condemned (a batch that is being deleted; a put of such a block writes it again)
/// ```
/// Epochs order puts against collections without a clock: the number goes up when a collection begins and
/// when a lease begins, each row carries the number of its last put or touch, and a collection deletes only
/// rows older than itself and than every live lease.
struct PendingBlocks: Sendable {
    /// A block whose bytes are in a pack and whose row is not in the index.
    struct Entry: Sendable {
        var location: Location
        var added: UInt32
        var epoch: Int64
    }

    private(set) var entries: [Multihash: Entry] = [:]
    /// Entries since the last flush began, in the order of their puts.
    private(set) var order: [(multihash: Multihash, entry: Entry)] = []
    private(set) var touches: Set<Multihash> = []
    private var flushingTouches: Set<Multihash> = []
    private var dead: [(location: Location, hashLength: Int)] = []
    private var coverage: [UInt32: IndexCommit.Coverage] = [:]
    private var condemned: Set<Multihash> = []
    private var leases: [UInt64: Int64] = [:]
    private var nextLease: UInt64 = 0
    private(set) var epoch: Int64
    /// Bytes written since the last flush began, and bytes that the running one carries.
    private(set) var unsyncedBytes = 0
    private var flushingBytes = 0
    /// Counts puts and touches; `flushedSequence` is the last one that is durable.
    private(set) var sequence: UInt64 = 0
    var flushedSequence: UInt64 = 0

    init(epoch: Int64) { self.epoch = epoch }

    /// Bytes that are not durable yet.
    var waitingBytes: Int { unsyncedBytes + flushingBytes }
    var waitingCount: Int { order.count + touches.count }

    // MARK: Putting

    /// What is known of a block before the index is asked.
    enum Standing { case pending, mustWrite, askIndex }

    /// Says whether a block that is being put is pending; where the index must be asked, the block is held
    /// back from collection before that happens.
    mutating func admit(_ multihash: Multihash) -> Standing {
        if entries[multihash] != nil {
            touch(multihash)
            return .pending
        }
        if condemned.contains(multihash) { return .mustWrite }
        touch(multihash)
        return .askIndex
    }

    /// Holds a block back from collection and renews its row at the next flush; `false` when it is being
    /// deleted at this moment.
    @discardableResult
    mutating func touch(_ multihash: Multihash) -> Bool {
        if let entry = entries[multihash] {
            if entry.epoch == epoch { return true }
        } else if condemned.contains(multihash) {
            return false
        }
        if touches.insert(multihash).inserted { sequence += 1 }
        return true
    }

    /// Takes back a touch of a block that turned out not to be there.
    mutating func untouch(_ multihash: Multihash) { touches.remove(multihash) }

    /// Enters records that were written from `base` on in `pack`.
    mutating func register(_ batch: RecordBatch, pack: PackFile, base: Int64) {
        for item in batch.items {
            let location = Location(pack: pack.id, offset: base + Int64(item.offset), length: item.length)
            if entries[item.multihash] != nil {
                // Two threads put the same block; the first record serves.
                dead.append((location, item.multihash.bytes.count))
                continue
            }
            let entry = Entry(location: location, added: batch.added, epoch: epoch)
            entries[item.multihash] = entry
            order.append((item.multihash, entry))
        }
        unsyncedBytes += batch.length
        cover(pack, end: base + Int64(batch.length), sealed: false)
    }

    /// Notes how far a pack is written.
    mutating func cover(_ pack: PackFile, end: Int64, sealed: Bool) {
        sequence += 1
        coverage[pack.id] = IndexCommit.Coverage(file: pack, end: end, sealed: sealed)
    }

    /// Removes an entry whose record turned out to be damaged.
    mutating func drop(_ multihash: Multihash, at location: Location) {
        guard entries[multihash]?.location == location else { return }
        entries[multihash] = nil
        order.removeAll { $0.multihash == multihash && $0.entry.location == location }
    }

    // MARK: Flushing

    /// Takes what waits as one commit.
    mutating func beginFlush(now: UInt32) -> (commit: IndexCommit, batch: [(multihash: Multihash, entry: Entry)]) {
        var commit = IndexCommit(epoch: epoch, now: now)
        commit.blocks = order.map { multihash, entry in
            (multihash.bytes, IndexRow(location: entry.location, added: entry.added, epoch: entry.epoch))
        }
        commit.touched = touches.map(\.bytes)
        commit.dead = dead
        commit.coverage = Array(coverage.values)
        let batch = order
        flushingTouches = touches
        flushingBytes = unsyncedBytes
        (order, touches, dead, coverage, unsyncedBytes) = ([], [], [], [:], 0)
        return (commit, batch)
    }

    /// The commit is in the index.
    mutating func endFlush(_ batch: [(multihash: Multihash, entry: Entry)], through sequence: UInt64) {
        for (multihash, entry) in batch where entries[multihash]?.location == entry.location {
            entries[multihash] = nil
        }
        flushingTouches = []
        flushingBytes = 0
        flushedSequence = max(flushedSequence, sequence)
    }

    /// The commit failed and waits again, before what came since.
    mutating func failFlush(_ commit: IndexCommit, _ batch: [(multihash: Multihash, entry: Entry)]) {
        order = batch + order
        touches.formUnion(flushingTouches)
        flushingTouches = []
        dead = commit.dead + dead
        for cover in commit.coverage where coverage[cover.file.id] == nil { coverage[cover.file.id] = cover }
        flushingBytes = 0
    }

    // MARK: Collecting

    /// Begins a collection: everything put or touched from now on is younger than it.
    mutating func beginCollection() { epoch += 1 }

    /// Rows of this epoch or younger are held by a lease or by the collection's own start.
    var collectionLimit: Int64 { min(epoch, leases.values.min() ?? epoch) }

    /// Marks those of `candidates` that nobody put or touched since, and returns them.
    mutating func condemn(_ candidates: [Multihash]) -> [Multihash] {
        let chosen = candidates.filter {
            entries[$0] == nil && !touches.contains($0) && !flushingTouches.contains($0)
        }
        condemned.formUnion(chosen)
        return chosen
    }

    /// The deletion of a condemned batch is over.
    mutating func pardon(_ multihashes: [Multihash]) { condemned.subtract(multihashes) }

    mutating func beginLease() -> UInt64 {
        epoch += 1
        nextLease += 1
        leases[nextLease] = epoch
        return nextLease
    }

    mutating func endLease(_ id: UInt64) { leases[id] = nil }
    var leaseCount: Int { leases.count }
}

/// A promise that blocks put or touched from now on stay, until it ends.
///
/// Whoever writes a DAG takes one, puts all blocks, pins the root (or hands it to the user) and ends it.
/// A lease that is let go of ends by itself; none outlives the process. It costs nothing per block.
package final class ImportLease: Sendable {
    private let writer: BlockWriter
    private let id: UInt64

    init(_ writer: BlockWriter) {
        self.writer = writer
        id = writer.state.withLock { $0.pending.beginLease() }
    }

    deinit { end() }

    /// Ends the lease; more than once does no harm.
    package func end() { writer.state.withLock { $0.pending.endLease(id) } }
}
