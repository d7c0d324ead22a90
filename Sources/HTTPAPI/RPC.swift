package import NIOCore

/// One command with everything it needs: from a socket, or from the same process.
///
/// Used by one task.
package struct RPCRequest {
    /// The path below `/api/v0/`: `block/get`.
    package let command: String
    package let parameters: Parameters
    /// What the request carries when it came from a socket.
    let parts: (any PartReader)?
    /// What it carries when it comes from this machine.
    package let files: LocalFiles?
    /// Completes when whoever asked is gone, or has said that it sends nothing more, which programs only do when
    /// they go; nil when that is this process.
    let closed: EventLoopFuture<Void>?

    package init(_ command: String, _ parameters: Parameters = Parameters(), files: LocalFiles? = nil) {
        self.command = command
        self.parameters = parameters
        self.files = files
        parts = nil
        closed = nil
    }

    init(
        _ command: String, _ parameters: Parameters, parts: (any PartReader)?, closed: EventLoopFuture<Void>? = nil
    ) {
        self.command = command
        self.parameters = parameters
        self.parts = parts
        self.closed = closed
        files = nil
    }

    /// The content of the request, part by part.
    func content() throws(RPCError) -> any PartReader {
        guard let reader = parts ?? files?.reader() else { throw .usage("the request carries no file") }
        return reader
    }

    /// The content of the one file that the request must carry, of at most `limit` bytes.
    func file(limit: Int) async throws -> ByteBuffer {
        let reader = try content()
        guard try await reader.nextPart()?.kind == .file else { throw RPCError.usage("the request carries no file") }
        return try await reader.collect(limit: limit)
    }
}

/// What a command answers. The closures run in the task that asked, once.
package enum RPCReply {
    /// One JSON value.
    case value(JSON)
    /// A stream of JSON values, one a line.
    case events((any RPCSink) async throws -> Void)
    /// A stream of bytes: its media type, its length as Kubo counts it (if known), its source.
    case bytes(type: String, length: Int?, (any RPCSink) async throws -> Void)
}

/// Where an answer goes, piece by piece. `write` and `event` return when there is room for more.
package protocol RPCSink: AnyObject {
    func write(_ bytes: ByteBuffer) async throws
    /// Sends values on their way at once; without any, what tells the other side that the answer has begun.
    func events(_ values: [JSON]) async throws
}

extension RPCSink {
    package func event(_ value: JSON) async throws { try await events([value]) }
}

/// A command of the API.
package struct RPCCommand: Sendable {
    /// The path below `/api/v0/`.
    package let name: String
    /// Whether its body is a stream without limit.
    let takesBody: Bool
    let run: @Sendable (API, RPCRequest) async throws -> RPCReply

    init(
        _ name: String, takesBody: Bool = false,
        _ run: @escaping @Sendable (API, RPCRequest) async throws -> RPCReply
    ) {
        self.name = name
        self.takesBody = takesBody
        self.run = run
    }
}
