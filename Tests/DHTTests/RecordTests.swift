import DHT
import Multiformats
import PeerCrypto
import SansIO
import Testing

@Suite("Records kept for others") struct RecordTests {
    private let key: [UInt8] = [0x12, 0x20] + .init(repeating: 3, count: 32)

    private func provide(_ server: inout ServerTests.Server, _ key: [UInt8], _ peer: PeerID, at ip: String) -> Bool {
        let address = try! Multiaddr("/ip4/\(ip)/tcp/4001")
        let message = KadMessage(.addProvider, key: key, providerPeers: [KadPeer(peer, [address])])
        return server.ask(message, from: peer, at: "/ip4/\(ip)/tcp/4001") != nil
    }

    @Test("Ten thousand providers from one network push nobody out of a key")
    func fairKey() {
        var generator = SeededGenerator(seed: 1)
        var configuration = KademliaConfiguration()
        configuration.requestBurst = 100_000
        configuration.providersPerKey = 32
        var server = ServerTests.Server(configuration)
        let honest = (0..<20).map { _ in TestSwarm.peer(&generator) }
        for (index, peer) in honest.enumerated() { _ = provide(&server, key, peer, at: "80.\(index).1.1") }
        for index in 0..<10_000 {
            _ = provide(&server, key, TestSwarm.peer(&generator), at: "90.1.\(index / 250).\(index % 250 + 1)")
        }
        let found = Set(
            server.ask(KadMessage(.getProviders, key: key), from: honest[0], at: "/ip4/95.1.1.1/tcp/1")?
                .providerPeers.map(\.id) ?? [])
        #expect(found.isSuperset(of: honest))
        #expect(found.count == 32 && server.core.recordCounts.providers == 32)
        // A newcomer of another network still finds room.
        let late = TestSwarm.peer(&generator)
        #expect(provide(&server, key, late, at: "99.1.1.1"))
        let again = server.ask(KadMessage(.getProviders, key: key), from: late)?.providerPeers.map(\.id) ?? []
        #expect(again.contains(late) && Set(again).isSuperset(of: honest))
    }

    @Test("Records of all keys are bounded, and a flood of keys leaves the others' records")
    func fairTable() {
        var generator = SeededGenerator(seed: 2)
        var configuration = KademliaConfiguration()
        configuration.requestBurst = 100_000
        configuration.maximumProviders = 500
        var server = ServerTests.Server(configuration)
        func content(_ number: Int) -> [UInt8] {
            KadKey(hashing: [UInt8(number & 255), UInt8(number >> 8 & 255)]).bytes
        }
        let honest = (0..<300).map { _ in TestSwarm.peer(&generator) }
        for (index, peer) in honest.enumerated() {
            _ = provide(&server, content(index), peer, at: "80.\(index % 100).1.1")
        }
        let attacker = TestSwarm.peer(&generator)
        for index in 0..<5000 { _ = provide(&server, content(index + 1000), attacker, at: "90.1.1.1") }
        #expect(server.core.recordCounts.providers == 500)
        for (index, peer) in honest.enumerated() {
            let found = server.ask(
                KadMessage(.getProviders, key: content(index)), from: attacker, at: "/ip4/95.1.1.1/tcp/1")
            #expect(found?.providerPeers.map(\.id).contains(peer) == true)
        }
        // What is kept and what was told to the disk agree.
        var disk: Set<String> = []
        for change in server.stored {
            switch change {
            case .provider(let key, let peer, _, _): disk.insert("\(key)\(peer)")
            case .noProvider(let key, let peer): disk.remove("\(key)\(peer)")
            case .value, .noValue: break
            }
        }
        #expect(disk.count == 500)
    }

    @Test("Records come back after a restart, with what is left of their time")
    func restore() throws {
        var generator = SeededGenerator(seed: 3)
        let (peer, asker) = (TestSwarm.peer(&generator), TestSwarm.peer(&generator))
        var server = ServerTests.Server()
        #expect(provide(&server, key, peer, at: "80.1.1.1"))
        var again = ServerTests.Server()
        var effects: [Kademlia.Effect] = []
        again.core.handle(.restoreRecords(server.stored), now: again.now, into: &effects)
        #expect(again.ask(KadMessage(.getProviders, key: key), from: asker)?.providerPeers.map(\.id) == [peer])
        again.now = again.now + .seconds(47 * 3600)
        #expect(again.ask(KadMessage(.getProviders, key: key), from: asker)?.providerPeers.map(\.id) == [peer])
        again.now = again.now + .seconds(2 * 3600)
        #expect(again.ask(KadMessage(.getProviders, key: key), from: asker)?.providerPeers == [])
    }

    // MARK: Values

