import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing
import Transport

/// The handshake against a second implementation of its bytes, and whom it lets in as whom.
@Suite("Datagram handshakes")
struct DatagramHandshakeTests {
    private let elsewhere = address("/ip4/7.7.7.7/udp/7")

    /// The one packet that a world sent last, if it sent `count` in all.
    private func sent(_ world: DatagramWorld, count: Int) throws -> ByteBuffer {
        try #require(world.sent.count == count)
        return world.sent[count - 1].bytes
    }

    @Test("a session with a peer that knows nothing but the specification", arguments: [false, true])
    func specification(isPrivate: Bool) throws {
        let file = "/key/swarm/psk/1.0.0/\n/base16/\n" + String(repeating: "5a", count: 32)
        let network = isPrivate ? try PrivateNetworkKey(file: Array(file.utf8)) : nil
        var world = DatagramWorld()
        let node = world.add(1, "/ip4/8.8.4.1/udp/4001", psk: network)
        var peer = DatagramRawPeer(50)
        if isPrivate { peer.psk = SecretBytes([UInt8](repeating: 0x5a, count: 32)) }
        let (packet, noise) = try peer.initiation(to: world.nodes[node].key.publicKey.data, flags: 0x0900)
        world.inject(node, packet, from: elsewhere)
        #expect(world.nodes[node].requests.map(\.offset) == [9])
        #expect(world.nodes[node].requests.map(\.peer) == [peer.key.peerID])
        let response = try sent(world, count: 1)
        #expect(response.readableBytesView.starts(with: [2, 1, 0, 0, 1, 2, 3, 4]))
        let read = try DatagramRawPeer.read(response, noise)
        #expect(read.id == 7)
        #expect(read.flags == 1)
        #expect(read.answer == Array("re: \u{8}\u{5}".utf8))
        let request = DatagramRawPeer.transport(
            to: read.index, counter: 0, key: read.send, DatagramRawPeer.body(8, 0, Array("hi".utf8)))
        world.inject(node, request, from: elsewhere)
        let answer = try sent(world, count: 2)
        let head = Array(answer.readableBytesView.prefix(16))
        #expect(head == [4, 1, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0])
        let plaintext = AEAD.open(
            Array(answer.readableBytesView.dropFirst(16)), key: read.receive, nonce: AEAD.Nonce(counter: 0),
            additional: head)
        #expect(plaintext == DatagramRawPeer.body(8, 1, Array("re: hi".utf8)))
        // One id, one answer; and what is against the rules is dropped although it is authentic.
        let bodies: [[UInt8]] = [
            DatagramRawPeer.body(8, 0, Array("hi".utf8)),
            DatagramRawPeer.body(9, 4, Array("hi".utf8)),
            DatagramRawPeer.body(10, 0, Array("hi".utf8)) + [0],
            Array(DatagramRawPeer.body(11, 0, Array("hi".utf8)).dropLast()),
            DatagramRawPeer.body(12, 1, Array("an answer to nothing".utf8)),
            [],
        ]
        for (number, body) in bodies.enumerated() {
            let packet = DatagramRawPeer.transport(to: read.index, counter: UInt64(number + 1), key: read.send, body)
            world.inject(node, packet, from: elsewhere)
            #expect(world.sent.count == 2, "body \(number)")
        }
        // The window: old counters, repeated counters, far ahead, then too old.
        for (counter, isTaken) in [(UInt64(3), false), (5000, true), (5000, false), (4000, true), (3976, false)] {
            let before = world.sent.count
            let id = UInt32(counter) + 100
            let packet = DatagramRawPeer.transport(
                to: read.index, counter: counter, key: read.send, DatagramRawPeer.body(id, 0, [1]))
            world.inject(node, packet, from: elsewhere)
            #expect((world.sent.count == before + 1) == isTaken, "counter \(counter)")
        }
    }

    @Test("who claims another's key is refused", arguments: [false, true])
    func wrongIdentity(isNegative: Bool) throws {
        var world = DatagramWorld()
        let node = world.add(1, "/ip4/8.8.4.1/udp/4001")
        var peer = DatagramRawPeer(50)
        let victim = KeyPair(seed: [UInt8](repeating: 51, count: 32))
        peer.claimed = isNegative ? Self.negative(victim.publicKey.data) : victim.publicKey.data
        let (packet, _) = try peer.initiation(to: world.nodes[node].key.publicKey.data)
        world.inject(node, packet, from: elsewhere)
        #expect(world.sent.isEmpty)
        #expect(world.statistics(node).count(of: .wrongIdentity) == 1)
        #expect(world.statistics(node).unconfirmed == 0)
    }

