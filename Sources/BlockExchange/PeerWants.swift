import Multiformats
import SansIO

/// What one connected peer has been asked, and what is about to be sent to it.
///
/// Everything asked within one `handle` leaves as one message. The first message of a connection, and the
/// first after a broken stream, is a full want list.
struct PeerWants: Sendable {
    let id: PeerID
    var isConnected = true
    var version: BitswapVersion
    var speed: PeerSpeed
    /// The sessions that the peer belongs to.
    var sessions: [Bitswap.SessionID] = []
    /// Wants reserved for the peer until its window has room.
    var queue: [WantID] = []
    var queueHead = 0
    /// Wants that the peer has been told of, oldest first.
    var asked = WantSequence()
    /// Wants for blocks that the peer may still answer.
    var inFlight = 0
    /// The peer has been sent wants since it connected, so that blocks from it are no surprise.
    var lastAsked: Instant?
    /// When the peer last sent something that we wanted, and when anything came at all.
    var progressAt = Instant.zero
    var aliveAt = Instant.zero
    /// It was silent for too long; others are asked first.
    var isStalled = false
    /// How long it may be silent before somebody else who said HAVE is asked; `nil` for its usual timeout.
    var impatience: Duration?
    /// Which of its sessions comes first when its window has room.
    var turn = 0
    /// Broken streams in a row.
    var resets = 0
    /// Nothing is sent before the retry that follows a broken stream.
    var isResting = false

    private(set) var outbox: [BitswapMessage.Entry] = []
    private var outboxHasCancels = false
    var needsFull = true
    /// A message is due even if it is an empty full list.
    var mustSend = false

    init(id: PeerID, version: BitswapVersion, speed: PeerSpeed) {
        self.id = id
        self.version = version
        self.speed = speed
    }

    /// The sessions on whose account the peer was asked for HAVE lately, newest last.
    private(set) var probes: [Bitswap.SessionID] = []

    mutating func noteProbe(_ session: Bitswap.SessionID) {
        if probes.last == session { return }
        probes.removeAll { $0 == session }
        if probes.count >= 16 { probes.removeFirst() }
        probes.append(session)
    }

    var queued: Int { queue.count - queueHead }
    var hasRoom: Bool { inFlight < speed.window && !isResting }

    mutating func enqueue(_ want: WantID) { queue.append(want) }

    mutating func dequeue() -> WantID? {
        guard queueHead < queue.count else { return nil }
        defer {
            queueHead += 1
            if queueHead == queue.count {
                queue.removeAll(keepingCapacity: true)
                queueHead = 0
            }
        }
        return queue[queueHead]
    }

    mutating func drainQueue() -> [WantID] {
        defer {
            queue = []
            queueHead = 0
        }
        return Array(queue[queueHead...])
    }

    mutating func write(_ entry: BitswapMessage.Entry) {
        outbox.append(entry)
        if entry.cancel { outboxHasCancels = true }
    }

    mutating func clearOutbox() {
        outbox = []
        outboxHasCancels = false
    }

    /// The message that is due; `nil` when there is none.
    mutating func takeMessage() -> BitswapMessage? {
        guard isConnected, !isResting, mustSend || !outbox.isEmpty else { return nil }
        mustSend = false
        var message = BitswapMessage()
        message.entries = outboxHasCancels ? Self.lastOfEach(outbox) : outbox
        message.full = needsFull
        // A full list forgets everything else by itself.
        if needsFull { message.entries.removeAll(where: \.cancel) }
        clearOutbox()
        guard !message.isEmpty(in: version) else { return nil }
        needsFull = false
        return message
    }

    /// The last word on each CID, in the order of the last words.
    private static func lastOfEach(_ entries: [BitswapMessage.Entry]) -> [BitswapMessage.Entry] {
        var seen: Set<CID> = []
        return entries.reversed().filter { seen.insert($0.cid).inserted }.reversed()
    }
}
