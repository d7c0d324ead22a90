import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Synchronization
import Transport

extension FuzzTarget {
    /// Two peers that talk in datagrams while a stranger changes, repeats, loses and makes up packets.
    static let datagrams: [FuzzTarget] = [
        FuzzTarget("datagram", maximumLength: 2048) { input in
            guard var talk = FuzzedTalk() else { return agree(false, "addresses") }
            var rest = ByteBuffer(bytes: input)
            var steps = 0
            while let step: UInt8 = rest.readInteger(), steps < 128 {
                steps += 1
                talk.play(step, &rest)
            }
            talk.end()
        }
    ]
}

/// Key material that repeats.
private final class FuzzedLuck: Sendable {
    private let generator: Mutex<SeededGenerator>
    init(_ seed: UInt64) { generator = Mutex(SeededGenerator(seed: seed)) }

    func make(_ count: Int) -> SecretBytes {
        SecretBytes(
            generator.withLock { luck in (0..<count).map { _ in UInt8(truncatingIfNeeded: luck.next() >> 24) } })
    }
}

private struct FuzzedTalk {
    private static let keys = [
        KeyPair(seed: [UInt8](repeating: 1, count: 32)), KeyPair(seed: [UInt8](repeating: 2, count: 32)),
    ]
    private static let identities = keys.map { DatagramIdentity($0, network: DatagramNetwork(name: "fuzz")) }
    private static let places = ["/ip4/8.8.4.1/udp/4001", "/ip4/9.9.4.2/udp/4002"].compactMap(place)
    private static let capacity = 8

    private struct Packet {
        var bytes: ByteBuffer
        var from: Int
    }

    private var cores: [DatagramCore] = []
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var flying: [Packet] = []
    private var calls: [DatagramCallID: ByteBuffer] = [:]
    private var lastCall: UInt64 = 0
    /// Bytes that each stranger sent to both peers, less those that it got back.
    private var credit: [DatagramAddress: Int] = [:]

    init?(luck seed: UInt64 = 1) {
        guard Self.places.count == 2 else { return nil }
        for index in 0..<2 {
            var configuration = DatagramConfiguration(identity: Self.identities[index])
            let luck = FuzzedLuck(2 * seed + UInt64(index))
            configuration.random = { luck.make($0) }
            configuration.sessions = Self.capacity
            configuration.sessionsPerHousehold = 4
            configuration.unconfirmed = Self.capacity
            configuration.handshakes = Self.capacity
            configuration.calls = Self.capacity
            configuration.requests = Self.capacity
            configuration.initiationRate = 20
            cores.append(DatagramCore(configuration, now: now))
        }
    }

    private static func place(_ text: String) -> DatagramAddress? {
        (try? Multiaddr(text)).flatMap { DatagramAddress($0) }
    }

    mutating func play(_ step: UInt8, _ rest: inout ByteBuffer) {
        let choice = step >> 3
        switch step & 7 {
        case 0: pass(.milliseconds(Int64(choice) * 250))
        case 1, 2: call(from: Int(step & 7) - 1, kind: choice % 2 == 0 ? .read : .write)
        case 3: if let packet = next() { deliver(packet.bytes, from: packet.from) }
        case 4: if let packet = next() { deliverChanged(packet, &rest) }
        case 5: if let packet = flying.first, flying.count < 64 { flying.append(packet) }
        case 6: if choice == 31 { restart() } else { _ = next() }
        default: inject(choice, &rest)
        }
        for core in cores {
            let held = core.statistics
            agree(held.sessions <= Self.capacity && held.unconfirmed <= Self.capacity, "sessions")
            agree(held.requests <= Self.capacity && held.handshakes <= Self.capacity, "requests and handshakes")
            agree(held.calls <= Self.capacity, "calls")
        }
    }

    /// Whatever happened, every call ends, and nothing is left but sessions.
    mutating func end() {
        flying = []
        pass(.seconds(60))
        for core in cores {
            let held = core.statistics
            agree(held.calls == 0 && held.handshakes == 0 && held.requests == 0, "something never ends")
            agree(held.unconfirmed == 0, "strangers are remembered")
        }
    }

    /// The first peer loses everything but its key.
    private mutating func restart() {
        guard let other = FuzzedTalk(luck: lastCall + 2) else { return }
        cores[0] = other.cores[0]
    }

