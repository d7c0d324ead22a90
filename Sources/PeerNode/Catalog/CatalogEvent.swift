package import Catalog
import Synchronization

/// An update that has come to this node, wherever from.
package struct CatalogEvent: Sendable {
    /// Grows in the order of arrival here; differs from node to node, and holds over a restart.
    package let id: Int64
    package let update: Update
    /// Whether it has effect: not undone by a rotate, a revoke or a forget.
    package let counts: Bool
    /// When it came, in milliseconds since 1970.
    package let arrived: UInt64

    init(_ entry: UpdateLog.Entry) {
        id = entry.row
        update = entry.update
        counts = entry.counts
        arrived = entry.arrived
    }
}

/// Reads the log on for one follower: pages from the disk as fast as they are consumed, then whatever comes.
///
/// Nothing is kept for a slow follower but its place, so however far it falls behind costs no memory.
actor EventCursor {
    private let store: CatalogStore
    private var row: Int64
    private var page: ArraySlice<CatalogEvent> = []
    private var news: AsyncStream<Void>.Iterator
    private let leave: @Sendable () -> Void

    init(_ store: CatalogStore, after row: Int64, board: NewsBoard) {
        self.store = store
        self.row = row
        let (number, news) = board.follow()
        self.news = news.makeAsyncIterator()
        leave = { [weak board] in board?.leave(number) }
    }

    deinit { leave() }

    /// Ends it: `next` gives nothing more once what it waits for is over.
    nonisolated func cancel() { leave() }

    /// The next update; `nil` when the catalog is closed or the follower gave up.
    func next() async -> CatalogEvent? {
        while true {
            if let event = page.popFirst() { return event }
            guard let entries = try? store.log.entries(after: row, limit: 256) else { return nil }
            if let last = entries.last {
                row = last.row
                page = entries.map(CatalogEvent.init)[...]
            } else {
                var waiting = news
                let more: Void? = await waiting.next(isolation: self)
                news = waiting
                if more == nil { return nil }
            }
        }
    }
}

/// Tells followers that there is something new, without saying what: signals that nobody has taken are one.
final class NewsBoard: Sendable {
    private struct State {
        var followers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var last: UInt64 = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    /// Signals from now on, the first at once.
    func follow() -> (number: UInt64, news: AsyncStream<Void>) {
        let (news, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        continuation.yield()
        let (number, isClosed) = state.withLock { state in
            state.last += 1
            if !state.isClosed { state.followers[state.last] = continuation }
            return (state.last, state.isClosed)
        }
        if isClosed { continuation.finish() }
        return (number, news)
    }

    func leave(_ number: UInt64) { state.withLock { $0.followers.removeValue(forKey: number) }?.finish() }

    func post() {
        let followers = state.withLock { Array($0.followers.values) }
        for follower in followers { follower.yield() }
    }

    func close() {
        let followers = state.withLock { state in
            defer { state.followers = [:] }
            state.isClosed = true
            return Array(state.followers.values)
        }
        for follower in followers { follower.finish() }
    }
}
