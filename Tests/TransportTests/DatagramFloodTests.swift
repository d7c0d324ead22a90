import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing
import Transport

/// What strangers can do to us, and what they can make us do to others.
@Suite("Datagram floods")
struct DatagramFloodTests {
    /// An address of its own for each number.
    private func source(_ number: Int) -> DatagramAddress {
        DatagramAddress(high: 0, low: 0x0b00_0000 + UInt64(number), port: 9, isIPv6: false)
    }

    @Test("spoofed initiations: memory is flat, no victim gets more than was sent, honest calls work")
    func spoofed() throws {
        var world = pair()
        let target = world.nodes[1].key.publicKey.data
        let flood = try (0..<4).map { try DatagramRawPeer(UInt8(60 + $0)).initiation(to: target, length: 512).0 }
        let honest = world.add(3, "/ip4/5.5.5.5/udp/5")
        var most = 0
        for number in 0..<20_000 {
            // 2,000 a second for ten seconds, each from another address.
            world.inject(1, flood[number % 4], from: source(number))
            if number % 2 == 0 { world.run(.milliseconds(1)) }
            let statistics = world.statistics(1)
            most = max(most, statistics.unconfirmed + statistics.requests + statistics.remembered + statistics.sessions)
            guard number % 4000 == 2000 else { continue }
            let call = world.call(honest, 1, "\(number)", kind: .write)
            for _ in 0..<200 {
                world.inject(1, flood[0], from: source(50_000 + number))
                world.run(.milliseconds(1))
            }
            #expect(world.text(honest, call) == "re: \(number)")
        }
        #expect(most <= 2048 + 4096 + 10)
        #expect(world.statistics(1).handshakesReceived <= 200 + 200 * 12 + 10)
        #expect(world.statistics(1).retriesSent > 15_000)
        let out = Dictionary(grouping: world.sent.filter { $0.from == world.nodes[1].address }, by: \.to)
        for (victim, packets) in out where victim != world.nodes[honest].address {
            let bytes = packets.reduce(0) { $0 + $1.bytes.readableBytes }
            // The ones near a call came often.
            let came = victim.low >= 0x0b00_0000 + 50_000 ? 200 : 1
            #expect(bytes <= 512 * came)
        }
        world.run(.seconds(60))
        #expect(world.statistics(1).unconfirmed == 0)
        #expect(world.statistics(1).requests == 0)
    }

    @Test("the same initiation again and again costs no scalar multiplication and gets the same bytes")
    func replays() throws {
        var world = pair()
        let packet = try DatagramRawPeer(60).initiation(to: world.nodes[1].key.publicKey.data).0
        for _ in 0..<5000 { world.inject(1, packet, from: source(1)) }
        #expect(world.statistics(1).handshakesReceived == 1)
        #expect(world.nodes[1].requests.count == 1)
        #expect(Set(world.sent.map(\.bytes)).count == 1)
        #expect(world.statistics(1).bytesOut <= world.statistics(1).bytesIn)
        // With another token it is the same initiation still.
        var other = packet
        other.setInteger(UInt64(99), at: 24)
        world.inject(1, other, from: source(1))
        #expect(Set(world.sent.map(\.bytes)).count == 1)
    }

