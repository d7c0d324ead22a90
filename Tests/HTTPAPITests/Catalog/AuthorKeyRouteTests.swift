import Catalog
import Foundation
import HTTPAPI
import TestSupport
import Testing

@Suite("Keys of authors by the RPC")
struct AuthorKeyRouteTests {
    /// The same request with its parameters as a form.
    private static func form(
        _ server: TestServer, _ command: String, _ arguments: [String] = [], _ options: [String: String] = [:]
    ) async throws -> RawAnswer {
        try await server.post(
            command, headers: "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n",
            body: Parameters(arguments: arguments, options: options).query)
    }

    @Test("Parameters may come as a form, which is longer than a target may be")
    func forms() async throws {
        try await withServer(online: false) { server in
            let node = CatalogCommands(server: server)
            try await node.value("author/new", ["ada"])
            let text = String(repeating: "長い夜", count: 800)
            let long = try await Self.form(server, "list/new", ["Nights"], ["description": text])
            #expect(long.status == 200, "\(long.text)")
            let list = try await node.value("list/show", ["Nights"])
            #expect(list["description"]?.text == text)
            // Arguments of both count; an option of the form wins.
            let both = try await server.post(
                "list/new?arg=Days&description=a", headers: "Content-Type: application/x-www-form-urlencoded\r\n",
                body: "description=b+c&album=true")
            #expect(both.status == 200)
            let second = try await node.value("list/show", ["Days"])
            #expect(second["description"]?.text == "b c" && second["is_album"]?.boolean == true)
            for (body, status) in [("%zz", 400), (String(repeating: "a=b&", count: 5_000), 400)] {
                let refused = try await server.post(
                    "list/new", headers: "Content-Type: application/x-www-form-urlencoded\r\n", body: body)
                #expect(refused.status == status)
            }
            let huge = try await Self.form(
                server, "list/new", ["x"], ["description": String(repeating: "x", count: 2 << 20)])
            #expect(huge.status == 413)
            // Anything else in the body is not looked at.
            let plain = try await server.post(
                "list/new?arg=Plain", headers: "Content-Type: text/plain\r\n", body: "arg=x")
            #expect(plain.status == 200)
        }
    }

    @Test("A locked key is told by its kind, opened by its passphrase, and publishes nothing meanwhile")
    func locked() async throws {
        try await withTemporaryFolder { folder in
            let path = try CatalogCommands.album(folder, "A", ["a.wav", "b.wav"])
            try await withServer(online: false) { server in
                let node = CatalogCommands(server: server)
                try await node.value("author/new", ["ada"])
                let none = try await node.errorKind("author/passphrase", ["ada"])
                #expect(none == "usage")
                let set = try await Self.form(server, "author/passphrase", ["ada"], ["new-passphrase": "sesame"])
                #expect(set.lines.last?["locked"]?.boolean == true, "\(set.text)")
                for (command, arguments) in [("publish", [path]), ("list/new", ["Best"]), ("profile/set", [])] {
                    let kind = try await node.errorKind(command, arguments, ["name": "Ada"])
                    #expect(kind == "locked", "\(command)")
                }
                let stat = try await node.value("repo/stat")
                #expect(stat["NumObjects"]?.integer == 0)
                let wrong = try await node.errorKind("publish", [path], ["passphrase": "barley"])
                #expect(wrong == "unauthorized")
                let events = try await node.lines("publish", [path], ["passphrase": "sesame"])
                #expect(events.last?["event"]?.text == "listed")
                // Nothing runs that could keep the key.
                let offline = try await node.errorKind("author/unlock", ["ada"], ["passphrase": "sesame"])
                #expect(offline == "unavailable")
                let off = try await node.value(
                    "author/passphrase", ["ada"], ["passphrase": "sesame", "new-passphrase": ""])
                #expect(off["locked"]?.boolean == false)
                try await node.value("profile/set", [], ["name": "Ada"])
            }
        }
    }

