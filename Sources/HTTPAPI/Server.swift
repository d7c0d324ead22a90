import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
import PeerNode
import Synchronization

/// The HTTP face of a node: Kubo's RPC below `/api/v0/`, the catalog below `/v1/`, and `/healthz`, `/readyz` and
/// `/version`.
///
///     connection -> RequestGuard (one way to read it) -> Gatekeeper (Host, Origin, token) -> API -> HTTPAnswer
///
/// It serves no pages, and of user content only the audio and pictures that the catalog names, sandboxed. A request
/// of the RPC must be a POST, so that no link or image of a web page can be one.
package final class APIServer: Sendable {
    /// Where it listens: `http://127.0.0.1:5101`.
    package let url: String
    private let server: Server<HTTPConnection>
    private let running: Task<Void, Never>

    /// Connections that are served at once.
    private static let maximumConnections = 256
    private init(url: String, server: Server<HTTPConnection>, running: Task<Void, Never>) {
        self.url = url
        self.server = server
        self.running = running
    }

    /// Binds and serves `api`.
    ///
    /// - Parameters:
    ///   - listen: `HOST:PORT`; port 0 takes a free one.
    ///   - token: the secret; nil for none, which only a loopback address may have.
    /// - Throws: `ConfigurationFailure.openWithoutToken`, and what binding throws.
    package static func start(
        _ api: API, listen: String, token: APIToken?, hosts: [String], origins: [String], logger: Logger
    ) async throws -> APIServer {
        let (host, port) = try address(listen)
        if token == nil, !isLoopback(host) { throw ConfigurationFailure.openWithoutToken(listen) }
        let bare = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        let gatekeeper = Gatekeeper(token: token, hosts: hosts + (isLoopback(host) ? [] : [host]), origins: origins)
        let responder = Responder(api: api, gatekeeper: gatekeeper, logger: logger)
        let (bound, boundTo) = AsyncThrowingStream.makeStream(of: SocketAddress?.self)
        let server = Server(
            childChannelSetup: HTTPConnection(responder: responder),
            configuration: ServerConfiguration(
                address: .hostname(bare, port: port),
                availableConnectionsDelegate: MaximumAvailableConnections(maximumConnections, logger: logger)),
            onServerRunning: {
                boundTo.yield($0.localAddress)
                boundTo.finish()
            }, eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
        let running = Task {
            do {
                try await server.run()
                boundTo.finish()
            } catch {
                boundTo.finish(throwing: error)
            }
        }
        var iterator = bound.makeAsyncIterator()
        let address = try await iterator.next() ?? nil
        return APIServer(url: "http://\(host):\(address?.port ?? port)", server: server, running: running)
    }

    /// Accepts nothing more and waits for the requests in progress, for at most `limit`.
    package func stop(within limit: Duration) async {
        await withTaskGroup { group in
            group.addTask { try? await self.server.shutdownGracefully() }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            running.cancel()
            group.cancelAll()
        }
    }

    private static func address(_ listen: String) throws -> (host: String, port: Int) {
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]) else {
            throw ConfigurationError.invalidValue(
                "api.listen", value: listen, expected: "HOST:PORT such as 127.0.0.1:5101", origin: .flag)
        }
        return (String(listen[..<colon]), Int(port))
    }

    private static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "[::1]" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
