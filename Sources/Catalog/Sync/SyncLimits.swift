/// What one session may cost, whatever the peer does.
package struct SyncLimits: Sendable {
    /// The longest frame, in bytes, without its length: a block of 32 KiB always fits.
    package static let frameLength = 65_536
    /// Ids in one list at most; nobody sends as many.
    package static let listCapacity = 1_024

    /// Messages that a peer may send until the differences are known.
    package var rounds = 32
    /// Ranges that it may ask about; each costs some microseconds.
    package var ranges = 262_144
    /// Ids that it may list, and ids that it may ask for.
    package var ids = 262_144
    /// Bytes that it may send until the differences are known.
    package var comparedBytes = 16 << 20
    /// Ranges in one message of ours; what is beyond is left to another session.
    package var rangesInMessage = 32_768
    /// Updates that this node asks for by id; what is beyond is left to another session.
    package var wanted = 131_072
    /// Bytes of updates that it may send; more than any honest peer sends.
    package var receivedBytes = 2 << 30
    /// Bytes of updates after which this node says that more are left.
    package var sentBytes = 1 << 30
    /// Updates that it may offer and then not hold.
    package var absent = 4_096
    /// Updates that are known already which it may send, and beyond them an eighth of what is new.
    package var useless = 1_024

    /// Silence after which a session ends.
    package var silence = Duration.seconds(30)
    /// The time until the differences must be known.
    package var comparing = Duration.seconds(120)
    /// The time until all must be over.
    package var whole = Duration.seconds(3_600)

    /// Cuts at random ranks with which a session opens.
    package var cuts = 64
    /// Parts into which a range that differs is cut.
    package var parts = 4
    /// Keys in a range that are listed rather than cut.
    package var listed = 8
    /// Updates that are read at once.
    package var readAtOnce = 128
    /// Bytes that may wait to be written before more are read.
    package var window = 262_144

    /// The limits of a node.
    package init() {}
}

/// Why a session ended early. Scope: the session; whether the peer is to blame says `isHostile`.
package enum SyncFault: Error, Hashable, Sendable {
    /// A frame longer than 64 KiB.
    case oversizeFrame
    /// Bytes that are no frame of this protocol.
    case malformed
    /// Bounds or ids that do not ascend.
    case disorder
    /// A frame that has no place here.
    case unexpectedFrame
    /// More than one of the budgets allows.
    case budget(Budget)
    /// Updates were offered, asked for and not sent.
    case undelivered(Int)
    /// The shell found updates among those received that are invalid by their bytes.
    case invalidUpdates
    /// Nothing was heard for too long.
    case stalled
    /// The stream ended before the session did.
    case closed
    /// This node could not read its own updates.
    case unreadable

    /// What a peer used up.
    package enum Budget: Hashable, Sendable {
        case rounds, ranges, ids, comparedBytes, receivedBytes, absent, useless
    }

    /// Whether only a peer that is broken or means harm does this.
    package var isHostile: Bool {
        switch self {
        case .stalled, .closed, .unreadable: false
        default: true
        }
    }
}
