package import NIOCore

/// One frame between two peers: subscriptions, messages, and what keeps the mesh.
///
/// Source: https://github.com/libp2p/specs/tree/master/pubsub/gossipsub
package struct GossipRPC: Sendable, Equatable {
    /// A peer joins a topic or leaves it.
    package struct Subscription: Sendable, Equatable {
        package var topic: Topic
        package var isSubscribed: Bool

        package init(_ topic: Topic, isSubscribed: Bool) {
            self.topic = topic
            self.isSubscribed = isSubscribed
        }
    }

    /// "I have these."
    package struct IHave: Sendable, Equatable {
        package var topic: Topic
        package var ids: [MessageID]

        package init(_ topic: Topic, _ ids: [MessageID]) {
            self.topic = topic
            self.ids = ids
        }
    }

    /// "You are no longer in my mesh."
    package struct Prune: Sendable, Equatable {
        package var topic: Topic
        /// Where else to look.
        package var peers: [PeerHint] = []
        /// For how many seconds not to graft again; nil when the peer does not say (gossipsub 1.0).
        package var backoff: UInt64?

        package init(_ topic: Topic, peers: [PeerHint] = [], backoff: UInt64? = nil) {
            self.topic = topic
            self.peers = peers
            self.backoff = backoff
        }
    }

    package var subscriptions: [Subscription] = []
    package var messages: [GossipMessage] = []
    package var ihave: [IHave] = []
    package var iwant: [MessageID] = []
    package var graft: [Topic] = []
    package var prune: [Prune] = []
    /// Messages that the peer has and need not be sent.
    package var idontwant: [MessageID] = []

    package init() {}

    /// Whether there is nothing in it; such frames are allowed and mean nothing.
    package var isEmpty: Bool {
        subscriptions.isEmpty && messages.isEmpty && ihave.isEmpty && iwant.isEmpty && graft.isEmpty
            && prune.isEmpty && idontwant.isEmpty
    }
}

/// A peer that is said to be in a topic: a rumour until its record is verified.
package struct PeerHint: Sendable, Equatable {
    /// A binary PeerID.
    package var peer: ByteBuffer
    /// An envelope with the peer's signed addresses (`PeerRecord(verifying:about:)`).
    package var record: ByteBuffer?

    package init(_ peer: ByteBuffer, record: ByteBuffer? = nil) {
        self.peer = peer
        self.record = record
    }
}

/// Why bytes are not a frame. Scope: the stream, which is to be reset.
package enum GossipRPCError: Error, Hashable, Sendable {
    /// More bytes than a frame may have.
    case tooLong(Int)
    /// More fields, or messages, than any honest frame has.
    case tooManyElements
    /// No protobuf, or a field of another type than its definition says.
    case malformed
}

extension GossipRPC {
    /// What is accepted in one frame.
    package struct Limits: Sendable {
        /// The longest frame, without its length prefix, in bytes: what every implementation takes by default.
        package var frameBytes = 1 << 20
        /// Fields at all depths together. A frame full of 46-byte ids has 22,000, one full of 64-byte messages
        /// 98,000; a megabyte of empty fields would have 524,000.
        package var elements = 131_072
        /// Messages; a frame with more is refused, since leaving some out would lose them.
        package var messages = 16_384
        /// Subscriptions, grafts and prunes, each; more are left out.
        package var topics = 4_096
        /// Ids in all IHAVE, all IWANT and all IDONTWANT, each; twice what is heeded of a peer in a second. More
        /// are left out.
        package var ids = 10_000
        /// Peers in one PRUNE and bytes of a record; more are left out.
        package var hints = 16
        package var recordBytes = 8 << 10

        package init() {}
    }

    /// Decodes a frame without its length prefix. Fields of the future are skipped.
    package init(decoding payload: ByteBuffer, limits: Limits = Limits()) throws(GossipRPCError) {
        guard payload.readableBytes <= limits.frameBytes else { throw .tooLong(payload.readableBytes) }
        var decoder = GossipRPCDecoder(payload, limits)
        try decoder.decode(payload.readableBytesUInt8Span)
        self = decoder.rpc
    }
}
