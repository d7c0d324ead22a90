import Foundation
import HTTPAPI
import Logging
import NIOCore
import NIOPosix
import PeerCrypto
import PeerNode
import TestSupport

/// What came back on a raw connection, taken apart.
struct RawAnswer {
    let status: Int
    /// By name in small letters.
    let headers: [String: String]
    /// Without chunk framing.
    let body: [UInt8]
    let trailers: [String: String]

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON? { try? JSON(parsing: body) }
    /// One JSON value a line.
    var lines: [JSON] { text.split(separator: "\n").compactMap { try? JSON(parsing: String($0)) } }

    init?(_ bytes: [UInt8]) {
        guard let end = Self.end(of: bytes[...]) else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let status = head.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        self.status = status
        headers = Self.fields(head.dropFirst())
        var rest = bytes[(end + 4)...]
        if headers["transfer-encoding"] == "chunked" {
            var body: [UInt8] = []
            while let line = rest.firstIndex(of: 0x0a) {
                let size = String(decoding: rest[rest.startIndex..<line], as: UTF8.self).trimmingCharacters(
                    in: .whitespaces)
                guard let count = Int(size.filter { $0 != "\r" && $0 != "\r\n" }, radix: 16),
                    rest.endIndex - line - 1 >= count
                else { return nil }
                rest = rest[(line + 1)...]
                if count == 0 { break }
                body += rest.prefix(count)
                rest = rest.dropFirst(count + 2)
            }
            self.body = body
            trailers = Self.fields(String(decoding: rest, as: UTF8.self).split(separator: "\r\n"))
        } else {
            body = Array(rest)
            trailers = [:]
        }
    }

    private static func end(of bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex
        while index + 3 < bytes.endIndex {
            if bytes[index] == 13, bytes[index + 1] == 10, bytes[index + 2] == 13, bytes[index + 3] == 10 {
                return index
            }
            index += 1
        }
        return nil
    }

    private static func fields(_ lines: some Sequence<Substring>) -> [String: String] {
        lines.reduce(into: [:]) { fields, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
    }
}

/// A server with its node, and raw connections to it.
struct TestServer {
    let node: Node
    let server: APIServer
    let token: APIToken
    let stopRequested: AsyncStream<Void>

    var port: Int { Int(server.url.split(separator: ":").last ?? "") ?? 0 }

    /// Sends bytes as they are and gives everything that comes back until the server closes.
    func send(_ bytes: [UInt8]) async throws -> [UInt8] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            // A server that refuses early may close while we send.
            try? await outbound.write(ByteBuffer(bytes: bytes))
            var answer: [UInt8] = []
            do {
                for try await part in inbound { answer += Array(part.readableBytesView) }
            } catch {
                if answer.isEmpty { throw error }
            }
            return answer
        }
    }

    /// Sends text with CRLF for every line feed.
    func send(_ text: String) async throws -> RawAnswer {
        let bytes = try await send(Array(text.replacing("\n", with: "\r\n").utf8))
        guard let answer = RawAnswer(bytes) else { throw NoAnswer(bytes: String(decoding: bytes, as: UTF8.self)) }
        return answer
    }

    struct NoAnswer: Error {
        let bytes: String
    }

    /// POSTs to the API with the token.
    func post(_ path: String, host: String = "127.0.0.1", headers: String = "", body: String = "") async throws
        -> RawAnswer
    {
        let bytes =
            "POST /api/v0/\(path) HTTP/1.1\r\nHost: \(host)\r\nAuthorization: Bearer \(token.text)\r\nConnection: close\r\n"
            + headers + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
        let received = try await send(Array(bytes.utf8))
        guard let answer = RawAnswer(received) else { throw NoAnswer(bytes: String(decoding: received, as: UTF8.self)) }
        return answer
    }
}

/// A repository in `folder`, opened.
func openNode(_ folder: URL, _ name: String, online: Bool) async throws -> Node {
    let repository = folder.appendingPathComponent(name).path
    try RepositoryFolder.create(at: repository, network: "test", ifNeeded: true)
    var configuration = try NodeConfiguration.load(repository: repository)
    configuration.network.listen = ["/ip4/127.0.0.1/tcp/0"]
    configuration.network.bootstrap = []
    configuration.content.fetchTimeout = .milliseconds(300)
    var logger = Logger(label: name)
    logger.logLevel = .critical
    let node = try await Node.open(configuration, logger: logger)
    if online {
        do {
            try await node.start()
        } catch {
            await node.stop()
            throw error
        }
    }
    return node
}

/// Runs `body` with a server on a node of its own.
func withServer<R>(
    online: Bool = true, token: APIToken? = APIToken(), hosts: [String] = [], origins: [String] = [],
    _ body: (TestServer) async throws -> R
) async throws -> R {
    try await withTemporaryFolder { folder in
        let node = try await openNode(folder, "node", online: online)
        let (stops, continuation) = AsyncStream.makeStream(of: Void.self)
        var logger = Logger(label: "api")
        logger.logLevel = .critical
        do {
            let server = try await APIServer.start(
                API(node: node) { continuation.yield() }, listen: "127.0.0.1:0", token: token, hosts: hosts,
                origins: origins, logger: logger)
            do {
                let result = try await body(
                    TestServer(node: node, server: server, token: token ?? APIToken(), stopRequested: stops))
                await server.stop(within: .milliseconds(200))
                await node.stop()
                return result
            } catch {
                await server.stop(within: .milliseconds(200))
                throw error
            }
        } catch {
            await node.stop()
            throw error
        }
    }
}
