import Catalog
import NIOCore
import NIOHTTP1
import Synchronization

/// The stream of updates as they come: server-sent events.
///
/// Source: WHATWG HTML, section 9.2 (server-sent events)
enum V1Events {
    static let routes: [V1Route] = [
        V1Route(
            pattern: "events", name: "followEvents",
            summary: "Updates in the order in which they come to this node, as server-sent events; resumable by id",
            parameters: [.after, .updateKinds], answer: .events, action: .answer { try await follow($0) })
    ]

    /// What the client waits before it comes again, in milliseconds.
    private static let retry = 3_000

    private static func follow(_ call: V1Call) async throws -> V1Answer {
        if let accept = call.request.headers.first(name: "accept")?.lowercased(), !accept.contains("text/event-stream"),
            !accept.contains("text/*"), !accept.contains("*/*")
        {
            throw V1Problem(.notAcceptable, "events come as text/event-stream")
        }
        let last = try position(call)
        let kinds = Set(call.query.all("kind").flatMap { $0.split(separator: ",") }.map(String.init))
        var answer = V1Answer(type: "text/event-stream; charset=utf-8")
        answer.headers.add(name: "Cache-Control", value: "no-store")
        // Proxies that gather answers would hold events back.
        answer.headers.add(name: "X-Accel-Buffering", value: "no")
        if call.request.method == .head {
            answer.body = .endless { _ in }
            return answer
        }
        guard let place = call.api.followers.take() else {
            var problem = V1Problem(.serviceUnavailable, "too many clients follow the events; try again later")
            problem.fields = [("Retry-After", "30")]
            throw problem
        }
        let api = call.api
        answer.body = .endless { sink in
            // The place is given back when this is over, or never begins.
            defer { withExtendedLifetime(place) {} }
            try await send(api, behind: last, kinds, to: sink)
        }
        return answer
    }

    /// The event that the client saw last; `nil` to begin with what comes.
    private static func position(_ call: V1Call) throws(V1Problem) -> Int64? {
        // A reconnecting browser repeats the address and adds the header, which is newer.
        guard let text = call.request.headers.first(name: "last-event-id"), !text.isEmpty else {
            return try call.query.number("id", in: 0...Int.max).map { Int64($0) }
        }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let id = Int64(text) else {
            throw V1Problem(.badRequest, "Last-Event-ID must be the id of an event of this node")
        }
        return id
    }

    // MARK: Sending

    private enum Item: Sendable {
        case event(ByteBuffer)
        case heartbeat
    }

    /// Sends event after event, reading the next when the last is on its way: a slow client costs one event.
    private static func send(
        _ api: CatalogAPI, behind last: Int64?, _ kinds: Set<String>, to sink: any V1Sink
    ) async throws {
        try await sink.write(ByteBuffer(string: "retry: \(retry)\n\n"))
        let (items, next) = AsyncStream.makeStream(of: Item.self, bufferingPolicy: .bufferingOldest(4))
        let (takings, taken) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var taking = takings.makeAsyncIterator()
                for await news in api.source.news(after: last) {
                    guard kinds.isEmpty || kinds.contains(news.update.kind.rawValue) else { continue }
                    next.yield(.event(event(news)))
                    guard await taking.next() != nil else { break }
                }
                next.finish()
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: api.heartbeat)
                    next.yield(.heartbeat)
                }
            }
            for await item in items {
                switch item {
                case .event(let bytes):
                    try await sink.write(bytes)
                    taken.yield()
                case .heartbeat: try await sink.write(ByteBuffer(staticString: ": here\n\n"))
                }
            }
            group.cancelAll()
        }
    }

    private static func event(_ news: CatalogNews) -> ByteBuffer {
        var buffer = ByteBuffer(string: "id: \(news.id)\nevent: update\ndata: ")
        json(news).write(to: &buffer)
        buffer.writeStaticString("\n\n")
        return buffer
    }

    private static func json(_ news: CatalogNews) -> JSON {
        let update = news.update
        return [
            "id": .int(Int(news.id)), "kind": .string(update.kind.rawValue), "update": JSON(update.cid),
            "author": JSON(update.subject), "user_id": JSON(EntityID(.author, update.subject)),
            "signer": JSON(update.author), "time": .time(update.time), "entity": entity(update),
        ]
    }

    /// What the update is about, as the API names it; null where it is the author, or its body is not here.
    private static func entity(_ update: Update) -> JSON {
        func own(_ kind: EntityKind, _ word: String, _ id: String) -> JSON {
            ["kind": .string(word), "id": JSON(EntityID(kind, update.subject, id))]
        }
        switch update.body {
        case .content(let body): return own(.content, "digital_content", body.id)
        case .contentDelete(let body): return own(.content, "digital_content", body.id)
        case .list(let body): return own(.list, "content_list", body.id)
        case .listDelete(let body): return own(.list, "content_list", body.id)
        case .listItem(let body): return own(.list, "content_list", body.list)
        case .comment(let body): return own(.comment, "comment", body.id)
        case .commentDelete(let body): return own(.comment, "comment", body.id)
        case .edge(let body):
            let words = ["author": "user", "content": "digital_content", "list": "content_list"]
            return [
                "kind": .string(words[body.target.type] ?? body.target.type), "id": JSON(EntityID(body.target)),
                "relation": .string(body.relation.rawValue), "on": .bool(body.isOn),
            ]
        default: return .null
        }
    }
}

/// How many clients may follow the events at once.
final class FollowerLimit: Sendable {
    private let free: Mutex<Int>

    init(_ count: Int) { free = Mutex(count) }

    /// A place among the followers, given back when it is released; `nil` when there is none.
    func take() -> Place? {
        let isFree = free.withLock { free in
            if free <= 0 { return false }
            free -= 1
            return true
        }
        return isFree ? Place(self) : nil
    }

    final class Place: Sendable {
        private let limit: FollowerLimit
        fileprivate init(_ limit: FollowerLimit) { self.limit = limit }
        deinit { limit.free.withLock { $0 += 1 } }
    }
}
