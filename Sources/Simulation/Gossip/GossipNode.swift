package import Gossip
package import Multiformats
import SansIO

/// One node of a gossip swarm: a core, or an attacker's puppet that only does what its role says.
package final class GossipNode {
    package let index: Int
    package let peer: PeerID
    package let role: GossipRole
    package let configuration: GossipConfiguration
    /// Nil for puppets, and while the node is down.
    package internal(set) var core: GossipSub?
    package internal(set) var isUp = false
    /// Whom it has connections with; whether it dialled.
    package internal(set) var links: [Int: Bool] = [:]
    /// Bytes of frames that left it.
    package internal(set) var bytesSent = 0
    /// Frames that reached it, and messages that it had to validate.
    package internal(set) var framesReceived = 0
    package internal(set) var validations = 0
    /// When its core is woken next, as far as that is scheduled.
    var wakeAt = Instant.distantFuture
    /// Counts its starts; what was sent to an earlier one is void.
    var incarnation = 0

    init(index: Int, peer: PeerID, role: GossipRole, configuration: GossipConfiguration) {
        self.index = index
        self.peer = peer
        self.role = role
        self.configuration = configuration
    }

    package var isHonest: Bool { role == .honest }
}

/// What a node does with messages. Puppets have no core: they subscribe, graft everybody they are connected to
/// again and again, and receive nothing.
package enum GossipRole: Hashable, Sendable {
    case honest
    /// A puppet that sends no message.
    case silent
    /// A puppet that sends so many invalid messages a second to each peer.
    case spammer(perSecond: Int)
    /// A core whose messages are sent with this share, in percent, and otherwise dropped.
    case lossy(percent: UInt64)
    /// A core that is honest until that second and then sends no message.
    case turncoat(second: UInt64)
    /// A core that forwards everything but the messages of one publisher.
    case censor(publisher: Int)

    var isPuppet: Bool {
        switch self {
        case .silent, .spammer: true
        case .honest, .lossy, .turncoat, .censor: false
        }
    }
}
