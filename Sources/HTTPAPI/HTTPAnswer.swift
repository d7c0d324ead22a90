import NIOCore
import NIOHTTP1

/// Writes one answer to a connection: the head with the first piece, so that whatever fails before is still
/// an error with a status; what fails later goes into the trailer `X-Stream-Error`, as Kubo does.
///
/// Used by the task of its request.
final class HTTPAnswer: RPCSink {
    let outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    var fields: HTTPHeaders

    /// Whether the head is on its way.
    var hasBegun = false
    var hasEnded = false
    /// Pieces that are too small to be worth a crossing to the connection's loop each.
    private var small = ByteBuffer()

    /// Pieces below this many bytes are gathered, up to so many.
    private static let smallPiece = 16 << 10
    private static let smallPieces = 64 << 10

    init(_ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>, fields: HTTPHeaders) {
        self.outbound = outbound
        self.fields = fields
    }

    /// Adds headers to an answer that has not begun.
    func set(_ name: String, _ value: String) { fields.replaceOrAdd(name: name, value: value) }

    func write(_ bytes: ByteBuffer) async throws {
        if bytes.readableBytes < Self.smallPiece {
            small.writeImmutableBuffer(bytes)
            if small.readableBytes >= Self.smallPieces { try await flush() }
        } else {
            try await flush(with: bytes)
        }
    }

    func events(_ values: [JSON]) async throws {
        if values.isEmpty, !hasBegun { return try await outbound.write(contentsOf: start()) }
        for value in values {
            value.write(to: &small)
            small.writeInteger(UInt8(ascii: "\n"))
        }
        try await flush()
    }

    /// Ends a stream.
    func finish() async throws {
        guard !hasEnded else { return }
        hasEnded = true
        var parts = start()
        if let piece = takeSmall() { parts.append(.body(.byteBuffer(piece))) }
        try await outbound.write(contentsOf: parts + [.end(nil)])
    }

    private func flush(with bytes: ByteBuffer? = nil) async throws {
        let pieces = [takeSmall(), bytes].compactMap { $0 }
        guard !pieces.isEmpty else { return }
        try await outbound.write(contentsOf: start() + pieces.map { .body(.byteBuffer($0)) })
    }

    private func takeSmall() -> ByteBuffer? {
        guard small.readableBytes > 0 else { return nil }
        defer { small = ByteBuffer() }
        return small
    }

    /// The head, if it is not on its way yet.
    private func start() -> [HTTPServerResponsePart] {
        if hasBegun { return [] }
        hasBegun = true
        return [.head(head(.ok))]
    }

    /// Answers with one body, if nothing was answered yet.
    func send(status: Int, _ body: ByteBuffer, type: String, isHead: Bool = false) async throws {
        guard !hasBegun else { return }
        hasBegun = true
        hasEnded = true
        set("Content-Type", type)
        set("Content-Length", String(body.readableBytes))
        let head = head(HTTPResponseStatus(statusCode: status))
        try await outbound.write(
            contentsOf: isHead ? [.head(head), .end(nil)] : [.head(head), .body(.byteBuffer(body)), .end(nil)])
    }

    /// Tells an error: as the answer, or in the trailer of the stream that it ends.
    func fail(_ error: RPCError) async throws {
        guard hasBegun || small.readableBytes > 0 else {
            set(Header.errorKind, error.kind.rawValue)
            for name in [Header.chunkedOutput, Header.streamOutput, Header.streamLength, "Trailer"] {
                fields.remove(name: name)
            }
            if error.kind == .unauthorized { set("WWW-Authenticate", "Bearer") }
            if error.kind == .throttled { set("Retry-After", "60") }
            return try await send(status: error.status, error.json.line, type: "application/json")
        }
        guard !hasEnded else { return }
        hasEnded = true
        var parts = start()
        if let last = takeSmall() { parts.append(.body(.byteBuffer(last))) }
        let message = String(error.message.unicodeScalars.map { $0.value < 0x20 ? " " : Character($0) })
        parts.append(.end([Header.streamError: message, Header.errorKind: error.kind.rawValue]))
        try await outbound.write(contentsOf: parts)
    }

    /// Sends a command's reply, with the headers by which Kubo's clients know its shape.
    func stream(_ reply: RPCReply) async throws {
        set("Trailer", Header.streamError)
        switch reply {
        case .value(let json):
            set("Content-Type", "application/json")
            try await event(json)
        case .events(let source):
            set("Content-Type", "application/json")
            set(Header.chunkedOutput, "1")
            try await source(self)
        case .bytes(let type, let length, let source):
            set("Content-Type", type)
            set(Header.streamOutput, "1")
            if let length { set(Header.streamLength, String(length)) }
            try await source(self)
        }
        try await finish()
    }

    private func head(_ status: HTTPResponseStatus) -> HTTPResponseHead {
        HTTPResponseHead(version: .http1_1, status: status, headers: fields)
    }
}

/// Names of headers that are not everyone's.
package enum Header {
    package static let chunkedOutput = "X-Chunked-Output"
    package static let streamOutput = "X-Stream-Output"
    package static let streamLength = "X-Content-Length"
    package static let streamError = "X-Stream-Error"
    /// `RPCError.Kind`, so that a program need not read the words.
    package static let errorKind = "X-Error-Kind"
    /// The content type of a request whose parameters are its body.
    package static let form = "application/x-www-form-urlencoded"
}
