import Gossip
import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import PeerNode
import Synchronization
import Transport

/// Keeps what a subscription brings.
final class Inbox: Sendable {
    private let messages = Mutex<[PubSubMessage]>([])
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ source: PubSubMessages) {
        let reading = Task { [weak self] in
            for await message in source { self?.messages.withLock { $0.append(message) } }
        }
        task.withLock { $0 = reading }
    }

    deinit { stop() }

    /// Ends the subscription.
    func stop() { task.withLock { $0 }?.cancel() }

    var all: [PubSubMessage] { messages.withLock { $0 } }
    var texts: [String] { all.map { String(buffer: $0.data) } }
}

extension PubSubMessage {
    /// Its author's number.
    var number: UInt64? { ByteBuffer(bytes: sequence).getInteger(at: 0) }
}

extension Node {
    func inbox(_ topic: Topic) async throws -> Inbox { Inbox(try await subscribe(to: topic)) }

    func publish(_ text: String, to topic: Topic) async throws {
        try await publish(ByteBuffer(string: text), to: topic)
    }

    /// Whom this node pushes the messages of `topic` to.
    func mesh(of topic: Topic) async throws -> Set<PeerID> {
        Set(try await pubsubStatus().topics.first { $0.topic == topic }?.mesh ?? [])
    }

    /// Waits until this node knows that `others` are in `topic`.
    func sees(_ others: PeerID..., in topic: Topic) async throws {
        try await eventually { Set(try await pubsubPeers(of: topic)) == Set(others) }
    }
}

/// A peer that writes whatever a test wants on gossip's streams.
final class RawGossipPeer: Sendable {
    let key: KeyPair
    let host: Host
    let protocolID: String
    /// What the node wrote to it, frame by frame.
    let heard = Mutex<[GossipRPC]>([])

    /// - Parameter reads: whether it takes in what the node writes.
    init(_ name: String, protocolID: String = "/meshsub/1.1.0", reads: Bool = true) {
        key = KeyPair(seed: ContentHash.sha256(Array("raw peer \(name)".utf8)).digest)
        self.protocolID = protocolID
        var logger = Logger(label: name)
        logger.logLevel = .critical
        host = Host(
            configuration: HostConfiguration(identity: key, logger: logger),
            group: MultiThreadedEventLoopGroup.singleton)
        host.handle(protocolID) { [weak self] _ in
            Listener(reads: reads) { [weak self] frame in self?.heard.withLock { $0.append(frame) } }
        }
    }

    var peerID: PeerID { key.peerID }

    func stop() async { await host.shutdown() }

    /// One of the streams on which it writes; `ended` tells whether the node has given it up.
    func open(to node: Node) async throws -> RawGossipStream {
        guard let address = node.addresses.first else { throw Waited.timedOut }
        let connection = try await host.connect(address)
        let result = RawGossipStream()
        result.stream = connection.openStream([protocolID]) { _ in Watcher { result.end() } }
        try await result.stream?.waitUntilOpen()
        return result
    }

    /// A signed message of its own.
    func message(_ text: String, in topic: Topic, number: UInt64) -> GossipMessage {
        GossipMessage(ByteBuffer(string: text), in: topic, sequence: number, signedBy: key)
    }

    /// Reads the node's frames, or lets them pile up.
    private final class Listener: StreamHandler {
        private let reads: Bool
        private let take: @Sendable (GossipRPC) -> Void
        private var framer = MessageFramer(maximum: 1 << 20)

        init(reads: Bool, take: @escaping @Sendable (GossipRPC) -> Void) {
            self.reads = reads
            self.take = take
        }

        func opened(_ stream: PeerStream) { stream.manualCredit = !reads }

        func received(_ bytes: ByteBuffer, on stream: PeerStream) {
            guard reads else { return }
            var input = bytes
            while let payload = try? framer.next(&input) {
                if let frame = try? GossipRPC(decoding: payload) { take(frame) }
            }
        }

        func inputClosed(_ stream: PeerStream) {}
        func failed(_ error: StreamError, on stream: PeerStream) {}
    }

    private final class Watcher: StreamHandler {
        private let ended: @Sendable () -> Void
        init(_ ended: @escaping @Sendable () -> Void) { self.ended = ended }
        func received(_ bytes: ByteBuffer, on stream: PeerStream) {}
        func inputClosed(_ stream: PeerStream) {}
        func failed(_ error: StreamError, on stream: PeerStream) { ended() }
    }
}

/// A stream of a raw peer. Set up once, before it is shared.
final class RawGossipStream: @unchecked Sendable {
    fileprivate(set) var stream: PeerStream?
    private let over = Mutex(false)

    var hasEnded: Bool { over.withLock { $0 } }
    fileprivate func end() { over.withLock { $0 = true } }

    func write(_ bytes: ByteBuffer) { stream?.write(bytes) }
    func write(_ frame: GossipRPC) { for bytes in frame.frames() { write(bytes) } }

    func subscribe(_ topic: Topic) {
        var frame = GossipRPC()
        frame.subscriptions = [.init(topic, isSubscribed: true)]
        write(frame)
    }

    func publish(_ messages: GossipMessage...) {
        var frame = GossipRPC()
        frame.messages = messages
        write(frame)
    }
}

/// Runs `body` with a raw peer, and stops it whatever happens.
func withRawPeer<R>(_ peer: RawGossipPeer, _ body: (RawGossipPeer) async throws -> R) async throws -> R {
    do {
        let result = try await body(peer)
        await peer.stop()
        return result
    } catch {
        await peer.stop()
        throw error
    }
}
