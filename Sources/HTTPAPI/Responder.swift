import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore

/// Takes one request from its head to the end of its answer.
struct Responder: Sendable {
    let api: API
    let gatekeeper: Gatekeeper
    let logger: Logger

    private static let prefix = "/api/v0/"
    /// What a request that is refused may still send before its connection is closed, in bytes.
    private static let maximumDrained = 1 << 20
    private static let exposed = "X-Stream-Output, X-Chunked-Output, X-Content-Length"

    /// Thrown after an answer whose request goes on for too long: it closes the connection.
    private struct TooMuchToDrain: Error {}

    func respond(to request: Request, writer: consuming ResponseWriter, from address: SocketAddress?) async throws {
        let target = request.head.path ?? "/"
        let path = String(target.prefix { $0 != "?" })
        let answer = HTTPAnswer(writer, fields: fields(for: request))
        var body = request.body.makeAsyncIterator()
        do {
            try await route(
                request, path: path, query: target.dropFirst(path.count + 1), answer: answer,
                from: address?.ipAddress ?? "local") { try await body.next() }
        } catch let error as RPCError {
            logger.debug("refused", metadata: ["path": "\(path)", "reason": "\(error.message)"])
            try await drain(&body, for: request)
            try await answer.fail(error)
        } catch {
            let error = RPCError(describing: error)
            logger.debug("failed", metadata: ["path": "\(path)", "reason": "\(error.message)"])
            if !answer.hasBegun { try await drain(&body, for: request) }
            try await answer.fail(error)
        }
    }

    private func route(
        _ request: Request, path: String, query: Substring, answer: HTTPAnswer, from address: String,
        body: @escaping () async throws -> ByteBuffer?
    ) async throws {
        let parameters = try Parameters(query: query)
        let credentials = Gatekeeper.Credentials(
            host: request.head.authority, origin: request.headers[.origin],
            authorization: request.headers[.authorization], query: parameters.text("api-auth"))
        try gatekeeper.checkHostAndOrigin(credentials)
        if request.method == .options {
            answer.set([.allow: "POST, OPTIONS", .accessControlAllowMethods: "POST"])
            answer.set([.accessControlAllowHeaders: "Authorization, Content-Type, " + Self.exposed])
            return try await answer.send(status: 204, ByteBuffer(), type: "text/plain", isHead: true)
        }
        if request.method == .get || request.method == .head {
            guard let (status, json) = await api.open(path) else {
                answer.set([.allow: "POST"])
                throw RPCError(.methodNotAllowed, "405 - Method Not Allowed")
            }
            return try await answer.send(
                status: status, json.line, type: "application/json", isHead: request.method == .head)
        }
        guard request.method == .post else {
            answer.set([.allow: "POST"])
            throw RPCError(.methodNotAllowed, "405 - Method Not Allowed")
        }
        try gatekeeper.checkToken(credentials, from: address, now: .now())
        guard path.hasPrefix(Self.prefix), let command = API.commands[String(path.dropFirst(Self.prefix.count))] else {
            return try await answer.send(
                status: 404, ByteBuffer(string: "404 page not found\n"), type: "text/plain; charset=utf-8")
        }
        logger.debug("request", metadata: ["command": "\(command.name)"])
        let parts = try command.takesBody ? parts(of: request, body) : nil
        try await answer.stream(command.run(api, RPCRequest(command.name, parameters, parts: parts)))
    }

    private func parts(
        of request: Request, _ body: @escaping () async throws -> ByteBuffer?
    ) throws(RPCError) -> (any PartReader)? {
        guard let type = request.headers[.contentType], type.lowercased().hasPrefix("multipart/") else { return nil }
        return try MultipartReader(contentType: type, read: body)
    }

    /// Reads what a refused request still sends, so that its sender gets to read the answer.
    private func drain(_ body: inout RequestBody.AsyncIterator, for request: Request) async throws {
        var length = 0
        while length <= Self.maximumDrained, let bytes = try await body.next() { length += bytes.readableBytes }
    }

    /// The headers of every answer.
    private func fields(for request: Request) -> HTTPFields {
        var fields: HTTPFields = [
            .server: API.agent, .date: HTTPDate.text(), .vary: "Origin", .xContentTypeOptions: "nosniff",
            .frameOptions: "DENY", .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
            .cacheControl: "no-store", .accessControlAllowHeaders: Self.exposed,
            .accessControlExposeHeaders: Self.exposed,
        ]
        if let origin = request.headers[.origin], gatekeeper.allows(origin: origin) {
            fields[.accessControlAllowOrigin] = origin
        }
        if request.headers[.connection]?.lowercased() == "close" { fields[.connection] = "close" }
        return fields
    }
}

extension HTTPAnswer {
    /// Sends a command's reply, with the headers by which Kubo's clients know its shape.
    func stream(_ reply: RPCReply) async throws {
        set([.trailer: "X-Stream-Error"])
        switch reply {
        case .value(let json):
            set([.contentType: "application/json"])
            try await event(json)
        case .events(let source):
            set([.contentType: "application/json", .chunkedOutput: "1"])
            try await source(self)
        case .bytes(let type, let length, let source):
            set([.contentType: type, .streamOutput: "1"])
            if let length { set([.streamLength: String(length)]) }
            try await source(self)
        }
        try await finish()
    }
}
