import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing
import Transport

/// Two cores and the network between them: what arrives, how often, and what it costs.
@Suite("Datagram exchanges")
struct DatagramExchangeTests {
    @Test("a stranger is asked in one round trip; the next request confirms the session")
    func oneRoundTrip() {
        var world = pair()
        let first = world.call(0, 1, "one")
        world.run(.milliseconds(41))
        #expect(world.text(0, first) == "re: one")
        #expect(world.types(from: 0) == [1])
        #expect(world.types(from: 1) == [2])
        #expect(world.nodes[0].alive == [world.nodes[1].key.peerID])
        #expect(world.nodes[1].requests.map(\.isConfirmed) == [false])
        #expect(world.nodes[1].requests.map(\.peer) == [world.nodes[0].key.peerID])
        #expect(world.statistics(1).sessions == 0)
        #expect(world.statistics(1).unconfirmed == 1)
        let second = world.call(0, 1, "two")
        world.run(.milliseconds(41))
        #expect(world.text(0, second) == "re: two")
        #expect(world.types(from: 0) == [1, 4])
        #expect(world.nodes[1].requests.map(\.isConfirmed) == [false, true])
        #expect(world.statistics(1).sessions == 1)
        // Only an answered initiation of its own shows a node that the other lives.
        #expect(world.nodes[1].alive.isEmpty)
        // A confirmed session carries requests both ways.
        let back = world.call(1, 0, "three")
        world.run(.milliseconds(41))
        #expect(world.text(1, back) == "re: three")
        #expect(world.types(from: 1) == [2, 4, 4])
    }

    @Test("a write goes on a session only, which a short PING opens")
    func write() {
        var world = pair()
        let call = world.call(0, 1, "put", kind: .write)
        world.run(.milliseconds(81))
        #expect(world.text(0, call) == "re: put")
        #expect(world.types(from: 0) == [1, 4])
        #expect(world.sent[0].bytes.readableBytes == 512)
        #expect(world.nodes[1].requests.map(\.isConfirmed) == [false, true])
        #expect(world.nodes[1].requests[0].message == ping)
    }

    @Test("lengths are those of the specification")
    func lengths() {
        let cases: [(count: Int, types: [UInt8], error: DatagramError?)] = [
            (0, [1], nil), (1024, [1], nil), (1025, [1, 4], nil), (1160, [1, 4], nil), (1161, [], .tooLarge),
        ]
        for (count, types, error) in cases {
            var world = pair()
            world.nodes[1].answer = { ask in ByteBuffer(repeating: 7, count: ask.room) }
            let request = ByteBuffer(repeating: 5, count: count)
            let call = world.call(0, world.nodes[1].key.peerID, world.nodes[1].address, request)
            world.run(.seconds(1))
            #expect(world.types(from: 0) == types, "\(count)")
            #expect(world.error(0, call) == error, "\(count)")
            #expect(world.sent.allSatisfy { $0.bytes.readableBytes <= 1200 })
            guard error == nil else { continue }
            #expect(world.nodes[1].requests.last?.message == request)
            #expect(world.nodes[1].requests.last?.room == (types.count == 1 ? 1132 : 1160))
            #expect(world.sent.last?.bytes.readableBytes == 1200)
        }
        // A PING is padded less and has room for less.
        var world = pair()
        world.call(0, world.nodes[1].key.peerID, world.nodes[1].address, ping)
        world.run(.seconds(1))
        #expect(world.sent[0].bytes.readableBytes == 512)
        #expect(world.nodes[1].requests[0].room == 512 - 68)
    }

    @Test("an answer that is too long for its room is not sent")
    func tooLong() {
        var world = pair()
        world.nodes[1].answer = { ask in ByteBuffer(repeating: 1, count: ask.room + 1) }
        world.call(0, 1, "x")
        world.run(.seconds(1))
        #expect(world.types(from: 1).isEmpty)
        #expect(world.statistics(1).answersTooLong == 1)
    }

    @Test("offset and `more` come through", arguments: [UInt8(0), 20, 255])
    func more(offset: UInt8) {
        var world = pair()
        for _ in 0..<2 {
            world.nodes[1].answer = { _ in nil }
            let call = world.call(0, 1, "x", offset: offset)
            world.run(.milliseconds(21))
            guard let ask = world.nodes[1].requests.last else { Issue.record("nothing asked"); return }
            #expect(ask.offset == offset)
            world.feed(1, .answer(ask.serial, message("part"), isWhole: false))
            world.run(.milliseconds(21))
            guard case .success(let answer)? = world.nodes[0].results[call] else {
                Issue.record("no answer")
                return
            }
            #expect(!answer.isWhole)
        }
    }

    @Test("any one packet may be lost, any two of a session's", arguments: 0..<8)
    func loss(lost: Int) {
        for kind in [DatagramKind.read, .write] {
            for warm in [false, true] {
                var world = pair()
                if warm {
                    world.call(0, 1, "warm")
                    world.run(.seconds(1))
                    world.call(0, 1, "warmer")
                    world.run(.seconds(1))
                }
                let before = world.sent.count
                var seen = 0
                world.fate = { _ in
                    defer { seen += 1 }
                    return seen == lost ? [] : [DatagramWorld.latency]
                }
                let call = world.call(0, 1, "x", kind: kind)
                world.run(.seconds(10))
                #expect(world.text(0, call) == "re: x", "\(kind) warm \(warm)")
                #expect(world.sent.count - before <= 8)
                #expect(world.statistics(0).calls == 0)
                #expect(world.statistics(0).handshakes == 0)
            }
        }
    }

