package import Multiformats
import NIOCore

/// Takes finished blocks: stores them all, or throws. Called with one batch at a time; may block.
package typealias BlockPut = @Sendable ([Block]) async throws -> Void

/// Gathers blocks into batches and stores each while the next is being made.
///
/// At most two batches exist: one filling, one being stored. Used by one task; whoever makes a sink calls
/// `finish`, or `abandon` when something failed.
package final class BlockSink {
    /// A batch is stored when it has this many bytes.
    package static let batchBytes = 4 << 20
    /// A batch is stored when it has this many blocks.
    package static let batchBlocks = 1024

    private let put: BlockPut
    private let pool: BufferPool?
    private var batch: [Block] = []
    private var bytes = 0
    private var storing: Task<Void, any Error>?

    package convenience init(put: @escaping BlockPut) { self.init(put: put, pool: nil) }

    init(put: @escaping BlockPut, pool: BufferPool?) {
        self.put = put
        self.pool = pool
    }

    /// Adds a block to the batch; waits when the batch before is still being stored and this one is full.
    package func append(_ block: Block) async throws {
        batch.append(block)
        bytes += block.data.readableBytes
        if bytes >= BlockSink.batchBytes || batch.count >= BlockSink.batchBlocks { try await flush() }
    }

    /// Stores what is left and waits until all is stored.
    package func finish() async throws {
        try await flush()
        try await waitForStore()
    }

    /// Drops what is left and waits for the batch being stored, whose outcome no longer matters.
    package func abandon() async {
        batch.removeAll()
        storing?.cancel()
        _ = await storing?.result
        storing = nil
    }

    private func flush() async throws {
        try await waitForStore()
        guard !batch.isEmpty else { return }
        let blocks = batch
        batch = []
        bytes = 0
        storing = Task(executorPreference: WorkExecutor.shared) { [put, pool] in
            try await put(blocks)
            if let pool { for block in blocks { pool.give(block.data) } }
        }
    }

    private func waitForStore() async throws {
        guard let task = storing else { return }
        storing = nil
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
