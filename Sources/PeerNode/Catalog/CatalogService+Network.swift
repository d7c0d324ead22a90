import Catalog
import Logging
package import Multiformats
import NIOCore
import NIOPosix
import Synchronization

// The catalog's two ways to other nodes: gossip pushes what is new, and pulls bring what was missed.
extension CatalogService {
    /// The topic that updates travel on in the network of this name. Its messages have neither author nor signature
    /// (StrictNoSign), the update has its own; their id is the SHA-256 of their data.
    package static func topic(of network: String) -> String { "/coliving/\(network)/updates/1" }

    /// Publishes by `gossip` from now on; `nil` ends that.
    package func attach(_ gossip: (any UpdateGossip)?) { state.withLock { $0.gossip = gossip } }

    /// Judges what the topic brings. Each update is answered once, at once or within a minute, on any thread; this
    /// returns at once.
    package func validate(_ updates: [GossipedUpdate]) { desk.take(updates) }

    /// Pulls from a peer, or from a random one, now; waits until that peer takes another session, a minute at most.
    ///
    /// Throws `NodeError.needsRunningNode` offline, `CatalogServiceError.noPeers` and `.refused`.
    package func sync(with peer: PeerID? = nil) async throws -> CatalogSyncReport {
        guard let sync = state.withLock({ $0.sync }) else { throw NodeError.needsRunningNode("pulling the catalog") }
        return try await sync.pull(from: peer)
    }

    /// Goes online: `sync` pulls for this catalog from now on; `own` are the authors whose keys are here already.
    func attach(_ sync: CatalogSyncService, _ own: [AuthorID]) {
        state.withLock { state in
            state.sync = sync
            state.unsettled = Set(own)
        }
        desk.ask { [weak sync] ids, peer in sync?.onControl { $0.ask(ids, of: peer) } }
    }

    /// Publishes by the node's gossip, and judges what that brings. Before gossip starts.
    func join(_ gossip: GossipService, network: String) async {
        attach(await CatalogGossip(gossip, catalog: self, network: network))
    }

    /// Goes offline.
    func detach() {
        desk.ask(by: nil)
        state.withLock { state in
            state.gossip = nil
            state.sync = nil
            state.unsettled = []
        }
    }

    /// Waits until peers were asked for what they know of an own author, if that is still to be done: a head that is
    /// not known here would be forked.
    func settle(_ author: AuthorID) async {
        guard let sync = state.withLock({ $0.unsettled.contains(author) ? $0.sync : nil }) else { return }
        await sync.settled()
        state.withLock { $0.unsettled = [] }
    }

    /// Throws when this node's clock is too far from its peers' to sign anything.
    func checkClock() throws {
        guard let offset = clocks.offset else { return }
        guard offset.magnitude <= PeerClocks.tolerance else { throw CatalogServiceError.clock(offset) }
    }

    /// Pushes updates that came by pull, so that others need not wait for their own; see `PassingOn`.
    func passOn(_ ids: [UpdateID]) {
        guard !ids.isEmpty, let gossip = state.withLock({ $0.gossip }) else { return }
        let log = store.log
        plane.pool.submit { _ in
            // One whose body is not here has nothing to say to those who lack it.
            for case .some(let update) in (try? log.blocks(ids)) ?? [] where update.block.count > update.headerLength {
                gossip.publish(update.block)
            }
        }
    }

    /// Asks for bodies that are missing and wanted, if there is anybody to ask: each time for the next ones, since
    /// some may be nowhere.
    func askForMissing() {
        guard let (sync, row) = state.withLock({ state in state.sync.map { ($0, state.lastMissing) } }) else { return }
        let store = store
        plane.pool.submit { [weak self] _ in
            let limit = SyncLimits.listCapacity
            guard let missing = try? store.log.missing(after: row, limit: limit) else { return }
            let next = missing.count == limit ? missing.last?.row ?? 0 : 0
            self?.state.withLock { $0.lastMissing = next }
            guard !missing.isEmpty else { return }
            let ids = missing.map(\.id)
            sync.onControl { $0.askAnyone(ids) }
        }
    }

    /// Tells the log whom this node's authors follow: no quota applies to those.
    func noteFollowed() {
        let (store, authors) = (store, authors)
        Task {
            try? await store.writing {
                var followed: Set<AuthorID> = []
                for own in try authors.list() {
                    followed.insert(own.id)
                    var cursor: PageCursor?
                    repeat {
                        let page = try store.reader.following(
                            EntityID(.author, own.id), PageRequest(limit: PageRequest.maximumLimit, cursor: cursor))
                        followed.formUnion(page.rows.map(\.author))
                        cursor = page.next
                    } while cursor != nil && followed.count < 1_000_000
                }
                try store.log.setFollowed(followed)
            }
        }
    }
}
