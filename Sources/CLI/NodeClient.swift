import HTTPAPI
import NIOCore

/// A node that commands can be sent to: over HTTP, or in this process. Both answer the same.
protocol NodeClient: Sendable {
    /// Sends one command; its answer goes to `sink` piece by piece.
    ///
    /// - Throws: `RPCError` when the node refuses, also in the middle of an answer.
    func send(_ request: RPCRequest, to sink: ReplySink) async throws
}

/// Takes an answer apart. Used by the task that sends.
final class ReplySink: RPCSink {
    private let onEvent: (JSON) async throws -> Void
    private let onBytes: (ByteBuffer) async throws -> Void
    private let onLength: (Int) -> Void

    init(
        event: @escaping (JSON) async throws -> Void = { _ in },
        bytes: @escaping (ByteBuffer) async throws -> Void = { _ in }, length: @escaping (Int) -> Void = { _ in }
    ) {
        onEvent = event
        onBytes = bytes
        onLength = length
    }

    /// Told before the first piece, when the node knows how many bytes come.
    func begin(length: Int) { onLength(length) }

    func write(_ bytes: ByteBuffer) async throws { try await onBytes(bytes) }
    func events(_ values: [JSON]) async throws {
        for value in values { try await onEvent(value) }
    }
}

extension NodeClient {
    /// Sends a command that answers one value.
    func value(
        _ command: String, _ arguments: [String] = [], _ options: [String: String] = [:], files: LocalFiles? = nil
    ) async throws -> JSON {
        var result: JSON?
        try await events(command, arguments, options, files: files) { result = $0 }
        guard let result else { throw RPCError(.failure, "the node answered nothing") }
        return result
    }

    /// Sends a command that answers values, and gives each to `body`.
    func events(
        _ command: String, _ arguments: [String] = [], _ options: [String: String] = [:], files: LocalFiles? = nil,
        body: @escaping (JSON) async throws -> Void
    ) async throws {
        let request = RPCRequest(command, Parameters(arguments: arguments, options: options), files: files)
        try await send(request, to: ReplySink(event: body))
    }

    /// Sends a command that answers bytes, and gives each piece to `body`.
    func bytes(
        _ command: String, _ arguments: [String] = [], _ options: [String: String] = [:],
        length: @escaping (Int) -> Void = { _ in }, body: @escaping (ByteBuffer) async throws -> Void
    ) async throws {
        let request = RPCRequest(command, Parameters(arguments: arguments, options: options))
        try await send(request, to: ReplySink(bytes: body, length: length))
    }
}
