import Catalog
import Logging
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import Synchronization

/// The timers of what a catalog does by itself.
final class Housekeeping: Sendable {
    private struct State {
        var tasks: [RepeatedTask] = []
        var isStopped = false
        /// What the rankings were computed from last: the row that was the latest, and when.
        var ranked: (row: Int, at: UInt64)?
        /// Bytes that were kept when room was made last.
        var crowded: Int64?
    }

    private let state = Mutex(State())

    func every(
        _ interval: Duration, after delay: Duration, on loop: any EventLoop, _ body: @escaping @Sendable () -> Void
    ) {
        guard interval > .zero else { return }
        let task = loop.scheduleRepeatedTask(
            initialDelay: TimeAmount(delay), delay: TimeAmount(interval)
        ) { _ in body() }
        let isStopped = state.withLock { state in
            if !state.isStopped { state.tasks.append(task) }
            return state.isStopped
        }
        if isStopped { task.cancel() }
    }

    func stop() {
        let tasks = state.withLock { state in
            state.isStopped = true
            defer { state.tasks = [] }
            return state.tasks
        }
        for task in tasks { task.cancel() }
    }

    /// Bytes that were kept when room was made last; `nil` before that.
    var crowded: Int64? {
        get { state.withLock { $0.crowded } }
        set { state.withLock { $0.crowded = newValue } }
    }

    /// Whether the rankings are to be computed anew: something came, or so much time has passed that plays have aged.
    func wantsRanking(row: Int, now: UInt64) -> Bool {
        state.withLock { state in
            if let last = state.ranked, last.row == row, now < last.at + 3_600_000 { return false }
            state.ranked = (row, now)
            return true
        }
    }
}

extension CatalogService {
    /// Begins what a running node does by itself: rankings, erasure, asking for bodies, announcing itself.
    ///
    /// - Parameter space: what the node has room for, for its announcement; it may block.
    func startHousekeeping(space: @escaping @Sendable () -> StoreStatistics?) {
        let loop = plane.controlLoop
        housekeeping.every(configuration.trendingInterval, after: .seconds(2), on: loop) { [weak self] in
            guard let self else { return }
            Task { try? await self.rank() }
        }
        housekeeping.every(configuration.sweepInterval, after: .seconds(60), on: loop) { [weak self] in
            guard let self else { return }
            Task { try? await self.sweep() }
        }
        housekeeping.every(.seconds(60), after: .seconds(30), on: loop) { [weak self] in
            guard let self else { return }
            self.askForMissing()
            Task { try? await self.makeRoom() }
        }
        housekeeping.every(.seconds(10), after: .seconds(10), on: loop) { [weak self] in self?.desk.expire() }
        if configuration.announce {
            housekeeping.every(.seconds(300), after: .seconds(20), on: loop) { [weak self] in
                guard let self else { return }
                Task {
                    guard let space = try? await self.plane.blocking({ space() }) else { return }
                    do {
                        try await self.announce(space)
                    } catch {
                        self.logger.debug("the node was not announced", metadata: ["reason": "\(error)"])
                    }
                }
            }
        }
        noteFollowed()
    }

    /// Computes the rankings, if anything has changed since the last time or `anyway`.
    package func rank(anyway: Bool = false) async throws {
        let (store, authors) = (store, authors)
        let now = store.now()
        let row = try await plane.blocking { try store.log.totals().updates }
        guard housekeeping.wantsRanking(row: row, now: now) || anyway else { return }
        let own = ((try? authors.list()) ?? []).map { EntityID(.author, $0.id) }
        // Reading takes long and needs no writer; what is stored then is short.
        try await plane.blocking {
            try Trending.refresh(
                reader: store.database.writer, writer: store.database.writer, now: now,
                weights: TrendingWeights(own: own))
        }
    }

    /// Erases bodies that nobody needs any more; gives how many. In steps, so that others can write in between.
    @discardableResult
    package func sweep() async throws -> Int {
        let store = store
        var (erased, start) = (0, Int64(0) as Int64?)
        while let from = start {
            let step = try await store.writing { try store.log.sweep(from: from, now: store.now()) }
            erased += step.erased
            start = step.next
        }
        return erased
    }

    /// Reads all updates again, checks every signature, and compares the set and the view with ones made anew.
    package func verify(progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> CatalogVerification {
        let store = store
        return try await plane.blocking { try store.verify(progress) }
    }
}
