import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing
import Transport

/// How sessions begin anew, end, and make room.
@Suite("Datagram sessions")
struct DatagramSessionTests {
    /// Two nodes with a session that both have proven.
    private func warm(_ change: (inout DatagramConfiguration) -> Void = { _ in }) -> DatagramWorld {
        var world = pair(change)
        for text in ["a", "b"] {
            world.call(0, 1, text)
            world.run(.seconds(1))
        }
        world.sent = []
        return world
    }

    @Test("a peer that restarted costs one timeout", arguments: [DatagramKind.read, .write])
    func restart(kind: DatagramKind) {
        var world = warm()
        world.restart(1, luckSeed: 99)
        let call = world.call(0, 1, "x", kind: kind)
        world.run(.milliseconds(kind == .read ? 200 : 240))
        #expect(world.text(0, call) == "re: x")
        #expect(world.types(from: 0) == (kind == .read ? [4, 1] : [4, 1, 4]))
        #expect(world.statistics(1).count(of: .unknownIndex) == 1)
    }

    @Test("who restarted himself just begins anew")
    func ownRestart() {
        var world = warm()
        world.restart(0, luckSeed: 98)
        let call = world.call(0, 1, "x")
        world.run(.milliseconds(41))
        #expect(world.text(0, call) == "re: x")
    }

    @Test("a new address costs one timeout, and the old session stays where it was")
    func rebinding() {
        var world = warm()
        world.nodes[0].address = address("/ip4/8.8.4.1/udp/999")
        let call = world.call(0, 1, "x")
        world.run(.milliseconds(200))
        #expect(world.text(0, call) == "re: x")
        #expect(world.types(from: 0) == [4, 1])
        #expect(world.statistics(1).count(of: .wrongAddress) == 1)
        // Nothing was ever sent to the new address before its own initiation came.
        #expect(world.types(from: 1) == [2])
    }

    @Test("keys are renewed after ten minutes by whoever sends next")
    func age() {
        var world = warm()
        for minute in 0..<8 {
            let call = world.call(minute % 2, 1 - minute % 2, "x")
            world.run(.seconds(90))
            #expect(world.text(minute % 2, call) == "re: x")
        }
        let renewals = world.sent.filter { $0.bytes.readableBytesView.first == 1 }
        #expect(renewals.count == 1)
        #expect((renewals.first?.at ?? .zero) - Instant(nanoseconds: 1_000_000_000) >= .seconds(600))
    }

    @Test("keys are renewed when they have seen their number of packets")
    func use() {
        var world = warm { $0.packetsPerKey = 50 }
        for number in 0..<120 {
            let call = world.call(0, 1, "\(number)")
            world.run(.milliseconds(50))
            #expect(world.text(0, call) == "re: \(number)")
        }
        #expect(world.types(from: 0).filter { $0 == 1 }.count == 2)
    }

    @Test("a session ends after three silent minutes, an unproven one after seconds")
    func idle() {
        var world = warm()
        world.run(.seconds(170))
        #expect(world.statistics(0).sessions == 1)
        world.run(.seconds(20))
        #expect(world.statistics(0).sessions == 0)
        #expect(world.statistics(1).sessions == 0)
        world.call(0, 1, "x")
        world.run(.seconds(5))
        world.sent = []
        world.call(0, 1, "y")
        world.run(.seconds(1))
        #expect(world.types(from: 0) == [4])

        // One answered initiation and nothing more: the responder forgets in ten seconds, we stop at eight.
        var other = pair()
        other.call(0, 1, "x")
        other.run(.seconds(9))
        other.sent = []
        let call = other.call(0, 1, "y")
        other.run(.milliseconds(41))
        #expect(other.text(0, call) == "re: y")
        #expect(other.types(from: 0) == [1])
        other.run(.seconds(60))
        #expect(other.statistics(0).sessions == 0)
        #expect(other.statistics(1).unconfirmed == 0)
        #expect(other.statistics(1).remembered == 0)
        #expect(other.statistics(1).requests == 0)
    }

    @Test("a private lookup goes under a throwaway name, on a session of its own")
    func privateLookup() {
        var world = warm()
        world.nodes[1].requests = []
        let calls = ["x", "y"].map { text in
            let call = world.call(0, 1, text, isPrivate: true)
            world.run(.seconds(1))
            return world.text(0, call)
        }
        #expect(calls == ["re: x", "re: y"])
        #expect(world.types(from: 0) == [1, 4, 4])
        #expect(world.sent[0].bytes.readableBytes == 512)
        let names = Set(world.nodes[1].requests.map(\.peer))
        #expect(names.count == 1 && !names.contains(world.nodes[0].key.peerID))
        #expect(world.nodes[1].requests.map(\.isConfirmed) == [false, true, true])
        // The throwaway name can be asked nothing.
        if let name = names.first {
            let back = world.call(1, world.nodes[0].key.peerID, world.nodes[0].address, message("z"))
            let hidden = world.call(1, name, world.nodes[0].address, message("z"))
            world.run(.seconds(10))
            #expect(world.text(1, back) == "re: z")
            #expect(world.error(1, hidden) == .timeout)
        }
        // And another name after ten minutes.
        world.run(.seconds(700))
        world.nodes[1].requests = []
        world.call(0, 1, "x", isPrivate: true)
        world.run(.seconds(1))
        #expect(world.nodes[1].requests.count == 2)
        #expect(world.nodes[1].requests.allSatisfy { !names.contains($0.peer) })
    }

