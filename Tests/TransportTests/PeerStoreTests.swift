import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Synchronization
import Testing
import Transport

@Suite struct PeerStoreTests {
    static func peer(_ number: Int) -> PeerID {
        KeyPair(seed: [UInt8](repeating: UInt8(number & 255), count: 31) + [UInt8(number >> 8)]).peerID
    }

    static func address(_ port: Int) -> Multiaddr { try! Multiaddr("/ip4/127.0.0.1/tcp/\(port)") }

    @Test("Addresses expire; those of a peer that was connected stay 15 minutes longer")
    func expiry() {
        let store = PeerStore(limits: TransportLimits(), now: .zero)
        store.add([Self.address(1)], of: Self.peer(1), for: .seconds(10), now: .zero)
        #expect(store.addresses(of: Self.peer(1), now: .zero + .seconds(9)) == [Self.address(1)])
        #expect(store.addresses(of: Self.peer(1), now: .zero + .seconds(10)) == [])
        store.connected(Self.peer(1), now: .zero)
        store.disconnected(Self.peer(1), now: .zero + .seconds(100))
        #expect(store.addresses(of: Self.peer(1), now: .zero + .seconds(900)) == [Self.address(1)])
        #expect(store.addresses(of: Self.peer(1), now: .zero + .seconds(1_000)) == [])
        store.prune(now: .zero + .seconds(2_000))
        #expect(store.info(of: Self.peer(1), now: .zero)?.addresses == [])
    }

    @Test("Floods of addresses, protocols and peers stay within their limits")
    func limits() {
        var limits = TransportLimits()
        limits.peers = 64
        let store = PeerStore(limits: limits, now: .zero)
        store.connected(Self.peer(0), now: .zero)
        for number in 0..<1_000 {
            store.add((1...100).map(Self.address), of: Self.peer(number), for: .seconds(60), now: .zero)
        }
        #expect(store.peers.count <= 64)
        #expect(store.addresses(of: Self.peer(0), now: .zero).count == 32)
        store.identified(
            Self.peer(0), protocols: (0..<2_000).map { "/p/\($0)" }, agentVersion: nil, protocolVersion: nil, key: nil,
            now: .zero)
        #expect(store.protocols(of: Self.peer(0))?.count == 128)
    }

    @Test("Of signed records the highest sequence counts and replaces the addresses")
    func records() {
        let store = PeerStore(limits: TransportLimits(), now: .zero)
        func add(_ sequence: UInt64, _ port: Int) -> Bool {
            store.add(
                record: [UInt8(port)], sequence: sequence, addresses: [Self.address(port)], of: Self.peer(1),
                for: .seconds(60), now: .zero)
        }
        #expect(add(5, 5))
        #expect(!add(4, 4))
        #expect(!add(5, 6))
        #expect(store.addresses(of: Self.peer(1), now: .zero) == [Self.address(5)])
        #expect(add(7, 7))
        #expect(store.addresses(of: Self.peer(1), now: .zero) == [Self.address(7)])
        #expect(store.record(of: Self.peer(1)) == [7])
    }

    @Test("What was connected comes back after a restart; garbage in the backend does no harm")
    func persistence() {
        final class Table: Sendable {
            let rows = Mutex<[[UInt8]: [UInt8]]>([[1, 2]: [3], PeerStoreTests.peer(9).bytes: [0xff]])
        }
        let table = Table()
        let backend = PeerStoreBackend(
            load: { table.rows.withLock { $0.map { ($0.key, $0.value) } } },
            save: { changes in table.rows.withLock { rows in for (key, value) in changes { rows[key] = value } } })
        let store = PeerStore(limits: TransportLimits(), backend: backend, now: .zero)
        #expect(store.peers.isEmpty)
        for number in 1...2 { store.add([Self.address(number)], of: Self.peer(number), for: .seconds(60), now: .zero) }
        store.connected(Self.peer(1), now: .zero)
        store.identified(
            Self.peer(1), protocols: ["/a", "/b"], agentVersion: "tester/1", protocolVersion: nil, key: [1, 2],
            now: .zero)
        store.save()
        let again = PeerStore(limits: TransportLimits(), backend: backend, now: .zero)
        #expect(again.peers == [Self.peer(1)])
        #expect(again.addresses(of: Self.peer(1), now: .zero + .seconds(3_600)) == [Self.address(1)])
        let info = again.info(of: Self.peer(1), now: .zero)
        #expect(info?.agentVersion == "tester/1" && info?.lastConnected != nil)
        // Protocols of another run are not taken for what the peer speaks now.
        #expect(again.protocols(of: Self.peer(1)) == nil)
        again.forget(Self.peer(1))
        again.save()
        #expect(PeerStore(limits: TransportLimits(), backend: backend, now: .zero).peers.isEmpty)
    }
}

