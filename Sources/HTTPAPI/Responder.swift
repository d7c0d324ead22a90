import Logging
import NIOCore
import NIOHTTP1

/// Takes one request from its head to the end of its answer.
struct Responder: Sendable {
    let api: API
    let gatekeeper: Gatekeeper
    let logger: Logger

    private static let prefix = "/api/v0/"
    private static let exposed = "X-Stream-Output, X-Chunked-Output, X-Content-Length"

    func respond(
        to head: HTTPRequestHead, body: RequestReader, outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>,
        from address: String, closed: EventLoopFuture<Void>
    ) async throws {
        // The query may carry the token, so that only the path is ever logged.
        let path = String(head.uri.prefix { $0 != "?" })
        let answer = HTTPAnswer(outbound, fields: fields(for: head))
        do {
            if V1Request.isOurs(path), let request = V1Request(head) {
                try await read(request, answer: answer)
            } else {
                try await route(head, path: path, body: body, answer: answer, from: address, closed: closed)
            }
        } catch let error as BrokenAnswer {
            logger.debug("ended early", metadata: ["path": "\(path)", "reason": "\(error.reason)"])
            throw error
        } catch {
            let error = error as? RPCError ?? RPCError(describing: error)
            logger.debug("failed", metadata: ["path": "\(path)", "reason": "\(error.message)"])
            // Its sender shall get to read the answer; one that goes on sending loses its connection.
            _ = try await body.skipBody(limit: RequestReader.maximumSkipped)
            try await answer.fail(error)
        }
    }

    /// Answers what anyone may read, from any page: it is public, and needs no token. The Host is looked at all the
    /// same, so that no page of a foreign name passes for one of this node.
    private func read(_ request: V1Request, answer: HTTPAnswer) async throws {
        let reply: V1Answer
        do throws(RPCError) {
            try gatekeeper.checkHost(request.headers.first(name: "host"))
            reply = await api.catalog.answer(request)
        } catch {
            reply = CatalogAPI.answer(V1Problem(HTTPResponseStatus(statusCode: error.status), error.message))
        }
        try await answer.deliver(reply, isHead: request.method == .head)
    }

    private func route(
        _ head: HTTPRequestHead, path: String, body: RequestReader, answer: HTTPAnswer, from address: String,
        closed: EventLoopFuture<Void>
    ) async throws {
        var parameters = try Parameters(query: head.uri.dropFirst(path.count + 1))
        let credentials = Gatekeeper.Credentials(
            host: head.headers.first(name: "host"), origin: head.headers.first(name: "origin"),
            authorization: head.headers.first(name: "authorization"), query: parameters.text("api-auth"))
        try gatekeeper.checkHostAndOrigin(credentials)
        switch head.method {
        case .POST: break
        case .OPTIONS:
            answer.set("Allow", "POST, OPTIONS")
            answer.set("Access-Control-Allow-Methods", "POST")
            answer.set("Access-Control-Allow-Headers", "Authorization, Content-Type, " + Self.exposed)
            return try await answer.send(status: 204, ByteBuffer(), type: "text/plain", isHead: true)
        case .GET, .HEAD:
            if let (status, json) = await api.open(path) {
                return try await answer.send(
                    status: status, json.line, type: "application/json", isHead: head.method == .HEAD)
            }
            fallthrough
        default:
            answer.set("Allow", "POST")
            throw RPCError(.methodNotAllowed, "405 - Method Not Allowed")
        }
        try gatekeeper.checkToken(credentials, from: address, now: .now())
        guard path.hasPrefix(Self.prefix), let command = API.commands[String(path.dropFirst(Self.prefix.count))] else {
            _ = try await body.skipBody(limit: RequestReader.maximumSkipped)
            return try await answer.send(
                status: 404, ByteBuffer(string: "404 page not found\n"), type: "text/plain; charset=utf-8")
        }
        logger.debug("request", metadata: ["command": "\(command.name)"])
        if !command.takesBody, let form = try await form(head, body) { parameters = parameters.merging(form) }
        let parts = command.takesBody ? try parts(head, body) : nil
        try await answer.stream(command.run(api, RPCRequest(command.name, parameters, parts: parts, closed: closed)))
    }

    /// The longest form, in bytes.
    private static let maximumForm = 1 << 20

    /// Parameters that are too many, too long or too secret for the target, in a form that HTML calls url-encoded.
    private func form(_ head: HTTPRequestHead, _ body: RequestReader) async throws -> Parameters? {
        guard let type = head.headers.first(name: "content-type"),
            HeaderValue(type).value.lowercased() == Header.form
        else { return nil }
        var text: [UInt8] = []
        while let bytes = try await body.nextBytes() {
            guard text.count + bytes.readableBytes <= Self.maximumForm else {
                throw RPCError(.tooLarge, "the form is longer than \(Self.maximumForm) bytes")
            }
            text += bytes.readableBytesView
        }
        return try Parameters(query: Substring(decoding: text, as: UTF8.self))
    }

    private func parts(_ head: HTTPRequestHead, _ body: RequestReader) throws(RPCError) -> (any PartReader)? {
        guard let type = head.headers.first(name: "content-type"), type.lowercased().hasPrefix("multipart/") else {
            return nil
        }
        return try MultipartReader(contentType: type) { try await body.nextBytes() }
    }

    /// The headers of every answer.
    private func fields(for head: HTTPRequestHead) -> HTTPHeaders {
        var fields: HTTPHeaders = [
            "Access-Control-Allow-Headers": Self.exposed, "Access-Control-Expose-Headers": Self.exposed,
            "Server": API.agent, "Vary": "Origin", "Date": HTTPDate.text(), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        ]
        if let origin = head.headers.first(name: "origin"), gatekeeper.allows(origin: origin) {
            fields.add(name: "Access-Control-Allow-Origin", value: origin)
        }
        if !head.isKeepAlive { fields.add(name: "Connection", value: "close") }
        return fields
    }
}
