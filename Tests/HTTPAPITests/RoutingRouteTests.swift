import Foundation
import HTTPAPI
import PeerNode
import TestSupport
import Testing

@Suite("Routing commands without a swarm")
struct RoutingRouteTests {
    private static let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    private static let peer = "12D3KooWRNciW9maTQuZNCwEePPWRgP2bKvY2P7hpgDQZFDtJvjU"
    private static let name = "k51qzi5uqu5dldjy1t56o6ysgii1zz5u3me1s5tiz9gh9bc0y362g0r8hw9sl4"
    private static let address = "/ip4/192.0.2.7/tcp/4101/p2p/" + peer

    @Test(
        "Offline, each says that it needs a running node, as an error with a status",
        arguments: [
            "routing/findprovs?arg=" + cid, "dht/findprovs?arg=" + cid, "routing/findpeer?arg=" + peer,
            "dht/findpeer?arg=" + peer, "dht/query?arg=" + peer, "routing/provide?arg=" + cid, "dht/provide?arg=" + cid,
            "routing/get?arg=/ipns/" + name, "routing/reprovide", "provide/stat", "stats/provide", "stats/dht",
            "name/publish?resolve=false&arg=" + cid,
        ])
    func offline(command: String) async throws {
        try await withServer(online: false) { server in
            let answer = try await server.post(command)
            #expect(answer.status == 503, "\(answer.text)")
            #expect(answer.headers["x-error-kind"] == "unavailable")
            #expect(answer.json?["Message"]?.text?.contains("peernode run") == true, "\(answer.text)")
            #expect(answer.json?["Type"]?.text == "error")
        }
    }

    @Test(
        "What cannot be meant is refused before anybody is asked",
        arguments: [
            ("routing/findprovs", 400), ("routing/findprovs?arg=nonsense", 500), ("routing/provide", 400),
            ("routing/findprovs?num-providers=0&arg=" + cid, 400), ("routing/findpeer?arg=nobody", 500),
            ("routing/findprovs?num-providers=many&arg=" + cid, 400), ("routing/findpeer", 400),
            ("routing/get?arg=/nothing/" + name, 500), ("routing/get?arg=" + name, 500),
            ("routing/get?arg=/ipns/nobody", 500), ("routing/put?arg=/ipns/" + name, 400), ("routing/put", 400),
            ("dht/query", 400), ("name/publish", 400), ("name/publish?arg=nonsense", 500),
            ("name/publish?lifetime=soon&arg=" + cid, 400), ("name/publish?ipns-base=base1&arg=" + cid, 400),
            ("name/resolve?arg=example.com", 500), ("name/resolve?arg=nobody", 500), ("name/resolve?arg=/ipns/", 500),
            ("cat?arg=/ipns/nobody", 500), ("cat?arg=/ipns/", 500), ("get?arg=/ipns/..", 500),
            ("bootstrap/add", 400), ("bootstrap/add?arg=nonsense", 500), ("bootstrap/rm", 400),
            ("bootstrap/add?arg=/ip4/192.0.2.7/tcp/4101", 500), ("bootstrap/rm?arg=/ip4/192.0.2.7/tcp/4101", 500),
        ] as [(String, Int)])
    func malformed(command: String, status: Int) async throws {
        try await withServer(online: false) { server in
            let answer = try await server.post(command)
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer.json?["Code"]?.integer == (status == 400 ? 1 : 0))
            #expect(answer.json?["Message"]?.text?.isEmpty == false)
        }
    }

    @Test("Bootstrap peers are listed, added and removed, and stay in the file")
    func bootstrap() async throws {
        try await withServer(online: false) { server in
            func peers(_ command: String) async throws -> [String] {
                let answer = try await server.post(command)
                #expect(answer.status == 200, "\(command): \(answer.text)")
                return (answer.json?["Peers"]?.elements ?? []).compactMap(\.text)
            }
            let other = "/ip6/2001:db8::7/tcp/4101/p2p/" + Self.peer
            #expect(try await peers("bootstrap/list") == [])
            #expect(try await peers("bootstrap/add?arg=\(Self.address)&arg=\(other)") == [Self.address, other])
            #expect(try await peers("bootstrap/list") == [Self.address, other])
            let saved = try NodeConfiguration.load(repository: server.node.configuration.repository)
            #expect(saved.network.bootstrap == [Self.address, other])
            #expect(try await peers("bootstrap/rm?arg=\(Self.address)") == [Self.address])
            #expect(try await peers("bootstrap/rm?arg=\(Self.address)") == [])
            #expect(try await peers("bootstrap/rm/all") == [other])
            #expect(try await peers("bootstrap") == [])
            // The public list is of no use in another network.
            let refused = try await server.post("bootstrap/add/default")
            #expect(refused.status == 500 && refused.json?["Message"]?.text?.contains("ipfs") == true)
        }
    }
}
