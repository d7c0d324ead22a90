import Dispatch
import Foundation
import Multiformats
import NIOCore
import Synchronization

/// Appends blocks to packs and brings their rows into the index, in that order.
///
/// ```
/// put:    checksum -> pwritev -> pending (visible)            on the caller's thread
/// flush:  fdatasync of the packs -> one index transaction     on one background thread, a batch at a time
/// ```
/// A flush starts by itself when enough waits, so an import does not meet the disk only at its end; callers of
/// `sync` that come while one runs share the next. When fdatasync fails, the kernel may have dropped data that
/// it would call synced the next time: from then on every put and sync fails until the repository is opened
/// anew, and reads go on.
final class BlockWriter: Sendable {
    struct State: Sendable {
        var pending: PendingBlocks
        var flushQueued = false
        /// The sequence that the running flush carries.
        var flushing: UInt64?
        var waiters: [(sequence: UInt64, done: @Sendable (Result<Void, RepositoryError>) -> Void)] = []
        /// Why nothing can be written any more.
        var stopped: RepositoryError?
    }

    let packs: Packs
    let index: BlockIndex
    let space: SpaceGuard
    let options: RepositoryOptions
    let state: Mutex<State>
    private let small: PackAppender
    private let large: PackAppender
    private let queue = DispatchQueue(label: "storage.flush")

    init(
        packs: Packs, index: BlockIndex, space: SpaceGuard, options: RepositoryOptions, growing: [GrowingPack],
        epoch: Int64
    ) {
        self.packs = packs
        self.index = index
        self.space = space
        self.options = options
        state = Mutex(State(pending: PendingBlocks(epoch: epoch)))
        small = PackAppender(.small, limit: options.smallPackLimit, growing.last { $0.pack.kind == .small })
        large = PackAppender(.large, limit: options.packLimit, growing.last { $0.pack.kind == .large })
    }

    // MARK: Putting

    /// Writes those of `blocks` that are not stored; all are held back from the collection that may be running.
    func put(_ blocks: [Block]) throws(RepositoryError) {
        try checkWritable()
        for block in blocks where block.data.readableBytes > Block.maximumLength {
            throw .blockTooLarge(block.data.readableBytes)
        }
        let missing = try missing(among: blocks)
        let now = options.now()
        for kind in PackKind.allCases {
            let limit = min(options.flushBytes, Int(kind == .small ? options.smallPackLimit : options.packLimit))
            var batch = RecordBatch(kind: kind, added: now, salt: packs.salt)
            for block in missing where (block.data.readableBytes < options.smallBlockLimit) == (kind == .small) {
                if !batch.items.isEmpty, batch.length + block.data.readableBytes > limit {
                    try append(batch)
                    batch = RecordBatch(kind: kind, added: now, salt: packs.salt)
                }
                batch.append(block.cid.multihash, block.data)
            }
            if !batch.items.isEmpty { try append(batch) }
        }
    }

    /// The blocks that must be written, each once.
    private func missing(among blocks: [Block]) throws(RepositoryError) -> [Block] {
        var missing: [Block] = []
        var asked: [Block] = []
        var seen: Set<Multihash> = []
        let standings = state.withLock { state in
            blocks.map { block -> PendingBlocks.Standing in
                let multihash = block.cid.multihash
                if multihash.code == .identity || !seen.insert(multihash).inserted { return .pending }
                return state.pending.admit(multihash)
            }
        }
        for (block, standing) in zip(blocks, standings) {
            switch standing {
            case .pending: continue
            case .mustWrite: missing.append(block)
            case .askIndex: asked.append(block)
            }
        }
        if !asked.isEmpty {
            // The touch above came first, so a row that is found now cannot be collected any more.
            let rows = try index.find(asked.map(\.cid.multihash.bytes))
            var absent: [Block] = []
            for (block, row) in zip(asked, rows) {
                if let row, row.epoch != IndexRow.unverified || isWhole(block.cid.multihash, row) { continue }
                absent.append(block)
            }
            state.withLock { state in
                for block in absent { state.pending.untouch(block.cid.multihash) }
            }
            missing += absent
        }
        return missing
    }

    /// Whether the record that a rebuilt index points to is good: a put must not rely on one that is not.
    private func isWhole(_ multihash: Multihash, _ row: IndexRow) -> Bool {
        guard let file = try? packs.file(row.location.pack) else { return false }
        if case .block = file.read(row.location, multihash: multihash.bytes) { return true }
        return false
    }

