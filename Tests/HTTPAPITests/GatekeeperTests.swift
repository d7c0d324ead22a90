import Foundation
import HTTPAPI
import NIOCore
import TestSupport
import Testing

@Suite("Who may use the API")
struct GatekeeperTests {
    private static let token = APIToken()

    private static func gatekeeper() -> Gatekeeper {
        Gatekeeper(token: token, hosts: ["node.example"], origins: ["https://panel.example", "http://localhost:8080"])
    }

    private static func credentials(
        host: String? = "localhost", origin: String? = nil, authorization: String? = nil, query: String? = nil
    ) -> Gatekeeper.Credentials {
        Gatekeeper.Credentials(host: host, origin: origin, authorization: authorization, query: query)
    }

    @Test(
        "Our own names are allowed",
        arguments: [
            "localhost", "localhost:5101", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535", "LOCALHOST:80",
            "node.example",
            "Node.Example:443",
        ])
    func ownHosts(host: String) {
        #expect(Self.gatekeeper().isAllowed(host: host))
    }

    @Test(
        "Names that only look like ours are refused",
        arguments: [
            "", " ", "evil.com", "localhost.evil.com", "evil.com:localhost", "127.0.0.1.nip.io", "LOCALHOST.",
            "localhost.",
            "127.0.0.1.", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "127.0.0.2", "127.0.0.1:", "127.0.0.1:x",
            "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:80:80", "user@localhost",
            "localhost@evil.com",
            "localhost/evil.com", "localhost#evil", "localhost?evil", "http://localhost", "localhost evil.com",
            "localhost,evil.com", "localhost\t", "[::1", "::1", "[::1]evil.com", "[::1]:", "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:0:0:1]",
            "[::]", "xn--lcalhost-3ya", "lоcalhost", "localhost\0", "node.example.evil.com", "xnode.example",
            "127.0.0.1:００８０",
        ])
    func hostileHosts(host: String) {
        #expect(!Self.gatekeeper().isAllowed(host: host))
        #expect(throws: RPCError.self) { try Self.gatekeeper().checkHostAndOrigin(Self.credentials(host: host)) }
    }

    @Test("A request without Host is refused")
    func noHost() {
        #expect(throws: RPCError.self) { try Self.gatekeeper().checkHostAndOrigin(Self.credentials(host: nil)) }
    }

    @Test("Listed origins and none are allowed", arguments: [nil, "https://panel.example", "http://localhost:8080"])
    func origins(origin: String?) throws {
        try Self.gatekeeper().checkHostAndOrigin(Self.credentials(origin: origin))
    }

    @Test(
        "Other origins are refused, however near",
        arguments: [
            "null", "", "*", "https://evil.com", "http://panel.example", "https://panel.example:8443",
            "https://panel.example/",
            "https://panel.example.evil.com", "https://evilpanel.example", "HTTPS://PANEL.EXAMPLE",
            "https://panel.example, https://evil.com",
            "http://localhost", "http://localhost:80800", "http://127.0.0.1:5101", "http://localhost:5101",
            "https://localhost:8080",
            "file://", "chrome-extension://abc", "https://user@panel.example", "https://panel.example\0",
        ])
    func hostileOrigins(origin: String) {
        #expect(throws: RPCError.self) { try Self.gatekeeper().checkHostAndOrigin(Self.credentials(origin: origin)) }
    }

    @Test("The right token opens, as a header or as Kubo's parameter")
    func rightToken() throws {
        let gatekeeper = Self.gatekeeper()
        let now = NIODeadline.now()
        try gatekeeper.checkToken(Self.credentials(authorization: "Bearer \(Self.token.text)"), from: "a", now: now)
        try gatekeeper.checkToken(Self.credentials(authorization: "bearer \(Self.token.text)"), from: "a", now: now)
        try gatekeeper.checkToken(Self.credentials(query: "bearer:\(Self.token.text)"), from: "a", now: now)
    }

    @Test(
        "Anything else does not",
        arguments: [
            "", "Bearer", "Bearer ", "Basic \(token.text)", token.text, "Bearer \(token.text)x",
            "Bearer \(token.text.dropLast())",
            "Bearer \(token.text.uppercased())x", "Bearer  \(token.text)",
        ])
    func wrongToken(authorization: String) {
        #expect(throws: RPCError.self) {
            try Self.gatekeeper().checkToken(Self.credentials(authorization: authorization), from: "a", now: .now())
        }
    }

    @Test("A wrong header is not mended by a right parameter")
    func headerCounts() {
        #expect(throws: RPCError.self) {
            try Self.gatekeeper().checkToken(
                Self.credentials(authorization: "Bearer no", query: "bearer:\(Self.token.text)"), from: "a", now: .now()
            )
        }
    }

    @Test("Five wrong tokens a minute are told so, more are throttled; the right one always passes")
    func throttling() throws {
        let gatekeeper = Self.gatekeeper()
        let start = NIODeadline.now()
        func kind(_ authorization: String, _ address: String, at time: NIODeadline) -> RPCError.Kind? {
            do {
                try gatekeeper.checkToken(Self.credentials(authorization: authorization), from: address, now: time)
                return nil
            } catch {
                return error.kind
            }
        }
        for _ in 0..<5 { #expect(kind("Bearer wrong", "a", at: start) == .unauthorized) }
        for _ in 0..<100 { #expect(kind("Bearer wrong", "a", at: start) == .throttled) }
        #expect(kind("Bearer \(Self.token.text)", "a", at: start) == nil)
        #expect(kind("Bearer wrong", "b", at: start) == .unauthorized)
        #expect(kind("Bearer wrong", "a", at: start + .seconds(59)) == .throttled)
        #expect(kind("Bearer wrong", "a", at: start + .seconds(60)) == .unauthorized)
    }

    @Test("Guessing from many addresses keeps memory bounded and still throttles the last one")
    func manyAddresses() {
        let gatekeeper = Self.gatekeeper()
        let now = NIODeadline.now()
        for index in 0..<5000 {
            #expect(throws: RPCError.self) {
                try gatekeeper.checkToken(Self.credentials(authorization: "Bearer x"), from: "a\(index)", now: now)
            }
        }
        var last: RPCError?
        for _ in 0..<6 {
            do {
                try gatekeeper.checkToken(Self.credentials(authorization: "Bearer x"), from: "a4999", now: now)
            } catch { last = error }
        }
        #expect(last?.kind == .throttled)
    }
}

@Suite("The token file")
struct APITokenTests {
    @Test("It is made once, for its owner alone")
    func file() async throws {
        try await withTemporaryFolder { folder in
            #expect(APIToken.load(repository: folder.path) == nil)
            let token = try APIToken.loadOrCreate(repository: folder.path)
            #expect(token.text.count == 64)
            #expect(try APIToken.loadOrCreate(repository: folder.path).text == token.text)
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/api-token")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test(
        "A file that holds no secret is replaced",
        arguments: ["", "short", "has spaces in it, and is long enough for a token"])
    func replaced(content: String) async throws {
        try await withTemporaryFolder { folder in
            try Data(content.utf8).write(to: folder.appendingPathComponent("api-token"))
            #expect(try APIToken.loadOrCreate(repository: folder.path).text.count == 64)
        }
    }

    @Test("Two tokens differ, and match only themselves")
    func matching() {
        let one = APIToken(), other = APIToken()
        #expect(one.matches(one.text))
        #expect(!one.matches(other.text))
        #expect(!one.matches(""))
    }
}
