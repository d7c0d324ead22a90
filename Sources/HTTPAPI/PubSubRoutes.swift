import Gossip
import Multiformats
import NIOCore
import PeerNode

extension API {
    static let pubsubCommands = [
        RPCCommand("pubsub/ls") { api, _ in
            .value(["Strings": .array(try await api.node.pubsubTopics().map { text($0) })])
        },
        RPCCommand("pubsub/peers") { api, request in
            let name: String? = request.parameters.arguments.first
            let wanted = try name.map { text throws(RPCError) in try topic(text) }
            return .value(["Strings": .array(try await api.node.pubsubPeers(of: wanted).map { JSON($0) })])
        },
        RPCCommand("pubsub/pub", takesBody: true) { api, request in try await api.publishMessage(request) },
        RPCCommand("pubsub/sub") { api, request in try await api.subscribe(request) },
        RPCCommand("pubsub/stat") { api, _ in .value(json(try await api.node.pubsubStatus())) },
    ]

    /// The longest message, in bytes: a frame, which has more in it besides.
    private static let longestMessage = 1 << 20

    private func publishMessage(_ request: RPCRequest) async throws -> RPCReply {
        let topic = try Self.topic(request.parameters.argument(0, "topic"))
        // Before the body is read: offline nothing can come of it.
        guard node.isOnline else { throw NodeError.needsRunningNode("publishing") }
        let data = try await request.file(limit: Self.longestMessage)
        try await node.publish(data, to: topic)
        return .events { _ in }
    }

    private func subscribe(_ request: RPCRequest) async throws -> RPCReply {
        let messages = try await node.subscribe(to: Self.topic(request.parameters.argument(0, "topic")))
        // A client that goes while nothing comes would be noticed with the next message only.
        request.closed?.whenComplete { _ in messages.end() }
        return .events { sink in
            // The head of the answer says that the subscription holds.
            try await sink.events([])
            for await message in messages { try await sink.event(Self.json(message)) }
        }
    }

    // MARK: Spelling

    /// Topics, payloads and numbers are any bytes, which JSON does not have.
    private static func text(_ bytes: [UInt8]) -> JSON { .string(Multibase.encode(bytes, as: .base64url)) }

    private static func text(_ topic: Topic) -> JSON { text(Array(topic.bytes.readableBytesView)) }

    private static func topic(_ text: String) throws(RPCError) -> Topic {
        do {
            return Topic(bytes: ByteBuffer(bytes: try Multibase.decode(text).bytes))
        } catch {
            throw .usage("a topic is written in multibase, such as u and base64url: \(error)")
        }
    }

    private static func json(_ message: PubSubMessage) -> JSON {
        // Kubo leaves out what is empty.
        .object(
            [
                message.from.map { .init("from", JSON($0)) },
                message.data.readableBytes == 0
                    ? nil : .init("data", text(Array(message.data.readableBytesView))),
                message.sequence.isEmpty ? nil : .init("seqno", text(message.sequence)),
                .init("topicIDs", .array([text(message.topic)])),
            ].compactMap { $0 })
    }

    private static func json(_ status: PubSubStatus) -> JSON {
        [
            "Topics": .array(
                status.topics.map { topic in
                    [
                        "Topic": text(topic.topic), "Peers": .array(topic.peers.map { JSON($0) }),
                        "Mesh": .array(topic.mesh.map { JSON($0) }),
                    ]
                }),
            "Peers": .array(
                status.peers.map { peer in
                    [
                        "ID": JSON(peer.id), "Protocol": .string(peer.version.protocolID),
                        "Score": .double(peer.score), "Topics": .array(peer.topics.map { text($0) }),
                    ]
                }),
            "Counters": .object(counters(status).map { .init($0, .int(Int(clamping: $1))) }),
            "Load": [
                "Seen": .int(status.load.seen), "Cached": .int(status.load.cached),
                "CachedBytes": .int(status.load.cachedBytes), "Waiting": .int(status.load.waiting),
                "Authors": .int(status.load.authors),
            ],
        ]
    }

    private static func counters(_ status: PubSubStatus) -> [(String, UInt64)] {
        let (all, losses) = (status.statistics, status.losses)
        return [
            ("FramesReceived", all.framesReceived), ("MessagesReceived", all.messagesReceived),
            ("Duplicates", all.duplicates), ("Delivered", all.delivered), ("Ignored", all.ignored),
            ("Rejected", all.rejected), ("InvalidSignatures", all.invalidSignatures), ("Malformed", all.malformed),
            ("Replays", all.replays), ("Throttled", all.throttled), ("Unanswered", all.unanswered),
            ("Published", all.published), ("Forwarded", all.forwarded), ("Saved", all.saved), ("Served", all.served),
            ("Grafts", all.grafts), ("GraftsRefused", all.graftsRefused), ("Prunes", all.prunes),
            ("BrokenPromises", all.brokenPromises), ("FramesRefused", all.framesRefused),
            ("GossipDropped", losses.gossip), ("MessagesDropped", losses.messages),
            ("ControlDropped", losses.control), ("Undelivered", losses.undelivered),
        ]
    }
}
