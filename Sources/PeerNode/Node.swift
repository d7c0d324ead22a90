package import Logging
package import MerkleDAG
package import Multiformats
package import NIOCore
package import PeerCrypto
package import Storage
import Synchronization
package import Transport

/// A peer node: an identity, a store of blocks, and (once started) a place in the network.
///
///     let node = try await Node.open(configuration)
///     try await node.start()
///     let file = try await node.fetchSession().get(cid)
///     await node.stop()
///
/// `Node` is the only room where the event loops (bytes), the control loop (decisions) and the store (rows)
/// meet. Opening it needs no network; every operation that can do without one works offline.
package final class Node: Sendable {
    package let configuration: NodeConfiguration
    package let identity: KeyPair
    package let repository: Repository
    package let plane: ControlPlane
    package let logger: Logger
    /// When the node was opened, for uptime and rates.
    package let opened: NIODeadline
    private let network = Mutex<Network?>(nil)
    /// The peers dialled at the start; what is changed here is in the file, too.
    let bootstrap: Mutex<[Multiaddr]>
    /// The keys that names are published with.
    package let keys: KeyStore
    /// Publishes names and resolves them.
    let names: NameService
    /// Everybody's profiles, content and lists, as far as they are known here.
    package let catalog: CatalogService
    /// Where neighbours are looked for.
    let discoveryMedium: any DiscoveryMedium

    package var peerID: PeerID { identity.peerID }
    package var blocks: Blockstore { repository.blocks }

    private init(
        configuration: NodeConfiguration, identity: KeyPair, repository: Repository, catalog: CatalogService,
        plane: ControlPlane, logger: Logger,
        discoveryMedium: any DiscoveryMedium
    ) {
        self.configuration = configuration
        self.identity = identity
        self.repository = repository
        self.catalog = catalog
        self.plane = plane
        self.logger = logger
        self.discoveryMedium = discoveryMedium
        opened = .now()
        keys = KeyStore(repository: configuration.repository, identity: identity)
        names = NameService(keys: keys, records: repository.records, plane: plane)
        bootstrap = Mutex(configuration.network.bootstrap.compactMap { try? Multiaddr($0) })
    }

    // MARK: Life

    /// Opens the node of `configuration.repository`, offline.
    ///
    /// Throws `NodeError.noRepository` where none was created, a `RepositoryError` when another process holds
    /// it, and key errors when the identity cannot be read.
    ///
    /// - Parameter discovery: where neighbours are looked for; tests bring their own.
    package static func open(
        _ configuration: NodeConfiguration, logger: Logger, discovery: any DiscoveryMedium = MulticastMedium()
    ) async throws -> Node {
        let folder = configuration.repository
        guard RepositoryFolder.exists(folder) else { throw NodeError.noRepository(folder) }
        let identity = try KeyPair.load(from: RepositoryFolder.identityFile(folder))
        let plane = ControlPlane(dataThreads: 2, poolThreads: 4)
        do {
            let options = configuration.repositoryOptions
            let repository = try await plane.blocking { try Repository.open(at: folder, options: options) }
            let catalog = try await openCatalog(configuration, identity, repository, plane, logger)
            return Node(
                configuration: configuration, identity: identity, repository: repository, catalog: catalog,
                plane: plane, logger: logger, discoveryMedium: discovery)
        } catch {
            await plane.shutdown()
            throw error
        }
    }

    /// Goes online: listens, serves and asks for blocks, and joins the DHT. Returns the addresses that others can
    /// dial.
    @discardableResult
    package func start() async throws -> [Multiaddr] {
        let wanted = try configuration.network.listen.map { try Multiaddr($0) }
        var made = try await makeNetwork(listening: wanted)
        network.withLock { $0 = made }
        do {
            try await join(&made, listening: wanted)
        } catch {
            network.withLock { $0 = nil }
            await made.stop()
            throw error
        }
        network.withLock { [made] in $0 = made }
        return addresses
    }

    /// Goes offline and closes the repo. Safe to call once, online or not.
    package func stop() async {
        let network = network.withLock { network in
            defer { network = nil }
            return network
        }
        await names.stop()
        await network?.stop()
        await catalog.close()
        let repository = repository
        try? await plane.blocking { try repository.close() }
        await plane.shutdown()
    }

    // MARK: Network

    package var isOnline: Bool { network.withLock { $0 != nil } }

    /// The node's place in the network. Throws `needsRunningNode` offline; `what` names the wish.
    package func host(for what: String) throws -> Host { try online(for: what).host }

    /// The block exchange. Throws `needsRunningNode` offline; `what` names the wish.
    package func exchange(for what: String) throws -> BlockExchangeService { try online(for: what).exchange }

    /// The DHTs. Throws `needsRunningNode` offline; `what` names the wish.
    func routing(for what: String) throws -> RoutingService { try online(for: what).routing }

    /// Gossip. Throws `needsRunningNode` offline, `PubSubError.disabled` when it is switched off.
    package func gossip(for what: String) throws -> GossipService {
        guard let gossip = try online(for: what).gossip else { throw PubSubError.disabled }
        return gossip
    }

    private func online(for what: String) throws -> Network {
        guard let network = network.withLock({ $0 }) else { throw NodeError.needsRunningNode(what) }
        return network
    }

    // MARK: Content

    /// A way to get blocks, from here or from peers, for one purpose: one file, one folder, one pin.
    ///
    /// - Parameter timeout: how long a block may be waited for; the configured time when `nil`.
    /// - Parameter keeps: whether blocks that are here already are held back from garbage collection, too.
    package func fetchSession(timeout: Duration? = nil, keeps: Bool = false) -> FetchSession {
        FetchSession(
            blocks: blocks, plane: plane, exchange: network.withLock { $0?.exchange },
            timeout: timeout ?? configuration.content.fetchTimeout, keeps: keeps)
    }

    /// A reader of DAGs over `session`.
    package func reader(_ session: FetchSession) -> DAGReader {
        DAGReader(get: { try await session.get($0) })
    }

    /// Gives `body` a session to put blocks into; what was put is durable when this returns, and safe from
    /// garbage collection until then.
    package func withImport<R>(_ body: (ImportSession) async throws -> R) async throws -> R {
        let session = ImportSession(blocks: blocks, plane: plane, exchange: network.withLock { $0?.exchange })
        defer { session.end() }
        let result = try await body(session)
        try await session.finish()
        return result
    }
}
