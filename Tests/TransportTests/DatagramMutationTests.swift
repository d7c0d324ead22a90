import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing
import Transport

/// Packets that were damaged on the way, or made up.
@Suite("Damaged datagrams")
struct DatagramMutationTests {
    /// A packet, the core that it is about to reach, and the bytes of it that nothing authenticates.
    private struct Delivery {
        let name: String
        let world: DatagramWorld
        let node: Int
        let packet: DatagramWorld.Packet
        var open: Range<Int> = 0..<0
    }

    /// One of each type, a moment before it arrives.
    private func deliveries() throws -> [Delivery] {
        var result: [Delivery] = []
        var world = pair()
        func arriving(_ name: String, at node: Int, open: Range<Int> = 0..<0) throws {
            let packet = try #require(world.flying.first)
            result.append(Delivery(name: name, world: world, node: node, packet: packet, open: open))
        }
        world.call(0, 1, "one")
        // The token is not authenticated: it is checked by itself.
        try arriving("initiation", at: 1, open: 24..<40)
        world.run(.milliseconds(21))
        try arriving("response", at: 0)
        world.run(.milliseconds(21))
        world.call(0, 1, "two")
        try arriving("confirmation", at: 1)
        world.run(.milliseconds(21))
        try arriving("answer", at: 0)
        world.run(.milliseconds(21))
        world.call(1, 0, "three")
        try arriving("request", at: 0)
        var loaded = pair { $0.initiationRate = 0 }
        loaded.call(0, 1, "one")
        loaded.run(.milliseconds(21))
        let retry = try #require(loaded.flying.first)
        result.append(Delivery(name: "retry", world: loaded, node: 0, packet: retry, open: 8..<24))
        return result
    }

    /// What a packet does to a node: packets sent, requests heard, calls ended.
    private func outcome(_ delivery: Delivery, _ bytes: ByteBuffer) -> [Int] {
        var world = delivery.world
        let before = world.sent.count + world.nodes[delivery.node].requests.count
        let ended = world.nodes[delivery.node].results.count
        world.inject(delivery.node, bytes, from: delivery.packet.from)
        let node = world.nodes[delivery.node]
        return [world.sent.count + node.requests.count - before, node.results.count - ended]
    }

    @Test("every truncation and every flipped bit is dropped without an answer")
    func everyChange() throws {
        for delivery in try deliveries() {
            let whole = delivery.packet.bytes
            #expect(outcome(delivery, whole) != [0, 0], "\(delivery.name)")
            for length in 0..<whole.readableBytes {
                let piece = try #require(whole.getSlice(at: whole.readerIndex, length: length))
                #expect(outcome(delivery, piece) == [0, 0], "\(delivery.name) cut to \(length)")
            }
            for bit in 0..<whole.readableBytes * 8 where !delivery.open.contains(bit / 8) {
                // The long initiation: all of its head, then every seventh bit.
                if bit > 1600, bit % 7 != 0 { continue }
                var damaged = whole
                let index = damaged.readerIndex + bit / 8
                damaged.setInteger((damaged.getInteger(at: index) ?? UInt8(0)) ^ 1 << UInt8(bit % 8), at: index)
                #expect(outcome(delivery, damaged) == [0, 0], "\(delivery.name) bit \(bit)")
            }
            // And one byte more.
            var longer = whole
            longer.writeInteger(UInt8(0))
            #expect(outcome(delivery, longer) == [0, 0], "\(delivery.name) longer")
            // From elsewhere: only an initiation may come from anywhere.
            var world = delivery.world
            let before = world.sent.count
            world.inject(delivery.node, whole, from: address("/ip4/8.8.8.8/udp/8"))
            #expect((world.sent.count > before) == (delivery.name == "initiation"), "\(delivery.name) from elsewhere")
        }
    }

    @Test("noise of every length and type is dropped without an answer", arguments: UInt64(1)...5)
    func noise(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let delivery = try deliveries()[Int(seed) % 6]
        for _ in 0..<2000 {
            let length = Int(generator.next() % 1300)
            var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            if length > 8 {
                bytes.replaceSubrange(0..<4, with: [UInt8(generator.next() % 5), 1, 0, 0])
                // Half of them with the index that something is waiting for.
                if generator.next() % 2 == 0 {
                    bytes.replaceSubrange(4..<8, with: delivery.packet.bytes.readableBytesView.dropFirst(4).prefix(4))
                }
                // A retry of the right length, index and source needs nothing more.
                if length == 24, bytes[0] == 3 { continue }
            }
            #expect(outcome(delivery, ByteBuffer(bytes: bytes)) == [0, 0], "seed \(seed) \(bytes.prefix(24))")
        }
    }
}
