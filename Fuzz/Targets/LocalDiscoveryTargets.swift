import Multiformats
import PeerCrypto
import SansIO
import Transport

extension FuzzTarget {
    /// What neighbours of a local network send: one packet each, and a node that hears one after the other.
    static let localDiscovery: [FuzzTarget] = [
        FuzzTarget("mdns", maximumLength: 2048) { input in
            guard let message = try? DNSMessage(decoding: input) else { return }
            let count = message.answers.count + message.authorities.count + message.additionals.count
            agree(message.questions.count + count <= DNSMessage.maximumRecords, "too many records")
            for name in message.questions.map(\.name) + message.answers.map(\.name) {
                agree(name.length <= DNSName.maximumLength, "a name that is too long")
                _ = name.description
            }
            let encoded = message.encoded
            // Pointers can make a message larger once it is written out; then it is not for us to read again.
            guard encoded.count <= DNSMessage.maximumLength else { return }
            agree((try? DNSMessage(decoding: encoded)) == message, "what is written reads")
        },
        FuzzTarget("mdns-core", maximumLength: 4096) { input in
            guard var neighbour = FuzzedNeighbour() else { return agree(false, "a core") }
            neighbour.play(input)
        },
    ]
}

/// A node on one link that hears packets and sees its addresses come and go.
private struct FuzzedNeighbour {
    private static let ours = [IPAddress([192, 168, 1, 5])]
    private var core: LocalDiscovery
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var sent = 0

    init?() {
        let peer = KeyPair(seed: [UInt8](repeating: 5, count: 32)).peerID
        guard let core = try? LocalDiscovery(peer: peer, seed: 1) else { return nil }
        self.core = core
        appear(true)
    }

    /// Each step is a byte that says what happens, for packets a length, and the packet.
    mutating func play(_ input: [UInt8]) {
        var rest = input[...]
        let start = now
        while let step = rest.popFirst() {
            switch step & 3 {
            case 0:
                now = now + .milliseconds(Int64(step >> 2) * 100)
                tick()
            case 1 where step & 0xf0 == 0: appear(step & 4 == 0)
            default:
                let length = min(rest.count, Int(step >> 2) << 8 | Int(rest.popFirst() ?? 0))
                let packet = Array(rest.prefix(length))
                rest = rest.dropFirst(length)
                feed(.packet(packet, link: 1, from: IPAddress([192, 168, 1, step])))
            }
            agree(core.knownPeers <= 512, "too many peers")
        }
        // Two announcements whenever it appears, one answer and one question a second at most.
        agree(sent <= 2 * Int((now - start).inSeconds) + 6 * input.count + 4, "it talks too much")
        feed(.stop)
        agree(core.deadline == nil && core.knownPeers == 0, "nothing stays")
    }

    private mutating func appear(_ isThere: Bool) {
        let addresses = isThere ? (try? Multiaddr("/ip4/192.168.1.5/tcp/4001")).map { [$0] } ?? [] : []
        feed(.network([LocalDiscovery.Link(id: 1, addresses: Self.ours)], addresses))
    }

    private mutating func feed(_ input: LocalDiscovery.Input) {
        var effects: [LocalDiscovery.Effect] = []
        core.handle(input, now: now, into: &effects)
        check(effects)
    }

    private mutating func tick() {
        var effects: [LocalDiscovery.Effect] = []
        core.tick(now: now, into: &effects)
        check(effects)
        agree(core.deadline.map { $0 > now } ?? true, "what was due is done")
    }

    private mutating func check(_ effects: [LocalDiscovery.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let bytes, _):
                sent += 1
                agree((try? DNSMessage(decoding: bytes)) != nil, "we send what reads")
                agree(bytes.count <= 2048, "a packet without measure")
            case .found(let peer, let addresses):
                agree(peer != KeyPair(seed: [UInt8](repeating: 5, count: 32)).peerID, "we found ourselves")
                agree(!addresses.isEmpty && addresses.count <= 16, "addresses")
                agree(addresses.allSatisfy { !$0.isLoopback && !$0.isRelayed }, "addresses that nobody reaches")
            }
        }
    }
}
