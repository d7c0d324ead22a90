import DHT
import Multiformats
import SansIO
import Simulation
import Testing

@Suite("Virtual network") struct VirtualNetworkTests {
    private func network(_ change: (inout LinkSettings) -> Void) -> VirtualNetwork {
        var settings = LinkSettings()
        change(&settings)
        return VirtualNetwork(settings, seed: 42)
    }

    @Test("Each pair has its own latency within the range, the same both ways")
    func latency() {
        let network = network { $0.latency = 10...200 }
        var all: Set<UInt64> = []
        for one in 0..<30 {
            for other in 0..<one {
                let time = network.latency(one, other)
                #expect((10_000_000...200_000_000).contains(time))
                #expect(time == network.latency(other, one))
                all.insert(time)
            }
        }
        #expect(all.count > 400)
    }

    @Test("A packet takes its pair's latency and at most the jitter more")
    func jitter() {
        var network = network { $0.jitter = 0.5 }
        let base = network.latency(1, 2)
        for _ in 0..<100 {
            let time = network.datagram(from: 1, to: 2, bytes: 100, now: .zero).first ?? 0
            #expect(time >= base && time <= base + base / 2 + 1)
        }
    }

    @Test("Loss and duplication happen as often as they should")
    func lossAndDuplication() {
        var network = network {
            $0.loss = 0.2
            $0.duplication = 0.1
        }
        var (lost, twice) = (0, 0)
        for _ in 0..<10_000 {
            let copies = network.datagram(from: 1, to: 2, bytes: 100, now: .zero)
            if copies.first == nil { lost += 1 }
            if copies.second != nil { twice += 1 }
        }
        #expect((1800...2200).contains(lost))
        #expect((650...950).contains(twice))
    }

    @Test("Some packets overtake others when packets are reordered, none when they are not")
    func reordering() {
        for share in [0.0, 0.5] {
            var network = network {
                $0.jitter = 0
                $0.reordering = share
            }
            let times = (0..<100).compactMap { _ in network.datagram(from: 1, to: 2, bytes: 100, now: .zero).first }
            #expect((Set(times).count > 1) == (share > 0))
        }
    }

    @Test("Packets wait behind each other at a slow uplink")
    func uplink() {
        var network = network {
            $0.uplink = 1000
            $0.jitter = 0
        }
        let first = network.datagram(from: 1, to: 2, bytes: 500, now: .zero).first ?? 0
        let second = network.datagram(from: 1, to: 2, bytes: 500, now: .zero).first ?? 0
        #expect(second - first == 500_000_000)
        let other = network.datagram(from: 3, to: 2, bytes: 500, now: .zero).first ?? 0
        #expect(other == network.latency(3, 2) + 500_000_000)
    }

    @Test("A partition parts both ways, or one; a cut parts a pair; healing mends all")
    func partitions() {
        var network = network { _ in }
        network.split(.full, sides: [0, 1])
        #expect(!network.isOpen(from: 0, to: 1) && !network.isOpen(from: 1, to: 0) && network.isOpen(from: 0, to: 5))
        #expect(network.stream(from: 0, to: 1, trips: 1, bytes: 1, now: .zero) == nil)
        network.split(.oneWay, sides: [0, 1])
        #expect(!network.isOpen(from: 0, to: 1) && network.isOpen(from: 1, to: 0))
        #expect(network.datagram(from: 0, to: 1, bytes: 1, now: .zero).first == nil)
        network.split(nil)
        network.cut(from: 3, to: 4, true)
        #expect(!network.isOpen(from: 3, to: 4) && network.isOpen(from: 4, to: 3))
        network.cut(from: 3, to: 4, false)
        #expect(network.isOpen(from: 3, to: 4))
    }

    @Test("A stream pays for loss in time and for its set-up in round trips")
    func streams() {
        var clean = network { $0.jitter = 0 }
        let base = clean.latency(1, 2)
        #expect(clean.stream(from: 1, to: 2, trips: 1, bytes: 10, now: .zero) == base)
        #expect(clean.stream(from: 1, to: 2, trips: 9, bytes: 10, now: .zero) == 9 * base)
        var lossy = network { $0.loss = 0.5 }
        let times = (0..<100).compactMap { _ in lossy.stream(from: 1, to: 2, trips: 1, bytes: 10, now: .zero) }
        #expect(times.count == 100)
        #expect((times.max() ?? 0) > 2 * base)
    }
}

@Suite("Simulated identities") struct SimulatedIdentityTests {
    @Test("Identities are valid PeerIDs and addresses are read back")
    func identities() throws {
        var generator = SeededGenerator(seed: 3)
        let peer = PeerID.simulated(&generator)
        let parsed = try PeerID(peer.description)
        #expect(parsed == peer)
        #expect(peer.description.hasPrefix("12D3KooW"))
        var seen: Set<UInt32> = []
        for index in 0..<5000 {
            let endpoint = Endpoint(spread: index)
            #expect(endpoint.streamAddress.isPublic)
            #expect(Endpoint(endpoint.streamAddress) == endpoint)
            #expect(Endpoint(endpoint.datagramAddress) == endpoint)
            seen.insert(endpoint.address >> 16)
        }
        #expect(seen.count == 5000)
        let foreign = try Multiaddr("/dns4/example.com/tcp/4001")
        #expect(Endpoint(foreign) == nil)
    }

    @Test("Mined names are near their target")
    func mining() {
        var generator = SeededGenerator(seed: 4)
        let target = KadKey(hashing: [1, 2, 3])
        for peer in PeerID.mined(5, near: target, prefix: 6, &generator) {
            #expect(KadKey(peer).commonPrefixLength(with: target) >= 6)
        }
    }
}
