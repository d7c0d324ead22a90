import SansIO

/// Who has brought a message of late, so that a duplicate that comes soon enough counts once (P3).
struct DeliveryRecords: Sendable {
    private struct Record: Sendable {
        let accepted: Instant
        var peers: [PeerReference]
    }

    private var records: [MessageID: Record] = [:]
    private var queue = Queue<(id: MessageID, accepted: Instant)>()
    private let window: Duration

    /// `window` is the longest of all topics; zero or less keeps nothing.
    init(window: Duration) { self.window = window }

    /// The message was found valid; these have brought it.
    mutating func accepted(_ id: MessageID, by peers: [PeerReference], now: Instant) {
        guard window > .zero else { return }
        while let first = queue.first, first.accepted + window < now {
            queue.popFirst()
            records[first.id] = nil
        }
        records[id] = Record(accepted: now, peers: peers)
        queue.append((id, now))
    }

    /// How long after its acceptance this peer brings the message for the first time; nil if that was too long ago
    /// or not the first time.
    mutating func duplicate(_ id: MessageID, by peer: PeerReference, now: Instant) -> Duration? {
        guard !records.isEmpty, let record = records[id], !record.peers.contains(peer), record.peers.count < 256
        else { return nil }
        records[id]?.peers.append(peer)
        return now - record.accepted
    }
}
