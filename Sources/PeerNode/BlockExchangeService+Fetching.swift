import BlockExchange
package import Multiformats
package import NIOCore
import NIOPosix
import SansIO
import Storage

/// Somebody who waits for one block.
struct Waiter {
    let id: UInt64
    let session: Bitswap.SessionID
    let since: Instant
    let continuation: CheckedContinuation<ByteBuffer, any Error>
}

/// What the shell remembers of a session while it waits for blocks.
struct FetchState {
    let timeout: Duration
    var open = 0
    /// When it last got a block.
    var lastProgress: Instant
    var timer: Scheduled<Void>?
}

extension BlockExchangeService {
    /// Gets a block from peers, verified and stored. The caller's lease keeps it.
    ///
    /// Throws `NodeError.notFound` when the session got nothing for `timeout`. Cancelling the task withdraws the want.
    package nonisolated func fetch(
        _ cid: CID, in session: SessionID, timeout: Duration
    ) async throws -> ByteBuffer {
        let id = await newWaiter()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                onControl { $0.wait(id, for: cid, in: session, timeout: timeout, continuation) }
            }
        } onCancel: {
            onControl { $0.fail(id, cid, CancellationError()) }
        }
    }

    /// Ends a session. Any thread.
    package nonisolated func close(_ session: SessionID) {
        onControl {
            $0.sessions.removeValue(forKey: session)?.timer?.cancel()
            $0.feed(.closeSession(session))
        }
    }

    /// Says that blocks are in the store now, from whatever source. Any thread.
    package nonisolated func announce(_ cids: [CID]) {
        onControl { $0.available(cids) }
    }

    private func newWaiter() -> UInt64 {
        nextWaiter += 1
        return nextWaiter
    }

    private func wait(
        _ id: UInt64, for cid: CID, in session: SessionID, timeout: Duration,
        _ continuation: CheckedContinuation<ByteBuffer, any Error>
    ) {
        guard !stopped else { return continuation.resume(throwing: NodeError.shuttingDown) }
        let now = ControlPlane.now
        if sessions[session] == nil {
            sessions[session] = FetchState(timeout: timeout, lastProgress: now)
            feed(.openSession(session, peers: []))
        }
        sessions[session]?.open += 1
        let isFirst = waiters[cid]?.contains { $0.session == session } != true
        waiters[cid, default: []].append(Waiter(id: id, session: session, since: now, continuation: continuation))
        watch(session)
        guard isFirst else { return }
        // Wants of one turn of the loop go out in one message.
        if unsentWants.isEmpty { plane.controlLoop.execute { self.assumeIsolated { $0.flushWants() } } }
        unsentWants.append((session, cid))
    }

    private func flushWants() {
        let wants = unsentWants
        unsentWants.removeAll(keepingCapacity: true)
        var batch: [CID] = []
        for (index, want) in wants.enumerated() {
            batch.append(want.cid)
            if index + 1 < wants.count, wants[index + 1].session == want.session { continue }
            // Those who gave up in the meantime want nothing.
            let open = batch.filter { cid in waiters[cid]?.contains { $0.session == want.session } == true }
            if !open.isEmpty { feed(.want(want.session, open, priority: 1)) }
            batch.removeAll(keepingCapacity: true)
        }
    }

    /// Wakes everyone who waits for `cid`.
    func resume(_ cid: CID, with result: Result<ByteBuffer, any Error>) {
        guard let waiting = waiters.removeValue(forKey: cid) else { return }
        let now = ControlPlane.now
        for waiter in waiting {
            sessions[waiter.session]?.open -= 1
            sessions[waiter.session]?.lastProgress = now
            waiter.continuation.resume(with: result)
        }
    }

    /// Ends one wait; the want is withdrawn when nobody else of the session has it.
    private func fail(_ id: UInt64, _ cid: CID, _ error: any Error) {
        guard let index = waiters[cid]?.firstIndex(where: { $0.id == id }),
            let waiter = waiters[cid]?.remove(at: index)
        else { return }
        if waiters[cid]?.isEmpty == true { waiters[cid] = nil }
        sessions[waiter.session]?.open -= 1
        waiter.continuation.resume(throwing: error)
        if waiters[cid]?.contains(where: { $0.session == waiter.session }) != true {
            feed(.cancel(waiter.session, [cid]))
        }
    }

    private func available(_ cids: [CID]) {
        guard !stopped else { return }
        let wanted = cids.filter { waiters[$0] != nil }
        if !wanted.isEmpty {
            let blocks = blocks
            plane.pool.submit { _ in
                for cid in wanted {
                    guard let data = (try? blocks.get(cid)) ?? nil else { continue }
                    self.onControl { $0.resume(cid, with: .success(data)) }
                }
            }
        }
        feed(.blocksAvailable(cids))
    }

    // MARK: Patience

    /// Makes sure that somebody looks after the session's waits when the first could be over.
    private func watch(_ session: SessionID) {
        guard let state = sessions[session], state.timer == nil, state.open > 0 else { return }
        sessions[session]?.timer = plane.controlLoop.scheduleTask(in: .nanoseconds(state.timeout.wholeNanoseconds)) {
            self.assumeIsolated { $0.lookAfter(session) }
        }
    }

    /// Ends the waits of a session that has got nothing for its timeout; looks again later otherwise.
    private func lookAfter(_ session: SessionID) {
        guard let state = sessions[session] else { return }
        sessions[session]?.timer = nil
        let now = ControlPlane.now
        let late = waiters.flatMap { cid, waiting in
            waiting.filter { $0.session == session && now - max($0.since, state.lastProgress) >= state.timeout }
                .map { (cid, $0) }
        }
        for (cid, waiter) in late { fail(waiter.id, cid, NodeError.notFound(cid)) }
        watch(session)
    }
}
