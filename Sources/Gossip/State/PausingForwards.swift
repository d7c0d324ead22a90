import NIOCore
import SansIO

/// Messages that are to go on to more of the mesh in a moment, unless those peers say first that they have them.
struct PausingForwards: Sendable {
    struct Entry: Sendable {
        let id: MessageID
        let frame: ByteBuffer
        let peers: [PeerReference]
        let due: Instant
    }

    private var queue = Queue<Entry>()

    var isEmpty: Bool { queue.count == 0 }
    var count: Int { queue.count }

    /// When the first is due: all pause for as long.
    var next: Instant? { queue.first?.due }

    mutating func add(_ entry: Entry) { queue.append(entry) }

    mutating func popDue(_ now: Instant) -> Entry? {
        guard let first = queue.first, first.due <= now else { return nil }
        return queue.popFirst()
    }
}
