import Foundation
import HTTPAPI
import Multiformats
import NIOCore
import PeerNode
import TestSupport
import Testing

/// Kubo's own requests, byte for byte, against our server: the answers must have the same shape, and for
/// content the same values.
@Suite("Requests of Kubo's command line", .enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct ExchangeTests {
    struct Exchange: Decodable {
        let command: String
        let request: String
        let response: String
    }

    /// Fields whose number or presence depends on the node, not on the protocol.
    private static let freeFields: Set<String> = ["config/show"]

    @Test("Every recorded exchange is answered alike")
    func replay() async throws {
        let exchanges: [Exchange] = try Vectors.json("kubo-rpc/exchanges.json")
        #expect(exchanges.count == 51)
        try await withServer { server in
            try await withTemporaryFolder { folder in
                let other = try await openNode(folder, "other", online: true)
                let address = try #require(other.addresses.first)
                var replayed = 0
                var leftOut: [String] = []
                for exchange in exchanges {
                    guard let wire = WireRequest(exchange.request) else {
                        leftOut.append(exchange.command)
                        continue
                    }
                    if wire.command == "routing/findprovs" {
                        try await knows(other, server.node)
                        // What was pinned before is told in its own time; the answer must not depend on it.
                        let hello = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"
                        let provided = try await server.post("routing/provide?arg=\(hello)")
                        #expect(provided.status == 200, "\(provided.text)")
                    }
                    let answer = try #require(
                        RawAnswer(try await server.send(wire.bytes(server, address))), "\(exchange.command)")
                    try Self.compare(answer, exchange, wire.command)
                    replayed += 1
                }
                // The one that Kubo itself did not answer is left out, too.
                #expect(replayed == 51 - 1 && leftOut.count == 1, "left out: \(leftOut)")
                await other.stop()
            }
        }
    }

    /// Waits until `peer` is in the node's routing table.
    private func knows(_ peer: Node, _ node: Node) async throws {
        try await until("the other node is in the table") {
            let tables = try await node.dhtStatus()
            return tables.flatMap(\.buckets).flatMap(\.peers).contains { $0.id == peer.peerID }
        }
    }

    private static func compare(_ answer: RawAnswer, _ exchange: Exchange, _ command: String) throws {
        let expected = try #require(KuboAnswer(exchange.response))
        let comment = Comment(rawValue: "\(exchange.command): \(answer.text.prefix(500))")
        #expect(answer.status == expected.status, comment)
        for name in ["content-type", "x-stream-output", "x-chunked-output", "x-content-length", "trailer"] {
            // Kubo sends the trailer's name with errors, too, which have none.
            if name == "trailer", expected.status != 200 { continue }
            #expect(answer.headers[name] == expected.headers[name], "\(name) of \(exchange.command)")
        }
        #expect(answer.trailers.isEmpty, comment)
        guard answer.headers["content-type"] == "application/json" else {
            if command == "get" {
                #expect(answer.body.count % 512 == 0 && answer.body.count >= 1024, comment)
            } else {
                #expect(answer.body == expected.body, comment)
            }
            return
        }
        let ours = answer.lines, theirs = expected.lines
        switch command {
        case "repo/gc":
            // Kubo deletes at once, we only what is a minute old: here, nothing.
            #expect(ours.isEmpty, comment)
        case "repo/verify":
            #expect(ours.last == theirs.last, comment)
            for line in ours { Shape(line).expect(Shape(theirs[0]), comment) }
        case "refs/local":
            for line in ours { Shape(line).expect(Shape(theirs[0]), comment) }
            #expect(Set(ours.compactMap { $0["Ref"]?.text }).count >= 4, comment)
        case "config/show":
            for name in ["Addresses", "Bootstrap", "Datastore", "Identity"] {
                #expect(ours.first?[name] != nil, comment)
            }
        case "swarm/addrs", "pin/ls":
            // Maps by name: the values must be alike.
            let values = ours.flatMap(\.members).flatMap(\.value.members).map(\.value)
            let sample = try #require(theirs.first?.members.first?.value.members.first?.value)
            #expect(!values.isEmpty, comment)
            for value in values { Shape(value).expect(Shape(sample), comment) }
        case "routing/findprovs", "routing/findpeer":
            // How many peers are asked, and in which order, is each node's own business.
            #expect(ours.contains { $0["Type"] == theirs.first?["Type"] }, comment)
            for our in ours {
                let their = try #require(theirs.first)
                Shape(our).expect(Shape(their), comment)
            }
        default:
            #expect(ours.count == theirs.count, comment)
            for (our, their) in zip(ours, theirs) {
                Shape(our).expect(Shape(their), comment)
                if Self.isContent(command) { expectSameValues(our, their, comment) }
            }
        }
    }

    /// Commands whose answer follows from the content alone.
    private static func isContent(_ command: String) -> Bool {
        [
            "add", "ls", "block/stat", "block/put", "block/rm", "dag/stat", "dag/put", "pin/add", "pin/rm",
            "name/resolve",
        ].contains(command)
    }

    /// Compares all values but permissions: Kubo tells a file the mode of its folder.
    private static func expectSameValues(_ our: JSON, _ their: JSON, _ comment: Comment) {
        switch (our, their) {
        case (.object(let a), .object(let b)):
            for member in b where !["Mode", "Mtime", "MtimeNsecs"].contains(member.name) {
                expectSameValues(a.first { $0.name == member.name }?.value ?? .null, member.value, comment)
            }
        case (.array(let a), .array(let b)):
            #expect(a.count == b.count, comment)
            for (left, right) in zip(a, b) { expectSameValues(left, right, comment) }
        default: #expect(our == their, comment)
        }
    }
}

