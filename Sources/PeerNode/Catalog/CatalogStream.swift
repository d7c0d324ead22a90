import Catalog
import Multiformats
import NIOCore
import NIOPosix
import SansIO
import Synchronization
import Transport

/// One session of catalog sync on its stream: feeds the core the bytes as they come, reads and stores for it, and
/// says how it ended.
///
/// The core runs on the connection's loop; the disk is somewhere else. While one batch is being stored the next is
/// verified, and no more: bytes are not acknowledged meanwhile, so a fast peer waits for a slow disk and nothing piles
/// up.
///
/// ```
/// waiting for admission -> running -> over
/// ```
final class CatalogStream: StreamHandler, @unchecked Sendable {  // loop-confined: calls come on the loop or hop
    /// What is told of a session.
    struct Ending: Sendable {
        var outcome: SyncOutcome
        /// Updates that were new and valid.
        var accepted = 0
        /// The first of them: one more than would be pushed on.
        var added: [(time: UInt64, id: UpdateID)] = []
        /// What those that came continue and nobody here has.
        var missing: [UpdateID] = []
    }

    private enum Event {
        case bytes(ByteBuffer)
        case closed
    }

    private let store: CatalogStore
    private let plane: ControlPlane
    private let ended: @Sendable (Ending) -> Void
    private var session: SyncSession
    private var stream: PeerStream?
    private var isAdmitted: Bool
    /// Batches that are being verified or stored.
    private var storing = 0
    /// The batch before, which must be in the log first: what comes continues it.
    private var lastStore: Task<Void, Never>?
    private var ending: Ending
    /// What came while it waited for its admission or the disk.
    private var inbox = CircularBuffer<Event>()
    private var owed = 0
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?
    private var finished: SyncOutcome?
    private var isConcluded = false
    private let figures = Mutex(SyncFigures())

    /// - Parameter isAdmitted: `false` for a stream that a peer has opened, until `admit`.
    init(
        _ session: SyncSession, store: CatalogStore, plane: ControlPlane, isAdmitted: Bool,
        ended: @escaping @Sendable (Ending) -> Void
    ) {
        self.session = session
        self.store = store
        self.plane = plane
        self.isAdmitted = isAdmitted
        self.ended = ended
        ending = Ending(outcome: SyncOutcome(result: .failed(.closed), figures: SyncFigures()))
    }

    /// How far it is. Any thread.
    var progress: SyncFigures { figures.withLock { $0 } }

    // MARK: From the stream

    func opened(_ stream: PeerStream) {
        // It was given up while the stream was being opened.
        guard finished == nil else { return stream.reset() }
        attach(stream)
        if session.role == .initiator { feed(.open) }
    }

    /// Takes the stream over before anything comes on it.
    func attach(_ stream: PeerStream) {
        self.stream = stream
        stream.manualCredit = true
    }

    func received(_ bytes: ByteBuffer, on stream: PeerStream) {
        inbox.append(.bytes(bytes))
        work()
    }

    func inputClosed(_ stream: PeerStream) {
        inbox.append(.closed)
        work()
    }

    func writable(_ stream: PeerStream) { feed(.drained) }

    func failed(_ error: StreamError, on stream: PeerStream) {
        inbox.removeAll()
        inbox.append(.closed)
        isAdmitted = true
        work()
    }

    // MARK: From the service

    /// The peer may have its session, or has to wait. Any thread.
    func admit(_ decision: SyncAdmission.Decision, _ loop: any EventLoop) {
        loop.execute { [self] in
            isAdmitted = true
            if case .wait(let seconds) = decision, finished == nil {
                inbox.removeAll()
                finished = SyncOutcome(result: .refused(seconds: seconds), figures: SyncFigures())
                stream?.write(SyncSession.refusal(seconds: seconds))
                stream?.close()
                conclude()
            } else {
                work()
            }
        }
    }

    /// Gives it up. Any thread.
    func stop(_ loop: any EventLoop) {
        loop.execute { [self] in
            guard finished == nil else { return }
            stream?.reset()
            feed(.closed)
        }
    }

    // MARK: The core

