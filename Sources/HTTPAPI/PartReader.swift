package import NIOCore

/// Files, folders and symlinks on their way into a command: from a multipart body, or from the disk.
///
/// One task uses it. A folder comes before what lies in it.
package protocol PartReader: AnyObject {
    /// The next part; what is left of the one before is skipped. Nil after the last.
    func nextPart() async throws -> Part?
    /// The next piece of the current part's content; nil at its end.
    func nextChunk() async throws -> ByteBuffer?
}

/// One file, folder or symlink: everything but its content.
package struct Part: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case file
        case folder
        /// Its content is the target.
        case symlink
    }

    /// A time as UnixFS keeps it.
    package struct Time: Hashable, Sendable {
        package let seconds: Int64
        package let nanoseconds: UInt32

        package init(seconds: Int64, nanoseconds: UInt32) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    /// The form field: `file`, or `path` and the like.
    package let field: String
    /// The name, with `/` between folders; empty for standard input.
    package let path: String
    package let kind: Kind
    /// POSIX permission bits, if they were sent.
    package let mode: UInt32?
    package let modified: Time?

    package init(field: String = "file", path: String, kind: Kind, mode: UInt32? = nil, modified: Time? = nil) {
        self.field = field
        self.path = path
        self.kind = kind
        self.mode = mode
        self.modified = modified
    }
}

extension PartReader {
    /// The whole content of the current part.
    ///
    /// Throws `RPCError` when it is longer than `limit` bytes.
    package func collect(limit: Int) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        while var chunk = try await nextChunk() {
            guard whole.readableBytes + chunk.readableBytes <= limit else {
                throw RPCError(.tooLarge, "the content is longer than \(limit) bytes")
            }
            if whole.readableBytes == 0 { whole = chunk } else { whole.writeBuffer(&chunk) }
        }
        return whole
    }
}

/// The content of the current part, as a sequence. Iterate once, in the task that reads the parts.
struct PartBytes: AsyncSequence, AsyncIteratorProtocol {
    typealias Element = ByteBuffer

    let content: any PartReader
    /// What was read of it already.
    var start = ByteBuffer()
    /// Told the length of each piece.
    var progress: ((Int) async throws -> Void)?

    func makeAsyncIterator() -> PartBytes { self }

    mutating func next() async throws -> ByteBuffer? { try await next(isolation: #isolation) }

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> ByteBuffer? {
        if start.readableBytes > 0 {
            defer { start = ByteBuffer() }
            try await progress?(start.readableBytes)
            return start
        }
        guard let bytes = try await content.nextChunk() else { return nil }
        try await progress?(bytes.readableBytes)
        return bytes
    }
}
