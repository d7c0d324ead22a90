import Foundation
import Gossip
import Logging
import Multiformats
import NIOCore
import PeerCrypto
import PeerNode
import Storage
import Synchronization
import TestSupport
import Testing
import Transport

/// A host with gossip and nothing else.
private struct GossipingHost {
    let plane: ControlPlane
    let repository: Repository
    let host: Transport.Host
    let gossip: GossipService

    init(_ folder: URL, _ name: String) throws {
        plane = ControlPlane(dataThreads: 1, poolThreads: 2)
        let path = folder.appendingPathComponent(name).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try RepositoryFolder.create(at: path, network: "test", ifNeeded: true)
        repository = try Repository.open(at: path, options: RepositoryOptions())
        var logger = Logger(label: name)
        logger.logLevel = .critical
        let key = KeyPair(seed: ContentHash.sha256(Array("gossiping host \(name)".utf8)).digest)
        host = Transport.Host(configuration: HostConfiguration(identity: key, logger: logger), group: plane.dataLoops)
        gossip = GossipService(
            GossipConfiguration(), host: host, records: repository.records, plane: plane, seed: 1, logger: logger)
    }

    func stop() async {
        await gossip.stop()
        await host.shutdown()
        try? repository.close()
        await plane.shutdown()
    }
}

/// Keeps batches until a test answers.
private final class Desk: Sendable {
    private let waiting = Mutex<[(message: PendingMessage, answer: GossipAnswer)]>([])

    var validator: GossipValidator {
        { [weak self] batch, answer in
            self?.waiting.withLock { $0 += batch.map { ($0, answer) } }
        }
    }

    var texts: [String] { waiting.withLock { $0.map { String(buffer: $0.message.message.data) } } }

    /// Answers everything that waits, from this thread.
    func answer(_ verdict: (String) -> GossipVerdict) {
        let all = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for (pending, answer) in all {
            answer([(pending.validation, verdict(String(buffer: pending.message.data)))])
        }
    }
}

@Suite("Topics with rules and validators of their own")
struct GossipRegistrationTests {
    private let topic = Topic("/test/updates/1")

    /// Three hosts in a line that are in the topic; the desks judge.
    private func withLine(
        _ settings: TopicSettings, _ body: ([GossipingHost], [Desk]) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let hosts = try ["a", "b", "c"].map { try GossipingHost(folder, $0) }
            let desks = hosts.map { _ in Desk() }
            do {
                for (host, desk) in zip(hosts, desks) {
                    await host.gossip.register(topic, settings, validate: desk.validator)
                    try await host.gossip.start()
                    _ = try await host.host.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
                }
                for (host, next) in zip(hosts, hosts.dropFirst()) {
                    _ = try await next.host.connect(to: host.host.peerID, addresses: host.host.addresses)
                }
                for (index, host) in hosts.enumerated() {
                    let neighbours = Set(
                        [index - 1, index + 1].filter(hosts.indices.contains).map { hosts[$0].host.peerID })
                    try await eventually {
                        Set(await host.gossip.status.topics.first?.mesh ?? []) == neighbours
                    }
                }
                try await body(hosts, desks)
            } catch {
                for host in hosts { await host.stop() }
                throw error
            }
            for host in hosts { await host.stop() }
        }
    }

    @Test("An anonymous message goes on only after it was accepted, whoever answers and whenever")
    func anonymous() async throws {
        try await withLine(.anonymous(dataBytes: 8 << 10)) { hosts, desks in
            let readers = [
                Inbox(try await hosts[1].gossip.subscribe(to: topic)),
                Inbox(try await hosts[2].gossip.subscribe(to: topic)),
            ]
            #expect(try await hosts[0].gossip.publish(ByteBuffer(string: "good"), to: topic) == 1)
            #expect(try await hosts[0].gossip.publish(ByteBuffer(string: "bad"), to: topic) == 1)
            #expect(try await hosts[0].gossip.publish(ByteBuffer(string: "dull"), to: topic) == 1)
            try await eventually { desks[1].texts.count == 3 }
            #expect(desks[1].texts == ["good", "bad", "dull"])
            #expect(desks[2].texts.isEmpty && readers[0].all.isEmpty)
            desks[1].answer { $0 == "good" ? .accept : $0 == "bad" ? .reject : .ignore }
            try await eventually { desks[2].texts == ["good"] }
            desks[2].answer { _ in .accept }
            for reader in readers {
                try await eventually { reader.texts == ["good"] }
                #expect(reader.all.first?.from == nil && reader.all.first?.sequence.isEmpty == true)
            }
            let middle = await hosts[1].gossip.status.statistics
            #expect(middle.rejected == 1 && middle.ignored == 1 && middle.delivered == 1)
            // The id is the data's hash, so the same bytes are the same message, wherever they are published.
            await #expect(throws: PubSubError.duplicate) {
                try await hosts[2].gossip.publish(ByteBuffer(string: "good"), to: topic)
            }
            await #expect(throws: PubSubError.tooLarge((8 << 10) + 1)) {
                try await hosts[0].gossip.publish(noise((8 << 10) + 1, seed: 2), to: topic)
            }
            // Who reads a topic of ours and stops leaves the node in it.
            for reader in readers { reader.stop() }
            #expect(await hosts[1].gossip.topics == [topic])
        }
    }

    @Test("Signed messages are checked before the validator sees them")
    func signed() async throws {
        try await withLine(TopicSettings()) { hosts, desks in
            try await hosts[0].gossip.publish(ByteBuffer(string: "one"), to: topic)
            try await eventually { desks[1].texts == ["one"] }
            desks[1].answer { _ in .accept }
            try await eventually { desks[2].texts == ["one"] }
            desks[2].answer { _ in .accept }
            try await eventually { await hosts[2].gossip.status.statistics.delivered == 1 }
        }
    }
}
