package import Multiformats
package import NIOCore
package import PeerCrypto

/// What goes with the first packet to a stranger and what must wait until the session is confirmed.
package enum DatagramKind: Hashable, Sendable {
    /// Changes nothing at the peer, so a replay of it does no harm: PING, FIND_NODE, GET_PROVIDERS, GET_VALUE.
    case read
    /// ADD_PROVIDER, PUT_VALUE: sent on a session only, which a PING begins where there is none.
    case write
}

/// A call under way; the caller chooses it.
package struct DatagramCallID: Hashable, Sendable, Comparable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: DatagramCallID, right: DatagramCallID) -> Bool { left.rawValue < right.rawValue }
}

/// A request of ours.
package struct DatagramCall: Sendable {
    package var id: DatagramCallID
    package var peer: PeerID
    /// Where the peer is tried when no session with it is open, or the one that is does not answer.
    package var address: DatagramAddress
    package var message: ByteBuffer
    package var kind: DatagramKind
    /// How many entries of the answer we have already; the peer leaves them out.
    package var offset: UInt8
    /// When to give up, whatever retransmissions are left.
    package var deadline: Duration
    /// Whether the peer must not learn who asks: the request goes under a throwaway identity, and on a session
    /// that a PING opened, since first packets lack forward secrecy.
    package var isPrivate: Bool

    package init(
        id: DatagramCallID, peer: PeerID, address: DatagramAddress, message: ByteBuffer, kind: DatagramKind,
        offset: UInt8 = 0, deadline: Duration = .seconds(5), isPrivate: Bool = false
    ) {
        self.id = id
        self.peer = peer
        self.address = address
        self.message = message
        self.kind = kind
        self.offset = offset
        self.deadline = deadline
        self.isPrivate = isPrivate
    }

    /// Whether it may be in a first packet.
    var fitsFirstPacket: Bool {
        kind == .read && !isPrivate && message.readableBytes <= DatagramPacket.maximumFirstRequest
    }
}

/// What a peer answered.
package struct DatagramAnswer: Sendable {
    package let message: ByteBuffer
    /// False when the peer has more than fitted: ask again with an offset, or over a stream.
    package let isWhole: Bool
    /// From the last transmission of the request to its answer.
    package let roundTrip: Duration

    package init(message: ByteBuffer, isWhole: Bool, roundTrip: Duration) {
        self.message = message
        self.isWhole = isWhole
        self.roundTrip = roundTrip
    }
}

/// Why a call got no answer. Scope: the call; over a stream it may still succeed.
package enum DatagramError: Error, Hashable, Sendable {
    /// The PeerID is of a key that has no X25519 half, or of one that no honest peer has.
    case unsupportedKey
    /// Not `/ip4` or `/ip6` and then `/udp`, no host's address, one that we have no socket for, or one
    /// inside a network that a peer outside of it told.
    case badAddress
    /// The message does not fit into a packet.
    case tooLarge
    /// The address did not answer before and is left in peace for a while.
    case resting
    /// One of our own limits: too many calls or handshakes at a time.
    case busy
    case timeout
    /// The endpoint or the session was closed here.
    case closed
    /// The operating system's error.
    case system(String)
}

extension DatagramError: CustomStringConvertible {
    /// What went wrong, in words for a user.
    package var description: String {
        switch self {
        case .unsupportedKey: "the peer's key cannot be used for datagrams"
        case .badAddress: "that is no address for datagrams"
        case .tooLarge: "the message does not fit into a datagram"
        case .resting: "the address did not answer and is left alone for ten minutes"
        case .busy: "too many requests are under way"
        case .timeout: "no answer came in time"
        case .closed: "it was closed here"
        case .system(let text): text
        }
    }
}

/// A request of a peer, named by a number that its answer comes back with.
package struct DatagramAsk: Sendable {
    package let serial: UInt64
    package let peer: PeerID
    package let address: DatagramAddress
    /// False for a stranger's first packet: it may be a replay, so it is answered and never believed.
    package let isConfirmed: Bool
    package let message: ByteBuffer
    /// How many entries the peer has already.
    package let offset: UInt8
    /// The most bytes that the answer may have.
    package let room: Int
}

/// The limits of a datagram core, and what it draws keys from.
package struct DatagramConfiguration: Sendable {
    package var identity: DatagramIdentity
    /// Key material, indexes and tokens come from here. Tests give a source that repeats.
    package var random: @Sendable (Int) -> SecretBytes = { SecretBytes.random($0) }
    /// Confirmed sessions in all, and of one household (an IPv4 address or an IPv6 /56).
    package var sessions = 4096
    package var sessionsPerHousehold = 256
    /// Packets that a session's key may see before a new session takes its place.
    package var packetsPerKey: UInt64 = 1 << 20
    /// Sessions that strangers began and have not confirmed.
    package var unconfirmed = 2048
    /// Handshakes of ours in flight.
    package var handshakes = 256
    /// Calls of ours under way.
    package var calls = 4096
    /// Requests of peers that wait for an answer.
    package var requests = 4096
    /// Initiations a second that are looked at without a token.
    package var initiationRate = 200.0
    /// Requests a second of one proven household, and how many at once.
    package var sourceRate = 100.0
    package var sourceBurst = 500.0
    /// Whether the limits of a source hold for this machine itself, where a test network shares one address.
    package var limitsLoopback = false

    package init(identity: DatagramIdentity) { self.identity = identity }
}

/// What an endpoint has seen and holds.
package struct DatagramStatistics: Sendable {
    package var packetsIn: UInt64 = 0
    package var packetsOut: UInt64 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// Packets dropped, by reason.
    package private(set) var drops = [UInt64](repeating: 0, count: DatagramDrop.allCases.count)
    /// Our handshakes: begun, answered.
    package var handshakesBegun: UInt64 = 0
    package var handshakesAnswered: UInt64 = 0
    /// Peers' handshakes: opened, confirmed by a packet of the session.
    package var handshakesReceived: UInt64 = 0
    package var handshakesConfirmed: UInt64 = 0
    /// Retries that we sent instead of looking at an initiation.
    package var retriesSent: UInt64 = 0
    /// Responses that were sent once more to the same initiation.
    package var responsesRepeated: UInt64 = 0
    package var requestsReceived: UInt64 = 0
    package var answersSent: UInt64 = 0
    /// Answers of ours that were longer than the room they had.
    package var answersTooLong: UInt64 = 0
    package var callsBegun: UInt64 = 0
    package var callsAnswered: UInt64 = 0
    package var callsFailed: UInt64 = 0
    /// What is held right now.
    package var sessions = 0
    package var unconfirmed = 0
    package var handshakes = 0
    package var calls = 0
    package var requests = 0
    /// Addresses and households that are remembered for the sake of limits.
    package var remembered = 0

    package init() {}

    mutating func count(_ drop: DatagramDrop) { drops[drop.rawValue] += 1 }

    package func count(of drop: DatagramDrop) -> UInt64 { drops[drop.rawValue] }
}