    private mutating func next() -> Packet? { flying.isEmpty ? nil : flying.removeFirst() }

    private mutating func pass(_ time: Duration) {
        let end = now + time
        var rounds = 0
        while let (deadline, node) = cores.indices.compactMap({ node in cores[node].deadline.map { ($0, node) } })
            .min(by: { $0.0 < $1.0 }), deadline <= end
        {
            rounds += 1
            agree(rounds < 10_000, "timers without end")
            now = max(now, deadline)
            var effects: [DatagramCore.Effect] = []
            cores[node].tick(now: now, into: &effects)
            perform(node, effects)
        }
        now = end
    }

    private mutating func call(from node: Int, kind: DatagramKind) {
        lastCall += 1
        let id = DatagramCallID(lastCall)
        calls[id] = ByteBuffer(string: "call \(lastCall)")
        feed(
            node,
            .call(
                DatagramCall(
                    id: id, peer: Self.keys[1 - node].peerID, address: Self.places[1 - node],
                    message: calls[id] ?? ByteBuffer(), kind: kind)))
    }

    private mutating func deliver(_ bytes: ByteBuffer, from: Int) {
        feed(1 - from, .packet(bytes, from: Self.places[from], at: DatagramLocal(socket: 0)))
    }

    /// One byte of it is another, or it ends there.
    private mutating func deliverChanged(_ packet: Packet, _ rest: inout ByteBuffer) {
        guard let place: UInt16 = rest.readInteger(), let change: UInt8 = rest.readInteger() else { return }
        var bytes = packet.bytes
        let index = Int(place) % max(1, bytes.readableBytes)
        if change == 0 {
            bytes = bytes.getSlice(at: bytes.readerIndex, length: index) ?? bytes
        } else if let old: UInt8 = bytes.getInteger(at: bytes.readerIndex + index) {
            bytes.setInteger(old ^ change, at: bytes.readerIndex + index)
        }
        deliver(bytes, from: packet.from)
    }

    /// A stranger sends bytes of its own, or with the highest choice a packet that it has seen.
    private mutating func inject(_ choice: UInt8, _ rest: inout ByteBuffer) {
        let node = Int(choice % 2)
        guard let stranger = Self.place("/ip4/7.7.\(choice / 8).7/udp/\(700 + Int(choice))") else { return }
        var bytes = flying.first?.bytes ?? ByteBuffer()
        if choice < 30 {
            let length = Int(rest.readInteger(as: UInt16.self) ?? 0)
            bytes = rest.readSlice(length: min(length, rest.readableBytes)) ?? ByteBuffer()
        }
        credit[stranger, default: 0] += bytes.readableBytes
        feed(node, .packet(bytes, from: stranger, at: DatagramLocal(socket: 0)))
    }

    private mutating func feed(_ node: Int, _ input: DatagramCore.Input) {
        var effects: [DatagramCore.Effect] = []
        cores[node].handle(input, now: now, into: &effects)
        perform(node, effects)
    }

    private mutating func perform(_ node: Int, _ effects: [DatagramCore.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let bytes, let target, _):
                agree(bytes.readableBytes <= DatagramPacket.maximumLength, "a packet that is too long")
                if target == Self.places[1 - node] {
                    if flying.count < 64 { flying.append(Packet(bytes: bytes, from: node)) }
                } else {
                    credit[target, default: 0] -= bytes.readableBytes
                    agree(credit[target, default: 0] >= 0, "a stranger got more than it sent")
                }
            case .request(let ask):
                agree(ask.peer == Self.keys[1 - node].peerID, "a peer that nobody is")
                if ask.message.readableBytes <= ask.room {
                    feed(node, .answer(ask.serial, ask.message, isWhole: true))
                } else {
                    feed(node, .refuse(ask.serial))
                }
            case .completed(let id, let result):
                let asked = calls.removeValue(forKey: id)
                agree(asked != nil, "a call that ends twice")
                if case .success(let answer) = result { agree(answer.message == asked, "an answer that nobody gave") }
            case .alive(let peer, let address):
                agree(peer == Self.keys[1 - node].peerID && address == Self.places[1 - node], "alive elsewhere")
            }
        }
    }
}