/// The names and kinds of a value's fields.
private struct Shape {
    let value: JSON

    init(_ value: JSON) { self.value = value }

    func expect(_ other: Shape, _ comment: Comment) {
        switch (value, other.value) {
        case (.object(let ours), .object(let theirs)):
            #expect(ours.map(\.name) == theirs.map(\.name), comment)
            for (our, their) in zip(ours, theirs) { Shape(our.value).expect(Shape(their.value), comment) }
        case (.array(let ours), .array(let theirs)):
            for our in ours {
                if let their = theirs.first { Shape(our).expect(Shape(their), comment) }
            }
        // Go writes an empty list as null, and 0.2 and 0 are both numbers.
        case (.array, .null), (.null, .array), (.int, .double), (.double, .int), (.int, .int), (.double, .double),
            (.string, .string), (.bool, .bool), (.null, .null):
            break
        default: Issue.record("\(value) is not of the kind of \(other.value): \(comment)")
        }
    }
}

/// A request as it was recorded: printable, with chunk sizes that the printing made wrong.
private struct WireRequest {
    let command: String
    private let head: String
    private let body: String

    /// Nil for the exchange that has no request.
    init?(_ text: String) {
        guard text.hasPrefix("POST /api/v0/"), let end = text.range(of: "\n\n") else { return nil }
        head = String(text[..<end.lowerBound])
        let path = head.split(separator: " ")[1].dropFirst("/api/v0/".count)
        command = String(path.prefix { $0 != "?" })
        var body = String(text[end.upperBound...])
        if head.contains("Transfer-Encoding: chunked") { body = Self.unchunk(body) }
        self.body = body
    }

    /// The bytes to send: the token in its places, the other node's address and peer, chunks with right sizes.
    func bytes(_ server: TestServer, _ other: Multiaddr) -> [UInt8] {
        let peer = other.peerID?.description ?? ""
        let own = server.node.peerID.description
        var head = head.replacing("TOKEN", with: server.token.text)
            .replacing("12D3KooWRNciW9maTQuZNCwEePPWRgP2bKvY2P7hpgDQZFDtJvjU", with: peer)
            .replacing("12D3KooWPqmLudSZSJTUbrGKuogoFq8Tdqca9GPLcEAnZuv3xdh1", with: own)
            .replacing("tcp%2F42307", with: "tcp%2F\(other.tcp?.port ?? 0)")
        head = head.replacing("\n", with: "\r\n") + "\r\n\r\n"
        guard !body.isEmpty else { return Array(head.utf8) }
        var bytes = Array(head.utf8)
        // In two pieces, so that chunks are really joined.
        let content = Array(body.utf8)
        for piece in [content[..<(content.count / 2)], content[(content.count / 2)...]] {
            bytes += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8)
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }

    /// The content of chunks as they were printed: a size, its content and a line feed each; in multipart
    /// framing the carriage returns were dropped, and what is content says its size.
    private static func unchunk(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let line = rest.firstIndex(of: "\n"), let size = Int(rest[..<line], radix: 16), size > 0 {
            rest = rest[rest.index(after: line)...]
            // Up to the next line that is a size: framing has no such line but the boundary's.
            var content = ""
            while true {
                guard let end = rest.firstIndex(of: "\n") else { break }
                let next = rest[..<end]
                if !content.isEmpty, let size = Int(next, radix: 16),
                    isSize(size, next, in: rest[rest.index(after: end)...])
                {
                    break
                }
                content += next + "\n"
                rest = rest[rest.index(after: end)...]
            }
            // The line feed that ends the chunk is not content.
            content.removeLast()
            result +=
                content.contains("Content-Disposition") || content.contains("--B--")
                ? content.replacing("\n", with: "\r\n") : content
        }
        return result
    }

    private static func isSize(_ size: Int, _ text: Substring, in rest: Substring) -> Bool {
        text.allSatisfy { $0.isHexDigit && !$0.isUppercase } && (size == 0 || size < 0x1000) && text != "B"
    }
}

/// A recorded answer.
private struct KuboAnswer {
    let status: Int
    let headers: [String: String]
    let body: [UInt8]
    /// The values of a JSON answer. Taken from the printed text, in which paths were shortened and chunk sizes not.
    let lines: [JSON]

    init?(_ text: String) {
        guard let end = text.range(of: "\n\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        self.status = status
        headers = lines.dropFirst().reduce(into: [:]) { fields, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            fields[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        self.lines = text[end.upperBound...].split(separator: "\n").filter { $0.hasPrefix("{") }
            .compactMap { try? JSON(parsing: String($0)) }
        // Chunks: a size in hex, content of that many bytes (printed ones are `\xNN`), a line feed.
        let bytes = Self.unescape(text[end.upperBound...])
        var rest = bytes[...]
        var body: [UInt8] = []
        while let line = rest.firstIndex(of: 0x0a),
            let size = Int(String(decoding: rest[..<line], as: UTF8.self), radix: 16), size > 0
        {
            let content = rest[(line + 1)...].prefix(size)
            body += content
            rest = rest[(line + 1)...].dropFirst(size + 1)
        }
        self.body = body
    }

    private static func unescape(_ text: Substring) -> [UInt8] {
        var result: [UInt8] = []
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "\\"), bytes.first == UInt8(ascii: "x") {
                bytes = bytes.dropFirst()
                result.append(UInt8(String(decoding: bytes.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                bytes = bytes.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
