import Multiformats
import NIOCore

/// Hashes a file's chunks on a few threads at once and links them in the order in which they came.
///
/// Used by one task. The oldest chunk is always awaited first, so at most `Importer.hashersInFlight` chunks
/// are in here.
final class LeafPipeline {
    private typealias Hashing = Task<(Block, ImportedNode), any Error>

    private let maker: NodeMaker
    private let sink: BlockSink
    private var layout: BalancedLayout
    /// A ring once it is full; `oldest` is the next one due.
    private var hashing: [Hashing] = []
    private var oldest = 0
    /// The first chunk, until it is known whether a second follows.
    private var first = ByteBuffer()
    private var isEmpty = true

    init(maker: NodeMaker, sink: BlockSink) {
        self.maker = maker
        self.sink = sink
        layout = BalancedLayout(maker: maker)
    }

    /// Takes the next chunk, leaving an empty buffer; waits while too many are being hashed.
    func append(_ chunk: inout ByteBuffer) async throws {
        var taken = ByteBuffer()
        swap(&taken, &chunk)
        if isEmpty {
            isEmpty = false
            swap(&first, &taken)
            return
        }
        if first.readableBytes > 0 {
            var held = ByteBuffer()
            swap(&held, &first)
            try await hash(&held)
        }
        try await hash(&taken)
    }

    private func hash(_ chunk: inout ByteBuffer) async throws {
        let length = UInt64(chunk.readableBytes)
        maker.frame(&chunk)
        let data = chunk
        let task = Hashing(executorPreference: WorkExecutor.shared) { [maker] in
            try maker.leaf(data, length: length)
        }
        guard hashing.count == Importer.hashersInFlight else {
            hashing.append(task)
            return
        }
        let due = hashing[oldest]
        hashing[oldest] = task
        oldest = (oldest + 1) % Importer.hashersInFlight
        try await settle(due)
    }

    /// Links the last chunks and the open nodes; returns the file's root.
    func finish() async throws -> ImportedNode {
        if hashing.isEmpty {
            // At most one chunk: the leaf is the file, and no task is worth its cost.
            let length = UInt64(first.readableBytes)
            maker.frame(&first)
            let (block, node) = try maker.leaf(first, length: length)
            first = ByteBuffer()
            try await sink.append(block)
            return node
        }
        for index in 0..<hashing.count { try await settle(hashing[(oldest + index) % hashing.count]) }
        hashing = []
        let (root, made) = try layout.finish()
        for block in made { try await sink.append(block) }
        return root
    }

    /// Ends what is still running, after a failure.
    func cancel() {
        for task in hashing { task.cancel() }
        hashing = []
    }

    private func settle(_ task: Hashing) async throws {
        let (block, node) = try await task.value
        try await sink.append(block)
        for inner in try layout.append(node) { try await sink.append(inner) }
    }
}
