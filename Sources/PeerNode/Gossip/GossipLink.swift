import Gossip
import Multiformats
import NIOCore
import SansIO
import Transport

/// Our streams with one peer: one that we write on and one that we read. Confined to the control loop, as part of
/// `GossipService`.
///
/// ```
///            first of: identify names gossip, the peer opens a stream
/// no link ------------------------------------------------------------> writing
/// writing --stream broke--> writing on a new one, once a minute at most; else no link
/// ```
final class GossipLink {
    /// What became of a frame.
    enum Outcome {
        case written
        /// Too much waits already; lazy gossip makes up for it.
        case dropped
        /// Not even what must not be lost fits: the peer does not read.
        case overflow
    }

    /// What may wait for a peer besides messages: the largest frame with subscriptions, grafts and prunes.
    static let controlRoom = 1 << 20
    /// A stream that breaks again within this time is not replaced: something is wrong with the peer.
    private static let reopenInterval = Duration.seconds(60)

    let peer: PeerID
    var version: GossipVersion
    /// Only written.
    private(set) var outbound: PeerStream?
    /// Only read. A second one replaces the first.
    private(set) var inbound: PeerStream?
    /// Frames that came on it and are not dealt with.
    var unread = UnreadFrames()
    private var lastReopened: Instant?

    init(peer: PeerID, version: GossipVersion) {
        self.peer = peer
        self.version = version
    }

    /// Writes from now on here.
    func write(on stream: PeerStream) { outbound = stream }

    /// Reads from now on here, and nothing from the stream before.
    func read(from stream: PeerStream) {
        if let inbound, inbound !== stream {
            inbound.reset()
            unread = UnreadFrames()
        }
        inbound = stream
    }

    func inboundEnded(_ stream: PeerStream) {
        if inbound === stream { inbound = nil }
    }

    /// Whether a broken stream may be replaced; counts as doing so.
    func mayReopen(now: Instant) -> Bool {
        if let lastReopened, now < lastReopened + Self.reopenInterval { return false }
        lastReopened = now
        return true
    }

    /// Writes a frame, unless too much waits already. `room` is for messages, in bytes; gossip gets a quarter of it,
    /// so that it goes first, and control messages get more.
    func write(_ frame: GossipFrame, room: Int) -> Outcome {
        guard let outbound else { return .dropped }
        let limit =
            switch frame.kind {
            case .gossip: room / 4
            case .message: room
            case .control: room + Self.controlRoom
            }
        let waiting = outbound.bufferedBytes
        guard waiting == 0 || waiting + frame.bytes.readableBytes <= limit else {
            return frame.kind == .control ? .overflow : .dropped
        }
        outbound.write(frame.bytes)
        return .written
    }

    /// The peer is gone, or we are.
    func close() {
        outbound?.close()
        inbound?.reset()
        outbound = nil
        inbound = nil
        unread = UnreadFrames()
    }
}

/// Frames of a peer that wait to be dealt with, and what their stream is credited with each. Their number is bounded by
/// the stream's window, since only what was dealt with is credited.
struct UnreadFrames {
    typealias Element = (frame: GossipRPC, credit: Int, stream: PeerStream)

    private var frames: [Element] = []
    private var head = 0

    var isEmpty: Bool { head == frames.count }

    /// Takes in frames that came together; the last of them brings the credit for all.
    mutating func append(_ new: [GossipRPC], bytes: Int, on stream: PeerStream) {
        for (index, frame) in new.enumerated() {
            frames.append((frame, index == new.count - 1 ? bytes : 0, stream))
        }
    }

    mutating func popFirst() -> Element? {
        guard head < frames.count else { return nil }
        let first = frames[head]
        head += 1
        if head == frames.count {
            frames.removeAll(keepingCapacity: frames.capacity <= 64)
            head = 0
        }
        return first
    }
}
