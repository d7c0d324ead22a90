package import DHT
import Multiformats
package import SansIO

/// What a hostile node does in place of answering honestly. All of them join, ask and are asked like others.
package enum Hostility: Hashable, Sendable, CaseIterable {
    /// Gives no answer.
    case drops
    /// Answers just before most give up.
    case stalls
    /// Names peers that do not exist, closer to the key than honest ones.
    case invents
    /// Names only its friends and knows of no record.
    case colludes
    /// Names providers that have nothing, and its friends.
    case fakesProviders
    /// Takes records and denies them; else it is honest.
    case hides
    /// Denies the targets' records and names its friends for those keys only; else it is honest.
    case censors
    /// Names honest peers at its friends' addresses.
    case misdirects
    /// Answers with the first value that it ever saw of a record.
    case replays
    /// Sends as many peers as a message may carry.
    case overflows
    /// Answers something else than was asked.
    case babbles
    /// Adds its friends, who share a few addresses, to every honest answer.
    case poisons
}

/// What hostile nodes know of each other.
package final class Conspiracy {
    /// What a hostile node sends.
    enum Reply {
        case silence
        case message(KadMessage, after: Duration)
    }

    /// All hostile nodes.
    package private(set) var members: [(key: KadKey, peer: KadPeer)] = []
    /// The keys that censors care about, as messages carry them.
    package var targets: Set<[UInt8]> = []
    /// Peers that do not exist, at addresses where nobody is.
    private var inventions: [(key: KadKey, peer: KadPeer)] = []
    private var firstValues: [[UInt8]: KadRecord] = [:]
    private var generator = SeededGenerator(seed: 0)

    init() {}

    package func join(_ identity: SimulatedIdentity) {
        members.append((identity.key, identity.kadPeer))
    }

    /// Makes up `count` peers.
    package func invent(_ count: Int, _ generator: inout SeededGenerator) {
        self.generator = generator.split()
        for _ in 0..<count {
            let draw = UInt32(truncatingIfNeeded: generator.next())
            let endpoint = Endpoint(address: 120 << 24 | draw >> 8 | 1)
            let identity = SimulatedIdentity(peer: .simulated(&generator), endpoint: endpoint)
            inventions.append((identity.key, identity.kadPeer))
        }
    }

    /// What a member of the given kind answers, who would honestly have answered `honest`.
    func reply(
        _ hostility: Hostility, to request: KadMessage, honest: KadMessage, from own: SimulatedIdentity, asker: PeerID
    ) -> Reply {
        if request.kind == .putValue, let record = request.record, firstValues[record.key] == nil {
            firstValues[record.key] = record
        }
        guard request.kind == .findNode || request.kind == .getProviders || request.kind == .getValue else {
            // Whoever drops everything would soon be out of all tables.
            return .message(honest, after: .zero)
        }
        let key = KadKey(hashing: request.key)
        var answer = honest
        switch hostility {
        case .drops:
            return .silence
        case .stalls:
            return .message(honest, after: .milliseconds(2500))
        case .invents:
            answer.closerPeers = closest(to: key, in: inventions)
            (answer.providerPeers, answer.record) = ([], nil)
        case .colludes:
            answer.closerPeers = friends(key, asker)
            (answer.providerPeers, answer.record) = ([], nil)
        case .fakesProviders:
            answer.closerPeers = friends(key, asker)
            if request.kind == .getProviders {
                answer.providerPeers = Array(closest(to: own.key, in: inventions).prefix(10))
            }
        case .hides:
            (answer.providerPeers, answer.record) = ([], nil)
        case .censors:
            guard targets.contains(request.key) else { return .message(honest, after: .zero) }
            answer.closerPeers = friends(key, asker)
            (answer.providerPeers, answer.record) = ([], nil)
        case .misdirects:
            let address = own.addresses
            answer.closerPeers = honest.closerPeers.map { KadPeer($0.id, address, connection: .connected) }
        case .replays:
            if request.kind == .getValue, let old = firstValues[request.key] { answer.record = old }
        case .overflows:
            answer.closerPeers = (inventions + members).prefix(200).map(\.peer)
            answer.providerPeers = request.kind == .getProviders ? inventions.prefix(200).map(\.peer) : []
        case .babbles:
            let kinds = KadMessage.Kind.allCases
            answer = KadMessage(
                kinds[Int(generator.next() % UInt64(kinds.count))], key: Array(own.peer.bytes.prefix(5)),
                record: KadRecord(key: [1], value: [2]), closerPeers: [own.kadPeer, own.kadPeer],
                providerPeers: [own.kadPeer])
        case .poisons:
            answer.closerPeers = friends(key, asker) + honest.closerPeers
        }
        return .message(answer, after: .zero)
    }

    private func friends(_ key: KadKey, _ asker: PeerID) -> [KadPeer] {
        closest(to: key, in: members).filter { $0.id != asker }
    }

    /// The twenty of `all` that are closest to `key`, closest first.
    private func closest(to key: KadKey, in all: [(key: KadKey, peer: KadPeer)], count: Int = 20) -> [KadPeer] {
        var best: [(distance: KadKey, index: Int)] = []
        for (index, member) in all.enumerated() {
            let distance = member.key ^ key
            if best.count == count, let last = best.last, last.distance <= distance { continue }
            let place = best.firstIndex { distance < $0.distance } ?? best.count
            best.insert((distance, index), at: place)
            if best.count > count { best.removeLast() }
        }
        return best.map { all[$0.index].peer }
    }
}
