import Logging
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import Transport

// What a node does to go online and offline.
extension Node {
    /// What exists only while the node is online.
    struct Network: Sendable {
        let host: Host
        let exchange: BlockExchangeService
        let routing: RoutingService
        /// Nil when it is switched off.
        let gossip: GossipService?
        let catalog: CatalogSyncService
        var datagrams: DatagramEndpoint?
        var discovery: LocalDiscoveryService?

        /// Leaves the network: what asks ends first, then what carries.
        func stop() async {
            await discovery?.stop()
            await catalog.stop()
            await gossip?.stop()
            await routing.stop()
            await datagrams?.close()
            await exchange.stop()
            await host.shutdown()
        }
    }

    /// Makes everything that the network needs; nothing listens yet.
    func makeNetwork(listening wanted: [Multiaddr]) async throws -> Network {
        let host = Host(configuration: try hostConfiguration(), group: plane.dataLoops)
        let exchange = BlockExchangeService(
            host: host, blocks: blocks, plane: plane, seed: RandomBytes.uint64(), logger: logger)
        let routing = RoutingService(
            configuration: configuration, host: host, exchange: exchange, repository: repository, plane: plane,
            isLoopbackNode: !wanted.isEmpty && wanted.allSatisfy(\.isLoopback),
            bootstrapPeers: { [weak self] in self?.bootstrapPeers() ?? [] }, logger: logger)
        await exchange.searchProviders { [weak routing] cid in routing?.onControl { $0.search(cid) } }
        await exchange.start()
        let gossip =
            configuration.pubsub.enabled
            ? GossipService(
                configuration.gossip, host: host, records: repository.records, plane: plane,
                seed: RandomBytes.uint64(), logger: logger,
                direct: configuration.pubsub.direct.compactMap { try? Multiaddr($0) }) : nil
        if let gossip { await catalog.join(gossip, network: configuration.network.name) }
        let sync = CatalogSyncService(catalog, network: configuration.network.name, host: host)
        return Network(host: host, exchange: exchange, routing: routing, gossip: gossip, catalog: sync)
    }

    /// Opens the sockets and joins.
    func join(_ network: inout Network, listening wanted: [Multiaddr]) async throws {
        let (host, routing) = (network.host, network.routing)
        // Before anybody can connect, so that nobody is told that no catalog is kept here.
        try await network.catalog.start()
        try await network.gossip?.start()
        // Addresses of transports that are not spoken are passed over.
        let bound = try await host.listen(on: wanted.filter { $0.tcp != nil })
        network.datagrams = try await listenForDatagrams(wanted.filter(\.isDatagram), beside: bound, host, routing)
        let (tables, provider) = (routing.tables, routing.provider)
        let (saved, provided) = try await plane.blocking { (tables.map { $0.store.load() }, provider.load()) }
        await routing.start(saved, provided: provided)
        await names.start(routing.nameNetwork)
        let blocks = blocks
        catalog.startHousekeeping { try? blocks.stat() }
        guard configuration.discovery.mdns, !wanted.isEmpty, !routing.isLoopbackNode else { return }
        network.discovery = try await discoverNeighbours(host, routing)
    }

    /// Port 0 becomes the port of a stream listener on the same address: who knows the one can guess the other.
    private func listenForDatagrams(
        _ wanted: [Multiaddr], beside streams: [Multiaddr], _ host: Host, _ routing: RoutingService
    ) async throws -> DatagramEndpoint? {
        guard !wanted.isEmpty else { return nil }
        let endpoint = DatagramEndpoint(
            identity: identity, network: configuration.network.name,
            privateNetwork: try configuration.privateNetworkKey(), group: plane.dataLoops, logger: logger,
            onAlive: { [weak routing] in routing?.answered($0, at: $1) },
            serve: { [weak routing] in routing?.serve($0) })
        let shared = wanted.map { address in
            guard address.sharedStreamAddress?.tcp?.port == 0 else { return address }
            return streams.first { $0.ipAddress == address.ipAddress }?.sharedDatagramAddress ?? address
        }
        host.addListenAddresses(try await endpoint.bind(to: shared))
        await routing.use(endpoint)
        return endpoint
    }

    /// Says hello to the neighbours on the local network, and connects to those who do.
    private func discoverNeighbours(_ host: Host, _ routing: RoutingService) async throws -> LocalDiscoveryService {
        // Members of a private network know each other by what only they can compute.
        let fingerprint = try configuration.privateNetworkKey().map { key in
            let digest = ContentHash.sha256(Array("coliving-neighbours/1".utf8) + key.secret.reveal()).digest
            return Base.base16.encode(Array(digest.prefix(16)))
        }
        let service = LocalDiscoveryService(
            peer: peerID, privateNetwork: fingerprint, group: plane.dataLoops, medium: discoveryMedium,
            logger: logger, addresses: { [weak host] in host?.addresses ?? [] },
            found: { [weak routing] in routing?.met($0, $1) })
        try await service.start()
        return service
    }

    private func hostConfiguration() throws -> HostConfiguration {
        var result = HostConfiguration(identity: identity, logger: logger)
        result.limits = try configuration.transportLimits()
        result.privateNetwork = try configuration.privateNetworkKey()
        result.peerStore = PeerStoreBackend(repository.records)
        result.announced = try configuration.network.announce.map { try Multiaddr($0).withoutPeerID }
        return result
    }
}
