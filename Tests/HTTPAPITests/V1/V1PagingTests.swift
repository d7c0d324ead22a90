import Catalog
import HTTPAPI
import NIOHTTP1
import Testing

@Suite("Pages of the catalog's read side")
struct V1PagingTests {
    private static var paged: [String] {
        let user = "/v1/users/\(CatalogSample.user(1))"
        let song = "/v1/tracks/\(CatalogSample.content(1, "song-1"))"
        let list = "/v1/playlists/\(CatalogSample.list(1, "playlist"))"
        return [
            "/v1/tracks/latest", "/v1/tracks/trending?time=month", "/v1/tracks/most_loved", "/v1/tracks/recommended",
            "/v1/tracks/best_new_releases?time=year", "/v1/tracks/under_the_radar", "/v1/tracks/search?query=song",
            "/v1/tracks/latest?genre=Electronic", "\(user)/tracks", "\(user)/tracks?sort=plays",
            "\(user)/tracks?sort=title&only_downloadable=true", "\(user)/playlists", "\(user)/followers",
            "/v1/users/\(CatalogSample.user(3))/following", "\(user)/related", "\(song)/favorites", "\(song)/reposts",
            "\(song)/comments", "\(list)/tracks", "\(list)/reposts", "/v1/playlists/latest", "/v1/playlists/trending",
            "/v1/playlists/search?query=song", "/v1/users/search?query=bob", "/v1/users/top",
        ]
    }

    private func keys(_ data: JSON) -> [String] { data.elements.compactMap { $0["id"]?.text } }

    @Test("Cursors lead through every list, whole and without doubles, and so do offsets", arguments: paged)
    func complete(target: String) async throws {
        let sample = try await CatalogSample()
        let mark = target.contains("?") ? "&" : "?"
        let all = keys(try await sample.data("\(target)\(mark)limit=500"))
        #expect(all.count >= 2)
        var byCursor: [String] = []
        var next: String? = "\(target)\(mark)limit=3"
        while let page = next {
            let answer = await sample.get(page)
            let json = try await answer.json()
            let rows = keys(json["data"] ?? [])
            byCursor += rows
            #expect(rows.count <= 3)
            let cursor = json["next_cursor"]?.text
            next = cursor.map { "\(target)\(mark)limit=3&cursor=\($0)" }
            if let cursor {
                #expect(
                    cursor.utf8.allSatisfy { $0 == 0x5f || (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
                // The same place as a link, as RFC 8288 writes it.
                let link = answer.headers.first(name: "link")
                #expect(link?.contains("cursor=\(cursor)>; rel=\"next\"") == true)
                #expect(rows.count == 3)
            }
            if byCursor.count > all.count { break }
        }
        #expect(byCursor == all)
        var byOffset: [String] = []
        while byOffset.count < all.count {
            let page = keys(try await sample.data("\(target)\(mark)limit=4&offset=\(byOffset.count)"))
            if page.isEmpty { break }
            byOffset += page
        }
        #expect(byOffset == all)
        #expect(Set(all).count == all.count)
    }

    @Test("What an author did comes in pages, too", arguments: ["reposts", "favorites", "feed", "history"])
    func activities(word: String) async throws {
        let sample = try await CatalogSample()
        let base = "/v1/full/users/\(CatalogSample.user(2))/\(word)"
        let all = try await sample.data("\(base)?limit=500").elements
        #expect(all.count >= 4)
        var walked: [JSON] = []
        var next: String? = "\(base)?limit=2"
        while let page = next, walked.count <= all.count {
            let json = try await sample.get(page).json()
            walked += json["data"]?.elements ?? []
            next = json["next_cursor"]?.text.map { "\(base)?limit=2&cursor=\($0)" }
        }
        #expect(walked == all)
        let ids = all.compactMap { $0["item"]?["id"]?.text }
        #expect(Set(ids).count == all.count)
    }

    @Test("New rows in front neither repeat nor hide any on the pages behind")
    func growing() async throws {
        let sample = try await CatalogSample()
        let before = keys(try await sample.data("/v1/tracks/latest?limit=500"))
        let first = try await sample.get("/v1/tracks/latest?limit=5").json()
        var writer = SampleWriter()
        for index in 0..<5 {
            var body = ContentBody(id: "new-\(index)")
            body.title = .set("New")
            writer.add(3, .content(body), at: CatalogSample.now - 1_000 + UInt64(index))
        }
        let updates = writer.updates
        try sample.database.write { try CatalogView.apply(updates, in: $0) }
        let cursor = try #require(first["next_cursor"]?.text)
        let rest = keys(try await sample.data("/v1/tracks/latest?limit=500&cursor=\(cursor)"))
        #expect(keys(first["data"] ?? []) + rest == before)
    }

    @Test(
        "Limits and places that make no sense are refused in words",
        arguments: [
            "limit=0", "limit=-1", "limit=x", "limit=1e3", "limit=99999999999999999999", "offset=-1",
            "offset=20001", "offset=1.5", "cursor=x", "cursor=t1", "cursor=r-1", "cursor=t-1_0",
            "cursor=r99999999999999",
            "user_id=me", "user_id=%00", "genre=" + String(repeating: "x", count: 300), "only_downloadable=perhaps",
        ])
    func refused(query: String) async throws {
        let sample = try await CatalogSample()
        let answer = await sample.get("/v1/tracks/latest?\(query)")
        let json = try await answer.json()
        #expect(answer.status == .badRequest)
        let name = query.prefix { $0 != "=" }
        #expect(json["detail"]?.text?.contains("'\(name)'") == true)
    }

    @Test("A page never has more than 500 rows")
    func largest() async throws {
        let sample = try await CatalogSample()
        let data = try await sample.data("/v1/tracks/latest?limit=1000000")
        #expect(data.elements.count == 26)
        let bulk = (0..<501).map { "id=\(CatalogSample.content(1, "\($0)"))" }.joined(separator: "&")
        let answer = await sample.get("/v1/tracks?\(bulk)")
        #expect(answer.status == .badRequest)
    }
}
