import Foundation
import HTTPAPI
import TestSupport
import Testing

@Suite("The catalog by the RPC")
struct CatalogRouteTests {
    @Test("Authors are made, listed, taken into use, exported and imported; the recovery words come once")
    func authors() async throws {
        try await withServer(online: false) { server in
            let node = CatalogCommands(server: server)
            let made = try await node.value("author/new", ["ada"])
            #expect(made["recovery_words"]?.elements.count == 33)
            let id = try #require(made["id"]?.text)
            try await node.value("author/new", ["bob"], ["passphrase": "secret"])
            let list = try await node.value("author/ls")["authors"]?.elements ?? []
            #expect(list.compactMap { $0["name"]?.text } == ["ada", "bob"])
            #expect(list.compactMap { $0["current"]?.boolean } == [false, true])
            #expect(list.compactMap { $0["locked"]?.boolean } == [false, true])
            let used = try await node.value("author/use", ["ada"])
            #expect(used["id"]?.text == id)
            let exported = try await server.post("author/export?arg=ada")
            #expect(exported.status == 200 && !exported.body.isEmpty)
            let unknown = try await node.errorKind("author/use", ["nobody"])
            #expect(unknown == "not-found")
            let taken = try await node.errorKind("author/new", ["ada"])
            #expect(taken == "conflict")
        }
    }

    @Test("Profiles change field by field and are found by handle, name and id")
    func profiles() async throws {
        try await withServer(online: false) { server in
            let node = CatalogCommands(server: server)
            let id = try #require(try await node.value("author/new", ["ada"])["id"]?.text)
            try await node.value("profile/set", [], ["handle": "ada", "name": "Ada", "bio": "Sings."])
            let changed = try await node.value("profile/set", [], ["location": "London", "clear": "bio"])
            #expect(changed["handle"]?.text == "ada" && changed["bio"] == .null)
            #expect(changed["location"]?.text == "London")
            for name in ["ada", id, changed["id"]?.text ?? "", changed["certain_handle"]?.text ?? ""] {
                let found = try await node.value("resolve", [name])
                #expect(found["author"]?.text == id, "\(name)")
            }
            let nothing = try await node.errorKind("profile/set")
            #expect(nothing == "usage")
            let bad = try await node.errorKind("profile/set", [], ["handle": "Ada Lovelace"])
            #expect(bad == "usage")
            let missing = try await node.errorKind("resolve", ["nobody.here"])
            #expect(missing == "not-found")
        }
    }

    @Test("Following, saving, reposting and commenting count; the feed shows what the followed published")
    func social() async throws {
        try await withTemporaryFolder { folder in
            let path = try CatalogCommands.album(folder, "A", ["song.wav"]) + "/song.wav"
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                try await node.value("profile/set", [], ["handle": "ada"])
                let song = try #require(try await node.lines("publish", [path]).last?["id"]?.text)
                let own = try await node.errorKind("repost", [song])
                #expect(own == "usage")
                try await node.value("author/new", ["bob"])
                try await node.lines("follow", ["ada"])
                try await node.lines("save", [song])
                try await node.lines("repost", [song])
                // Said once is enough.
                let before = try await node.value("catalog/stat")["digest"]
                let again = try await node.lines("follow", ["ada", "ada"]) + node.lines("repost", [song])
                #expect(again.compactMap { $0["new"]?.boolean } == [false, false])
                let after = try await node.value("catalog/stat")["digest"]
                #expect(before == after)
                let comment = try await node.value("comment", [song, "What a bass line"])["id"]?.text
                let row = try await node.value("content/show", [song])
                #expect(row["saves"]?.integer == 1 && row["reposts"]?.integer == 1 && row["comments"]?.integer == 1)
                let comments = try await node.ids("comment/ls", [song])
                #expect(comments == [comment].compactMap { $0 })
                let feed = try await node.ids("feed")
                #expect(feed == [song])
                try await node.lines("unsave", [song])
                try await node.lines("unfollow", ["ada"])
                let without = try await node.value("content/show", [song])
                #expect(without["saves"]?.integer == 0)
                let empty = try await node.ids("feed")
                #expect(empty.isEmpty)
                let foreign = try await node.errorKind("content/edit", [song], ["title": "Mine"])
                #expect(foreign == "forbidden")
                let edited = try await node.value("content/edit", [song], ["title": "Ours", "author": "ada"])
                #expect(edited["title"]?.text == "Ours")
                // What is deleted cannot be saved, but let go.
                try await node.lines("content/rm", [song], ["author": "ada"])
                let deleted = try await node.errorKind("save", [song])
                #expect(deleted == "not-found")
                let letGo = try await node.lines("unrepost", [song])
                #expect(letGo.first?["new"]?.boolean == true)
            }
        }
    }

    @Test("Lists are made, filled, reordered and emptied")
    func lists() async throws {
        try await withTemporaryFolder { folder in
            let path = try CatalogCommands.album(folder, "A", ["a.wav", "b.wav", "c.wav"])
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                let songs = try await node.lines("publish", [path]).filter { $0["event"]?.text == "published" }
                    .compactMap { $0["id"]?.text }
                try await node.value("list/new", ["Best"])
                try await node.lines("list/add", ["Best"] + songs)
                func titles() async throws -> [String] {
                    try await node.value("list/show", ["Best"])["items"]?.elements.compactMap { $0["title"]?.text }
                        ?? []
                }
                let first = try await titles()
                #expect(first == ["a", "b", "c"])
                try await node.value("list/move", ["Best", "3", "1"])
                let second = try await titles()
                #expect(second == ["c", "a", "b"])
                try await node.value("list/move", ["Best", songs[2], "2"])
                let third = try await titles()
                #expect(third == ["a", "c", "b"])
                try await node.value("list/remove", ["Best", "2", songs[1]])
                let fourth = try await titles()
                #expect(fourth == ["a"])
                let outside = try await node.errorKind("list/remove", ["Best", "7"])
                #expect(outside == "not-found")
                let lists = try await node.ids("list/ls")
                #expect(lists.count == 2)
                try await node.value("list/rm", ["Best"])
                let gone = try await node.errorKind("list/show", ["Best"])
                #expect(gone == "not-found")
            }
        }
    }

    @Test("An export that is imported elsewhere gives the same digest; updates are listed and verified")
    func transfer() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("all.updates").path
            let digest = try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                try await node.value("profile/set", [], ["handle": "ada"])
                try await node.value("catalog/export", [file])
                let kinds = try await node.lines("updates/log").compactMap { $0["kind"]?.text }
                #expect(kinds == ["author.create", "profile.set"])
                let cid = try #require(try await node.lines("updates/log", ["ada"], ["limit": "1"]).first?["cid"]?.text)
                let shown = try await node.value("updates/show", [cid])
                #expect(shown["kind"]?.text == "author.create")
                let verified = try await node.value("updates/verify")
                #expect(verified["clean"]?.boolean == true && verified["updates"]?.integer == 2)
                return try await node.value("catalog/stat")["digest"]?.text
            }
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                let report = try await node.value("catalog/import", [file])
                #expect(report["accepted"]?.integer == 2)
                let status = try await node.value("catalog/stat")
                #expect(status["digest"]?.text == digest && digest?.count == 64)
                let offline = try await node.errorKind("catalog/sync")
                #expect(offline == "unavailable")
                try await node.value("catalog/block", ["ada"])
                let hidden = try await node.errorKind("resolve", ["ada"])
                #expect(hidden == "not-found")
            }
        }
    }
}
