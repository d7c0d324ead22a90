import NIOCore
import Synchronization

/// Buffers of one size that go from reader to store and back, so that an import of any length works in a
/// few megabytes that are already mapped.
///
/// A buffer that someone still holds when it comes back is left to them: `take` then makes a new one.
final class BufferPool: Sendable {
    /// The bytes that are left free before the content, where a leaf's header is written in place.
    static let headroom = 32
    /// The bytes that are left free behind it.
    static let tailroom = 32

    let size: Int
    private let limit: Int
    private let buffers = Mutex<[ByteBuffer]>([])

    init(size: Int, limit: Int) {
        self.size = size
        self.limit = limit
    }

    /// An empty buffer with room for `size` bytes behind its reader index, and some before and after.
    func take() -> ByteBuffer {
        Self.prepare(buffers.withLock { $0.popLast() } ?? ByteBuffer(), size: size)
    }

    /// A new buffer of that form which no pool keeps.
    static func buffer(size: Int) -> ByteBuffer { prepare(ByteBuffer(), size: size) }

    private static func prepare(_ used: consuming ByteBuffer, size: Int) -> ByteBuffer {
        var buffer = used
        buffer.clear(minimumCapacity: headroom + size + tailroom)
        buffer.moveWriterIndex(to: headroom)
        buffer.moveReaderIndex(to: headroom)
        return buffer
    }

    /// Takes back a buffer that `take` made; others are ignored.
    func give(_ buffer: ByteBuffer) {
        guard buffer.storageCapacity >= BufferPool.headroom + size + BufferPool.tailroom else { return }
        buffers.withLock { if $0.count < limit { $0.append(buffer) } }
    }
}