@Suite struct IdentifyTests {
    @Test("What is sent is read again, split into messages of at most 4 KiB, the record by itself")
    func roundTrip() throws {
        var identify = Identify()
        identify.publicKey = [1, 2, 3]
        identify.listenAddresses = (1...20).map(PeerStoreTests.address)
        identify.protocols = (0..<128).map { "/protocol/number/\($0)/1.0.0" }
        identify.observedAddress = PeerStoreTests.address(9)
        identify.agentVersion = "tester/1"
        identify.protocolVersion = "ipfs/0.1.0"
        identify.signedPeerRecord = ByteBuffer(repeating: 5, count: 900)
        let messages = identify.encoded
        #expect(messages.count == 2)
        var read = Identify()
        for message in messages {
            #expect(message.readableBytes <= 4_098)
            var framer = MessageFramer(maximum: Identify.maximumMessage)
            var input = message
            try read.merge(try #require(try { try framer.next(&input) }()))
        }
        #expect(read.publicKey == [1, 2, 3] && read.agentVersion == "tester/1" && read.protocolVersion == "ipfs/0.1.0")
        #expect(read.listenAddresses == identify.listenAddresses && read.observedAddress == identify.observedAddress)
        #expect(identify.protocols!.starts(with: read.protocols!) && read.protocols!.count > 90)
        #expect(read.signedPeerRecord == identify.signedPeerRecord)
    }

    @Test("Later parts win for single values, lists are joined, unreadable addresses left out")
    func merge() throws {
        var identify = Identify()
        for (agent, name) in [("one", "/a"), ("two", "/b")] {
            var writer = ProtobufWriter()
            writer.string(6, agent)
            writer.string(3, name)
            writer.bytes(2, [0xff, 0xff, 0xff])
            writer.bytes(2, PeerStoreTests.address(4).bytes)
            writer.varint(99, 1)
            try identify.merge(writer.buffer)
        }
        #expect(identify.agentVersion == "two" && identify.protocols == ["/a", "/b"])
        #expect(identify.listenAddresses.count == 2)
    }
}

@Suite struct MessageFramerTests {
    @Test("Messages come out whole wherever the bytes are cut, the empty one too")
    func everySplit() throws {
        let messages = ["", "a", String(repeating: "b", count: 300), "end"]
        var whole = ByteBuffer()
        for message in messages {
            whole.writeVarint(UInt64(message.utf8.count))
            whole.writeString(message)
        }
        for cut in 0...whole.readableBytes {
            var framer = MessageFramer(maximum: 300)
            var rest = whole
            var found: [String] = []
            var first = rest.readSlice(length: cut)!
            while let message = try framer.next(&first) { found.append(String(buffer: message)) }
            while let message = try framer.next(&rest) { found.append(String(buffer: message)) }
            #expect(found == messages)
            #expect(framer.isEmpty)
        }
    }

    @Test(
        "A length beyond the limit is refused before anything is allocated",
        arguments: [
            [0xad, 0x02], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], [0x80, 0x00],
        ] as [[UInt8]])
    func tooLong(_ bytes: [UInt8]) {
        for chunk in [1, bytes.count] {
            var framer = MessageFramer(maximum: 300)
            #expect(throws: StreamError.messageTooLong) {
                for start in stride(from: 0, to: bytes.count, by: chunk) {
                    var input = ByteBuffer(bytes: bytes[start..<start + chunk])
                    _ = try framer.next(&input)
                }
            }
        }
    }
}