    /// Appends records to the growing pack of their kind and makes them visible.
    func append(_ batch: RecordBatch) throws(RepositoryError) {
        try space.admit(batch.length) { (try? self.liveBytes()) ?? 0 }
        let appender = batch.kind == .small ? small : large
        try appender.append(batch, packs: packs) { event in
            state.withLock { state in
                switch event {
                case .sealed(let pack, let end): state.pending.cover(pack, end: end, sealed: true)
                case .written(let pack, let base): state.pending.register(batch, pack: pack, base: base)
                }
            }
        }
        let (start, wait) = state.withLock { state -> (Bool, UInt64?) in
            let pending = state.pending
            let due = pending.unsyncedBytes >= options.flushBytes || pending.waitingCount >= options.flushCount
            let crowded = pending.waitingBytes > options.maximumUnsynced
            let start = (due || crowded) && !state.flushQueued
            if start { state.flushQueued = true }
            return (start, crowded ? (state.flushing ?? pending.sequence) : nil)
        }
        if start { queue.async { self.flush() } }
        if let wait { try self.wait(for: wait) }
    }

    /// Writes copies of blocks that are stored; nothing points to them until the caller changes the rows.
    func move(_ batch: RecordBatch) throws(RepositoryError) -> (pack: PackFile, base: Int64)? {
        try checkWritable()
        var place: (PackFile, Int64)?
        try small.append(batch, packs: packs) { event in
            state.withLock { state in
                switch event {
                case .sealed(let pack, let end): state.pending.cover(pack, end: end, sealed: true)
                case .written(let pack, let base):
                    state.pending.cover(pack, end: base + Int64(batch.length), sealed: false)
                    place = (pack, base)
                }
            }
        }
        return place
    }

    /// Ends a growing pack early; `false` when it does not grow.
    func retire(_ pack: PackFile) -> Bool {
        (pack.kind == .small ? small : large).retire(pack.id) { pack, end in
            state.withLock { $0.pending.cover(pack, end: end, sealed: true) }
        }
    }

    private func checkWritable() throws(RepositoryError) {
        if let error = state.withLock({ $0.stopped }) { throw error }
    }

    private func liveBytes() throws(RepositoryError) -> Int64 {
        Int64(try index.totals().bytes) + Int64(state.withLock { $0.pending.waitingBytes })
    }

    // MARK: Syncing

    /// Returns when everything put or touched before the call is durable and in the index.
    func sync() throws(RepositoryError) {
        try wait(for: state.withLock { $0.pending.sequence })
    }

    /// Calls `done`, on the flush thread, when everything put or touched before the call is durable.
    func sync(_ done: @escaping @Sendable (Result<Void, RepositoryError>) -> Void) {
        wait(for: state.withLock { $0.pending.sequence }, done)
    }

    private func wait(for sequence: UInt64) throws(RepositoryError) {
        let semaphore = DispatchSemaphore(value: 0)
        let box = Box()
        wait(for: sequence) { result in
            box.answer.withLock { $0 = result }
            semaphore.signal()
        }
        semaphore.wait()
        try box.answer.withLock { $0 }.get()
    }

    private func wait(for sequence: UInt64, _ done: @escaping @Sendable (Result<Void, RepositoryError>) -> Void) {
        enum Next { case now(Result<Void, RepositoryError>), start, later }
        let next = state.withLock { state -> Next in
            if let error = state.stopped { return .now(.failure(error)) }
            if state.pending.flushedSequence >= sequence { return .now(.success(())) }
            state.waiters.append((sequence, done))
            if let flushing = state.flushing, flushing >= sequence { return .later }
            if state.flushQueued { return .later }
            state.flushQueued = true
            return .start
        }
        switch next {
        case .now(let result): done(result)
        case .start: queue.async { self.flush() }
        case .later: break
        }
    }

    /// One group commit; runs on the flush thread only.
    private func flush() {
        let now = options.now()
        let (commit, batch, sequence) = state.withLock { state in
            state.flushQueued = false
            let (commit, batch) = state.pending.beginFlush(now: now)
            state.flushing = state.pending.sequence
            return (commit, batch, state.pending.sequence)
        }
        var result: Result<Void, RepositoryError> = .success(())
        var fatal = false
        do throws(RepositoryError) {
            fatal = true
            for cover in commit.coverage { try cover.file.file.datasync() }
            fatal = false
            if !commit.isEmpty { try index.commit(commit) }
        } catch {
            if case .damagedIndex = error { fatal = true }
            result = .failure(error)
        }
        let finished = state.withLock { state in
            state.flushing = nil
            switch result {
            case .success: state.pending.endFlush(batch, through: sequence)
            case .failure(let error):
                state.pending.failFlush(commit, batch)
                if fatal { state.stopped = error }
            }
            let finished = state.waiters.filter { fatal || $0.sequence <= sequence }
            state.waiters.removeAll { fatal || $0.sequence <= sequence }
            return finished
        }
        for waiter in finished { waiter.done(result) }
    }

    /// Flushes and refuses whatever comes after.
    func close() throws(RepositoryError) {
        defer {
            state.withLock { if $0.stopped == nil { $0.stopped = .closed } }
            queue.sync {}
        }
        try sync()
    }
}

/// Where a flush leaves its result for a thread that waits.
private final class Box: Sendable {
    let answer = Mutex<Result<Void, RepositoryError>>(.success(()))
}
