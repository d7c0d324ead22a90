import Catalog
import Foundation
import HTTPAPI
import Logging
import NIOCore
import PeerNode
import Storage
import TestSupport
import Testing

@Suite("The catalog over a socket")
struct V1ServerTests {
    /// Runs `body` with a server whose node is offline and whose catalog is the sample.
    private func withCatalog(_ body: (TestServer, CatalogSample) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let sample = try await CatalogSample()
            let node = try await openNode(folder, "node", online: false)
            var logger = Logger(label: "api")
            logger.logLevel = .critical
            let token = APIToken()
            let source = SampleSource(reader: CatalogReader(sample.database.writer), news: sample.news)
            do {
                let server = try await APIServer.start(
                    API(node: node, catalog: source) {}, listen: "127.0.0.1:0", token: token, hosts: [], origins: [],
                    logger: logger)
                let stops = AsyncStream<Void> { $0.finish() }
                try await body(TestServer(node: node, server: server, token: token, stopRequested: stops), sample)
                await server.stop(within: .milliseconds(200))
                await node.stop()
            } catch {
                await node.stop()
                throw error
            }
        }
    }

    private func request(_ line: String, _ headers: String = "") -> String {
        "\(line) HTTP/1.1\nHost: localhost\n\(headers)Connection: close\n\n"
    }

    @Test("Reading needs no token and may be done by any page; the rest is as closed as before")
    func open() async throws {
        try await withCatalog { server, _ in
            let target = "/v1/full/tracks/\(CatalogSample.content(1, "song-1"))"
            let answer = try await server.send(request("GET \(target)", "Origin: https://player.example\n"))
            #expect(answer.status == 200 && answer.json?["data"]?["title"]?.text == "Song Number 1")
            #expect(answer.headers["access-control-allow-origin"] == "*")
            #expect(answer.headers["access-control-expose-headers"]?.contains("Content-Range") == true)
            #expect(answer.headers["x-content-type-options"] == "nosniff")
            #expect(answer.headers["content-security-policy"]?.contains("sandbox") == true)
            #expect(answer.headers["cache-control"] == "no-cache")
            let head = try await server.send(request("HEAD \(target)"))
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(head.headers["content-length"] == answer.headers["content-length"])
            let cached = try await server.send(
                request("GET \(target)", "If-None-Match: \(answer.headers["etag"] ?? "")\n"))
            #expect(cached.status == 304 && cached.body.isEmpty)
            let options = try await server.send(request("OPTIONS \(target)", "Origin: https://player.example\n"))
            #expect(options.status == 204 && options.headers["access-control-allow-origin"] == "*")
            // Clients of Audius send keys and names of their own in headers.
            #expect(options.headers["access-control-allow-headers"] == "*, Authorization")
            #expect(options.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS")
            #expect(answer.headers["access-control-allow-headers"] == nil)
            for method in ["PUT", "DELETE", "PATCH"] {
                let other = try await server.send(request("\(method) \(target)"))
                #expect(other.status == 405)
            }
            let post = try await server.send(request("POST \(target)", "Content-Length: 0\n"))
            #expect(post.status == 401)
            let rpc = try await server.send(request("GET /api/v0/id", "Origin: https://player.example\n"))
            #expect(rpc.status == 403)
        }
    }

    @Test("A page of a foreign name gets nothing, in words that a client of this side understands")
    func foreignHost() async throws {
        try await withCatalog { server, _ in
            let answer = try await server.send(
                "GET /v1/tracks/latest HTTP/1.1\nHost: evil.example\nConnection: close\n\n")
            #expect(answer.status == 403)
            #expect(answer.headers["content-type"] == "application/problem+json")
            #expect(answer.json?["detail"]?.text?.contains("api.allowed_hosts") == true)
        }
    }

    @Test("A node without the file says that nobody was asked; the connection serves on")
    func offline() async throws {
        try await withCatalog { server, _ in
            let stream = "/v1/tracks/\(CatalogSample.content(1, "song-1"))/stream"
            let text =
                "GET \(stream) HTTP/1.1\nHost: localhost\n\n" + request("GET /v1/tracks/latest?limit=1")
            let bytes = try await server.send(Array(text.replacing("\n", with: "\r\n").utf8))
            let answers = String(decoding: bytes, as: UTF8.self).split(separator: "HTTP/1.1 ")
            #expect(answers.map { $0.prefix(3) } == ["503", "200"])
        }
    }

    @Test("Files of the node are streamed whole and by range, and a block that is lost ends the connection early")
    func files() async throws {
        try await withCatalog { server, sample in
            let bytes = sample.song.bytes
            let blocks = sample.media.allBlocks
            try await server.node.withImport { session in try await session.put(blocks) }
            let stream = "/v1/tracks/\(CatalogSample.content(1, "song-1"))/stream"
            let whole = try await server.send(request("GET \(stream)"))
            #expect(whole.status == 200 && whole.body == bytes)
            #expect(whole.headers["content-length"] == "10000" && whole.headers["transfer-encoding"] == nil)
            let part = try await server.send(request("GET \(stream)", "Range: bytes=-300\n"))
            #expect(part.status == 206 && part.body == bytes.suffix(300))
            let head = try await server.send(request("HEAD \(stream)"))
            #expect(head.headers["content-length"] == "10000" && head.body.isEmpty)
            _ = try server.node.blocks.delete(MemoryMedia.leaf(bytes[5_000..<6_000]))
            let text = "GET \(stream) HTTP/1.1\nHost: localhost\n\n" + request("GET /v1/tracks/latest?limit=1")
            let broken = try await server.send(Array(text.replacing("\n", with: "\r\n").utf8))
            let answer = try #require(RawAnswer(broken))
            // Whoever counts sees that it is not all; nothing else is mistaken for the rest.
            #expect(answer.status == 200 && answer.body.count < 10_000)
            #expect(bytes.starts(with: answer.body))
        }
    }

    @Test("A node answers from its own catalog what it has published itself, and tells who follows")
    func ownCatalog() async throws {
        try await withServer(online: false) { server in
            let catalog = server.node.catalog
            let author = try await catalog.createAuthor(name: "ada").author
            var profile = ProfileBody()
            profile.handle = .set("ada")
            let update = try await catalog.publish(.profile(profile), as: author)
            let answer = try await server.send(request("GET /v1/tracks/../users/handle/ada"))
            #expect(answer.status == 404)
            let found = try await server.send(request("GET /v1/users/handle/ada"))
            #expect(found.status == 200)
            #expect(found.json?["data"]?["id"]?.text == EntityID(.author, author).description)
            var seen: [Update] = []
            for await news in catalog.news(after: 0) {
                seen.append(news.update)
                if news.update == update { break }
            }
            #expect(seen.count >= 2 && seen.first?.kind == .authorCreate)
        }
    }
}
