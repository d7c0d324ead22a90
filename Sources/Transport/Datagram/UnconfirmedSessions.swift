import Multiformats
import NIOCore
import PeerCrypto
import SansIO

/// Sessions that strangers began and have not confirmed: ten seconds each, 2,048 at most, oldest out.
///
/// They live apart, so that whoever feigns addresses can push out nothing but other strangers. Each remembers
/// the initiation it came from: the same bytes from the same address get the same response again, which
/// costs no scalar multiplication.
struct UnconfirmedSessions: Sendable {
    /// An initiation as it came: its source, and the keyed hash of all of it but the token.
    struct Origin: Hashable, Sendable {
        let source: DatagramAddress
        let mac: ShortMAC
    }

    /// How far a handshake has come.
    enum Stage: Sendable {
        /// The answer is being made; the request's serial number finds it.
        case answering(ReceivedHandshake)
        /// The response went out: the session waits for its first packet.
        case answered(DatagramSession, response: ByteBuffer)
        /// The session is confirmed and lives elsewhere; only the response is kept.
        case confirmed(response: ByteBuffer)
    }

    struct Entry: Sendable {
        let origin: Origin
        let local: DatagramLocal
        let received: Instant
        /// The length of the initiation, which its response may not exceed.
        let length: Int
        var stage: Stage
    }

    private let capacity: Int
    static let lifetime: Duration = .seconds(10)

    private var entries: [UInt32: Entry] = [:]
    private var byOrigin: [Origin: UInt32] = [:]
    /// In the order of arrival, which is that of their ends.
    private var queue: [UInt32] = []
    private var head = 0

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { entries.count }

    /// When the oldest ends.
    var next: Instant? { head < queue.count ? entries[queue[head]].map { $0.received + Self.lifetime } : nil }

    subscript(index: UInt32) -> Entry? { entries[index] }

    func contains(_ index: UInt32) -> Bool { entries[index] != nil }

    /// The entry that an initiation made before.
    func entry(of origin: Origin) -> (index: UInt32, entry: Entry)? {
        guard let index = byOrigin[origin], let entry = entries[index] else { return nil }
        return (index, entry)
    }

    mutating func insert(_ index: UInt32, _ entry: Entry) {
        if entries.count >= capacity { removeOldest() }
        entries[index] = entry
        byOrigin[entry.origin] = index
        queue.append(index)
    }

    mutating func setStage(_ index: UInt32, _ stage: Stage) { entries[index]?.stage = stage }

    /// Opens a transport packet with the session that waits under `index`.
    mutating func open(
        _ index: UInt32, _ packet: ByteBuffer, counter: UInt64, from source: DatagramAddress, at local: DatagramLocal,
        now: Instant
    ) throws(DatagramDrop) -> (DatagramSession, DatagramBody)? {
        guard let entry = entries[index], now < entry.received + Self.lifetime,
            case .answered(var session, let response) = entry.stage
        else { return nil }
        let body = try session.open(packet, counter: counter, from: source, at: local, now: now)
        entries[index]?.stage = .confirmed(response: response)
        return (session, body)
    }

    /// Forgets what is ten seconds old.
    mutating func expire(now: Instant) {
        while let next, next <= now { removeOldest() }
    }

    private mutating func removeOldest() {
        guard head < queue.count else { return }
        if let entry = entries.removeValue(forKey: queue[head]) { byOrigin[entry.origin] = nil }
        head += 1
        if head > 64, head * 2 > queue.count {
            queue.removeFirst(head)
            head = 0
        }
    }
}
