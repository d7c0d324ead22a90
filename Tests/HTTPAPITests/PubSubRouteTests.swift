import Foundation
import Gossip
import HTTPAPI
import Multiformats
import NIOCore
import NIOPosix
import PeerNode
import TestSupport
import Testing

@Suite("Commands for topics")
struct PubSubRouteTests {
    private static let topic = Topic("news")
    private static let encoded = Multibase.encode(Array("news".utf8), as: .base64url)

    private static func body(_ text: String) -> (headers: String, body: String) {
        (
            "Content-Type: multipart/form-data; boundary=B\r\n",
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\(text)\r\n--B--\r\n"
        )
    }

    private static func publish(_ text: String, _ server: TestServer) async throws -> RawAnswer {
        let (headers, body) = body(text)
        return try await server.post("pubsub/pub?arg=\(encoded)", headers: headers, body: body)
    }

    @Test(
        "Offline, each says that it needs a running node",
        arguments: ["pubsub/ls", "pubsub/peers", "pubsub/sub?arg=ubmV3cw", "pubsub/pub?arg=ubmV3cw", "pubsub/stat"])
    func offline(command: String) async throws {
        try await withServer(online: false) { server in
            let answer = try await server.post(command)
            #expect(answer.status == 503, "\(answer.text)")
            #expect(answer.json?["Message"]?.text?.contains("peernode run") == true, "\(answer.text)")
        }
    }

    @Test("What cannot be meant is refused")
    func malformed() async throws {
        try await withServer { server in
            for (command, status) in [
                ("pubsub/sub", 400), ("pubsub/pub", 400), ("pubsub/sub?arg=plain", 400), ("pubsub/pub?arg=plain", 400),
                ("pubsub/peers?arg=plain", 400), ("pubsub/pub?arg=" + Self.encoded, 400), ("pubsub/sub?arg=u", 500),
            ] {
                let answer = try await server.post(command)
                #expect(answer.status == status, "\(command): \(answer.text)")
                #expect(answer.json?["Message"]?.text?.isEmpty == false)
            }
            let large = try await Self.publish(String(repeating: "x", count: 1 << 20), server)
            #expect(large.status == 413, "\(large.text)")
            let tooLarge = try await Self.publish(String(repeating: "x", count: 1 << 20 + 1), server)
            #expect(tooLarge.status == 413, "\(tooLarge.text)")
            #expect(try await !server.node.pubsubTopics().contains(Self.topic))
        }
    }

    @Test("A subscription answers before the first message, gives each as a line, and ends with its connection")
    func subscribe() async throws {
        try await withServer { server in
            let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: server.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            try await connection.executeThenClose { inbound, outbound in
                let request =
                    "POST /api/v0/pubsub/sub?arg=\(Self.encoded) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    + "Authorization: Bearer \(server.token.text)\r\nContent-Length: 0\r\n\r\n"
                try await outbound.write(ByteBuffer(string: request))
                var iterator = inbound.makeAsyncIterator()
                var text = ""
                func read(until wanted: String) async throws {
                    while !text.contains(wanted), let part = try await iterator.next() { text += String(buffer: part) }
                    #expect(text.contains(wanted), "\(text)")
                }
                try await read(until: "\r\n\r\n")
                #expect(text.hasPrefix("HTTP/1.1 200") && text.lowercased().contains("x-chunked-output: 1"))
                #expect(
                    try await server.post("pubsub/ls").json?["Strings"]?.elements.contains(.string(Self.encoded))
                        == true)
                let published = try await Self.publish("hello", server)
                #expect(published.status == 200 && published.body.isEmpty, "\(published.text)")
                try await read(until: "topicIDs")
                let line = text.split(whereSeparator: \.isNewline).last { $0.hasPrefix("{") }
                let message = try JSON(parsing: String(try #require(line)))
                #expect(message["from"]?.text == server.node.peerID.description)
                #expect(message["data"]?.text == Multibase.encode(Array("hello".utf8), as: .base64url))
                #expect(message["topicIDs"]?.elements == [.string(Self.encoded)])
                let number = try Multibase.decode(try #require(message["seqno"]?.text)).bytes
                #expect(number.count == 8)
            }
            // Nothing was published since, so only the connection can have told.
            try await until("the subscription has ended") {
                try await !server.node.pubsubTopics().contains(Self.topic)
            }
        }
    }

    @Test("Peers of a topic and the counters")
    func peers() async throws {
        try await withServer { server in
            try await withTemporaryFolder { folder in
                let other = try await openNode(folder, "other", online: true)
                do {
                    let messages = try await other.subscribe(to: Self.topic)
                    try await other.connect(try #require(server.node.addresses.first { $0.tcp != nil }))
                    let peer = JSON.string(other.peerID.description)
                    try await until("the other node is among the topic's peers") {
                        try await server.post("pubsub/peers?arg=\(Self.encoded)").json?["Strings"]?.elements == [peer]
                    }
                    #expect(try await server.post("pubsub/peers").json?["Strings"]?.elements == [peer])
                    _ = try await Self.publish("over the network", server)
                    var texts: [String] = []
                    for await message in messages {
                        texts.append(String(buffer: message.data))
                        break
                    }
                    #expect(texts == ["over the network"])
                    let status = try #require(try await server.post("pubsub/stat").json)
                    #expect(status["Peers"]?.elements.first?["ID"] == peer)
                    #expect(status["Peers"]?.elements.first?["Protocol"]?.text == "/meshsub/1.2.0")
                    #expect(status["Counters"]?["Published"]?.integer == 1)
                    await other.stop()
                } catch {
                    await other.stop()
                    throw error
                }
            }
        }
    }
}
