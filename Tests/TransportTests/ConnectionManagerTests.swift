import Multiformats
import PeerCrypto
import SansIO
import Testing
import Transport

@Suite struct ConnectionManagerTests {
    static func manager(_ change: (inout TransportLimits) -> Void = { _ in }) -> ConnectionManager {
        var limits = TransportLimits()
        change(&limits)
        return ConnectionManager(limits: limits)
    }

    static func ip(_ number: Int) -> IPAddress {
        IPAddress([10, UInt8(number >> 16 & 255), UInt8(number >> 8 & 255), UInt8(number & 255)])
    }
    static func seconds(_ count: Double) -> Instant { .zero + .nanoseconds(Int64(count * 1e9)) }
    static func peer(_ number: Int) -> PeerID {
        KeyPair(seed: [UInt8](repeating: UInt8(number & 255), count: 31) + [UInt8(number >> 8)]).peerID
    }

    @Test("The oldest half-open connection gives way, an established one never does for it")
    func dropOldest() {
        var manager = Self.manager { $0.transientInbound = 3 }
        #expect(manager.admit(1, from: Self.ip(1), now: Self.seconds(1)) == .accept)
        #expect(manager.establish(1, peer: Self.peer(1), now: Self.seconds(1)) == nil)
        for id in 2...4 {
            #expect(manager.admit(UInt64(id), from: Self.ip(id), now: Self.seconds(Double(id))) == .accept)
        }
        #expect(manager.admit(5, from: Self.ip(5), now: Self.seconds(5)) == .acceptDropping(2))
        #expect(manager.admit(6, from: Self.ip(6), now: Self.seconds(6)) == .acceptDropping(3))
        #expect(manager.transientInbound == 3)
        // The dropped one closes later; that must not free a second slot.
        manager.closed(2)
        #expect(manager.admit(7, from: Self.ip(7), now: Self.seconds(7)) == .acceptDropping(4))
    }

    @Test("Two thousand connections a second from two hundred addresses never keep a newcomer out")
    func flood() {
        var manager = Self.manager()
        var dropped = 0
        for index in 0..<20_000 {
            let now = Self.seconds(Double(index) / 2_000)
            if case .acceptDropping = manager.admit(UInt64(index), from: Self.ip(index % 200), now: now) {
                dropped += 1
            }
            if index % 997 == 0 {
                let newcomer = UInt64(1_000_000 + index)
                let admission = manager.admit(newcomer, from: Self.ip(1_000 + index), now: now)
                #expect(admission == .accept || { if case .acceptDropping = admission { true } else { false } }())
                #expect(manager.establish(newcomer, peer: Self.peer(index), now: now) == nil)
                manager.closed(newcomer)
            }
        }
        #expect(manager.count <= 24)
        #expect(dropped > 1_000)
    }

