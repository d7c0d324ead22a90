import Catalog
import HTTPAPI
import NIOHTTP1
import SansIO
import Testing

@Suite("Hostile requests to the catalog's read side")
struct V1HostileTests {
    /// Values that break careless readers, percent-encoded.
    private static let values = [
        "", "%00", "%ff%fe", "%", "%zz", "'", "%22", "\"", "'%20OR%201=1--", "*", "AND", "NEAR(", "(((((", "a*b\"c",
        "%F0%9F%92%A9", "%CC%81%CC%81%CC%81", "-1", "0", "1", "9223372036854775807", "9223372036854775808", "1e999",
        "NaN", "true", "false", "..%2f..%2fetc%2fpasswd", "%0d%0aX:%20y", "t0_0", "r0", "r1000000",
        "t9223372036854775807_9223372036854775807", "\(CatalogSample.user(1))", "\(CatalogSample.content(1, "song-1"))",
        "1111111111111111", "zzzzzzzzzzzzzzzzzzzzzz", "/ada/song-x", "http://[::1", "%2f%2f%2f", "~", "@", "ada~",
        String(repeating: "a", count: 3_000), String(repeating: "%20x", count: 400),
        String(repeating: "%22", count: 500),
    ]
    private static let names = [
        "query", "limit", "offset", "cursor", "time", "window", "genre", "sort", "id", "user_id", "permalink",
        "only_downloadable", "kind", "filter", "url", "exclusion_list", "original", "preview", "no_redirect", "cid",
        "id[]", "", "unknown",
    ]

    @Test("No parameter of any route is answered by a failure of ours, whatever it holds")
    func everyParameter() async throws {
        let sample = try await CatalogSample()
        let document = try await sample.get("/v1/openapi.json").json()
        var turn = 0
        for member in document["paths"]?.members ?? [] where !member.name.hasSuffix("/events") {
            let named = (member.value["get"]?["parameters"]?.elements ?? []).compactMap { $0["name"]?.text }
            let base = V1RouteTests.targets(["paths": .object([member])]).first?.path ?? ""
            for name in named where name != "handle" && name != "slug" {
                // Each gets some of them, and all together get each of them many times.
                turn += 1
                for index in 0..<10 {
                    let value = Self.values[(turn * 10 + index) % Self.values.count]
                    let target = base + (base.contains("?") ? "&" : "?") + "\(name)=\(value)"
                    let answer = await sample.get(target)
                    #expect(answer.status.code < 500, "\(target.prefix(200))")
                }
            }
        }
    }

    @Test("Random paths, queries and headers get an answer that is whole")
    func random() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("hostile requests: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let sample = try await CatalogSample()
        let document = try await sample.get("/v1/openapi.json").json()
        let paths = V1RouteTests.targets(document).map { String($0.path.prefix { $0 != "?" }) }
            .filter { !$0.hasSuffix("/events") }
        func pick<T>(_ values: [T]) -> T { values[Int(random.next() % UInt64(values.count))] }
        for _ in 0..<3_000 {
            var path = pick(paths)
            if random.next() % 4 == 0 {
                var segments = path.split(separator: "/").map(String.init)
                segments[Int(random.next() % UInt64(segments.count))] = pick(Self.values)
                path = "/v1/" + segments.dropFirst().joined(separator: "/")
            }
            let count = Int(random.next() % 6)
            let query = (0..<count).map { _ in "\(pick(Self.names))=\(pick(Self.values))" }.joined(separator: "&")
            var headers: HTTPHeaders = [:]
            if random.next() % 3 == 0 {
                headers.add(
                    name: pick(["Range", "If-None-Match", "If-Range", "If-Match", "Accept"]), value: pick(Self.values))
            }
            let answer = await sample.get("\(path)?\(query)", headers)
            let bytes = try await answer.bytes()
            #expect(answer.status.code < 500, "\(path.prefix(200))?\(query.prefix(300)) \(headers)")
            if answer.headers.first(name: "content-type")?.hasSuffix("json") == true {
                #expect((try? JSON(parsing: bytes)) != nil, "\(path.prefix(200))?\(query.prefix(300))")
            }
        }
    }

    @Test("More parameters than anybody sends are refused")
    func manyParameters() async throws {
        let sample = try await CatalogSample()
        let query = (0..<2_000).map { "a\($0)=1" }.joined(separator: "&")
        let answer = await sample.get("/v1/tracks/latest?\(query)")
        #expect(answer.status == .badRequest)
    }

    @Test("A Host that is no host does not get into links")
    func host() async throws {
        let sample = try await CatalogSample()
        let target = "/v1/users/\(CatalogSample.user(1))"
        let answer = await sample.api.answer(V1Request(.get, target, headers: ["Host": "a\"><script>"]))
        let json = try await answer.json()
        let link = json["data"]?["profile_picture"]?["150x150"]?.text
        #expect(link?.hasPrefix("http://127.0.0.1/v1/users/") == true)
    }
}
