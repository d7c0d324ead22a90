import Catalog
import HTTPAPI
import NIOHTTP1
import Testing

@Suite("Routes of the catalog's read side")
struct V1RouteTests {
    /// The paths of the document in every spelling, with ids in their places, and what each must be asked.
    static func targets(_ document: JSON) -> [(path: String, pattern: String)] {
        (document["paths"]?.members ?? []).flatMap { member -> [(path: String, pattern: String)] in
            let others = (member.value["get"]?["x-spellings"]?.elements ?? []).compactMap(\.text)
            return ([member.name] + others).map { spelling in
                let noun = member.name.split(separator: "/").dropFirst().first.map(String.init) ?? ""
                let id =
                    switch noun {
                    case "users": CatalogSample.user(1)
                    case "content_lists": CatalogSample.list(1, "album")
                    default: CatalogSample.content(1, "song-1")
                    }
                let path = spelling.replacing("{id}", with: id.description).replacing("{handle}", with: "ada")
                    .replacing("{slug}", with: "song-album-\(CatalogSample.list(1, "album"))")
                return (path + query(member.name), member.name)
            }
        }
    }

    private static func query(_ pattern: String) -> String {
        switch pattern {
        case "/v1/users": "?id=\(CatalogSample.user(1))"
        case "/v1/digital_contents": "?id=\(CatalogSample.content(1, "song-1"))"
        case "/v1/content_lists": "?id=\(CatalogSample.list(1, "album"))"
        case "/v1/feed": "?user_id=\(CatalogSample.user(3))"
        case "/v1/resolve": "?url=/ada"
        default: pattern.contains("search") ? "?query=song" : ""
        }
    }

    @Test("Every route answers in every spelling, with and without /full, as its document says")
    func everyRoute() async throws {
        let sample = try await CatalogSample()
        let document = try await sample.get("/v1/openapi.json").json()
        #expect(document["openapi"]?.text == "3.1.0")
        let targets = Self.targets(document)
        #expect(targets.count > 100)
        for (path, pattern) in targets {
            let short = await sample.get(path)
            let full = await sample.get("/v1/full" + path.dropFirst(3))
            #expect(short.status == .ok, "\(path)")
            #expect(full.status == .ok, "/full of \(path)")
            for answer in [short, full] where answer.headers.first(name: "content-type") == "application/json" {
                let json = try await answer.json()
                if pattern.hasSuffix("openapi.json") { continue }
                let operation = document["paths"]?[pattern]?["get"]
                let schema = operation?["responses"]?["200"]?["content"]?["application/json"]?["schema"]
                // The original's full answer about remixes has a shape of its own.
                if pattern.hasSuffix("/remixes"), json["data"]?["tracks"] != nil { continue }
                let faults = Schema(document).faults(json, try #require(schema), at: pattern)
                #expect(faults.isEmpty, "\(path): \(faults)")
            }
        }
        sample.news.close()
    }

    @Test("Every route that is registered is in the document, under a name of its own, and nothing else is")
    func document() async throws {
        let sample = try await CatalogSample()
        let document = try await sample.get("/v1/openapi.json").json()
        let paths = document["paths"]?.members ?? []
        #expect(Set(paths.map(\.name)) == Set(CatalogAPI.patterns.map { "/v1/" + $0 }))
        #expect(paths.count == CatalogAPI.patterns.count)
        let names = paths.compactMap { $0.value["get"]?["operationId"]?.text }
        #expect(names.count == paths.count && Set(names).count == names.count)
        for path in paths {
            // What stands in the path is described, and so is every schema that is named.
            let inPath = (path.value["get"]?["parameters"]?.elements ?? []).filter { $0["in"]?.text == "path" }
            let places = path.name.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
            #expect(inPath.compactMap { $0["name"]?.text } == places.map(String.init), "\(path.name)")
        }
        let schemas = Set((document["components"]?["schemas"]?.members ?? []).map(\.name))
        let text = String(decoding: try await sample.get("/v1/openapi.json").bytes(), as: UTF8.self)
        let named = text.matches(of: /#\/components\/schemas\/(\w+)/).map { String($0.output.1) }
        #expect(!named.isEmpty && Set(named).isSubset(of: schemas))
        sample.news.close()
    }

    @Test("All spellings of a noun give the same bytes")
    func spellings() async throws {
        let sample = try await CatalogSample()
        let id = CatalogSample.content(1, "song-1")
        let list = CatalogSample.list(1, "playlist")
        for paths in [
            ["digital_contents", "digitalContents", "tracks"].map { "/v1/\($0)/\(id)" },
            ["content_lists", "contentLists", "playlists"].map { "/v1/full/\($0)/\(list)" },
            ["tracks", "digital_contents"].map { "/v1/playlists/\(list)/\($0)" },
            ["tracks", "digitalContents"].map { "/v1/users/\(CatalogSample.user(1))/\($0)" },
        ] {
            var answers: Set<[UInt8]> = []
            for path in paths { answers.insert(try await sample.get(path).bytes()) }
            #expect(answers.count == 1 && answers.first?.isEmpty == false, "\(paths)")
        }
    }

    @Test(
        "What is no route is a problem, and says so",
        arguments: [
            "/v1", "/v1/", "/v1/full", "/v1/nothing", "/v1/users/x/y/z", "/v1/full/full/users/top", "/v1//users/top",
            "/v1/users/%ff", "/v1/users/../users/top", "/v1/tracks/trending/ids/x", "/v1/openapi.json/x",
            "/v1/a/b/c/d/e/f/g/h/i/j/k", "/v1/Users/top",
        ])
    func noRoute(path: String) async throws {
        let sample = try await CatalogSample()
        let answer = await sample.get(path)
        let json = try await answer.json()
        #expect(answer.status == .notFound)
        #expect(answer.headers.first(name: "content-type") == "application/problem+json")
        #expect(json["status"]?.integer == 404 && json["title"]?.text == "Not Found")
        #expect(json["detail"]?.text?.isEmpty == false)
    }

    @Test("What does not exist is a problem of its own on every route with an id")
    func unknown() async throws {
        let sample = try await CatalogSample()
        let document = try await sample.get("/v1/openapi.json").json()
        let other = CatalogSample.user(99)
        for member in document["paths"]?.members ?? [] where member.name.contains("{") {
            for id in [other.description, "tracks", "0", "%00", "'; DROP TABLE contents; --"] {
                let path = member.name.replacing("{id}", with: Self.encoded(id))
                    .replacing("{handle}", with: Self.encoded("nobody.\(id)")).replacing("{slug}", with: "nothing")
                let answer = await sample.get(path)
                #expect(answer.status == .notFound, "\(path)")
            }
        }
    }

    static func encoded(_ text: String) -> String { Parameters.encode(text).replacing("%25", with: "%") }

    @Test("HEAD has the headers of GET, OPTIONS allows reading from any page, and nothing needs a token")
    func methods() async throws {
        let sample = try await CatalogSample()
        let target = "/v1/tracks/\(CatalogSample.content(1, "song-1"))"
        let got = await sample.get(target)
        let head = await sample.api.answer(V1Request(.head, target, headers: ["Host": "node.test"]))
        #expect(head.status == .ok)
        #expect(head.headers["etag"] == got.headers["etag"] && !head.headers["etag"].isEmpty)
        #expect(got.headers["access-control-allow-origin"] == ["*"])
        let options = await sample.api.answer(V1Request(.options, target))
        #expect(options.status == .noContent)
        #expect(options.headers.first(name: "access-control-allow-methods") == "GET, HEAD, OPTIONS")
        #expect(options.headers["access-control-allow-credentials"].isEmpty)
    }

    @Test("An answer that the client has is not sent again, and one that has changed is")
    func etags() async throws {
        let sample = try await CatalogSample()
        let target = "/v1/full/users/\(CatalogSample.user(1))"
        let first = await sample.get(target)
        let tag = try #require(first.headers.first(name: "etag"))
        for value in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
            let again = await sample.get(target, ["If-None-Match": value])
            let bytes = try await again.bytes()
            #expect(again.status == .notModified && bytes.isEmpty, "\(value)")
            #expect(again.headers.first(name: "etag") == tag)
        }
        let other = await sample.get(target, ["If-None-Match": "\"other\""])
        #expect(other.status == .ok)
        var writer = SampleWriter()
        writer.add(2, .edge(EdgeBody(.follow, .author(CatalogSample.author(1)), isOn: false)), at: CatalogSample.now)
        let updates = writer.updates
        try sample.database.write { try CatalogView.apply(updates, in: $0) }
        let changed = await sample.get(target, ["If-None-Match": tag])
        #expect(changed.status == .ok)
    }
}

/// Compares JSON with a schema of the document, as far as the document's schemas go.
struct Schema {
    private let named: JSON?

