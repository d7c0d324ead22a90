package import Multiformats
package import NIOCore

// What goes into the gossip core and what comes out. The shell (streams, validators) and the simulator both speak
// exactly this.

/// A message that waits for its validation.
package struct ValidationID: Hashable, Sendable, Comparable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: ValidationID, right: ValidationID) -> Bool { left.rawValue < right.rawValue }
}

/// A message that somebody here publishes; whoever asks chooses it.
package struct PublishID: Hashable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// What the shell found out about a message.
package enum GossipVerdict: Hashable, Sendable {
    /// Deliver and forward it.
    case accept
    /// Neither, and nobody is to blame: known otherwise, too early, too many, of an unknown kind.
    case ignore
    /// Whoever sends it does wrong.
    case reject
    /// The signature does not fit. Unlike after `reject` the id stays unknown: the true message may still come, and
    /// whoever made this one must not be able to keep it away.
    case invalidSignature
}

extension GossipVerdict {
    /// The verdict on a message as far as its signature tells; `accept` leaves the rest to the application.
    package init(checking message: GossipMessage) {
        do throws(GossipMessageError) {
            try message.verifySignature()
            self = .accept
        } catch {
            self = error == .unsupportedKey ? .ignore : .invalidSignature
        }
    }
}

/// Why a message cannot be published.
package enum PublishFailure: Error, Hashable, Sendable {
    /// More bytes than the topic or a frame takes.
    case tooLarge(Int)
    /// It was published or seen before.
    case duplicate
    /// The topic wants signatures and there is no key.
    case noKey
    /// No name, or one that is too long.
    case invalidTopic
}

/// Bytes to write to a peer's stream, length and all. Several peers may be given the same.
package struct GossipFrame: Sendable {
    /// What may be left out when the peer reads too slowly.
    package enum Kind: UInt8, Sendable, Comparable {
        /// News of what there is and what is wanted: may be dropped first.
        case gossip
        /// A message: may be dropped when there are too many; gossip makes up for it.
        case message
        /// Subscriptions, grafts and prunes: never; rather close the connection.
        case control

        package static func < (left: Kind, right: Kind) -> Bool { left.rawValue < right.rawValue }
    }

    package let bytes: ByteBuffer
    package let kind: Kind

    package init(_ bytes: ByteBuffer, _ kind: Kind) {
        self.bytes = bytes
        self.kind = kind
    }
}

extension GossipSub {
    package enum Input: Sendable {
        // Connections

        /// A peer that speaks gossip is connected: when its stream or ours was negotiated, whichever is first, and
        /// before the first frame from it. Said again (our stream was opened anew, the version is known better), it
        /// corrects what is known and greets the peer anew. `isOutbound` when we dialled it. `ipGroup` stands for
        /// the address it comes from, for counting peers with the same one; nil for addresses that are not to
        /// count, such as private ones.
        case connected(PeerID, GossipVersion, isOutbound: Bool, ipGroup: UInt64?)
        /// The peer's last connection is gone, or it no longer speaks gossip.
        case disconnected(PeerID)
        /// The peer's signed record, an envelope, as identify brought it; for peer exchange.
        case peerRecord(PeerID, ByteBuffer)
        /// Peers that always get everything and are never in the mesh: operators agree on that, on both sides.
        case directPeers([PeerID])
        /// P5: what the application thinks of a connected peer.
        case applicationScore(PeerID, Double)

        // Frames

        case received(GossipRPC, from: PeerID)
        /// The answer to `.validate`, at once or within `validationLimit`.
        case validated(ValidationID, GossipVerdict)

        // What we do

        case subscribe(Topic)
        case unsubscribe(Topic)
        /// Ends in `.published` or `.refused` within the same call.
        case publish(PublishID, Topic, ByteBuffer)
        /// The authors' numbers from before the restart, those heard last at the end.
        case restoreSequences([(author: PeerID, number: UInt64)])
    }

    package enum Effect: Sendable {
        /// Write it on our stream to the peer, in the order given.
        case send(GossipFrame, to: PeerID)
        /// Find out whether the message is good and answer `.validated`. In a topic with signatures that begins
        /// with `GossipVerdict(checking:)`, off the loop. The fields are those that the topic's policy wants.
        case validate(ValidationID, GossipMessage, id: MessageID, from: PeerID)
        /// A new message in a topic of ours was accepted; our own are not given back.
        case deliver(GossipMessage, id: MessageID, from: PeerID)
        /// How many peers it went to at once; with none it waits for gossip.
        case published(PublishID, MessageID, peers: Int)
        case refused(PublishID, PublishFailure)
        /// The largest number of an author, to be kept over a restart.
        case storeSequence(author: PeerID, number: UInt64)
        /// A direct peer is not connected.
        case dial(PeerID)
        /// A peer that left the mesh names others. Each has a record; dial after `PeerRecord(verifying:about:)`.
        case exchange([PeerHint], Topic, from: PeerID)
        /// The peer's score fell below the graylist threshold: nothing from it is heeded any more.
        case graylisted(PeerID, score: Double)
    }
}

/// What happened so far.
package struct GossipStatistics: Hashable, Sendable {
    package var framesReceived: UInt64 = 0
    package var messagesReceived: UInt64 = 0
    package var duplicates: UInt64 = 0
    package var delivered: UInt64 = 0
    package var ignored: UInt64 = 0
    package var rejected: UInt64 = 0
    package var invalidSignatures: UInt64 = 0
    /// Messages against the topic's policy or size, that were not even validated.
    package var malformed: UInt64 = 0
    /// Messages in topics that we are not in, and our own that came back.
    package var foreign: UInt64 = 0
    package var own: UInt64 = 0
    /// Messages whose number is not greater than that of an earlier one of the author.
    package var replays: UInt64 = 0
    /// Messages dropped because too many waited, and validations that nobody answered.
    package var throttled: UInt64 = 0
    package var unanswered: UInt64 = 0
    package var published: UInt64 = 0
    /// Messages sent on, and those that a peer's IDONTWANT saved.
    package var forwarded: UInt64 = 0
    package var saved: UInt64 = 0
    /// Messages sent to peers that asked, and requests beyond the limits.
    package var served: UInt64 = 0
    package var unserved: UInt64 = 0
    package var grafts: UInt64 = 0
    package var prunes: UInt64 = 0
    package var graftsRefused: UInt64 = 0
    /// Peers that left a mesh because they brought nothing.
    package var idlers: UInt64 = 0
    /// IHAVE and IDONTWANT beyond the limits.
    package var ihavesIgnored: UInt64 = 0
    package var idontwantsIgnored: UInt64 = 0
    package var brokenPromises: UInt64 = 0
    /// Frames of graylisted peers and of peers that are not connected.
    package var framesRefused: UInt64 = 0
    package var subscriptionsIgnored: UInt64 = 0
    package var hintsIgnored: UInt64 = 0

    package init() {}
}
