package import Catalog
package import Multiformats

/// How the catalog is.
package struct CatalogStatus: Sendable {
    /// Updates that are known, and of them those whose bytes are here.
    package var updates = 0
    package var held = 0
    /// Bytes of the latter.
    package var bytes: Int64 = 0
    /// Authors of whom something is known, and those whose keys are here.
    package var authors = 0
    package var ownAuthors = 0
    /// The hex fingerprint of all updates that are known: equal on two nodes when they know of the same.
    package var digest = ""
    /// Row of the update that came last.
    package var lastEvent: Int64 = 0
    /// What has become of updates since the start, by result and reason.
    package var counters: LogCounts
    /// Updates whose body, or whose bytes at all, are missing and wanted.
    package var missing = 0
    package var blocked: [AuthorID] = []
    /// What gossip brought since the start.
    package var gossip = CatalogGossipCounts()
    /// Connected peers that speak the catalog's protocol; 0 offline.
    package var peers = 0
    /// The last pull that this node began, and the last that succeeded.
    package var lastPull: CatalogSyncReport?
    package var lastWhole: CatalogSyncReport?
    /// Pulls since the start, by how they ended.
    package var pulls = CatalogPullCounts()
    /// The pull that is under way.
    package var progress: CatalogSyncProgress?
    /// How far this node's clock is ahead of the median of its peers', in milliseconds; `nil` until five have said.
    package var clockOffset: Int64?
    /// When the rankings were computed, in milliseconds since 1970.
    package var trendingAt: UInt64?
    /// Where a damaged catalog was set aside when this one was opened.
    package var setAside: String?

    package init(counters: LogCounts) { self.counters = counters }
}

/// What gossip of updates brought.
package struct CatalogGossipCounts: Sendable, Hashable {
    package var received = 0
    package var accepted = 0
    package var ignored = 0
    package var rejected = 0
    /// Sent by this node.
    package var published = 0
    /// That wait for what is missing now.
    package var waiting = 0

    package init() {}
}

/// How pulls ended, those that others began included.
package struct CatalogPullCounts: Sendable, Hashable {
    package var whole = 0
    package var partial = 0
    package var failed = 0
    /// Sessions that a peer broke the rules in.
    package var hostile = 0
    /// Sessions that were not given to peers, and by peers.
    package var refusedOthers = 0
    package var refusedByOthers = 0
    /// Requests for single updates that were answered, and made.
    package var asksAnswered = 0
    package var asksMade = 0

    package init() {}
}

/// How far a pull is.
package struct CatalogSyncProgress: Sendable, Hashable {
    package let peer: PeerID
    package let received: Int
    /// What the peer says will come; 0 until it has.
    package let expected: Int
}

/// What a pull did.
package struct CatalogSyncReport: Sendable, Hashable {
    package let peer: PeerID
    package let outcome: SyncOutcome
    /// When it ended, in milliseconds since 1970.
    package let time: UInt64
    package let duration: Duration
    /// Of the updates that came, those that were new and valid.
    package let accepted: Int
}

/// What an import did.
package struct CatalogImportReport: Sendable, Hashable {
    /// Updates in the file.
    package var read = 0
    package var accepted = 0
    package var known = 0
    /// Bodies that were missing here.
    package var completed = 0
    package var notHeld = 0
    package var rejected = 0
    /// Whose ancestors are neither in the file nor here.
    package var missingAncestors = 0

    package init() {}
}

/// What a check of the catalog found.
package struct CatalogVerification: Sendable, Hashable {
    package var updates = 0
    /// Ids whose bytes are not valid any more.
    package var damaged: [UpdateID] = []
    /// Whether a catalog made anew from the same updates has the same set, and the same view.
    package var isSetRight = true
    package var isViewRight = true
    /// Whether the view was compared at all: not when something is missing, or came meanwhile.
    package var isViewChecked = false

    package var isClean: Bool { damaged.isEmpty && isSetRight && isViewRight }
    package init() {}
}
