import Multiformats
import NIOCore
import SansIO

/// Messages that somebody looks at outside of the core, and who brought them.
///
/// Under one id there can be several: until a signature is checked, nothing tells the true one from a forgery.
struct WaitingMessages: Sendable {
    struct Entry: Sendable {
        let id: MessageID
        let message: GossipMessage
        let frame: ByteBuffer
        let place: Int
        let topic: Topic
        let first: PeerReference
        let firstID: PeerID
        let since: Instant
        /// Who brought the same message later.
        var others: [PeerReference] = []
        /// Another message under the same id.
        var next: ValidationID?
    }

    /// Peers that are remembered for one message; more are forgotten.
    private static let sources = 256

    private var entries: [ValidationID: Entry] = [:]
    private var heads: [MessageID: ValidationID] = [:]
    private var queue = Queue<(id: ValidationID, since: Instant)>()
    private var last: UInt64 = 0
    private(set) var bytes = 0

    var count: Int { entries.count }

    func contains(_ id: MessageID) -> Bool { heads[id] != nil }

    func entry(_ id: ValidationID) -> Entry? { entries[id] }

    mutating func add(_ entry: Entry) -> ValidationID {
        last &+= 1
        let id = ValidationID(last)
        var entry = entry
        entry.next = heads.updateValue(id, forKey: entry.id)
        bytes += entry.frame.readableBytes
        queue.append((id, entry.since))
        entries[id] = entry
        return id
    }

    /// What a message is to those that wait under its id.
    enum Likeness {
        case none
        /// One is the same; the peer is remembered with it.
        case same
        /// There are so many others.
        case rivals(Int)
        /// The peer has brought another one.
        case contradiction
    }

    mutating func compare(
        _ message: GossipMessage, _ id: MessageID, isAnonymous: Bool, from peer: PeerReference
    ) -> Likeness {
        guard var current = heads[id] else { return .none }
        var count = 0
        while let entry = entries[current] {
            if isAnonymous || entry.message.signature == message.signature && entry.message.data == message.data {
                if entry.first != peer, entry.others.count < Self.sources, !entry.others.contains(peer) {
                    entries[current]?.others.append(peer)
                }
                return .same
            }
            if entry.first == peer { return .contradiction }
            count += 1
            guard let next = entry.next else { break }
            current = next
        }
        return .rivals(count)
    }

    /// Takes one message out, and leaves its rivals.
    mutating func remove(_ id: ValidationID) -> Entry? {
        guard let entry = entries.removeValue(forKey: id) else { return nil }
        bytes -= entry.frame.readableBytes
        if heads[entry.id] == id {
            heads[entry.id] = entry.next
        } else if var current = heads[entry.id] {
            while let next = entries[current]?.next {
                if next == id {
                    entries[current]?.next = entry.next
                    break
                }
                current = next
            }
        }
        trim()
        return entry
    }

    /// Takes out everything that waits under an id.
    mutating func removeAll(_ id: MessageID) -> [Entry] {
        var removed: [Entry] = []
        while let head = heads[id], let entry = remove(head) { removed.append(entry) }
        return removed
    }

    /// The oldest that waits since before `instant`.
    func overdue(before instant: Instant) -> ValidationID? {
        guard let first = queue.first, first.since < instant, entries[first.id] != nil else { return nil }
        return first.id
    }

    private mutating func trim() {
        while let first = queue.first, entries[first.id] == nil { queue.popFirst() }
    }
}
