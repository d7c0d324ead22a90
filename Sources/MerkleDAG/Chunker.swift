import NIOCore

/// Cuts a stream of buffers of any length into chunks of exactly `size` bytes; the last may be shorter.
///
/// Buffers that already are chunks pass through; larger ones are sliced; smaller ones are gathered in a
/// pooled buffer. Nothing is copied twice.
struct Chunker {
    private let size: Int
    private let pool: BufferPool
    /// Bytes that came and are not in a chunk yet.
    private var rest = ByteBuffer()
    /// Whether `rest` is a buffer of the pool with room for a whole chunk.
    private var isGathering = false

    init(size: Int, pool: BufferPool) {
        self.size = size
        self.pool = pool
    }

    /// Takes the stream's next bytes, leaving none, and appends the chunks that they complete to `chunks`.
    ///
    /// Buffers are moved, never held twice: a leaf's frame is then written in place.
    mutating func append(_ more: inout ByteBuffer, to chunks: inout [ByteBuffer]) {
        if rest.readableBytes > 0 {
            gather()
            let missing = size - rest.readableBytes
            if var part = more.readSlice(length: min(missing, more.readableBytes)) { rest.writeBuffer(&part) }
            guard rest.readableBytes == size else { return }
            chunks.append(takeRest())
        }
        while more.readableBytes > size, let chunk = more.readSlice(length: size) { chunks.append(chunk) }
        guard more.readableBytes > 0 else { return }
        rest = ByteBuffer()
        swap(&rest, &more)
        if rest.readableBytes == size { chunks.append(takeRest()) }
    }

    /// The bytes after the last whole chunk; `nil` when there are none.
    mutating func finish() -> ByteBuffer? { rest.readableBytes > 0 ? takeRest() : nil }

    /// Moves `rest` into a buffer that has room for a chunk; bytes that nothing follows are never moved.
    private mutating func gather() {
        guard !isGathering else { return }
        var room = pool.take()
        room.writeImmutableBuffer(rest)
        rest = room
        isGathering = true
    }

    /// Hands `rest` over without keeping a second reference, so that its owner can write in place.
    private mutating func takeRest() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &rest)
        isGathering = false
        return taken
    }
}
