import Foundation
import HTTPAPI
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The node that runs on the repo, reached through its API on this machine.
struct RemoteNode: NodeClient {
    let host: String
    let port: Int
    let token: String?

    /// The node that the repo's `api` file names; nil when there is none, or nobody listens there any more.
    static func connect(repository: String) async throws -> RemoteNode? {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: repository + "/" + APIFile.name)),
            let (host, port) = APIFile.parse(String(decoding: data.prefix(1024), as: UTF8.self))
        else { return nil }
        let node = RemoteNode(host: host, port: port, token: APIToken.load(repository: repository)?.text)
        do {
            try await node.bootstrap.connect(host: node.host, port: node.port).get().close()
            return node
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            return nil
        } catch let error as NIOConnectionError
            where error.connectionErrors.allSatisfy({ ($0.error as? IOError)?.errnoCode == ECONNREFUSED })
        {
            return nil
        }
    }

    typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private var bootstrap: ClientBootstrap {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 64 << 10, maximum: 1 << 20))
    }

    private func open() async throws -> Connection {
        try await bootstrap.connect(host: host, port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
            }
        }
    }

    func send(_ request: RPCRequest, to sink: ReplySink) async throws {
        let connection: Connection
        do {
            connection = try await open()
        } catch {
            throw RPCError(.unavailable, "the node at \(host):\(port) does not answer; is it still running?")
        }
        let form = request.files == nil && request.parameters.areForm ? request.parameters.query : nil
        let upload = Upload(files: request.files, form: form)
        let head = head(of: request, boundary: upload.boundary, form: form)
        do {
            try await connection.executeThenClose { inbound, outbound in
                async let _ = upload.send(head, to: outbound, on: connection.channel)
                var answer = RemoteAnswer(sink: sink)
                var iterator = inbound.makeAsyncIterator()
                while let part = try await iterator.next(isolation: #isolation) {
                    if try await answer.take(part) { break }
                }
                try answer.finish()
                // A whole answer, or a refusal, ends the upload: leaving cancels what still sends.
            }
        } catch {
            if let failure = upload.failure { throw failure }
            switch error {
            case is ChannelError, is IOError, is HTTPParserError:
                throw RPCError(.unavailable, "the connection to the node broke: \(error)")
            default: throw error
            }
        }
    }

    private func head(of request: RPCRequest, boundary: String?, form: String?) -> HTTPRequestHead {
        var headers: HTTPHeaders = [
            "Host": "\(host.contains(":") ? "[\(host)]" : host):\(port)", "User-Agent": API.agent,
            "Connection": "close",
        ]
        if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let boundary {
            headers.add(name: "Content-Type", value: "multipart/form-data; boundary=\(boundary)")
            headers.add(name: "Transfer-Encoding", value: "chunked")
        } else {
            if form != nil { headers.add(name: "Content-Type", value: Header.form) }
            headers.add(name: "Content-Length", value: String(form?.utf8.count ?? 0))
        }
        let query = form == nil ? request.parameters.query : ""
        let uri = "/api/v0/" + request.command + (query.isEmpty ? "" : "?" + query)
        return HTTPRequestHead(version: .http1_1, method: .POST, uri: uri, headers: headers)
    }
}

/// Sends one request, and knows why its content could not be read here.
private final class Upload: Sendable {
    let boundary: String?
    private let files: LocalFiles?
    private let form: String?
    private let problem = Mutex<(any Error)?>(nil)

    init(files: LocalFiles?, form: String?) {
        self.files = files
        self.form = form
        boundary = files.map { _ in MultipartWriter.boundary() }
    }

    /// What went wrong on this side; nil when the node's answer says it all.
    var failure: (any Error)? { problem.withLock { $0 } }

    /// Thrown when the node takes no more: its answer says why.
    private struct Refused: Error {}

    func send(
        _ head: HTTPRequestHead, to outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>,
        on channel: any Channel
    ) async {
        func write(_ part: HTTPClientRequestPart) async throws {
            do {
                try await outbound.write(part)
            } catch {
                throw Refused()
            }
        }
        do {
            try await write(.head(head))
            if let files, let boundary {
                let writer = MultipartWriter(boundary: boundary)
                try await writer.write(files.reader()) { try await write(.body(.byteBuffer($0))) }
            }
            if let form { try await write(.body(.byteBuffer(ByteBuffer(string: form)))) }
            try await write(.end(nil))
        } catch is Refused {
        } catch {
            problem.withLock { $0 = error }
            // Half a request must not look like a whole one.
            channel.close(promise: nil)
        }
    }
}

/// Reads one answer: its shape from the headers, then values or bytes, then what the trailer says.
private struct RemoteAnswer {
    /// The longest line of a stream of values, in bytes.
    private static let maximumLine = 16 << 20

    private enum Shape {
        case waiting
        case values
        case bytes
        case error(status: UInt, kind: RPCError.Kind?)
    }

    private let sink: ReplySink
    private var shape = Shape.waiting
    private var line = ByteBuffer()
    private var ended = false

    init(sink: ReplySink) {
        self.sink = sink
    }

    /// Takes the next part; true at the end of the answer.
    mutating func take(_ part: HTTPClientResponsePart) async throws -> Bool {
        switch part {
        case .head(let head):
            if head.status.code == 200 {
                shape = head.headers.contains(name: Header.streamOutput) ? .bytes : .values
                if let length = head.headers.first(name: Header.streamLength).flatMap({ Int($0) }) {
                    sink.begin(length: length)
                }
            } else {
                let kind = head.headers.first(name: Header.errorKind).flatMap { RPCError.Kind(rawValue: $0) }
                shape = .error(status: head.status.code, kind: kind)
            }
            return false
        case .body(let bytes):
            switch shape {
            case .bytes: try await sink.write(bytes)
            case .values:
                line.writeImmutableBuffer(bytes)
                while let value = try nextValue() { try await sink.event(value) }
            case .error: line.writeImmutableBuffer(bytes)
            case .waiting: break
            }
            guard line.readableBytes <= Self.maximumLine else {
                throw RPCError(.failure, "the node's answer is too long")
            }
            return false
        case .end(let trailers):
            ended = true
            if let message = trailers?.first(name: Header.streamError) {
                let kind = trailers?.first(name: Header.errorKind).flatMap { RPCError.Kind(rawValue: $0) }
                throw RPCError(kind ?? .failure, message)
            }
            return true
        }
    }

    /// Throws unless the answer was whole and good.
    func finish() throws {
        if case .error(let status, let kind) = shape {
            let message = (try? JSON(parsing: line))?["Message"]?.text ?? String(buffer: line)
            throw RPCError(kind ?? .failure, message.isEmpty ? "the node answered HTTP status \(status)" : message)
        }
        guard ended else { throw RPCError(.unavailable, "the node went away in the middle of its answer") }
    }

    private mutating func nextValue() throws -> JSON? {
        let view = line.readableBytesView
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let bytes = Array(view[..<end])
        line.moveReaderIndex(to: end + 1)
        line.discardReadBytes()
        return bytes.isEmpty ? try nextValue() : try JSON(parsing: bytes)
    }
}