    init(_ document: JSON) { named = document["components"]?["schemas"] }

    func faults(_ value: JSON, _ schema: JSON, at place: String) -> [String] {
        if let name = schema["$ref"]?.text?.split(separator: "/").last {
            guard let found = named?[String(name)] else { return ["\(place): no schema \(name)"] }
            return faults(value, found, at: place)
        }
        if let choices = schema["anyOf"]?.elements {
            let all = choices.map { faults(value, $0, at: place) }
            return all.contains { $0.isEmpty } ? [] : all[0]
        }
        switch schema["type"]?.text {
        case nil: return []
        case "null": return value == .null ? [] : ["\(place) is not null"]
        case "string": return value.text == nil ? ["\(place) is no text: \(value)"] : []
        case "integer": return value.integer == nil ? ["\(place) is no integer: \(value)"] : []
        case "number": return value.number == nil ? ["\(place) is no number: \(value)"] : []
        case "boolean": return value.boolean == nil ? ["\(place) is no boolean: \(value)"] : []
        case "array":
            guard case .array(let elements) = value else { return ["\(place) is no array"] }
            return elements.flatMap { faults($0, schema["items"] ?? [:], at: place + "[]") }
        case "object":
            guard case .object(let members) = value else { return ["\(place) is no object"] }
            let missing = (schema["required"]?.elements ?? []).compactMap(\.text).filter { value[$0] == nil }
            return missing.map { "\(place) has no \($0)" }
                + members.flatMap { member -> [String] in
                    guard let next = schema["properties"]?[member.name] else { return [] }
                    return faults(member.value, next, at: "\(place).\(member.name)")
                }
        default: return ["\(place): unknown type"]
        }
    }
}
