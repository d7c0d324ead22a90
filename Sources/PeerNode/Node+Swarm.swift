package import Multiformats
import NIOCore
import Transport

extension Node {
    /// Connects to the peer that `address` names with its trailing `/p2p/...`, and waits until it has said what
    /// it speaks (at most five seconds; a peer that never says stays connected).
    ///
    /// Throws `NodeError.badAddress` for an address without a peer, and the dialer's error when no address answers.
    @discardableResult
    package func connect(_ address: Multiaddr) async throws -> PeerID {
        guard let peer = address.peerID, !address.isRelayed else { throw NodeError.badAddress(address.description) }
        let host = try host(for: "connecting to a peer")
        guard !host.isConnected(to: peer) else { return peer }
        // Watching begins first, so that a quick answer is not missed.
        let (settled, continuation) = AsyncStream<Connection>.makeStream(bufferingPolicy: .bufferingNewest(8))
        let observer = host.observe { event in
            switch event {
            case .identified(let connection, _), .identifyFailed(let connection), .disconnected(let connection, _):
                if connection.remotePeer == peer { continuation.yield(connection) }
            case .connected, .protocolsChanged, .addressesChanged: break
            }
        }
        defer { host.stopObserving(observer) }
        let connection = try await host.connect(to: peer, addresses: [address.withoutPeerID], isForced: true)
        let timer = connection.eventLoop.scheduleTask(in: .seconds(5)) { continuation.finish() }
        defer { timer.cancel() }
        for await done in settled where done == connection { break }
        return peer
    }

    /// Closes every connection to `peer`, and waits until they are gone. Throws `notConnected` when there is none.
    package func disconnect(_ peer: PeerID) async throws {
        let host = try host(for: "disconnecting a peer")
        let connections = host.connections.filter { $0.remotePeer == peer }
        guard host.disconnect(peer) > 0 else { throw NodeError.notConnected(peer) }
        for connection in connections { try? await connection.closeFuture.get() }
    }

    /// One round trip to `peer`.
    package func ping(_ peer: PeerID) async throws -> Duration {
        try await host(for: "ping").ping(peer)
    }

    /// Where others can dial this node, its PeerID included; empty offline.
    package var addresses: [Multiaddr] {
        guard let host = try? host(for: "its addresses") else { return [] }
        return host.addresses.map { $0.appending(peerID) }
    }
}
