import NIOCore

/// The messages of the last heartbeats, for those who hear of them and ask.
///
/// Source: https://github.com/libp2p/specs/blob/master/pubsub/gossipsub/gossipsub-v1.0.md#message-cache
struct MessageCache: Sendable {
    struct Entry: Sendable {
        /// The message alone in a frame.
        let frame: ByteBuffer
        let topic: Topic
        /// How often it was sent to a peer that asked.
        var sent: [PeerReference: Int] = [:]
    }

    private let gossipWindows: Int
    private let capacity: Int
    private var entries: [MessageID: Entry] = [:]
    /// The newest first.
    private var windows: [[MessageID]]
    private(set) var bytes = 0

    init(length: Int, gossip: Int, bytes: Int) {
        windows = Array(repeating: [], count: Swift.max(1, length))
        gossipWindows = Swift.min(gossip, windows.count)
        capacity = bytes
    }

    var count: Int { entries.count }

    mutating func put(_ id: MessageID, frame: ByteBuffer, topic: Topic) {
        guard entries[id] == nil else { return }
        entries[id] = Entry(frame: frame, topic: topic)
        windows[0].append(id)
        bytes += frame.readableBytes
        while bytes > capacity, let window = windows.lastIndex(where: { !$0.isEmpty }) {
            // Half of the oldest window at once, so that a flood does not cost a copy a message.
            let half = (windows[window].count + 1) / 2
            for id in windows[window].prefix(half) { remove(id) }
            windows[window].removeFirst(half)
        }
    }

    /// The frame of a message for a peer that asks for it; nil when it is gone or was sent too often.
    mutating func frame(of id: MessageID, for peer: PeerReference, limit: Int) -> ByteBuffer? {
        guard let entry = entries[id], entry.sent[peer, default: 0] < limit else { return nil }
        entries[id]?.sent[peer, default: 0] += 1
        return entry.frame
    }

    /// What peers are told of: the messages of the newest windows by their topics, newest window first. One walk for
    /// all topics, since there may be many.
    func gossip() -> [Topic: [MessageID]] {
        var ids: [Topic: [MessageID]] = [:]
        for window in windows.prefix(gossipWindows) {
            for id in window {
                if let topic = entries[id]?.topic { ids[topic, default: []].append(id) }
            }
        }
        return ids
    }

    /// A heartbeat has passed.
    mutating func shift() {
        for id in windows.removeLast() { remove(id) }
        windows.insert([], at: 0)
    }

    private mutating func remove(_ id: MessageID) {
        if let entry = entries.removeValue(forKey: id) { bytes -= entry.frame.readableBytes }
    }
}