    @Test("An address gets eight connections; its own half-open one gives way before it is refused")
    func perAddress() {
        var manager = Self.manager { $0.newConnectionBurst = 100 }
        for id in 1...8 {
            #expect(manager.admit(UInt64(id), from: Self.ip(1), now: .zero) == .accept)
            if id > 1 { #expect(manager.establish(UInt64(id), peer: Self.peer(id), now: .zero) == nil) }
        }
        #expect(manager.admit(9, from: Self.ip(1), now: .zero) == .acceptDropping(1))
        #expect(manager.establish(9, peer: Self.peer(9), now: .zero) == nil)
        #expect(manager.admit(10, from: Self.ip(1), now: .zero) == .refuse(reason: "connections-per-address"))
        #expect(manager.admit(11, from: Self.ip(2), now: .zero) == .accept)
        manager.closed(9)
        #expect(manager.admit(12, from: Self.ip(1), now: .zero) == .accept)
    }

    @Test("New connections of an address: sixteen at once, then one in five seconds; IPv6 by /48")
    func rate() {
        var manager = Self.manager()
        var id: UInt64 = 0
        func accepted(_ address: IPAddress, _ count: Int, at time: Double) -> Int {
            (0..<count).count { _ in
                id += 1
                defer { manager.closed(id) }
                return manager.admit(id, from: address, now: Self.seconds(time)) == .accept
            }
        }
        #expect(accepted(Self.ip(1), 20, at: 0) == 16)
        #expect(accepted(Self.ip(1), 5, at: 4.9) == 0)
        #expect(accepted(Self.ip(1), 5, at: 5.1) == 1)
        #expect(accepted(Self.ip(2), 20, at: 5.1) == 16)
        let six = (0..<100).map {
            IPAddress([0x20, 1, 0xd, 0xb8, 0, 1, 0, UInt8($0)] + [UInt8](repeating: 9, count: 8))
        }
        #expect(six.reduce(0) { $0 + accepted($1, 1, at: 6) } == 80)
        #expect(accepted(IPAddress([127, 0, 0, 1]), 100, at: 6) == 100)
    }

    @Test("The hard limits hold, and protected connections outlast others")
    func hardLimits() {
        var manager = Self.manager()
        for id in 0..<96 {
            #expect(manager.admit(UInt64(id), from: Self.ip(id), now: .zero) == .accept)
            #expect(manager.establish(UInt64(id), peer: Self.peer(id), now: .zero) == nil)
        }
        // All of them are new: the newcomer waits.
        #expect(manager.admit(100, from: Self.ip(200), now: Self.seconds(1)) == .refuse(reason: "connections"))
        // After the grace time the least valuable makes room.
        for id in 1..<96 { manager.tag(Self.peer(id), "useful", value: 5) }
        #expect(manager.admit(101, from: Self.ip(201), now: Self.seconds(30)) == .acceptDropping(0))
        for id in 0..<32 {
            #expect(
                manager.admitOutbound(UInt64(1_000 + id), now: Self.seconds(31))
                    != .refuse(reason: "outbound-connections"))
        }
        #expect(manager.count <= 128)
        for id in 32..<64 { _ = manager.admitOutbound(UInt64(1_000 + id), now: Self.seconds(31)) }
        #expect(manager.count <= 128)
        #expect(manager.admitOutbound(9_999, now: Self.seconds(31)) == .refuse(reason: "outbound-connections"))
    }

    @Test("Above the high-water mark the least valuable go, down to the low one; new and protected ones stay")
    func trim() {
        var manager = Self.manager {
            $0.lowWater = 4
            $0.highWater = 8
        }
        for id in 0..<10 {
            _ = manager.admit(UInt64(id), from: Self.ip(id), now: Self.seconds(Double(id)))
            _ = manager.establish(UInt64(id), peer: Self.peer(id), now: Self.seconds(Double(id)))
        }
        manager.tag(Self.peer(5), "bitswap", value: 10)
        manager.tag(Self.peer(6), "bitswap", value: 10)
        manager.tag(Self.peer(6), "dht", value: 1)
        manager.protect(Self.peer(9), "pinned")
        #expect(manager.trim(now: Self.seconds(12)) == [])
        // Of equal value the younger go first; the last two are within their grace time at 27 s.
        #expect(manager.trim(now: Self.seconds(27)) == [7, 4, 3, 2, 1, 0])
        #expect(manager.trim(now: Self.seconds(60)) == [])
        #expect(manager.count == 4)
    }

    @Test("Four connections of one peer at most")
    func perPeer() {
        var manager = Self.manager()
        for id in 0..<5 {
            _ = manager.admit(UInt64(id), from: Self.ip(id), now: .zero)
            #expect(
                manager.establish(UInt64(id), peer: Self.peer(1), now: .zero) == (id < 4 ? nil : "connections-per-peer")
            )
        }
    }

    @Test(
        "Ranges contain what they should",
        arguments: [
            ("127.0.0.0/8", [127, 1, 2, 3], true), ("127.0.0.0/8", [128, 0, 0, 1], false),
            ("10.1.2.128/25", [10, 1, 2, 200], true), ("10.1.2.128/25", [10, 1, 2, 100], false),
            ("0.0.0.0/0", [9, 9, 9, 9], true), ("192.168.1.1", [192, 168, 1, 1], true),
            ("192.168.1.1", [192, 168, 1, 2], false),
            ("::1", [UInt8](repeating: 0, count: 15) + [1], true), ("::ffff:10.0.0.0", [10, 0, 0, 0], true),
            ("2001:db8::/32", [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 7, count: 12), true),
        ] as [(String, [UInt8], Bool)])
    func ranges(_ text: String, _ address: [UInt8], _ isInside: Bool) throws {
        #expect(try IPRange(text).contains(IPAddress(address)) == isInside)
    }

    @Test(
        "Text that is no range is refused",
        arguments: ["", "127.0.0.1/33", "127.0.0/8", "x", "1.2.3.4/-1", "::1/129", "1.2.3.4/8/8"])
    func noRange(_ text: String) {
        #expect(throws: MultiformatError.self) { try IPRange(text) }
    }
}
