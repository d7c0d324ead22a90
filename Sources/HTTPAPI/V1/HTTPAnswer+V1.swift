import NIOCore
import NIOHTTP1

extension HTTPAnswer {
    /// Sends an answer of the read side; `isHead` leaves its body out.
    ///
    /// Throws `BrokenAnswer` when it fails after its head.
    func deliver(_ answer: V1Answer, isHead: Bool) async throws {
        // What the RPC's clients may send is no matter of the read side, which says it where it is asked.
        fields.remove(name: "Access-Control-Allow-Headers")
        for (name, _) in answer.headers { fields.remove(name: name) }
        fields.add(contentsOf: answer.headers)
        // No page is rendered from here, whatever the bytes are taken for.
        set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
        set("Cross-Origin-Resource-Policy", "cross-origin")
        hasBegun = true
        hasEnded = true
        let isEmpty = answer.status == .noContent || answer.status == .notModified
        var source: V1Answer.Source?
        var parts: [HTTPServerResponsePart] = []
        switch answer.body {
        case .bytes(let bytes):
            if !isEmpty { set("Content-Length", String(bytes.readableBytes)) }
            if !isHead, !isEmpty, bytes.readableBytes > 0 { parts.append(.body(.byteBuffer(bytes))) }
        case .stream(let length, let bytes):
            set("Content-Length", String(length))
            source = bytes
        case .endless(let bytes): source = bytes
        }
        let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: fields)
        guard let source, !isHead else {
            return try await outbound.write(contentsOf: [.head(head)] + parts + [.end(nil)])
        }
        try await outbound.write(.head(head))
        do {
            try await source(BodyWriter(outbound))
        } catch {
            throw BrokenAnswer(reason: error)
        }
        try await outbound.write(.end(nil))
    }

    /// Sends pieces of a body as they come.
    private final class BodyWriter: V1Sink {
        private let outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
        init(_ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>) { self.outbound = outbound }
        func write(_ bytes: ByteBuffer) async throws { try await outbound.write(.body(.byteBuffer(bytes))) }
    }
}
