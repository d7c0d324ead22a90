import Logging
import Multiformats
import NIOCore
import NIOPosix
import PeerCrypto
import Synchronization
import Testing
import Transport

/// Echoes what comes, with back-pressure: credit goes back as the echo leaves.
final class Echo: StreamHandler {
    static let protocolID = "/echo/1.0.0"
    func received(_ bytes: ByteBuffer, on stream: PeerStream) { stream.write(bytes) }
    func inputClosed(_ stream: PeerStream) { stream.closeWrite() }
    func failed(_ error: StreamError, on stream: PeerStream) {}
}

let loopback = try! Multiaddr("/ip4/127.0.0.1/tcp/0")

/// A configuration with a fresh identity and nothing on the console.
func quiet(_ change: (inout HostConfiguration) -> Void = { _ in }) -> HostConfiguration {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    var configuration = HostConfiguration(identity: .generate(), logger: logger)
    change(&configuration)
    return configuration
}

/// Runs `body` with hosts that listen on loopback and speak echo, and shuts them down.
func withHosts(
    _ configurations: [HostConfiguration], _ body: ([Host]) async throws -> Void
) async throws {
    let hosts = configurations.map { Host(configuration: $0, group: MultiThreadedEventLoopGroup.singleton) }
    for host in hosts {
        host.handle(Echo.protocolID) { _ in Echo() }
        _ = try await host.listen(on: [loopback])
    }
    do {
        try await body(hosts)
    } catch {
        for host in hosts { await host.shutdown() }
        throw error
    }
    for host in hosts { await host.shutdown() }
}

extension Host {
    /// Where others dial it.
    var dialAddress: Multiaddr { addresses[0].appending(peerID) }

    /// Waits for the first event that `choose` gives a value for, which may have happened `during`.
    func next<R: Sendable>(
        _ choose: @escaping @Sendable (HostEvent) -> R?, during body: () async throws -> Void = {}
    ) async throws -> R {
        let promise = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: R.self)
        let id = observe { if let value = choose($0) { promise.succeed(value) } }
        defer { stopObserving(id) }
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: .seconds(10)) { () -> Void in
            promise.fail(StreamError.timeout)
        }
        defer { timer.cancel() }
        try await body()
        return try await promise.futureResult.get()
    }
}

/// What was logged.
final class Lines: Sendable {
    let all = Mutex<[String]>([])
}

struct LineLog: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    init(lines: Lines) { self.lines = lines }

    func log(event: LogEvent) { lines.all.withLock { $0.append(event.message.description) } }
}