    @Test("a lost response is repeated byte for byte, and nothing is computed twice")
    func lostResponse() {
        var world = pair()
        world.fate = { packet in
            packet.bytes.readableBytesView.first == 2 && packet.at < Instant(nanoseconds: 1_100_000_000)
                ? [] : [DatagramWorld.latency]
        }
        let call = world.call(0, 1, "x")
        world.run(.seconds(2))
        #expect(world.text(0, call) == "re: x")
        #expect(world.types(from: 0) == [1, 1])
        #expect(world.sent[0].bytes == world.sent[2].bytes)
        #expect(world.sent[1].bytes == world.sent[3].bytes)
        #expect(world.nodes[1].requests.count == 1)
        #expect(world.statistics(1).handshakesReceived == 1)
        #expect(world.statistics(1).responsesRepeated == 1)
    }

    @Test("doubled packets are answered once")
    func duplication() {
        var world = pair()
        world.fate = { _ in [DatagramWorld.latency, DatagramWorld.latency + .milliseconds(3)] }
        for number in 0..<20 {
            let call = world.call(0, 1, "\(number)", kind: number % 3 == 0 ? .write : .read)
            world.run(.seconds(1))
            #expect(world.text(0, call) == "re: \(number)")
        }
        let asked = world.nodes[1].requests.filter { $0.message != ping }.map { String(buffer: $0.message) }
        #expect(asked == (0..<20).map { "\($0)" })
        #expect(world.statistics(1).count(of: .replayed) >= 19)
        #expect(world.statistics(1).sessions == 1)
    }

    @Test("with a fifth of all packets lost, some doubled and all out of order, nearly every call is answered")
    func chaos() {
        for seed in UInt64(1)...5 {
            var world = pair()
            // Addresses that never answered are not tried for long; here both are known.
            world.call(0, 1, "warm")
            world.call(1, 0, "warm")
            world.run(.seconds(1))
            var generator = SeededGenerator(seed: seed)
            world.fate = { _ in
                guard generator.next() % 5 != 0 else { return [] }
                func delay() -> Duration { .milliseconds(Int64(generator.next() % 80)) }
                return generator.next() % 10 == 0 ? [delay(), delay()] : [delay()]
            }
            var calls: [UInt64] = []
            for number in 0..<300 {
                calls.append(
                    world.call(number % 2, 1 - number % 2, "\(number)", kind: number % 7 == 0 ? .write : .read))
                world.run(.milliseconds(Int64(generator.next() % 2000)))
            }
            world.run(.seconds(30))
            let answered = calls.enumerated().filter { world.text($0.offset % 2, $0.element) == "re: \($0.offset)" }
                .count
            // A call has three tries, a write needs two round trips, and each try loses 36 % of its round trips;
            // what is left over goes to TCP.
            #expect(answered >= 270, "seed \(seed): \(answered)")
            #expect(world.nodes[0].results.count + world.nodes[1].results.count == 302, "seed \(seed)")
            #expect(world.statistics(0).calls == 0)
        }
    }

    @Test("initiations that cross both complete, and each side then sends on its newest session")
    func crossing() {
        var world = pair()
        let one = world.call(0, 1, "a")
        let other = world.call(1, 0, "b")
        world.run(.milliseconds(41))
        #expect(world.text(0, one) == "re: a")
        #expect(world.text(1, other) == "re: b")
        let third = world.call(0, 1, "c")
        let fourth = world.call(1, 0, "d")
        world.run(.milliseconds(41))
        #expect(world.text(0, third) == "re: c")
        #expect(world.text(1, fourth) == "re: d")
        #expect(world.types(from: 0).filter { $0 == 1 }.count == 1)
        #expect(world.types(from: 1).filter { $0 == 1 }.count == 1)
        #expect(world.statistics(0).sessions == 2)
        #expect(world.statistics(1).sessions == 2)
    }

    @Test("calls to one stranger at a time share a handshake")
    func joining() {
        var world = pair()
        let calls = (0..<30).map { world.call(0, 1, "\($0)", kind: $0 % 2 == 0 ? .read : .write) }
        world.run(.seconds(1))
        for (number, call) in calls.enumerated() { #expect(world.text(0, call) == "re: \(number)") }
        #expect(world.types(from: 0).filter { $0 == 1 }.count == 1)
    }

    @Test("nobody at home: two packets, then a timeout")
    func silence() {
        var world = pair()
        world.nodes[1].isDown = true
        let call = world.call(0, 1, "x")
        world.run(.milliseconds(1499))
        #expect(world.nodes[0].results.isEmpty)
        world.run(.milliseconds(2))
        #expect(world.error(0, call) == .timeout)
        #expect(world.types(from: 0) == [1, 1])
        // The same whatever the peer: a deadline comes first where it is shorter.
        let other = world.call(0, 1, "y", at: address("/ip4/8.8.8.8/udp/1"), deadline: .milliseconds(100))
        world.run(.milliseconds(101))
        #expect(world.error(0, other) == .timeout)
    }

    @Test("the same luck gives the same packets")
    func determinism() {
        func run() -> [ByteBuffer] {
            var world = pair()
            for number in 0..<10 {
                world.call(number % 2, 1 - number % 2, "\(number)")
                world.run(.milliseconds(15))
            }
            return world.sent.map(\.bytes)
        }
        #expect(run() == run())
    }
}
