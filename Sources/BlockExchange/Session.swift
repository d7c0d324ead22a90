import Multiformats
import SansIO

/// One fetch: the blocks that belong together, and the peers that are likely to have them all.
///
/// A peer joins when it says HAVE or sends a block, or provisionally as the best guess at the start. Wants
/// wait in `pending` until a window has room, the most important and oldest first.
struct Session: Sendable {
    /// Highest priority first, then oldest.
    struct Pending: Comparable, Sendable {
        let priority: Int32
        let sequence: UInt64
        let id: WantID

        static func < (left: Pending, right: Pending) -> Bool {
            left.priority == right.priority ? left.sequence < right.sequence : left.priority > right.priority
        }
    }

    let id: Bitswap.SessionID
    /// The connected peers of the session, in the order in which they joined.
    var peers: [Int] = []
    /// Peers to which the session returns when they connect again, or providers that are being dialled.
    var awaited: [PeerID] = []
    /// The peer that was asked on a guess.
    var guess: Int?
    /// Some peer has shown that it has a block of this session.
    var isConfirmed = false
    var pending = Heap<Pending>()
    /// Every want of the session.
    var wants = WantSequence()
    /// Wants that nobody known has.
    var unfound = WantSequence()
    var broadcasts = 0
    /// When the last wanted block came, or the session began to want.
    var progressAt = Instant.zero
    var searchedAt: Instant?

    init(id: Bitswap.SessionID) {
        self.id = id
    }

    /// The most peers remembered for when they connect.
    static let awaitedPeers = 64

    mutating func await(_ peer: PeerID) {
        guard !awaited.contains(peer) else { return }
        if awaited.count >= Session.awaitedPeers { awaited.removeFirst() }
        awaited.append(peer)
    }
}
