import Foundation
import HTTPAPI
import Multiformats
import PeerNode
import TestSupport
import Testing

@Suite("Keys and records of names")
struct NameRouteTests {
    private static func upload(_ bytes: [UInt8]) -> (headers: String, body: [UInt8]) {
        let head = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
        return (
            "Content-Type: multipart/form-data; boundary=B\r\n", Array(head.utf8) + bytes + Array("\r\n--B--\r\n".utf8)
        )
    }

    /// POSTs bytes that need not be text.
    private static func post(_ server: TestServer, _ path: String, file: [UInt8]) async throws -> RawAnswer {
        let (headers, body) = upload(file)
        let head =
            "POST /api/v0/\(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(server.token.text)\r\n"
            + "Connection: close\r\n\(headers)Content-Length: \(body.count)\r\n\r\n"
        return try #require(RawAnswer(try await server.send(Array(head.utf8) + body)))
    }

    @Test("Keys are made, listed, renamed, exported, imported and removed, in Kubo's answers")
    func keys() async throws {
        try await withServer(online: false) { server in
            func send(_ command: String, _ status: Int = 200) async throws -> JSON {
                let answer = try await server.post(command)
                #expect(answer.status == status, "\(command): \(answer.text)")
                return answer.json ?? .null
            }
            func names(_ list: JSON) -> [String] { (list["Keys"]?.elements ?? []).compactMap { $0["Name"]?.text } }
            let made = try await send("key/gen?arg=mine&type=ed25519&ipns-base=base36")
            #expect(made.members.map(\.name) == ["Name", "Id"])
            let id = try #require(made["Id"]?.text)
            #expect(id.hasPrefix("k51"))
            #expect(names(try await send("key/list")) == ["self", "mine"])
            let inBase58 = try await send("key/list?ipns-base=b58mh")
            #expect(inBase58["Keys"]?.elements.first?["Id"]?.text == server.node.peerID.description)
            let list = try await send("key/list?l=true")
            #expect(list["Keys"]?.elements.last?["Id"]?.text == id)

            let renamed = try await send("key/rename?arg=mine&arg=ours")
            #expect(
                renamed == ["Was": "mine", "Now": "ours", "Id": .string(id), "Overwrite": false])
            _ = try await send("key/gen?arg=other")
            _ = try await send("key/rename?arg=other&arg=ours", 500)
            let protobuf = try await server.post("key/export?arg=ours")
            #expect(protobuf.status == 200 && protobuf.headers["x-stream-output"] == "1")
            let pem = try await server.post("key/export?arg=ours&format=pem-pkcs8-cleartext")
            #expect(pem.text.hasPrefix("-----BEGIN PRIVATE KEY-----"))
            #expect(names(try await send("key/rm?arg=ours")) == ["ours"])
            #expect(names(try await send("key/list")) == ["self", "other"])
            for (name, file) in [("a", protobuf.body), ("b", pem.body)] {
                let imported = try await Self.post(server, "key/import?arg=\(name)", file: file)
                #expect(imported.json == ["Name": .string(name), "Id": .string(id)], "\(imported.text)")
            }

            for wrong in [
                "key/gen?arg=self", "key/gen?arg=a", "key/rm?arg=self", "key/rm?arg=nobody", "key/gen?arg=a/b",
            ] {
                _ = try await send(wrong, 500)
            }
            for wrong in ["key/gen", "key/gen?arg=x&type=rsa", "key/rename?arg=a", "key/export?arg=a&format=x"] {
                _ = try await send(wrong, 400)
            }
            let nonsense = try await Self.post(server, "key/import?arg=c", file: Array("nonsense".utf8))
            #expect(nonsense.status == 500 && nonsense.headers["x-error-kind"] == "malformed")
        }
    }

    @Test(
        "Foreign records are taken apart, and told to be valid or not",
        .enabled(if: Vectors.present, "\(Vectors.skipped)"),
        arguments: [
            ("k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w", "_v1-v2", true, "V1+V2"),
            ("k51qzi5uqu5dit2ku9mutlfgwyz8u730on38kd10m97m36bjt66my99hb6103f", "_v2", true, "V2"),
            ("k51qzi5uqu5diamp7qnnvs1p1gzmku3eijkeijs3418j23j077zrkok63xdm8c", "_v1-v2-broken-signature-v2", false, ""),
            (
                "k51qzi5uqu5dilgf7gorsh9vcqqq4myo6jd4zmqkuy9pxyxi5fua3uf7axph4y", "_v1-v2-broken-signature-v1", true,
                "V1+V2"
            ),
        ])
    func inspect(name: String, suffix: String, isValid: Bool, signatures: String) async throws {
        let record = try Vectors.bytes("ipns/\(name)\(suffix).ipns-record")
        try await withServer(online: false) { server in
            let answer = try await Self.post(server, "name/inspect?verify=\(name)", file: record)
            #expect(answer.status == 200, "\(answer.text)")
            let result = try #require(answer.json)
            #expect(result.members.map(\.name) == ["Entry", "PbSize", "SignatureType", "HexDump", "Validation"])
            #expect(result["Entry"]?.members.map(\.name) == ["Value", "ValidityType", "Validity", "Sequence", "TTL"])
            #expect(result["Validation"]?["Valid"]?.boolean == isValid, "\(answer.text)")
            #expect(result["Validation"]?["Reason"]?.text?.isEmpty == isValid)
            #expect(result["PbSize"]?.integer == record.count)
            if isValid {
                #expect(result["SignatureType"]?.text == signatures)
                #expect(result["Entry"]?["Value"]?.text?.hasPrefix("/ipfs/") == true)
            }
            // Another's name did not sign it.
            let other = try await Self.post(server, "name/inspect?verify=\(server.node.peerID)", file: record)
            #expect(other.json?["Validation"]?["Valid"]?.boolean == false)
            let unchecked = try await Self.post(server, "name/inspect?dump=false", file: record)
            #expect(unchecked.json?["Validation"] == .null && unchecked.json?["HexDump"]?.text == "")
        }
    }

    @Test("Bytes that are no record are refused with the reason")
    func inspectNonsense() async throws {
        try await withServer(online: false) { server in
            for file in [[], Array("nonsense".utf8), [UInt8](repeating: 0, count: 20_000)] {
                let answer = try await Self.post(server, "name/inspect", file: file)
                #expect(answer.status >= 400 && answer.json?["Message"]?.text?.isEmpty == false)
            }
            #expect(try await server.post("name/inspect").status == 400)
        }
    }
}
