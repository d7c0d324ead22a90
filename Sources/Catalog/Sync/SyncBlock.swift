package import NIOCore

/// An update as it travels: the bytes of its header, and those of its body unless that was erased.
package struct SyncBlock: Hashable, Sendable {
    package let header: ByteBuffer
    package let body: ByteBuffer?

    package init(header: ByteBuffer, body: ByteBuffer?) {
        self.header = header
        self.body = body
    }

    /// Bytes of both.
    package var size: Int { header.readableBytes + (body?.readableBytes ?? 0) }
}

/// Where a session's updates are read: the log, or what stands for it in a test.
package protocol UpdateSource: Sendable {
    /// The updates with these keys in their order; `nil` for one whose header is not held.
    func blocks(of keys: [UpdateKey]) async throws -> [SyncBlock?]
}
