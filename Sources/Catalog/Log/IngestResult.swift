package import Multiformats

/// Where an update comes from, which decides the limits that it meets.
package enum UpdateOrigin: Hashable, Sendable {
    /// Gossip, from the peer that forwarded it: rates apply, and how far ahead of the clock it may be.
    case push(from: PeerID)
    /// Reconciliation, an import or a file: quotas apply, for a rate would stretch a first sync over days.
    case pull
}

/// What became of one update.
package enum IngestResult: Hashable, Sendable {
    /// New, valid and stored.
    case accepted
    /// New and valid, but beyond a quota: its id is in the set, its bytes are not here.
    case notHeld
    /// Its header was here; its body was missing and is here now.
    case completed
    case known
    /// Updates in `prev` are missing: asked for, and kept for a minute meanwhile.
    case held(missing: [UpdateID])
    /// Dropped without blame.
    case ignored(IgnoreReason)
    /// Invalid, whoever looks at it.
    case rejected(UpdateError)

    /// Whether the update is new here and others should hear of it.
    package var isNews: Bool { self == .accepted || self == .notHeld }
}

/// Why an update was dropped without blame.
package enum IgnoreReason: String, Hashable, CaseIterable, Sendable {
    /// More than 10 minutes ahead of this node's clock.
    case ahead
    /// Its author sends more than the rate allows.
    case authorRate
    /// Its forwarder brings more new authors than the rate allows.
    case newAuthors
    /// It waited a minute for what is missing, or there was no room to wait.
    case missingAncestors
    /// Gossip without a body, which would only get in the way of the whole.
    case noBody
    /// The operator has blocked its author.
    case blocked
    /// Its author has changed rights so often that settling them keeps this node busy; a later pull brings it.
    case work
    /// More came at once than this node can store; a pull brings it.
    case busy
    /// The log has as many ids as it may have.
    case full
}

/// What became of a batch.
package struct IngestReport: Sendable {
    /// One for each block, in order: the id, where the bytes had one, and what became of it.
    package var results: [(id: UpdateID?, result: IngestResult)] = []
    /// Updates from earlier batches that waited for something in this one.
    package var released: [(id: UpdateID, result: IngestResult)] = []
    /// Updates from earlier batches that waited too long.
    package var expired: [UpdateID] = []
    /// What has been added to the set that peers compare.
    package var added: [(time: UInt64, id: UpdateID)] = []
}
