import Multiformats
package import NIOCore

/// Turns a stream of bytes into the blocks of a file: chunks, hashes, links and stores.
///
/// Reading, hashing and storing overlap: while one chunk is read, a few are hashed on other threads and a
/// batch is being stored. Memory is a handful of chunks and two batches, however long the file is, and a
/// chunk that arrives whole is stored without being copied.
///
///     source -> Chunker -> hash (in parallel) -> BalancedLayout (in order) -> BlockSink -> put
package struct Importer: Sendable {
    /// How many chunks may be in the hands of hashers at once.
    package static let hashersInFlight = 4

    package let profile: ImportProfile
    private let maker: NodeMaker
    let pool: BufferPool

    /// Throws when the profile cannot work.
    package init(profile: ImportProfile = .v1_2025) throws(ImportError) {
        try profile.validate()
        self.profile = profile
        maker = NodeMaker(profile: profile)
        let poolLimit = max(8, 3 * BlockSink.batchBytes / max(profile.chunkSize, 64 << 10))
        pool = BufferPool(size: profile.chunkSize, limit: poolLimit)
    }

    /// Imports one file whose content is `bytes`; all its blocks are stored when this returns.
    ///
    /// - Parameter progress: told the length of each buffer that was taken in.
    package func add<S: AsyncSequence>(
        _ bytes: S, put: @escaping BlockPut, progress: (@Sendable (Int) -> Void)? = nil
    ) async throws -> ImportedNode where S.Element == ByteBuffer {
        let sink = BlockSink(put: put, pool: pool)
        do {
            let root = try await add(bytes.makeAsyncIterator(), into: sink, progress: progress)
            try await sink.finish()
            return root
        } catch {
            await sink.abandon()
            throw error
        }
    }

    /// Imports one file that is in memory.
    package func add(_ buffer: ByteBuffer, put: @escaping BlockPut) async throws -> ImportedNode {
        try await add(OneBuffer(buffer: buffer), put: put)
    }

    /// Imports one file into a sink that others share; its last blocks are stored when the sink is finished.
    func add<Source: AsyncIteratorProtocol>(
        _ source: Source, into sink: BlockSink, progress: ((Int) -> Void)? = nil
    ) async throws -> ImportedNode where Source.Element == ByteBuffer {
        var source = source
        var chunker = Chunker(size: profile.chunkSize, pool: pool)
        var chunks: [ByteBuffer] = []
        let leaves = LeafPipeline(maker: maker, sink: sink)
        defer { leaves.cancel() }
        while var buffer = try await source.next(isolation: #isolation) {
            try Task.checkCancellation()
            let count = buffer.readableBytes
            chunker.append(&buffer, to: &chunks)
            for index in chunks.indices { try await leaves.append(&chunks[index]) }
            chunks.removeAll(keepingCapacity: true)
            progress?(count)
        }
        if var last = chunker.finish() { try await leaves.append(&last) }
        return try await leaves.finish()
    }
}

/// A sequence of one buffer.
struct OneBuffer: AsyncSequence, AsyncIteratorProtocol {
    var buffer: ByteBuffer?

    func makeAsyncIterator() -> OneBuffer { self }

    mutating func next() async throws -> ByteBuffer? {
        let next = buffer
        buffer = nil
        return next
    }
}
