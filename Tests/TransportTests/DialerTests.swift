import Multiformats
import PeerCrypto
import SansIO
import Testing
import Transport

@Suite struct DialerTests {
    static let peer = KeyPair(seed: [UInt8](repeating: 3, count: 32)).peerID

    static func addresses(_ texts: String...) -> [Multiaddr] { texts.map { try! Multiaddr($0) } }

    /// A dialer with a clock that collects what it does.
    struct Bench {
        var dialer = Dialer(limits: TransportLimits())
        var now = Instant.zero

        mutating func tell(_ input: Dialer.Input) -> [Dialer.Effect] {
            var effects: [Dialer.Effect] = []
            dialer.handle(input, now: now, into: &effects)
            return effects
        }

        mutating func dial(_ addresses: [Multiaddr], isForced: Bool = false) -> [Dialer.Effect] {
            tell(.dial(DialerTests.peer, addresses: addresses, isForced: isForced))
        }

        mutating func advance(_ duration: Duration) -> [Dialer.Effect] {
            now = now + duration
            var effects: [Dialer.Effect] = []
            dialer.tick(now: now, into: &effects)
            return effects
        }
    }

    @Test("The nearest first, IPv6 before IPv4; what cannot be dialled is left out")
    func ranking() {
        let mixed = Self.addresses(
            "/ip4/1.2.3.4/tcp/1", "/dns4/example.com/tcp/1", "/ip4/192.168.0.1/tcp/1", "/ip6/2001:db9::1/tcp/1",
            "/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip4/1.2.3.4/udp/1/quic-v1", "/ip4/1.2.3.4/tcp/1/ws",
            "/ip4/0.0.0.0/tcp/1", "/ip4/1.2.3.4/tcp/0", "/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/tcp/1/p2p/\(Self.peer)/p2p-circuit", "/ip4/192.168.0.1/tcp/1/p2p/\(Self.peer)")
        #expect(
            AddressPolicy.ranked(mixed).map(\.description) == [
                "/ip6/::1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip4/192.168.0.1/tcp/1", "/ip6/2001:db9::1/tcp/1",
                "/ip4/1.2.3.4/tcp/1", "/dns4/example.com/tcp/1",
            ])
    }

    @Test("One address is dialled at once; the next starts after 250 ms or when the first fails")
    func stagger() {
        let list = Self.addresses("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3")
        var bench = Bench()
        #expect(bench.dial(list) == [.attempt(1, Self.peer, list[0])])
        #expect(bench.dialer.deadline == .zero + .milliseconds(250))
        #expect(bench.advance(.milliseconds(249)) == [])
        #expect(bench.advance(.milliseconds(1)) == [.attempt(2, Self.peer, list[1])])
        #expect(bench.tell(.attemptFailed(1, .refused)) == [.attempt(3, Self.peer, list[2])])
        #expect(bench.tell(.attemptSucceeded(3)) == [.cancel(2)])
        #expect(bench.dialer.deadline == nil)
    }

    @Test("A second caller joins the dial and may bring addresses")
    func shared() {
        let list = Self.addresses("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2")
        var bench = Bench()
        #expect(bench.dial([list[0]]) == [.attempt(1, Self.peer, list[0])])
        #expect(bench.dial(list) == [])
        #expect(bench.advance(.milliseconds(250)) == [.attempt(2, Self.peer, list[1])])
        #expect(bench.tell(.attemptFailed(2, .timeout)) == [])
        #expect(bench.tell(.attemptFailed(1, .refused)) == [.failed(Self.peer, .refused)])
    }

    @Test("An address that failed rests, twice as long each time; a forced dial tries it all the same")
    func backoff() {
        let list = Self.addresses("/ip4/127.0.0.1/tcp/1")
        var bench = Bench()
        for (attempt, rest) in [(UInt64(1), 5), (2, 10), (3, 20)] {
            #expect(bench.dial(list) == [.attempt(attempt, Self.peer, list[0])])
            #expect(bench.tell(.attemptFailed(attempt, .refused)) == [.failed(Self.peer, .refused)])
            #expect(bench.dial(list) == [.failed(Self.peer, .backoff)])
            _ = bench.advance(.seconds(rest) - .milliseconds(1))
            #expect(bench.dial(list) == [.failed(Self.peer, .backoff)])
            _ = bench.advance(.milliseconds(1))
        }
        #expect(bench.dial(list) == [.attempt(4, Self.peer, list[0])])
        _ = bench.tell(.attemptFailed(4, .refused))
        #expect(bench.dial(list, isForced: true) == [.attempt(5, Self.peer, list[0])])
        #expect(bench.tell(.attemptSucceeded(5)) == [])
        #expect(bench.dial(list) == [.attempt(6, Self.peer, list[0])])
    }

    @Test("An attempt has 15 seconds, a dial 60")
    func timeouts() {
        let list = (1...9).map { try! Multiaddr("/ip4/127.0.0.1/tcp/\($0)") }
        var bench = Bench()
        var log = bench.dial(list)
        while let deadline = bench.dialer.deadline { log += bench.advance(deadline - bench.now) }
        #expect(log.last == .failed(Self.peer, .timeout))
        #expect(bench.now <= .zero + .seconds(60))
        let attempts = log.count { if case .attempt = $0 { true } else { false } }
        let cancels = log.count { if case .cancel = $0 { true } else { false } }
        #expect(attempts == 9 && cancels == 9)
    }

    @Test("When the peer dials us meanwhile, what is under way runs on and nothing new starts")
    func connected() {
        let list = Self.addresses("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2")
        var bench = Bench()
        _ = bench.dial(list)
        #expect(bench.tell(.connected(Self.peer)) == [])
        #expect(bench.advance(.seconds(1)) == [])
        #expect(bench.tell(.attemptSucceeded(1)) == [])
    }

    @Test("Strangers' word on private addresses counts only inside the same network")
    func credible() throws {
        let told = Self.addresses("/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1")
        #expect(AddressPolicy.credible(told, toldFrom: try Multiaddr("/ip4/8.8.4.4/tcp/9")) == [told[2]])
        #expect(AddressPolicy.credible(told, toldFrom: try Multiaddr("/ip4/192.168.3.4/tcp/9")) == [told[1], told[2]])
        #expect(AddressPolicy.credible(told, toldFrom: try Multiaddr("/ip4/127.0.0.1/tcp/9")) == told)
    }

    @Test("Four observers in different networks are believed, three or four in one are not")
    func observed() throws {
        var observed = ObservedAddresses()
        let address = try Multiaddr("/ip4/8.8.8.8/tcp/4001")
        for host in ["1.1.1.1", "1.1.2.2", "1.1.3.3", "1.1.4.4", "2.2.2.2", "3.3.3.3"] {
            observed.record(address, by: try Multiaddr("/ip4/\(host)/tcp/5"), now: .zero)
            #expect(observed.confirmed(now: .zero) == [])
        }
        observed.record(address, by: try Multiaddr("/ip4/4.4.4.4/tcp/5"), now: .zero)
        #expect(observed.confirmed(now: .zero) == [address])
        #expect(observed.confirmed(now: .zero + .seconds(1_900)) == [])
    }
}