    /// Values are numbers; higher is better, zero is not valid, and values above 200 end with the first hour.
    private static let numbers = RecordValidator(
        validate: { _, value, now in
            guard let number = value.first, value.count == 1, number > 0 else { return false }
            return number <= 200 || now < TestSwarm.epoch.milliseconds + 3_600_000
        },
        select: { values in values.indices.max { values[$0][0] < values[$1][0] } ?? 0 })

    static func configuration() -> KademliaConfiguration {
        var configuration = KademliaConfiguration()
        configuration.validators["num"] = numbers
        return configuration
    }

    static let numberKey = Array("/num/".utf8) + [1, 2, 3]

    @Test("Only valid values enter, and never a worse one")
    func values() {
        var generator = SeededGenerator(seed: 4)
        let peer = TestSwarm.peer(&generator)
        var server = ServerTests.Server(Self.configuration())
        func put(_ value: [UInt8], key: [UInt8] = Self.numberKey, recordKey: [UInt8]? = nil) -> KadMessage {
            KadMessage(.putValue, key: key, record: KadRecord(key: recordKey ?? key, value: value))
        }
        let get = KadMessage(.getValue, key: Self.numberKey)
        #expect(server.ask(put([0]), from: peer) == nil)
        #expect(server.ask(put([5], recordKey: [1]), from: peer) == nil)
        #expect(server.ask(put([5], key: Array("/other/1".utf8)), from: peer) == nil)
        #expect(server.ask(KadMessage(.putValue, key: Self.numberKey), from: peer) == nil)
        #expect(server.ask(put([5]), from: peer, confirmed: false) == nil)
        #expect(server.ask(get, from: peer)?.record == nil)
        #expect(server.ask(put([5]), from: peer) == put([5]))
        #expect(server.ask(put([4]), from: peer) == nil)
        #expect(server.ask(put([5]), from: peer) != nil)
        #expect(server.ask(put([250]), from: peer) != nil)
        #expect(server.ask(get, from: peer)?.record?.value == [250])
        // It is not valid any more, so it is not given out, and a lower one may follow.
        server.now = server.now + .seconds(3601)
        #expect(server.ask(get, from: peer)?.record == nil)
        #expect(server.ask(put([6]), from: peer) != nil)
        server.now = server.now + .seconds(49 * 3600)
        #expect(server.ask(get, from: peer)?.record == nil)
    }

    @Test("A public key stands under the PeerID that it makes, and no other")
    func publicKeys() throws {
        let pair = KeyPair.generate()
        let key = Array("/pk/".utf8) + pair.peerID.bytes
        let value = pair.publicKey.protobuf
        #expect(RecordValidator.publicKey.validate(key, value, 0))
        #expect(!RecordValidator.publicKey.validate(key, KeyPair.generate().publicKey.protobuf, 0))
        #expect(!RecordValidator.publicKey.validate(key, Array(value.dropLast()), 0))
        #expect(RecordValidator.namespace(of: key) == "pk")
        #expect(RecordValidator.namespace(of: Array("/pk".utf8)) == nil)
        #expect(RecordValidator.namespace(of: [1, 2]) == nil)
    }

    @Test("The best value is found, and those with an older one get it")
    func correction() {
        let swarm = TestSwarm(80, seed: 5, configuration: Self.configuration())
        swarm.bootstrap()
        let key = Self.numberKey
        guard case .stored(let count, _)? = swarm.ask(swarm.members[3], .putValue(key: key, value: [7])) else {
            Issue.record("not stored")
            return
        }
        #expect(count >= 20)
        // Half of the keepers forget the better value that follows.
        let keepers = swarm.closest(to: KadKey(hashing: key), count: 20, besides: swarm.members[3])
        for peer in keepers.prefix(10) { swarm.members[swarm.byPeer[peer]!].hostile = { _, _ in nil } }
        _ = swarm.ask(swarm.members[3], .putValue(key: key, value: [9]))
        for peer in keepers.prefix(10) { swarm.members[swarm.byPeer[peer]!].hostile = nil }
        guard case .value(let value)? = swarm.ask(swarm.members[40], .getValue(key: key, quorum: 0)) else {
            Issue.record("not found")
            return
        }
        #expect(value == [9])
        swarm.run(for: .seconds(10))
        let stale = keepers.filter { peer in
            let member = swarm.members[swarm.byPeer[peer]!]
            let last = member.stored.compactMap { change -> [UInt8]? in
                if case .value(key, let record, _) = change { record } else { nil }
            }.last
            return last == [7]
        }
        #expect(stale.isEmpty)
        guard case .failed(.invalid)? = swarm.ask(swarm.members[3], .putValue(key: key, value: [8])) else {
            Issue.record("a worse value was put")
            return
        }
    }
}
