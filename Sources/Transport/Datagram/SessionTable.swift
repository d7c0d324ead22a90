import Multiformats
import SansIO

/// The confirmed sessions: by index for packets that come in, by peer for requests that go out.
///
/// At most 4,096 in all and 256 of one household; the least recently heard of makes room. At most two of one
/// peer: handshakes that cross leave both, and the newest is sent on.
struct SessionTable: Sendable {
    private let capacity: Int
    private let capacityPerHousehold: Int
    private static let capacityPerPeer = 2

    private var sessions: [UInt32: DatagramSession] = [:]
    /// Sessions under a throwaway identity stay apart, or they would tell whose they are.
    private struct Owner: Hashable {
        let peer: PeerID
        let isPrivate: Bool
    }
    /// Newest first.
    private var byPeer: [Owner: [UInt32]] = [:]
    private var households: [DatagramAddress.Household: Int] = [:]

    init(capacity: Int, perHousehold: Int) {
        self.capacity = capacity
        capacityPerHousehold = perHousehold
    }

    var count: Int { sessions.count }

    /// Households are counted as long as they have a session.
    var householdCount: Int { households.count }

    subscript(index: UInt32) -> DatagramSession? { sessions[index] }

    func contains(_ index: UInt32) -> Bool { sessions[index] != nil }

    /// Changes the session of `index` where it is, so that its window is not copied.
    mutating func with<R>(_ index: UInt32, _ body: (inout DatagramSession) throws(DatagramDrop) -> R)
        throws(DatagramDrop) -> R?
    {
        guard let position = sessions.index(forKey: index) else { return nil }
        return try body(&sessions.values[position])
    }

    /// The newest session of `peer` that may still send.
    func newest(of peer: PeerID, isPrivate: Bool = false, now: Instant) -> UInt32? {
        byPeer[Owner(peer: peer, isPrivate: isPrivate)]?.first { sessions[$0]?.maySend(now: now) ?? false }
    }

    /// Every session of `peer`, newest first.
    func all(of peer: PeerID, isPrivate: Bool) -> [UInt32] {
        byPeer[Owner(peer: peer, isPrivate: isPrivate)] ?? []
    }

    /// Takes `session` in and gives the sessions that had to make room.
    mutating func insert(_ session: DatagramSession) -> [DatagramSession] {
        var removed: [DatagramSession] = []
        func drop(_ index: UInt32?, from table: inout SessionTable) {
            if let index, let session = table.remove(index) { removed.append(session) }
        }
        let household = session.remote.household
        let older = all(of: session.peer, isPrivate: session.isPrivate)
        if older.count >= Self.capacityPerPeer { drop(older.last, from: &self) }
        if households[household, default: 0] >= capacityPerHousehold {
            drop(leastRecent { $0.remote.household == household }, from: &self)
        }
        if sessions.count >= capacity { drop(leastRecent { _ in true }, from: &self) }
        sessions[session.index] = session
        byPeer[Owner(peer: session.peer, isPrivate: session.isPrivate), default: []].insert(session.index, at: 0)
        households[household, default: 0] += 1
        return removed
    }

    @discardableResult
    mutating func remove(_ index: UInt32) -> DatagramSession? {
        guard let session = sessions.removeValue(forKey: index) else { return nil }
        let owner = Owner(peer: session.peer, isPrivate: session.isPrivate)
        byPeer[owner]?.removeAll { $0 == index }
        if byPeer[owner]?.isEmpty == true { byPeer[owner] = nil }
        let household = session.remote.household
        let left = households[household, default: 1] - 1
        households[household] = left > 0 ? left : nil
        return session
    }

    /// The session that was silent for longest; the index decides among equals, so that runs repeat.
    private func leastRecent(where matches: (DatagramSession) -> Bool) -> UInt32? {
        var found: DatagramSession?
        for session in sessions.values where matches(session) {
            guard let best = found else { found = session; continue }
            if (session.lastReceived, session.index) < (best.lastReceived, best.index) { found = session }
        }
        return found?.index
    }
}
