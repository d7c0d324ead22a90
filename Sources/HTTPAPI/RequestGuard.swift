import NIOCore
import NIOHTTP1

/// Refuses requests that two readers could understand differently, and ones that are too large, before
/// anything else sees them: it sits right behind the HTTP/1 decoder.
///
/// Source: RFC 9112 sections 3.2, 6.3 and 11.2
final class RequestGuard: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// The longest request target, in bytes.
    static let maximumTarget = 8 << 10

    private var refused = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !refused else { return }
        if case .head(let head) = unwrapInboundIn(data), let refusal = Self.refusal(of: head) {
            refused = true
            refuse(refusal, context: context)
            return
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !refused else { return context.fireErrorCaught(error) }
        refused = true
        refuse((.badRequest, "the request is not HTTP/1.1"), context: context)
    }

    private func refuse(_ refusal: (HTTPResponseStatus, String), context: ChannelHandlerContext) {
        let body = RPCError.usage(refusal.1).json.line
        let headers = HTTPHeaders([
            ("Content-Type", "application/json"), ("Content-Length", String(body.readableBytes)),
            ("Connection", "close"), ("X-Content-Type-Options", "nosniff"),
        ])
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: refusal.0, headers: headers))),
            promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(mode: .output, promise: nil)
        context.close(promise: nil)
    }

    /// Why a request is refused: status and words; nil for one that is fine.
    static func refusal(of head: HTTPRequestHead) -> (HTTPResponseStatus, String)? {
        let headers = head.headers
        if head.version.major != 1 { return (.httpVersionNotSupported, "only HTTP/1.1 is served") }
        if head.uri.utf8.count > maximumTarget { return (.uriTooLong, "the request target is too long") }
        if !head.uri.hasPrefix("/"), !(head.method == .OPTIONS && head.uri == "*") {
            return (.badRequest, "the request target must be a path")
        }
        if headers["host"].count != 1 { return (.badRequest, "a request needs one Host") }
        let lengths = headers["content-length"]
        let codings = headers["transfer-encoding"]
        if lengths.count > 1 || codings.count > 1 || (!lengths.isEmpty && !codings.isEmpty) {
            return (.badRequest, "the length of the body is given more than once")
        }
        if let coding = codings.first, coding.lowercased() != "chunked" {
            return (.notImplemented, "the only transfer coding is chunked")
        }
        for name in ["authorization", "origin", "content-type"] where headers[name].count > 1 {
            return (.badRequest, "the header \(name) is given more than once")
        }
        return nil
    }
}
