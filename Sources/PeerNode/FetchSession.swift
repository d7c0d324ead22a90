package import Multiformats
package import NIOCore
package import Storage
import Synchronization

/// Gets blocks for one purpose: from the store where they are, from peers where they are not.
///
/// What comes from peers is verified, stored, and safe from garbage collection while the session lives; so is
/// what was here already when the session `keeps`. Many `get`s may run at once; the session remembers which peers had the first blocks and asks them
/// first. Ends with `close`, at the latest when it is released.
package final class FetchSession: Sendable {
    package let lease: ImportLease
    private let closed = Atomic(false)
    private let blocks: Blockstore
    private let plane: ControlPlane
    private let exchange: BlockExchangeService?
    private let handle: BlockExchangeService.SessionID?
    private let timeout: Duration
    private let keeps: Bool
    private let fetched = Mutex((blocks: 0, bytes: 0))

    init(blocks: Blockstore, plane: ControlPlane, exchange: BlockExchangeService?, timeout: Duration, keeps: Bool) {
        self.blocks = blocks
        self.plane = plane
        self.exchange = exchange
        self.timeout = timeout
        self.keeps = keeps
        lease = blocks.lease()
        handle = exchange?.nextSessionID()
    }

    deinit { close() }

    /// What came from peers so far.
    package var received: (blocks: Int, bytes: Int) { fetched.withLock { $0 } }

    /// The block's bytes.
    ///
    /// Throws `NodeError.offline` or `notFound` when nobody has it; the wait is bounded by the session's timeout.
    /// Cancelling the task withdraws the want.
    package func get(_ cid: CID) async throws -> ByteBuffer {
        if cid.isIdentity { return ByteBuffer(bytes: cid.multihash.digest) }
        let (blocks, keeps) = (blocks, keeps)
        let local = try await plane.blocking {
            // Holding it comes first: a collection may be under way.
            if keeps { try blocks.touch([cid]) }
            return try blocks.get(cid)
        }
        if let local { return local }
        guard let exchange, let handle else { throw NodeError.offline(cid) }
        let data = try await exchange.fetch(cid, in: handle, timeout: timeout)
        fetched.withLock { $0 = ($0.blocks + 1, $0.bytes + data.readableBytes) }
        return data
    }

    /// Makes what was fetched durable.
    package func sync() async throws {
        let blocks = blocks
        try await plane.blocking { try blocks.sync() }
    }

    /// Withdraws what is still wanted and gives the blocks up to garbage collection. Safe to repeat.
    package func close() {
        guard !closed.exchange(true, ordering: .relaxed) else { return }
        lease.end()
        if let exchange, let handle { exchange.close(handle) }
    }
}