    @Test("closing a peer fails its calls and begins anew")
    func close() {
        var world = warm()
        let call = world.call(0, 1, "x")
        world.feed(0, .close(world.nodes[1].key.peerID))
        #expect(world.error(0, call) == .closed)
        #expect(world.statistics(0).sessions == 0)
        let next = world.call(0, 1, "y")
        world.run(.seconds(1))
        #expect(world.text(0, next) == "re: y")
    }

    @Test("a cancelled call is never completed, and leaves nothing behind")
    func cancel() {
        var world = pair()
        world.nodes[1].isDown = true
        let call = world.call(0, 1, "x")
        world.feed(0, .cancel(DatagramCallID(call)))
        world.run(.seconds(20))
        #expect(world.nodes[0].results.isEmpty)
        #expect(world.statistics(0).calls == 0)
        #expect(world.statistics(0).handshakes == 0)
        // Nobody wanted it any more, so it was not repeated.
        #expect(world.types(from: 0) == [1])
    }

    @Test("sessions are bounded, per household and in all; the longest silent goes first")
    func bounds() {
        var world = DatagramWorld()
        _ = world.add(1, "/ip4/8.8.4.1/udp/4001") {
            $0.sessions = 6
            $0.sessionsPerHousehold = 3
        }
        for number in UInt8(0)..<9 {
            // Five behind one address, four elsewhere.
            let place = number < 5 ? "/ip4/9.9.9.9/udp/\(100 + Int(number))" : "/ip4/7.7.7.\(number)/udp/1"
            let node = world.add(10 + number, place)
            for text in ["a", "b"] {
                let call = world.call(node, 0, text)
                world.run(.seconds(1))
                #expect(world.text(node, call) == "re: \(text)")
            }
            #expect(world.statistics(0).sessions == [1, 2, 3, 3, 3, 4, 5, 6, 6][Int(number)])
        }
        // Who was pushed out notices a timeout, no more.
        let call = world.call(1, 0, "again")
        world.run(.seconds(1))
        #expect(world.text(1, call) == "re: again")
    }

    @Test("a household of IPv6 is a /56")
    func household() {
        let one = address("/ip6/2a00:1:2:3400::1/udp/1").household
        #expect(one == address("/ip6/2a00:1:2:34ff:5::1/udp/2").household)
        #expect(one != address("/ip6/2a00:1:2:3500::1/udp/1").household)
        #expect(address("/ip4/1.2.3.4/udp/1").household != address("/ip4/1.2.3.5/udp/1").household)
    }

    @Test("IPv4 inside IPv6 is IPv4")
    func mapped() {
        let mapped = DatagramAddress(
            high: 0, low: 0xffff_0102_0304, port: 5, isIPv6: true)
        #expect(mapped == address("/ip4/1.2.3.4/udp/5"))
        #expect(address("/ip6/::ffff:1.2.3.4/udp/5") == mapped)
        #expect(mapped.multiaddr == (try? Multiaddr("/ip4/1.2.3.4/udp/5")))
        #expect(address("/ip6/fe80::1/udp/5").multiaddr.description == "/ip6/fe80::1/udp/5")
        for text in ["/ip4/1.2.3.4/tcp/5", "/ip4/1.2.3.4/udp/5/quic-v1", "/dns4/example.org/udp/5", "/ip4/1.2.3.4"] {
            #expect((try? Multiaddr(text)).flatMap { DatagramAddress($0) } == nil, "\(text)")
        }
    }

    @Test("the replay window is a set of the last 1,024 counters", arguments: UInt64(1)...20)
    func window(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = ReplayWindow()
        var seen: Set<UInt64> = []
        var highest: UInt64 = 0
        for _ in 0..<4000 {
            let jump = [1, 3, 70, 1100, 5000][Int(generator.next() % 5)] as UInt64
            let back = generator.next() % 2 == 0 ? generator.next() % 1200 : 0
            let counter = highest + generator.next() % jump - min(back, highest)
            let expected =
                !seen.contains(counter) && (seen.isEmpty || counter > highest || highest - counter < ReplayWindow.size)
            #expect(window.accepts(counter) == expected, "seed \(seed) counter \(counter) highest \(highest)")
            guard expected else { continue }
            window.mark(counter)
            seen.insert(counter)
            highest = max(highest, counter)
        }
        #expect(!window.accepts(.max))
    }
}
