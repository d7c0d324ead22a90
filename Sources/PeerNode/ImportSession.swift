package import Multiformats
package import Storage

/// Blocks on their way into the store from one import.
///
/// They are safe from garbage collection until the session ends, durable when `finish` returns, and offered
/// to peers who wait for them as soon as they are stored.
package final class ImportSession: Sendable {
    package let lease: ImportLease
    private let blocks: Blockstore
    private let plane: ControlPlane
    private let exchange: BlockExchangeService?

    init(blocks: Blockstore, plane: ControlPlane, exchange: BlockExchangeService?) {
        self.blocks = blocks
        self.plane = plane
        self.exchange = exchange
        lease = blocks.lease()
    }

    /// Stores `batch`. The caller has verified the hashes or made them. Larger batches cost less each.
    package func put(_ batch: [Block]) async throws {
        let (blocks, lease) = (blocks, lease)
        try await plane.blocking { try blocks.put(batch, lease: lease) }
        exchange?.announce(batch.map(\.cid))
    }

    /// Waits until everything is on disk for good.
    package func finish() async throws {
        let blocks = blocks
        try await plane.blocking { try blocks.sync() }
    }

    /// Gives the blocks up to garbage collection, unless something pinned them meanwhile.
    package func end() { lease.end() }
}