    @Test("The recovery words give a new key; wrong ones touch nothing")
    func rotation() async throws {
        try await withServer(online: false) { server in
            let node = CatalogCommands(server: server)
            let made = try await node.value("author/new", ["ada"])
            let words = (made["recovery_words"]?.elements ?? []).compactMap(\.text).joined(separator: " ")
            let other = try await node.value("author/new", ["bob"])
            let others = (other["recovery_words"]?.elements ?? []).compactMap(\.text).joined(separator: " ")
            try await node.value("profile/set", [], ["name": "Ada", "author": "ada"])
            let before = try await node.value("catalog/stat")["digest"]
            let key = try await server.post("author/export?arg=ada").body
            for (text, kind) in [("", "malformed"), ("able acid", "malformed"), (others, "unauthorized")] {
                let refused = try await node.errorKind("author/rotate", ["ada"], ["words": text])
                #expect(refused == kind, "\(text)")
            }
            let missing = try await node.errorKind("author/rotate", ["ada"])
            #expect(missing == "usage")
            let foreign = try #require(other["id"]?.text)
            let cid = try await node.lines("updates/log", [foreign]).last?["cid"]?.text
            let head = try await node.errorKind("author/rotate", ["ada"], ["words": words, "keep": cid ?? ""])
            #expect(head == "not-found")
            let stranger = try await node.errorKind("author/rotate", ["nobody"], ["words": words])
            #expect(stranger == "not-found")
            let after = try await node.value("catalog/stat")["digest"]
            let same = try await server.post("author/export?arg=ada").body
            #expect(before == after && key == same)

            let rotated = try await Self.form(server, "author/rotate", ["ada"], ["words": words.uppercased()])
            #expect(rotated.lines.last?["id"] == made["id"], "\(rotated.text)")
            #expect(rotated.lines.last?["recovery_words"]?.elements.count == 33)
            let again = try await node.errorKind("author/rotate", ["ada"], ["words": words])
            #expect(again == "unauthorized")
            try await node.value("profile/set", [], ["name": "Ada L.", "author": "ada"])
            let verified = try await node.value("updates/verify")
            #expect(verified["clean"]?.boolean == true)
        }
    }

    @Test("A forgotten passphrase is left behind with its keys")
    func forgotten() async throws {
        try await withServer(online: false) { server in
            let node = CatalogCommands(server: server)
            let made = try await node.value("author/new", ["ada"], ["passphrase": "forgotten"])
            let words = (made["recovery_words"]?.elements ?? []).compactMap(\.text).joined(separator: " ")
            let kept = try await node.errorKind("author/rotate", [], ["words": words])
            #expect(kept == "locked")
            try await node.value("author/rotate", [], ["words": words, "leave-old-keys": "true"])
            let list = try await node.value("author/ls")["authors"]?.elements
            #expect(list?.first?["name"]?.text == "ada" && list?.first?["locked"]?.boolean == false)
            try await node.value("profile/set", [], ["name": "Ada"])
        }
    }

    @Test("What the operator hides is listed")
    func hidden() async throws {
        try await withServer(online: false) { server in
            let node = CatalogCommands(server: server)
            let id = try await node.value("author/new", ["ada"])["id"]
            try await node.value("profile/set", [], ["handle": "ada"])
            // Blocking drops what is here, and of one's own nobody else may have it.
            let own = try await node.errorKind("catalog/block", ["ada"])
            #expect(own == "usage")
            let other = try #require(AuthorID([UInt8](repeating: 7, count: 32))).description
            try await node.value("catalog/block", [other], ["reason": "spam"])
            let blocked = try await node.value("catalog/blocked")["items"]?.elements
            #expect(blocked?.count == 1 && blocked?.first?["author"]?.text == other)
            #expect(blocked?.first?["reason"]?.text == "spam")
            try await node.value("catalog/unblock", [other])
            let none = try await node.value("catalog/blocked")["items"]?.elements
            #expect(none?.isEmpty == true)
            try await node.value("catalog/labels", ["ada", "spam"])
            try await node.value("catalog/labels", ["ada"])
            let labels = try await node.value("catalog/labels")["items"]?.elements
            #expect(labels?.compactMap { $0["label"]?.text } == ["*", "spam"])
            #expect(labels?.first?["author"] == id)
            try await node.value("catalog/labels", ["ada", "spam"], ["on": "false"])
            let rest = try await node.value("catalog/labels")["items"]?.elements
            #expect(rest?.count == 1)
        }
    }
}
