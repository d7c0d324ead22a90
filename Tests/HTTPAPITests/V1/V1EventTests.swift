import Catalog
import HTTPAPI
import Multiformats
import NIOHTTP1
import PeerCrypto
import Testing

@Suite("Events of the catalog's read side")
struct V1EventTests {
    private static let key = KeyPair(seed: [UInt8](repeating: 3, count: 32))

    /// An author's log: the first update, then `count` pieces of content.
    private static func updates(_ count: Int) throws -> [Update] {
        let first = try Update.sign(
            .authorCreate(AuthorCreateBody(recovery: CatalogSample.digest("r"))), author: nil, prev: [], seq: 0,
            time: CatalogSample.start, with: key)
        var all = [first]
        for index in 0..<count {
            var body = ContentBody(id: "event-\(index)")
            body.title = .set("Event\n\nid: 99 \(index)")
            let last = all[all.count - 1]
            all.append(
                try Update.sign(
                    .content(body), author: first.author, prev: [last.id], seq: last.seq + 1, time: last.time + 1_000,
                    with: key))
        }
        return all
    }

    /// One event as a client reads it.
    struct Event {
        let id: Int
        let name: String
        let data: JSON

        init?(_ block: Substring) {
            let fields = block.split(separator: "\n").reduce(into: [String: String]()) { fields, line in
                let halves = line.split(separator: ":", maxSplits: 1)
                if halves.count == 2 { fields[String(halves[0])] = String(halves[1].dropFirst()) }
            }
            guard let id = fields["id"].flatMap({ Int($0) }), let name = fields["event"],
                let data = fields["data"].flatMap({ try? JSON(parsing: $0) })
            else { return nil }
            (self.id, self.name, self.data) = (id, name, data)
        }

        static func all(_ bytes: [UInt8]) -> [Event] {
            String(decoding: bytes, as: UTF8.self).split(separator: "\n\n").compactMap { Event($0) }
        }
    }

    struct Enough: Error {}

    /// Follows until `count` events came, then goes away as a client does; or until the source ends.
    private func follow(_ answer: V1Answer, until count: Int = .max, onEvent: @escaping (Int) -> Void = { _ in })
        async throws
        -> [Event]
    {
        guard case .endless(let source) = answer.body else { return [] }
        var bytes: [UInt8] = []
        let sink = CollectingSink { piece in
            bytes += piece
            let events = Event.all(bytes)
            onEvent(events.count)
            if events.count >= count { throw Enough() }
        }
        do {
            try await source(sink)
        } catch is Enough {}
        return Event.all(bytes)
    }

    @Test("Updates come as they arrive, in order, named by what they are about")
    func news() async throws {
        let sample = try await CatalogSample()
        let updates = try Self.updates(5)
        sample.news.post(updates[0])
        let answer = await sample.get("/v1/events?id=0", ["Accept": "text/event-stream"])
        #expect(answer.headers.first(name: "content-type") == "text/event-stream; charset=utf-8")
        // Each comes after the one before was read.
        let events = try await follow(answer, until: 6) { count in
            if count > 0, count < 6 { sample.news.post(updates[count]) }
        }
        #expect(events.map(\.id) == [1, 2, 3, 4, 5, 6])
        #expect(events.allSatisfy { $0.name == "update" })
        let last = events[5].data
        let author = updates[0].author
        #expect(last["kind"]?.text == "content.put" && last["update"]?.text == updates[5].cid.description)
        #expect(last["author"]?.text == author.description)
        #expect(last["user_id"]?.text == EntityID(.author, author).description)
        #expect(last["entity"]?["id"]?.text == EntityID(.content, author, "event-4").description)
        #expect(last["time"]?.text == "2026-03-01T00:00:05Z")
        #expect(events[0].data["entity"] == .null)
    }

    @Test("Who comes again goes on behind the last event that it saw", arguments: [true, false])
    func resume(byHeader: Bool) async throws {
        let sample = try await CatalogSample()
        for update in try Self.updates(9) { sample.news.post(update) }
        let first = try await follow(await sample.get("/v1/events?id=0"), until: 4)
        let last = try #require(first.last?.id)
        // A browser repeats its old address, and adds the header.
        let again =
            byHeader
            ? await sample.get("/v1/events?id=0", ["Last-Event-ID": "\(last)"])
            : await sample.get("/v1/events?id=\(last)")
        let rest = try await follow(again, until: 6)
        #expect((first + rest).map(\.id) == Array(1...10))
    }

    @Test("Without an id only what comes is sent, kinds pick, and the end of the catalog ends the stream")
    func fromNow() async throws {
        let sample = try await CatalogSample()
        let updates = try Self.updates(3)
        sample.news.post(updates[0])
        sample.news.post(updates[1])
        let answer = await sample.get("/v1/events?kind=content.put,content.delete")
        let followed = Task { try await self.follow(answer) }
        while sample.news.followers == 0 { await Task.yield() }
        sample.news.post(updates[0])
        sample.news.post(updates[2])
        sample.news.post(updates[3])
        sample.news.close()
        let events = try await followed.value
        #expect(events.map(\.id) == [4, 5])
    }

    @Test("A slow client holds one event, and the rest waits where it is")
    func slowClient() async throws {
        let sample = try await CatalogSample()
        for update in try Self.updates(200) { sample.news.post(update) }
        let events = try await follow(await sample.get("/v1/events?id=0"), until: 201)
        #expect(events.map(\.id) == Array(1...201))
    }

    @Test("A silent stream shows that it lives")
    func heartbeat() async throws {
        let sample = try await CatalogSample(heartbeat: .milliseconds(1))
        guard case .endless(let source) = await sample.get("/v1/events").body else { return }
        var beats = 0
        let sink = CollectingSink { piece in
            if piece.first == UInt8(ascii: ":") { beats += 1 }
            if beats == 3 { throw Enough() }
        }
        await #expect(throws: Enough.self) { try await source(sink) }
    }

    @Test("Only so many may follow at once; one who leaves makes room")
    func bounded() async throws {
        let sample = try await CatalogSample(followers: 2)
        var held: [V1Answer] = [await sample.get("/v1/events"), await sample.get("/v1/events")]
        #expect(held.map(\.status) == [.ok, .ok])
        let third = await sample.get("/v1/events")
        #expect(third.status == .serviceUnavailable && third.headers.first(name: "retry-after") == "30")
        held.removeLast()
        let fourth = await sample.get("/v1/events")
        #expect(fourth.status == .ok)
        // A look at the headers takes no place.
        let head = await sample.api.answer(V1Request(.head, "/v1/events", headers: ["Host": "x"]))
        #expect(head.status == .ok)
        #expect(held.count == 1)
    }

    @Test("What cannot be followed is refused")
    func refused() async throws {
        let sample = try await CatalogSample()
        let type = await sample.get("/v1/events", ["Accept": "application/json"])
        #expect(type.status == .notAcceptable)
        for id in ["x", "-1", "1.5", "99999999999999999999999"] {
            let header = await sample.get("/v1/events", ["Last-Event-ID": id])
            let query = await sample.get("/v1/events?id=\(id)")
            #expect(header.status == .badRequest && query.status == .badRequest, "\(id)")
        }
    }
}
