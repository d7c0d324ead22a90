import Foundation
import HTTPAPI
import Logging
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import TestSupport
import Testing

@Suite("The HTTP server")
struct ServerTests {
    @Test("Anyone may ask for health, readiness and version, and nothing else, by GET")
    func openEndpoints() async throws {
        try await withServer { server in
            for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/version", 200)] {
                let answer = try await server.send("GET \(path) HTTP/1.1\nHost: localhost\nConnection: close\n\n")
                #expect(answer.status == status)
                #expect(answer.json != nil)
                let head = try await server.send("HEAD \(path) HTTP/1.1\nHost: localhost\nConnection: close\n\n")
                #expect(head.status == status && head.body.isEmpty)
            }
            for path in ["/", "/api/v0/id", "/api/v0/pin/add?arg=x", "/webui", "/ipfs/x", "/healthz/../api/v0/id"] {
                for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"] {
                    let answer = try await server.send(
                        "\(method) \(path) HTTP/1.1\nHost: localhost\nAuthorization: Bearer \(server.token.text)\nConnection: close\n\n"
                    )
                    #expect(answer.status == 405, "\(method) \(path)")
                }
            }
        }
    }

    @Test("Without network the node is alive but not ready")
    func notReady() async throws {
        try await withServer(online: false) { server in
            let health = try await server.send("GET /healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            let ready = try await server.send("GET /readyz HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            #expect(health.status == 200 && ready.status == 503)
            #expect(ready.json?["reasons"]?.elements.isEmpty == false)
        }
    }

    @Test("Every answer carries the headers that keep browsers out")
    func securityHeaders() async throws {
        try await withServer { server in
            let answers = [
                try await server.post("id"), try await server.post("nothing"), try await server.post("cat"),
                try await server.send("GET /healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n"),
                try await server.send("POST /api/v0/id HTTP/1.1\nHost: evil.com\nConnection: close\n\n"),
            ]
            #expect(answers.map(\.status) == [200, 404, 400, 200, 403])
            for answer in answers {
                #expect(answer.headers["x-frame-options"] == "DENY")
                #expect(answer.headers["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
                #expect(answer.headers["x-content-type-options"] == "nosniff")
                #expect(answer.headers["access-control-allow-origin"] == nil)
                #expect(answer.headers["date"]?.hasSuffix("GMT") == true)
            }
        }
    }

    @Test("The token opens; five wrong ones a minute, then 429; the right one always passes")
    func token() async throws {
        try await withServer { server in
            func status(_ token: String?) async throws -> Int {
                let header = token.map { "Authorization: Bearer \($0)\n" } ?? ""
                return try await server.send(
                    "POST /api/v0/version HTTP/1.1\nHost: localhost\n\(header)Connection: close\nContent-Length: 0\n\n"
                ).status
            }
            #expect(try await status(nil) == 401)
            for _ in 0..<5 { #expect(try await status("wrong") == 401) }
            #expect(try await status("wrong") == 429)
            #expect(try await status(server.token.text) == 200)
            #expect(try await status("wrong") == 429)
            let query = try await server.send(
                "POST /api/v0/version?api-auth=bearer%3A\(server.token.text) HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0\n\n"
            )
            #expect(query.status == 200)
        }
    }

    @Test("A page may use the API only from an origin on the list, and is then told so")
    func origins() async throws {
        try await withServer(origins: ["https://panel.example"]) { server in
            let allowed = try await server.post("version", headers: "Origin: https://panel.example\r\n")
            #expect(allowed.status == 200)
            #expect(allowed.headers["access-control-allow-origin"] == "https://panel.example")
            #expect(allowed.headers["access-control-allow-credentials"] == nil)
            for origin in ["https://evil.example", "null", "https://panel.example.evil"] {
                let answer = try await server.post("version", headers: "Origin: \(origin)\r\n")
                #expect(answer.status == 403)
                #expect(answer.headers["access-control-allow-origin"] == nil)
            }
            let preflight = try await server.send(
                "OPTIONS /api/v0/add HTTP/1.1\nHost: localhost\nOrigin: https://panel.example\nConnection: close\n\n")
            #expect(preflight.status == 204)
            let foreign = try await server.send(
                "OPTIONS /api/v0/add HTTP/1.1\nHost: localhost\nOrigin: https://evil.example\nConnection: close\n\n")
            #expect(foreign.status == 403)
        }
    }

    @Test(
        "Requests that can be read in two ways are refused",
        arguments: [
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nContent-Length: 5\nContent-Length: 6\n\nhello",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked\n\n0\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nTransfer-Encoding: \u{b}chunked\n\n0\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nContent-Length: -1\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nContent-Length: 0x5\n\nhello",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nContent-Length: 99999999999999999999\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nHost: evil.com\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: evil.com\nHost: localhost\n\n",
            "POST /api/v0/id HTTP/1.1\n\n",
            "POST http://evil.com/api/v0/id HTTP/1.1\nHost: localhost\n\n",
            "POST api/v0/id HTTP/1.1\nHost: localhost\n\n",
            "POST /api/v0/id HTTP/1.1\nHost : localhost\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nX: a\n b\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nOrigin: http://a\nOrigin: http://b\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nAuthorization: Bearer a\nAuthorization: Bearer b\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nzz\nhello\n0\n\n",
            "POST /api/v0/id HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nffffffffffffffffff\nhello\n0\n\n",
            "POST /api/v0/id HTTP/3.0\nHost: localhost\n\n",
            "CONNECT evil.com:443 HTTP/1.1\nHost: localhost\n\n",
            "NONSENSE\n\n", "\u{16}\u{3}\u{1}\u{2}\n\n",
        ])
    func smuggling(request: String) async throws {
        try await withServer(online: false) { server in
            let text = request.replacing("Host: localhost\n", with: "Host: localhost\nConnection: close\n")
            let answer = try await server.send(text)
            #expect((400..<600).contains(answer.status), "\(answer.status)")
            // It still serves others.
            #expect(try await server.post("version").status == 200)
        }
    }

    @Test("A second request hidden in a body is not one")
    func hiddenRequest() async throws {
        try await withServer(online: false) { server in
            let hidden =
                "POST /api/v0/shutdown HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(server.token.text)\r\n\r\n"
            let answer = try await server.post("version", body: hidden)
            #expect(answer.status == 200)
            #expect(answer.lines.count == 1)
        }
    }

    @Test("Heads beyond the limits are refused")
    func headLimits() async throws {
        try await withServer(online: false) { server in
            let heads = [
                "POST /api/v0/id?" + String(repeating: "a", count: 10_000) + " HTTP/1.1\nHost: localhost\n\n",
                "POST /api/v0/id HTTP/1.1\nHost: localhost\nX: " + String(repeating: "a", count: 10_000) + "\n\n",
                "POST /api/v0/id HTTP/1.1\nHost: localhost\n" + (0..<200).map { "X\($0): a\n" }.joined() + "\n",
                "POST /api/v0/id HTTP/1.1\nHost: localhost\n"
                    + (0..<50).map { "X\($0): " + String(repeating: "a", count: 1000) + "\n" }.joined() + "\n",
            ]
            for head in heads {
                let status = try await server.send(head).status
                #expect((400..<500).contains(status))
            }
            #expect(try await server.post("version").status == 200)
        }
    }

    @Test("Someone who sends much to a request that is refused is cut off, and everyone else is served")
    func endlessBody() async throws {
        try await withServer(online: false) { server in
            let head = "POST /api/v0/version HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n"
            let bytes = try await server.send(Array(head.utf8) + [UInt8](repeating: 0, count: 4 << 20))
            #expect(RawAnswer(bytes).map { $0.status == 401 } ?? true)
            #expect(try await server.post("version").status == 200)
        }
    }

    @Test("What fails in the middle of a stream is told in the trailer")
    func trailer() async throws {
        try await withServer(online: false) { server in
            // A folder whose second entry is not there.
            let here = try await server.post(
                "block/put?cid-codec=raw", headers: "Content-Type: multipart/form-data; boundary=B\r\n",
                body: "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
                    + String(repeating: "here ", count: 1000) + "\r\n--B--\r\n")
            let present = try #require(here.lines.first?["Key"]?.text)
            let missing = CID(codec: .raw, multihash: ContentHash.sha256(Array("missing".utf8)))
            let list = "[{\"/\":\"\(present)\"},{\"/\":\"\(missing)\"}]"
            let put = try await server.post(
                "dag/put", headers: "Content-Type: multipart/form-data; boundary=B\r\n",
                body: "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\(list)\r\n--B--\r\n"
            )
            let root = try #require(put.lines.first?["Cid"]?["/"]?.text)
            let answer = try await server.post("dag/export?arg=\(root)")
            #expect(answer.status == 200)
            #expect(answer.headers["trailer"] == "X-Stream-Error")
            #expect(answer.trailers["x-stream-error"]?.contains("\(missing)") == true)
            #expect(answer.trailers["x-error-kind"] == "unavailable")
            let before = try await server.post("dag/export?arg=\(missing)")
            #expect(before.status == 503 && before.json?["Type"]?.text == "error")
        }
    }

    @Test("Without a token it listens on loopback only")
    func openWithoutToken() async throws {
        try await withTemporaryFolder { folder in
            let node = try await openNode(folder, "node", online: false)
            for listen in ["0.0.0.0:0", "[::]:0", "192.168.1.1:0", "example.com:0", "127.0.0.1.evil.com:0"] {
                await #expect(throws: ConfigurationFailure.self, "\(listen)") {
                    _ = try await APIServer.start(
                        API(node: node) {}, listen: listen, token: nil, hosts: [], origins: [],
                        logger: Logger(label: "api"))
                }
            }
            await node.stop()
        }
        try await withServer(online: false, token: nil) { server in
            let answer = try await server.send(
                "POST /api/v0/version HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0\n\n")
            #expect(answer.status == 200)
        }
    }

    @Test("Shutting down is asked for, and answered first")
    func shutdown() async throws {
        try await withServer(online: false) { server in
            let answer = try await server.post("shutdown")
            #expect(answer.status == 200)
            var stops = server.stopRequested.makeAsyncIterator()
            let asked: Void? = await stops.next()
            #expect(asked != nil)
        }
    }
}
