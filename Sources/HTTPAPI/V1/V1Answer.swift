package import NIOCore
package import NIOHTTP1

/// What the read side answers: to be sent over a connection, or to be looked at by a test.
package struct V1Answer: Sendable {
    package enum Body: Sendable {
        case bytes(ByteBuffer)
        /// So many bytes, made while they are sent.
        case stream(length: UInt64, Source)
        /// Without a known end.
        case endless(Source)
    }
    /// Gives what is to be sent to a sink; runs in the task that asked, once.
    package typealias Source = @Sendable (any V1Sink) async throws -> Void

    package var status: HTTPResponseStatus
    package var headers: HTTPHeaders
    package var body: Body

    init(_ status: HTTPResponseStatus = .ok, type: String? = nil, _ body: Body = .bytes(ByteBuffer())) {
        self.status = status
        self.body = body
        headers = [:]
        if let type { headers.add(name: "Content-Type", value: type) }
    }
}

/// Where the bytes of an answer go. `write` sends them at once, and returns when there is room for more.
package protocol V1Sink: AnyObject {
    func write(_ bytes: ByteBuffer) async throws
}

/// An answer that was begun and cannot be completed: its connection has to end, so that nobody takes it for whole.
struct BrokenAnswer: Error {
    let reason: any Error
}
