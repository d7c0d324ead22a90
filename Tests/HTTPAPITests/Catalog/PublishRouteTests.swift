import Foundation
import HTTPAPI
import TestSupport
import Testing

@Suite("Publishing by the RPC")
struct PublishRouteTests {
    @Test("An album becomes content in order and a list, after every block was verified")
    func album() async throws {
        try await withTemporaryFolder { folder in
            let path = try CatalogCommands.album(folder, "Lichtung", ["01 - Night Train.wav", "02 - Day Boat.wav"])
            try Data("no music".utf8).write(to: folder.appendingPathComponent("Lichtung/notes.txt"))
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                let events = try await node.lines("publish", [path], ["tags": "live, 1964", "genre": "Jazz"])
                let kinds = events.compactMap { $0["event"]?.text }
                #expect(kinds == ["found", "stored", "stored", "verified", "published", "published", "listed"])
                #expect(events.first?["skipped"]?.elements.count == 1)
                let published = events.filter { $0["event"]?.text == "published" }
                #expect(published.compactMap { $0["title"]?.text } == ["Night Train", "Day Boat"])
                let cid = try #require(published.first?["cid"]?.text)
                let pins = try await node.value("pin/ls", [], ["type": "recursive"])
                #expect(pins["Keys"]?[cid] != nil)

                let found = try await node.value("search", ["night tr"])["items"]?.elements.first
                #expect(found?["id"]?.text == published.first?["id"]?.text)
                #expect(found?["genre"]?.text == "Jazz" && found?["duration_ms"]?.integer == 1_000)
                #expect(found?["tags"]?.elements == ["live", "1964"])
                let list = try await node.value("list/show", ["Lichtung"])
                #expect(list["is_album"]?.boolean == true)
                let titles = list["items"]?.elements.compactMap { $0["title"]?.text }
                #expect(titles == ["Night Train", "Day Boat"])
            }
        }
    }

    @Test("A second try publishes nothing twice; a track that is new gets its place")
    func again() async throws {
        try await withTemporaryFolder { folder in
            let path = try CatalogCommands.album(folder, "A", ["1.wav", "3.wav"])
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                try await node.lines("publish", [path], ["title": "Two Rivers"])
                let before = try await node.value("catalog/stat")
                let events = try await node.lines("publish", [path], ["title": "Two Rivers"])
                let repeated = events.filter { $0["new"]?.boolean == true }
                #expect(repeated.isEmpty)
                let after = try await node.value("catalog/stat")
                #expect(after["digest"] == before["digest"])

                try Data(CatalogCommands.wav(seed: 9)).write(to: folder.appendingPathComponent("A/2.wav"))
                let more = try await node.lines("publish", [path], ["title": "Two Rivers"])
                #expect(more.filter { $0["new"]?.boolean == true }.count == 1)
                let list = try await node.value("list/show", ["Two Rivers"])
                #expect(list["items"]?.elements.compactMap { $0["title"]?.text } == ["1", "2", "3"])
            }
        }
    }

    @Test("What was deleted is published anew under another id, and a named list takes it")
    func deleted() async throws {
        try await withTemporaryFolder { folder in
            let path = try CatalogCommands.album(folder, "A", ["song.wav"]) + "/song.wav"
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                let first = try #require(try await node.lines("publish", [path]).last?["id"]?.text)
                try await node.lines("content/rm", [first])
                let events = try await node.lines("publish", [path], ["list": "Best"])
                let second = try #require(events.first { $0["event"]?.text == "published" }?["id"]?.text)
                #expect(second != first)
                let list = try await node.value("list/show", ["Best"])
                #expect(list["is_album"]?.boolean == false)
                #expect(list["items"]?.elements.compactMap { $0["id"]?.text } == [second])
            }
        }
    }

    @Test("What is no audio is refused with the way out, and nothing is published without an author")
    func refusals() async throws {
        try await withTemporaryFolder { folder in
            let text = folder.appendingPathComponent("talk.txt")
            try Data("words".utf8).write(to: text)
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                let without = try await node.errorKind("publish", [text.path])
                #expect(without == "not-found")
                try await node.value("author/new", ["ada"])
                let refused = try await server.post("publish?" + Parameters(arguments: [text.path]).query)
                #expect(
                    refused.text.contains("--as file") || refused.trailers.values.contains { $0.contains("--as file") })
                let stat = try await node.value("catalog/stat")
                #expect(stat["updates"]?.integer == 1)
                let events = try await node.lines("publish", [text.path], ["as": "file"])
                #expect(events.contains { $0["event"]?.text == "published" && $0["title"]?.text == "talk" })
                let relative = try await node.errorKind("publish", ["talk.txt"])
                #expect(relative == "usage")
                let missing = try await node.errorKind("publish", [text.path + ".no"])
                #expect(missing == "not-found")
            }
        }
    }
}