    @Test("invented keys: unconfirmed sessions are bounded, confirmed ones untouched")
    func invented() throws {
        var world = pair {
            $0.unconfirmed = 64
            $0.initiationRate = 1_000_000
        }
        for text in ["a", "b"] {
            world.call(0, 1, text)
            world.run(.seconds(1))
        }
        let target = world.nodes[1].key.publicKey.data
        for number in 0..<300 {
            var peer = DatagramRawPeer(0)
            peer.key = KeyPair(seed: (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 2 * 8)) &+ UInt8($0) })
            world.inject(1, try peer.initiation(to: target).0, from: source(number))
            #expect(world.statistics(1).unconfirmed <= 64)
        }
        #expect(world.statistics(1).sessions == 1)
        world.sent = []
        let call = world.call(0, 1, "c")
        world.run(.milliseconds(41))
        #expect(world.text(0, call) == "re: c")
        #expect(world.types(from: 0) == [4])
    }

    @Test("under load a caller proves its address with one more round trip")
    func retry() {
        var world = pair { $0.initiationRate = 0 }
        let call = world.call(0, 1, "x")
        world.run(.milliseconds(81))
        #expect(world.text(0, call) == "re: x")
        #expect(world.types(from: 0) == [1, 1])
        #expect(world.types(from: 1) == [3, 2])
        #expect(world.sent[1].bytes.readableBytes == 24)
        // Byte for byte the same but for the token.
        var first = world.sent[0].bytes
        var second = world.sent[2].bytes
        #expect(first != second)
        for offset in [24, 32] {
            first.setInteger(UInt64(0), at: offset)
            second.setInteger(UInt64(0), at: offset)
        }
        #expect(first == second)
        #expect(world.statistics(1).handshakesReceived == 1)
    }

    @Test("a token is good for its address, and for two to four minutes")
    func tokens() throws {
        for (wait, isGood) in [(Duration.seconds(1), true), (.seconds(125), true), (.seconds(245), false)] {
            var world = pair { $0.initiationRate = 0 }
            let target = world.nodes[1].key.publicKey.data
            world.inject(1, try DatagramRawPeer(60).initiation(to: target).0, from: source(1))
            let retry = world.sent[0].bytes
            world.run(wait)
            for (number, expected) in [(2, false), (1, isGood)] {
                var (packet, _) = try DatagramRawPeer(61).initiation(to: target)
                packet.setBytes(retry.readableBytesView.dropFirst(8), at: 24)
                let before = world.nodes[1].requests.count
                world.inject(1, packet, from: source(number))
                #expect((world.nodes[1].requests.count > before) == expected, "\(wait) source \(number)")
            }
        }
    }

    @Test("retries are believed once, from the address that was asked, for a handshake in flight")
    func forgedRetries() {
        var world = pair()
        world.nodes[1].isDown = true
        world.call(0, 1, "x")
        let index = world.sent[0].bytes.getInteger(at: 4, endianness: .little, as: UInt32.self) ?? 0
        func retry(_ index: UInt32) -> ByteBuffer {
            var packet = ByteBuffer(bytes: [3, 1, 0, 0])
            packet.writeInteger(index, endianness: .little)
            packet.writeRepeatingByte(9, count: 16)
            return packet
        }
        world.inject(0, retry(index), from: source(1))
        world.inject(0, retry(index &+ 1), from: world.nodes[1].address)
        #expect(world.sent.count == 1)
        for _ in 0..<10 { world.inject(0, retry(index), from: world.nodes[1].address) }
        #expect(world.sent.count == 2)
    }

    @Test("a proven source is held to its rate; others are not")
    func rates() {
        var world = pair()
        let other = world.add(3, "/ip4/5.5.5.5/udp/5")
        for node in [0, other] {
            for text in ["a", "b"] {
                world.call(node, 1, text)
                world.run(.seconds(1))
            }
        }
        let before = world.nodes[1].requests.count
        for number in 0..<2000 { world.call(0, 1, "\(number)", deadline: .milliseconds(50)) }
        let call = world.call(other, 1, "x")
        world.run(.milliseconds(60))
        #expect((500...510).contains(world.nodes[1].requests.count - before))
        #expect(world.text(other, call) == "re: x")
        #expect(world.statistics(1).count(of: .limited) > 1400)
    }

    @Test("an address named under many PeerIDs gets two packets, then ten minutes of peace")
    func victim() {
        var world = pair()
        let victim = address("/ip4/6.6.6.6/udp/53")
        func knock(_ number: Int) {
            let peer = KeyPair(seed: [UInt8(number % 256), UInt8(number / 256)] + [UInt8](repeating: 3, count: 30))
                .peerID
            world.call(0, peer, victim, message("x"))
        }
        for number in 0..<300 {
            knock(number)
            world.run(.seconds(1))
        }
        #expect(world.sent.count { $0.to == victim } == 2)
        #expect(world.nodes[0].results.count >= 298)
        world.run(.seconds(610))
        for number in 300..<320 {
            knock(number)
            world.run(.seconds(1))
        }
        #expect(world.sent.count { $0.to == victim } == 4)
    }

    @Test("a public household has four handshakes in flight and sixteen unanswered packets a minute")
    func household() {
        var world = pair()
        let peer = world.nodes[1].key.peerID
        for port in 1...40 { world.call(0, peer, address("/ip4/6.6.6.6/udp/\(port)"), message("x")) }
        #expect(world.sent.count == 4)
        #expect(world.statistics(0).handshakes == 4)
        for port in 41...400 {
            world.call(0, peer, address("/ip6/2a00:1:2:3400::\(port)/udp/1"), message("x"))
            world.call(0, peer, address("/ip4/6.6.6.6/udp/\(port)"), message("x"))
            world.run(.milliseconds(500))
        }
        // Three minutes: no minute saw more than sixteen into either.
        for isIPv6 in [false, true] {
            let times = world.sent.filter { $0.to.isIPv6 == isIPv6 }.map(\.at)
            #expect(times.count >= 30)
            for time in times {
                #expect(times.count { $0 >= time && $0 - time < .seconds(60) } <= 16)
            }
        }
        // An answering peer elsewhere is none the worse for it.
        let call = world.call(0, 1, "x")
        world.run(.seconds(1))
        #expect(world.text(0, call) == "re: x")
    }

    @Test("our own handshakes and calls are bounded")
    func ownBounds() {
        var world = pair {
            $0.handshakes = 10
            $0.calls = 20
        }
        let peer = world.nodes[1].key.peerID
        for number in 0..<50 {
            world.call(0, peer, address("/ip4/10.0.0.\(number)/udp/1"), message("x"))
        }
        #expect(world.statistics(0).handshakes == 10)
        #expect(world.nodes[0].results.count == 40)
        // The same to one peer waits for one handshake, until there are too many calls.
        for _ in 0..<50 { world.call(0, peer, address("/ip4/10.0.0.1/udp/1"), message("x")) }
        #expect(world.statistics(0).calls == 20)
        world.run(.seconds(30))
        #expect(world.nodes[0].results.count == 100)
        #expect(world.statistics(0).handshakes == 0)
    }

    @Test("addresses of no host are not tried")
    func noHost() {
        var world = pair()
        let places = [
            "/ip4/0.0.0.0/udp/1", "/ip4/224.0.0.1/udp/1", "/ip4/255.255.255.255/udp/1", "/ip6/ff02::1/udp/1",
            "/ip4/1.1.1.1/udp/0",
        ]
        for text in places {
            let call = world.call(0, world.nodes[1].key.peerID, address(text), message("x"))
            #expect(world.error(0, call) == .badAddress, "\(text)")
        }
        #expect(world.sent.isEmpty)
    }
}
