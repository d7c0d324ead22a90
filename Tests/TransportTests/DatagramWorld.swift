import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Synchronization
import Transport

/// Key material that repeats, for cores in tests.
func luck(_ seed: UInt64) -> @Sendable (Int) -> SecretBytes {
    let generator = LockedGenerator(seed)
    return { count in SecretBytes(generator.bytes(count)) }
}

private final class LockedGenerator: Sendable {
    private let state: Mutex<SeededGenerator>
    init(_ seed: UInt64) { state = Mutex(SeededGenerator(seed: seed)) }
    func bytes(_ count: Int) -> [UInt8] {
        state.withLock { generator in (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 24) } }
    }
}

func address(_ text: String) -> DatagramAddress { DatagramAddress(try! Multiaddr(text))! }

func message(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

/// A KadMessage PING.
let ping = ByteBuffer(bytes: [0x08, 0x05])

/// Cores on a network in virtual time: every packet takes 20 ms unless `fate` says otherwise.
struct DatagramWorld {
    struct Packet {
        var bytes: ByteBuffer
        var from: DatagramAddress
        var to: DatagramAddress
        var at: Instant
    }

    struct Node {
        let key: KeyPair
        var address: DatagramAddress
        var core: DatagramCore
        var results: [UInt64: Result<DatagramAnswer, DatagramError>] = [:]
        var requests: [DatagramAsk] = []
        var alive: [PeerID] = []
        /// What it answers; nil for nothing.
        var answer: (DatagramAsk) -> ByteBuffer? = { ask in ByteBuffer(string: "re: " + String(buffer: ask.message)) }
        var isDown = false
    }

    static let latency: Duration = .milliseconds(20)

    var now = Instant(nanoseconds: 1_000_000_000)
    var nodes: [Node] = []
    var flying: [Packet] = []
    /// Every packet that was sent, in order.
    var sent: [Packet] = []
    /// Where each copy of a packet arrives and how long it takes: none for lost, two for doubled.
    var fate: (Packet) -> [Duration] = { _ in [latency] }
    private var lastCall: UInt64 = 0

    mutating func add(
        _ seed: UInt8, _ place: String, network: String = "test", psk: PrivateNetworkKey? = nil,
        _ change: (inout DatagramConfiguration) -> Void = { _ in }
    ) -> Int {
        let key = KeyPair(seed: [UInt8](repeating: seed, count: 32))
        nodes.append(
            Node(
                key: key, address: Transport.DatagramAddress(try! Multiaddr(place))!,
                core: Self.core(key, network: network, psk: psk, luckSeed: UInt64(seed), now: now, change)))
        return nodes.count - 1
    }

    static func core(
        _ key: KeyPair, network: String = "test", psk: PrivateNetworkKey? = nil, luckSeed: UInt64, now: Instant,
        _ change: (inout DatagramConfiguration) -> Void = { _ in }
    ) -> DatagramCore {
        var configuration = DatagramConfiguration(
            identity: DatagramIdentity(key, network: DatagramNetwork(name: network, privateNetwork: psk)))
        configuration.random = luck(luckSeed)
        change(&configuration)
        return DatagramCore(configuration, now: now)
    }

    /// A node that lost everything but its key.
    mutating func restart(_ node: Int, luckSeed: UInt64) {
        nodes[node].core = Self.core(nodes[node].key, luckSeed: luckSeed, now: now)
    }

    @discardableResult
    mutating func call(
        _ node: Int, _ other: Int, _ text: String, kind: DatagramKind = .read, at place: DatagramAddress? = nil,
        peer: PeerID? = nil, offset: UInt8 = 0, deadline: Duration = .seconds(20), isPrivate: Bool = false
    ) -> UInt64 {
        call(
            node, peer ?? nodes[other].key.peerID, place ?? nodes[other].address, message(text), kind, offset, deadline,
            isPrivate)
    }

    @discardableResult
    mutating func call(
        _ node: Int, _ peer: PeerID, _ place: DatagramAddress, _ message: ByteBuffer, _ kind: DatagramKind = .read,
        _ offset: UInt8 = 0, _ deadline: Duration = .seconds(20), _ isPrivate: Bool = false
    ) -> UInt64 {
        lastCall += 1
        feed(
            node,
            .call(
                DatagramCall(
                    id: DatagramCallID(lastCall), peer: peer, address: place, message: message, kind: kind,
                    offset: offset, deadline: deadline, isPrivate: isPrivate)))
        return lastCall
    }

    mutating func feed(_ node: Int, _ input: DatagramCore.Input) {
        var effects: [DatagramCore.Effect] = []
        nodes[node].core.handle(input, now: now, into: &effects)
        perform(node, effects)
    }

    /// Gives a packet to a node as if it had come from `source`.
    mutating func inject(_ node: Int, _ bytes: ByteBuffer, from source: DatagramAddress) {
        feed(node, .packet(bytes, from: source, at: DatagramLocal(socket: 0)))
    }

    private mutating func perform(_ node: Int, _ effects: [DatagramCore.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let bytes, let to, _):
                let packet = Packet(bytes: bytes, from: nodes[node].address, to: to, at: now)
                sent.append(packet)
                for delay in fate(packet) {
                    var copy = packet
                    copy.at = now + delay
                    flying.append(copy)
                }
            case .request(let ask):
                nodes[node].requests.append(ask)
                if let answer = nodes[node].answer(ask) {
                    feed(node, .answer(ask.serial, answer, isWhole: true))
                }
            case .completed(let id, let result): nodes[node].results[id.rawValue] = result
            case .alive(let peer, _): nodes[node].alive.append(peer)
            }
        }
    }

    /// Runs until `end`, earliest event first.
    mutating func run(_ time: Duration) {
        let end = now + time
        while true {
            let packet = flying.indices.min { (flying[$0].at, $0) < (flying[$1].at, $1) }
            let timer = nodes.indices.compactMap { node in nodes[node].core.deadline.map { ($0, node) } }.min {
                $0 < $1
            }
            if let packet, flying[packet].at <= min(end, timer?.0 ?? .distantFuture) {
                let arriving = flying.remove(at: packet)
                now = max(now, arriving.at)
                guard let node = nodes.firstIndex(where: { $0.address == arriving.to && !$0.isDown }) else { continue }
                inject(node, arriving.bytes, from: arriving.from)
            } else if let timer, timer.0 <= end {
                now = max(now, timer.0)
                var effects: [DatagramCore.Effect] = []
                nodes[timer.1].core.tick(now: now, into: &effects)
                perform(timer.1, effects)
            } else {
                now = end
                return
            }
        }
    }

    /// The text that a call was answered with; nil when it failed or is under way.
    func text(_ node: Int, _ call: UInt64) -> String? {
        guard case .success(let answer)? = nodes[node].results[call] else { return nil }
        return String(buffer: answer.message)
    }

    func error(_ node: Int, _ call: UInt64) -> DatagramError? {
        guard case .failure(let error)? = nodes[node].results[call] else { return nil }
        return error
    }

    func statistics(_ node: Int) -> DatagramStatistics { nodes[node].core.statistics }

    /// The type bytes of what `node` sent.
    func types(from node: Int) -> [UInt8] {
        sent.filter { $0.from == nodes[node].address }.map { $0.bytes.getInteger(at: $0.bytes.readerIndex) ?? 0 }
    }

    func bytes(from: DatagramAddress, to: DatagramAddress) -> Int {
        sent.filter { $0.from == from && $0.to == to }.reduce(0) { $0 + $1.bytes.readableBytes }
    }
}

/// Two nodes in the public Internet, as far as addresses go.
func pair(_ change: (inout DatagramConfiguration) -> Void = { _ in }) -> DatagramWorld {
    var world = DatagramWorld()
    _ = world.add(1, "/ip4/8.8.4.1/udp/4001", change)
    _ = world.add(2, "/ip4/9.9.4.2/udp/4002", change)
    return world
}