    private func work() {
        while isAdmitted, storing < 2, let event = inbox.popFirst() {
            switch event {
            case .closed: feed(.closed)
            case .bytes(var bytes):
                // What has come while the disk was busy makes one batch: fewer transactions for the same updates.
                while case .bytes(var more)? = inbox.first {
                    inbox.removeFirst()
                    bytes.writeBuffer(&more)
                }
                owed += bytes.readableBytes
                feed(.received(bytes))
            }
        }
        guard storing < 2, isAdmitted, owed > 0 else { return }
        stream?.consumed(owed)
        owed = 0
    }

    private func feed(_ input: SyncSession.Input) {
        guard finished == nil else { return }
        guard let set = store.loadedKeys else { return finish(.failed(.unreadable)) }
        var effects: [SyncSession.Effect] = []
        session.handle(input, set: set, now: ControlPlane.now, into: &effects)
        perform(effects)
    }

    private func perform(_ effects: [SyncSession.Effect]) {
        let news = session.figures
        figures.withLock { $0 = news }
        var hasSent = false
        for effect in effects {
            switch effect {
            case .send(let bytes):
                hasSent = true
                stream?.write(bytes)
            case .read(let ids): read(ids)
            case .store(let blocks): keep(blocks)
            case .finished(let outcome): finish(outcome.result)
            }
        }
        if hasSent, finished == nil { stream?.notifyWhenWritable() }
        schedule()
    }

    private func read(_ ids: [UpdateID]) {
        guard let loop = stream?.eventLoop else { return }
        let log = store.log
        plane.pool.submit { [self] _ in
            let answer = log.answer(ids)
            loop.execute { self.feed(answer) }
        }
    }

    private func keep(_ blocks: [SyncBlock]) {
        guard let loop = stream?.eventLoop else { return }
        storing += 1
        let (store, previous) = (store, lastStore)
        lastStore = Task {
            let verified = await VerifiedUpdate.verify(blocks.map { Array($0.bytes.readableBytesView) })
            await previous?.value
            let report = try? await store.ingest(verified, from: .pull)
            loop.execute { self.stored(report) }
        }
    }

    private func stored(_ report: IngestReport?) {
        storing -= 1
        guard let report else {
            // The disk, not the peer.
            if finished == nil { feed(.unreadable) } else if storing == 0 { conclude() }
            return
        }
        ending.accepted += report.added.count
        ending.added += report.added.prefix(PassingOn.most + 1 - ending.added.count)
        var isInvalid = false
        for result in report.results.map(\.result) + report.released.map(\.result) {
            switch result {
            case .rejected: isInvalid = true
            case .held(let ids) where ending.missing.count < SyncLimits.listCapacity: ending.missing += ids
            default: break
            }
        }
        if isInvalid, let outcome = finished {
            finished = SyncOutcome(result: .failed(.invalidUpdates), figures: outcome.figures)
        } else if isInvalid {
            feed(.invalid)
        }
        if finished == nil { work() } else if storing == 0 { conclude() }
    }

    /// The session is over; what it brought may still be on its way to the disk.
    private func finish(_ result: SyncOutcome.Result) {
        guard finished == nil else { return }
        finished = SyncOutcome(result: result, figures: session.figures)
        timer?.cancel()
        switch result {
        case .whole, .partial: stream?.close()
        case .refused, .failed: stream?.reset()
        }
        if storing == 0 { conclude() }
    }

    /// Says once how it ended.
    private func conclude() {
        guard let finished, !isConcluded else { return }
        isConcluded = true
        inbox.removeAll()
        stream = nil
        lastStore = nil
        ending.outcome = finished
        ended(ending)
    }

    // MARK: Time

    private func schedule() {
        guard finished == nil, let deadline = session.deadline, let loop = stream?.eventLoop else { return }
        // A timer that comes too early costs one empty tick.
        if let timerDeadline, timerDeadline <= deadline { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) { self.tick() }
    }

    private func tick() {
        timer = nil
        timerDeadline = nil
        guard finished == nil else { return }
        var effects: [SyncSession.Effect] = []
        session.tick(now: ControlPlane.now, into: &effects)
        perform(effects)
    }
}
