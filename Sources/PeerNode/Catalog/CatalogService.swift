package import Catalog
package import Logging
package import PeerCrypto
import Synchronization

/// A node's catalog: what is known of everybody's profiles, content and lists, and what this node's authors say.
///
///     let update = try await node.catalog.publish(.profile(body))
///     let page = try node.catalog.reader.search(...)
///     for await event in node.catalog.events(after: nil) { ... }
///
/// Reading, publishing and importing work offline, too. Online, what is published is gossiped at once, and what
/// gossip did not bring is pulled from peers; see `CatalogService+Network.swift`.
package final class CatalogService: Sendable {
    /// Answers every query; see `CatalogReader`.
    package var reader: CatalogReader { store.reader }
    /// The keys of this node's authors.
    package let authors: AuthorKeys
    /// The log, the view and the set on the disk.
    package let store: CatalogStore
    /// The node's own key, which announcements of the node are signed with.
    let identity: KeyPair
    let configuration: NodeConfiguration.Catalog
    let plane: ControlPlane
    let logger: Logger
    let board = NewsBoard()
    let desk: GossipDesk
    let state = Mutex(State())
    let housekeeping = Housekeeping()
    /// Whose turn it is to describe what was stored.
    let publishing = PublishTurn()
    /// How far this node's clock is from its peers'.
    package let clocks: PeerClocks

    /// What changes beside the log.
    struct State {
        /// Keys of authors with a passphrase that was given, for as long as the node runs.
        var unlocked: [AuthorID: KeyPair] = [:]
        var gossip: (any UpdateGossip)?
        var sync: CatalogSyncService?
        /// Authors whose own heads may be ahead of us elsewhere, as peers may know after a restart.
        var unsettled: Set<AuthorID> = []
        /// The row of the last update that was asked for because its body is missing; 0 to begin at the first.
        var lastMissing: Int64 = 0
    }

    /// Opens the catalog of the repo. Blocks on the disk.
    package init(
        repository: String, identity: KeyPair, configuration: NodeConfiguration.Catalog, plane: ControlPlane,
        logger: Logger, now: @escaping @Sendable () -> UInt64 = CatalogStore.wallClock
    ) throws {
        self.identity = identity
        self.configuration = configuration
        self.plane = plane
        self.logger = logger
        authors = AuthorKeys(repository: repository)
        store = try CatalogStore(folder: repository, limits: configuration.logLimits, now: now)
        desk = GossipDesk(store)
        clocks = PeerClocks(now: now)
        if let place = store.setAside {
            logger.error(
                "the catalog was damaged and is begun anew; peers will bring it back",
                metadata: [
                    "set_aside": "\(place)"
                ])
        }
        let (board, desk) = (board, desk)
        store.watch { report in
            if let report { desk.note(report) }
            if report?.added.isEmpty != true { board.post() }
        }
    }

    /// Ends what followers wait for and closes the file. The network must have been left before.
    package func close() async {
        board.close()
        housekeeping.stop()
        await store.close()
    }

    // MARK: Questions

    /// The hex fingerprint of all updates that are known: equal on two nodes when they know of the same.
    package func digest() async throws -> String { try await store.keys().digest.description }

    /// What comes to this node from now on, or everything behind the event with this id: the same ids after a restart.
    ///
    /// It ends when the catalog is closed. Slow followers cost nothing.
    package func events(after id: Int64? = nil) -> AsyncStream<CatalogEvent> {
        let start = id ?? ((try? store.log.totals().updates).map { Int64($0) } ?? 0)
        let cursor = EventCursor(store, after: start, board: board)
        return AsyncStream(unfolding: { await cursor.next() }, onCancel: { cursor.cancel() })
    }

    /// Updates in the order in which they came here, of one author or of all, behind the event with this id.
    package func updates(
        of author: AuthorID? = nil, after id: Int64 = 0, limit: Int = 100
    ) async throws -> [CatalogEvent] {
        let store = store
        let count = min(max(limit, 1), 1_000)
        return try await plane.blocking {
            guard let author else { return try store.log.entries(after: id, limit: count).map(CatalogEvent.init) }
            return try store.entries(of: author, after: id, limit: count).map(CatalogEvent.init)
        }
    }

    /// One update by its id; `nil` when it is not here.
    package func update(_ id: UpdateID) async throws -> CatalogEvent? {
        let store = store
        return try await plane.blocking { try store.log.entry(id).map(CatalogEvent.init) }
    }

    /// What the log knows of an author: heads, key, whether it is forked; `nil` when nothing.
    package func author(_ id: AuthorID) async throws -> UpdateLog.AuthorSummary? {
        let store = store
        return try await plane.blocking { try store.log.author(id) }
    }

    /// How the catalog is.
    package func status() async throws -> CatalogStatus {
        let keys = try await store.keys()
        let (store, authors) = (store, authors)
        var status = try await plane.blocking {
            var status = CatalogStatus(counters: store.log.counters)
            let totals = try store.log.totals()
            status.lastEvent = Int64(totals.updates)
            (status.held, status.bytes, status.authors) = (totals.held, totals.bytes, totals.authors)
            status.ownAuthors = (try? authors.list().count) ?? 0
            status.missing = try store.log.missing(limit: 10_000).count
            status.blocked = try store.log.blocked()
            status.trendingAt = try store.database.read { try Trending.time(in: $0) }
            return status
        }
        status.updates = keys.count
        status.digest = keys.digest.description
        status.gossip = desk.counts
        status.setAside = store.setAside
        guard let sync = state.withLock({ $0.sync }) else { return status }
        return await sync.describe(status)
    }

    // MARK: The operator's wishes

    /// Wants nothing more of an author: what is here goes, but for headers and rights, and is shown no more.
    package func block(_ author: AuthorID, reason: String = "") async throws {
        let store = store
        try await store.writing {
            try store.log.block(author, now: store.now())
            try store.database.write { try Hiding.block(EntityID(.author, author), reason: reason, in: $0) }
        }
    }

    /// Takes a block back; what went is asked for again.
    package func unblock(_ author: AuthorID) async throws {
        let store = store
        try await store.writing {
            try store.log.unblock(author, now: store.now())
            try store.database.write { try Hiding.unblock(EntityID(.author, author), in: $0) }
        }
        askForMissing()
    }

    /// Hides whatever an author labels so, or with `Hiding.anyLabel` whatever they label; `false` takes it back.
    package func followLabels(of author: AuthorID, label: String, _ follows: Bool = true) async throws {
        let store = store
        try await store.writing {
            try store.database.write { database in
                let id = EntityID(.author, author)
                if follows {
                    try Hiding.follow(id, label: label, in: database)
                } else {
                    try Hiding.unfollow(id, label: label, in: database)
                }
            }
        }
    }
}
