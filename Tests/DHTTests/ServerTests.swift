import DHT
import Multiformats
import SansIO
import TestSupport
import Testing

/// A core that is asked by strangers.
@Suite("What others may ask of a core") struct ServerTests {
    struct Server {
        var core: Kademlia
        var now = Instant(nanoseconds: 1_000_000_000)
        var stored: [KadRecordChange] = []
        private var last: UInt64 = 0

        init(_ configuration: KademliaConfiguration = KademliaConfiguration()) {
            var generator = SeededGenerator(seed: 77)
            core = Kademlia(
                configuration, peer: TestSwarm.peer(&generator), epoch: TestSwarm.epoch, start: now, seed: 1)
        }

        /// The answer; nil when it was refused.
        mutating func ask(
            _ message: KadMessage, from peer: PeerID, at address: String? = "/ip4/80.1.1.1/tcp/4001",
            confirmed: Bool = true, transport: KadTransport = .stream
        ) -> KadMessage? {
            last += 1
            var effects: [Kademlia.Effect] = []
            let requester = Requester(
                peer: peer, address: address.map { try! Multiaddr($0) }, transport: transport, isConfirmed: confirmed)
            core.handle(.request(RequestID(last), message, from: requester), now: now, into: &effects)
            var answers: [KadMessage?] = []
            for effect in effects {
                switch effect {
                case .respond(let id, let message):
                    #expect(id == RequestID(last))
                    answers.append(message)
                case .refuse(let id):
                    #expect(id == RequestID(last))
                    answers.append(nil)
                case .store(let change): stored.append(change)
                default: break
                }
            }
            #expect(answers.count == 1, "a request ends exactly once")
            return answers.first ?? nil
        }

        mutating func fill(_ count: Int, _ generator: inout SeededGenerator, address: (Int) -> String) -> [PeerID] {
            (0..<count).map { index in
                let peer = TestSwarm.peer(&generator)
                var effects: [Kademlia.Effect] = []
                core.handle(.found(peer, addresses: [try! Multiaddr(address(index))]), now: now, into: &effects)
                while !effects.isEmpty {
                    var more: [Kademlia.Effect] = []
                    for case .call(let id, let message, _, _) in effects {
                        core.handle(
                            .answered(id, KadMessage(message.kind), CallReport(transport: .stream)), now: now,
                            into: &more)
                    }
                    effects = more
                }
                return peer
            }
        }
    }

    private func provide(_ key: [UInt8], as peer: PeerID, at address: String) throws -> KadMessage {
        KadMessage(.addProvider, key: key, providerPeers: [KadPeer(peer, [try Multiaddr(address)])])
    }

    @Test("FIND_NODE names the target itself, never who asks, and twenty peers")
    func findNode() throws {
        var generator = SeededGenerator(seed: 1)
        var server = Server()
        let peers = server.fill(60, &generator, address: TestSwarm.publicAddress)
        let members = server.core.table.entries.map(\.peer)
        let asker = members[3]
        for wanted in members.prefix(10) {
            let answer = server.ask(KadMessage(.findNode, key: wanted.bytes), from: asker)
            let named = answer?.closerPeers.map(\.id) ?? []
            #expect(named.first == wanted)
            #expect(named.count == 20 && Set(named).count == 20)
            #expect(named.contains(asker) == (wanted == asker))
            let naive = members.filter { $0 != asker || wanted == asker }
                .sorted { (KadKey($0) ^ KadKey(wanted)) < (KadKey($1) ^ KadKey(wanted)) }.prefix(20)
            #expect(named == Array(naive))
        }
        let own = server.core.peer
        var effects: [Kademlia.Effect] = []
        server.core.handle(.addressesChanged([TestSwarm.address(9)]), now: server.now, into: &effects)
        let about = server.ask(KadMessage(.findNode, key: own.bytes), from: peers[0])
        #expect(about?.closerPeers.first == KadPeer(own, [TestSwarm.address(9)]))
        #expect(server.ask(KadMessage(.findNode), from: asker) == nil)
    }

    @Test("A record of a provider is kept for the sender only, with its addresses")
    func addProvider() throws {
        var generator = SeededGenerator(seed: 2)
        var server = Server()
        let (one, two) = (TestSwarm.peer(&generator), TestSwarm.peer(&generator))
        let key = Multihash(code: .sha2_256, digest: .init(repeating: 7, count: 32)).bytes
        let stranger = try provide(key, as: one, at: "/ip4/80.1.1.1/tcp/4001")
        #expect(server.ask(stranger, from: two) == nil)
        #expect(server.ask(stranger, from: one, confirmed: false) == nil)
        #expect(server.ask(KadMessage(.addProvider, key: key, providerPeers: [KadPeer(one, [])]), from: one) == nil)
        for length in [0, 81] {
            let long = try provide(.init(repeating: 1, count: length), as: one, at: "/ip4/80.1.1.1/tcp/4001")
            #expect(server.ask(long, from: one) == nil)
        }
        #expect(server.stored.isEmpty && server.core.recordCounts.providers == 0)
        let echo = server.ask(stranger, from: one)
        #expect(echo == KadMessage(.addProvider, key: key))
        #expect(server.stored.count == 1)
        let get = KadMessage(.getProviders, key: key)
        let answer = server.ask(get, from: two, confirmed: false)
        #expect(answer?.providerPeers == [KadPeer(one, [try Multiaddr("/ip4/80.1.1.1/tcp/4001")])])
        // Addresses for 24 hours, the record for 48.
        server.now = server.now + .seconds(25 * 3600)
        #expect(server.ask(get, from: two)?.providerPeers == [KadPeer(one, [])])
        server.now = server.now + .seconds(24 * 3600)
        #expect(server.ask(get, from: two)?.providerPeers == [])
        var effects: [Kademlia.Effect] = []
        server.core.tick(now: server.now, into: &effects)
        let isRemoved = effects.contains { if case .store(.noProvider(key, one)) = $0 { true } else { false } }
        #expect(isRemoved)
        #expect(server.core.recordCounts.providers == 0)
    }