    @Test("the negative of a key is another peer: it is never taken for the peer itself")
    func signTrick() throws {
        var world = DatagramWorld()
        let node = world.add(1, "/ip4/8.8.4.1/udp/4001")
        let own = world.nodes[node].key.publicKey
        let negative = try PublicKey(kind: .ed25519, data: Self.negative(own.data))
        #expect(negative.x25519 == own.x25519)
        #expect(negative.peerID != own.peerID)
        // Asking for -A where A lives: the mac names A, so nobody answers.
        let asker = world.add(2, "/ip4/9.9.4.2/udp/4002")
        let call = world.call(asker, negative.peerID, world.nodes[node].address, message("x"))
        world.run(.seconds(20))
        #expect(world.error(asker, call) == .timeout)
        #expect(world.types(from: node).isEmpty)
        #expect(world.statistics(node).count(of: .wrongMAC) == 2)
        // Even with the right mac, the transcript names another responder.
        let peer = DatagramRawPeer(50)
        var (packet, _) = try peer.initiation(to: negative.data)
        var bytes = Array(packet.readableBytesView)
        let mac = BLAKE2b.mac(Array(bytes[..<8] + bytes[40...]), key: peer.macKey(own.data))
        packet.clear()
        packet.writeInteger(mac.words.0, endianness: .little)
        packet.writeInteger(mac.words.1, endianness: .little)
        bytes.replaceSubrange(8..<24, with: Array(packet.readableBytesView))
        world.inject(node, ByteBuffer(bytes: bytes), from: elsewhere)
        #expect(world.types(from: node).isEmpty)
        #expect(world.statistics(node).count(of: .notAuthentic) == 1)
        // Who has A's secret may call himself -A as well; he is then somebody else, not A.
        var double = DatagramRawPeer(50)
        double.claimed = Self.negative(double.key.publicKey.data)
        let (other, _) = try double.initiation(to: own.data)
        world.inject(node, other, from: elsewhere)
        #expect(world.nodes[node].requests.count == 1)
        #expect(world.nodes[node].requests.first?.peer != double.key.peerID)
    }

    @Test("another network, another key, no key: nothing is answered")
    func networks() throws {
        let keys = [PrivateNetworkKey.generate(), PrivateNetworkKey.generate()]
        let sides: [(String, PrivateNetworkKey?)] = [
            ("test", nil), ("other", nil), ("test", keys[0]), ("test", keys[1]),
        ]
        for (one, left) in sides.enumerated() {
            for (other, right) in sides.enumerated() {
                var world = DatagramWorld()
                let asker = world.add(1, "/ip4/8.8.4.1/udp/4001", network: left.0, psk: left.1)
                let node = world.add(2, "/ip4/9.9.4.2/udp/4002", network: right.0, psk: right.1)
                let call = world.call(asker, node, "x")
                world.run(.seconds(5))
                if one == other {
                    #expect(world.text(asker, call) == "re: x")
                } else {
                    #expect(world.error(asker, call) == .timeout)
                    #expect(world.types(from: node).isEmpty)
                    #expect(world.statistics(node).count(of: .wrongMAC) == 2)
                }
            }
        }
    }

    @Test("keys that no honest peer has are refused before anything is sent")
    func weakKeys() throws {
        let weak = [
            // Orders 1, 2, 4, 4, 8, 8, 8, 8.
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            // Not in canonical form: y = p, p + 1, 2^255 - 1.
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            // No point of the curve.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ]
        for text in weak {
            let key = try PublicKey(kind: .ed25519, data: Self.bytes(text))
            #expect(key.x25519 == nil, "\(text)")
            var world = pair()
            let call = world.call(0, key.peerID, world.nodes[1].address, message("x"))
            #expect(world.error(0, call) == .unsupportedKey)
            #expect(world.sent.isEmpty)
        }
        for seed in UInt8(0)..<20 {
            let pair = KeyPair(seed: [UInt8](repeating: seed, count: 32))
            #expect(pair.publicKey.x25519 == pair.datagramStatic.publicKey)
        }
        // A PeerID of another kind of key.
        var world = pair()
        let hashed = try PeerID("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
        let call = world.call(0, hashed, world.nodes[1].address, message("x"))
        #expect(world.error(0, call) == .unsupportedKey)
    }

    @Test("what is wrong inside an authentic initiation is dropped")
    func malformed() throws {
        var world = DatagramWorld()
        let node = world.add(1, "/ip4/8.8.4.1/udp/4001")
        let key = world.nodes[node].key.publicKey.data
        let peer = DatagramRawPeer(50)
        let packets = [
            try peer.initiation(to: key, length: 511).0,  // too short to be answered
            try peer.initiation(to: key, length: 1201).0,
            try peer.initiation(to: key, flags: 1).0,  // an answer
            try peer.initiation(to: key, flags: 2).0,
            try peer.initiation(to: key, flags: 0x80).0,  // unknown
            try peer.initiation(to: key, tail: 1).0,  // not zeros
        ]
        for (number, packet) in packets.enumerated() {
            world.inject(node, packet, from: elsewhere)
            #expect(world.sent.isEmpty, "packet \(number)")
        }
        world.inject(node, try peer.initiation(to: key, length: 512).0, from: elsewhere)
        #expect(world.sent.count == 1)
        // Our own packets, mirrored.
        let mirror = DatagramRawPeer(1)
        world.inject(node, try mirror.initiation(to: key).0, from: elsewhere)
        #expect(world.sent.count == 1)
        let call = world.call(node, node, "x")
        #expect(world.error(node, call) == .badAddress)
    }

    @Test("a replay from elsewhere is answered and never believed")
    func replayElsewhere() throws {
        var world = pair()
        world.call(0, 1, "x")
        world.run(.seconds(1))
        let initiation = world.sent[0].bytes
        world.inject(1, initiation, from: elsewhere)
        #expect(world.nodes[1].requests.map(\.isConfirmed) == [false, false])
        #expect(world.bytes(from: world.nodes[1].address, to: elsewhere) <= initiation.readableBytes)
        // The response of the replay is not the first one: it has keys of its own.
        #expect(world.sent[1].bytes != world.sent[2].bytes)
        world.run(.seconds(30))
        #expect(world.statistics(1).sessions == 0)
        #expect(world.statistics(1).unconfirmed == 0)
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }

    /// The key of the point with the other sign.
    private static func negative(_ key: [UInt8]) -> [UInt8] { Array(key.dropLast()) + [key[31] ^ 0x80] }
}
