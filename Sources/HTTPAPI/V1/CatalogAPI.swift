import Catalog
import Foundation
import Multiformats
import NIOCore
import NIOHTTP1
import NIOPosix
import PeerCrypto

/// The read side of the API: everything below `/v1`, answered from this node's own catalog.
///
/// It is what the original's discovery nodes answered, in the same shapes. It needs no token, since everything in it
/// is public, and says nothing that differs by who asks, but for what the request itself names.
package struct CatalogAPI: Sendable {
    let source: any CatalogSource
    let media: any CatalogMedia
    /// Milliseconds since 1970.
    let now: @Sendable () -> UInt64
    /// Who follows the events now.
    let followers: FollowerLimit
    /// How long an event stream may be silent.
    let heartbeat: Duration

    static let router = V1Router(
        V1Users.routes + V1DigitalContents.routes + V1ContentLists.routes + V1Feed.routes + V1Media.routes
            + V1Events.routes + OpenAPI.routes)

    /// - Parameters:
    ///   - followers: how many clients may follow the events at once.
    ///   - heartbeat: how long an event stream may be silent before a comment shows that it lives.
    package init(
        _ source: any CatalogSource, media: any CatalogMedia, followers: Int = 32,
        heartbeat: Duration = .seconds(15),
        now: @escaping @Sendable () -> UInt64 = CatalogAPI.wallClock
    ) {
        self.source = source
        self.media = media
        self.followers = FollowerLimit(followers)
        self.heartbeat = heartbeat
        self.now = now
    }

    /// The calendar, in milliseconds since 1970.
    package static let wallClock: @Sendable () -> UInt64 = { UInt64(max(0, Date().timeIntervalSince1970 * 1000)) }

    /// The pattern of every route that requests are dispatched to, below `/v1/`.
    package static var patterns: [String] { router.patterns }

    /// Whether there is a route for a percent-encoded path such as `/v1/users/top`.
    package static func hasRoute(_ path: String) -> Bool { router.match(path) != nil }

    /// Answers a request; whatever fails is a problem document.
    package func answer(_ request: V1Request) async -> V1Answer {
        var answer: V1Answer
        do {
            answer = try await route(request)
        } catch {
            answer = Self.answer(V1Problem(describing: error))
        }
        for (name, value) in Self.publicFields { answer.headers.replaceOrAdd(name: name, value: value) }
        return answer
    }

    /// What everybody may read may be read by every web page, too. Nothing is allowed with a user's credentials.
    private static let publicFields = [
        ("Access-Control-Allow-Origin", "*"),
        (
            "Access-Control-Expose-Headers",
            "Accept-Ranges, Content-Length, Content-Location, Content-Range, ETag, Link, Retry-After"
        ),
    ]

    private func route(_ request: V1Request) async throws -> V1Answer {
        guard let match = Self.router.match(request.path) else {
            throw V1Problem.notFound("route; see /v1/openapi.json")
        }
        if request.method == .options {
            var answer = V1Answer(.noContent)
            answer.headers.add(name: "Allow", value: "GET, HEAD, OPTIONS")
            answer.headers.add(name: "Access-Control-Allow-Methods", value: "GET, HEAD, OPTIONS")
            answer.headers.add(name: "Access-Control-Allow-Headers", value: "*, Authorization")
            answer.headers.add(name: "Access-Control-Max-Age", value: "86400")
            return answer
        }
        let call = V1Call(api: self, request: request, query: try V1Query(request.query), match: match)
        switch match.route.action {
        case .query(let query): return answer(try await onThread { try query(call) }, to: call)
        case .answer(let action): return try await action(call)
        }
    }

    /// Runs a read of the view where it may block on the disk.
    func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await NIOThreadPool.singleton.runIfActive(body)
    }

    // MARK: Documents

    func answer(_ result: V1Result, to call: V1Call) -> V1Answer {
        var answer = Self.document(result.json.line, "application/json", for: call.request)
        if let next = result.next {
            var pairs = call.request.query.split(separator: "&").filter {
                !$0.hasPrefix("cursor=") && !$0.hasPrefix("offset=")
            }
            pairs.append("cursor=\(next)")
            answer.headers.add(
                name: "Link",
                value: "<\(call.request.base)\(call.request.path)?\(pairs.joined(separator: "&"))>; rel=\"next\"")
        }
        if let location = result.location { answer.headers.add(name: "Content-Location", value: location) }
        return answer
    }

    /// A document with an ETag of its bytes; 304 where the client has it.
    static func document(_ bytes: ByteBuffer, _ type: String, for request: V1Request) -> V1Answer {
        let digest = ContentHash.sha256(bytes).digest.prefix(16)
        let tag = "\"" + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\""
        var answer = V1Answer(type: type, .bytes(bytes))
        answer.headers.add(name: "ETag", value: tag)
        // It may change with every update that comes: ask again, and send the tag along.
        answer.headers.add(name: "Cache-Control", value: "no-cache")
        if ETags.match(request.headers["if-none-match"].joined(separator: ","), tag) {
            answer.status = .notModified
            answer.headers.remove(name: "Content-Type")
            answer.body = .bytes(ByteBuffer())
        }
        return answer
    }

    static func answer(_ problem: V1Problem) -> V1Answer {
        var answer = V1Answer(problem.status, type: "application/problem+json", .bytes(problem.json.line))
        for (name, value) in problem.fields { answer.headers.add(name: name, value: value) }
        return answer
    }
}