    @Test("Loopback is for this machine, a house's addresses for the house")
    func addresses() throws {
        var generator = SeededGenerator(seed: 3)
        var server = Server()
        let peers = server.fill(20, &generator) { "/ip4/127.0.0.1/udp/\(4000 + $0)" }
        let find = KadMessage(.findNode, key: peers[0].bytes)
        #expect(server.ask(find, from: peers[1], at: "/ip4/127.0.0.1/tcp/9")?.closerPeers.isEmpty == false)
        #expect(server.ask(find, from: peers[1], at: "/ip4/192.168.1.4/tcp/9")?.closerPeers == [])
        #expect(server.ask(find, from: peers[1], at: nil)?.closerPeers == [])
        let key: [UInt8] = [0x12, 0x20] + .init(repeating: 9, count: 32)
        let get = KadMessage(.getProviders, key: key)
        _ = server.ask(
            try provide(key, as: peers[2], at: "/ip4/10.0.0.1/tcp/1"), from: peers[2], at: "/ip4/80.1.1.1/tcp/1")
        #expect(server.ask(get, from: peers[3])?.providerPeers == [KadPeer(peers[2], [])])
        _ = server.ask(
            try provide(key, as: peers[2], at: "/ip4/10.0.0.1/tcp/1"), from: peers[2], at: "/ip4/10.0.0.1/tcp/1")
        #expect(server.ask(get, from: peers[3])?.providerPeers.first?.addresses.count == 1)
        var configuration = KademliaConfiguration()
        configuration.addressPolicy = .publicOnly
        var publicServer = Server(configuration)
        #expect(publicServer.fill(5, &generator) { "/ip4/192.168.0.\($0)/udp/1" }.count == 5)
        #expect(publicServer.core.table.count == 0)
    }

    @Test("A client answers nobody")
    func client() {
        var generator = SeededGenerator(seed: 4)
        var server = Server()
        var effects: [Kademlia.Effect] = []
        server.core.handle(.modeChanged(.client), now: server.now, into: &effects)
        for kind in KadMessage.Kind.allCases {
            #expect(server.ask(KadMessage(kind, key: [1]), from: TestSwarm.peer(&generator)) == nil)
        }
        #expect(server.core.statistics.requestsRefused.total == 6)
    }

    @Test("Ping comes back, and echoes carry no peers")
    func echo() {
        var generator = SeededGenerator(seed: 5)
        var server = Server()
        let peer = TestSwarm.peer(&generator)
        let ping = KadMessage(.ping, key: [5], closerPeers: [KadPeer(peer, [])])
        #expect(server.ask(ping, from: peer) == KadMessage(.ping, key: [5]))
    }

    @Test("One source has its rate, others theirs, and this machine none")
    func rates() {
        var generator = SeededGenerator(seed: 6)
        var configuration = KademliaConfiguration()
        configuration.requestRate = 10
        configuration.requestBurst = 50
        var server = Server(configuration)
        let peer = TestSwarm.peer(&generator)
        var served = 0
        for _ in 0..<200 where server.ask(KadMessage(.ping), from: TestSwarm.peer(&generator)) != nil { served += 1 }
        #expect(served == 50)
        #expect(server.ask(KadMessage(.ping), from: peer, at: "/ip4/80.1.1.2/tcp/1") != nil)
        for _ in 0..<200 { #expect(server.ask(KadMessage(.ping), from: peer, at: "/ip4/127.0.0.1/tcp/1") != nil) }
        server.now = server.now + .seconds(1)
        served = 0
        for _ in 0..<200 where server.ask(KadMessage(.ping), from: peer) != nil { served += 1 }
        #expect(served == 10)
    }

    @Test("A datagram's sender becomes a candidate at its address once it is confirmed, a stream's does not")
    func candidates() {
        var generator = SeededGenerator(seed: 7)
        var server = Server()
        let peer = TestSwarm.peer(&generator)
        _ = server.ask(KadMessage(.ping), from: peer)
        _ = server.ask(KadMessage(.ping), from: peer, at: "/ip4/80.1.1.1/udp/5", confirmed: false, transport: .datagram)
        #expect(server.core.load.calls == 0)
        _ = server.ask(KadMessage(.ping), from: peer, at: "/ip4/80.1.1.1/udp/5", transport: .datagram)
        #expect(server.core.load.calls == 1)
    }
}
