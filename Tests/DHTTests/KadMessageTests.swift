import DHT
import Multiformats
import NIOCore
import SansIO
import TestSupport
import Testing

@Suite("Kademlia messages") struct KadMessageTests {
    private let peer = try! PeerID(
        hex("0024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d"))
    private let content = hex("1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe")

    private func decode(_ bytes: [UInt8]) throws -> KadMessage {
        let message = try KadMessage(decoding: ByteBuffer(bytes: bytes))
        return message
    }

    private func bytes(_ message: KadMessage) -> [UInt8] { Array(message.encode().readableBytesView) }

    @Test("Worked bytes of the wire brief")
    func worked() throws {
        let find = KadMessage(.findNode, key: peer.bytes)
        #expect(
            bytes(find)
                == hex("080412260024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d"))
        let get = KadMessage(.getProviders, key: content)
        #expect(
            bytes(get) == hex("080312221220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe"))
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        let add = KadMessage(
            .addProvider, key: content, providerPeers: [KadPeer(peer, [address], connection: .connected)])
        #expect(
            bytes(add)
                == hex(
                    "080212221220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe4a340a2600240801"
                        + "12209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d1208047f000001060fa11801"
                ))
        for message in [find, get, add] {
            let back = try decode(bytes(message))
            #expect(back == message)
        }
    }

    @Test("PUT_VALUE is kind zero, and its record and key come back")
    func putValue() throws {
        let record = KadRecord(key: [1, 2], value: [3], timeReceived: "2026-01-02T03:04:05Z")
        let message = KadMessage(.putValue, key: [1, 2], record: record)
        let back = try decode(bytes(message))
        #expect(back == message)
        #expect(bytes(message).first == 0x12)
    }

    @Test("What cannot be read costs only itself")
    func oddPeers() throws {
        // A peer without an id, one whose address is of an unknown protocol, one with a connection of the future.
        let unreadable = hex("4202 0a00")
        let odd = hex(
            "422d 0a26 0024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d 1201ff 1809")
        let message = try decode(hex("0804 1201aa") + unreadable + odd + hex("5001"))
        #expect(message.closerPeers == [KadPeer(peer, [])])
        #expect(message.key == [0xaa])
    }

    @Test("A trailing /p2p of the peer itself is dropped, that of another makes the address void")
    func trailingPeer() throws {
        let plain = try Multiaddr("/ip4/1.2.3.4/tcp/4001")
        let other = try PeerID("QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ")
        let relayed = try Multiaddr("/ip4/1.2.3.4/tcp/4001/p2p/\(other)/p2p-circuit")
        let sent = KadPeer(peer, [plain.appending(peer), plain.appending(other), relayed])
        let back = try decode(bytes(KadMessage(.findNode, closerPeers: [sent])))
        #expect(back.closerPeers.first?.addresses == [plain, relayed])
    }

    @Test("Too much is refused or left out")
    func limits() throws {
        #expect(throws: KadMessageError.keyTooLong(1025)) {
            try KadMessage(
                decoding: ByteBuffer(bytes: bytes(KadMessage(.findNode, key: .init(repeating: 1, count: 2000)))))
        }
        let long = KadRecord(key: [1], value: .init(repeating: 1, count: 70_000))
        #expect(throws: KadMessageError.recordTooLong(65_537)) {
            try KadMessage(decoding: ByteBuffer(bytes: bytes(KadMessage(.putValue, key: [1], record: long))))
        }
        #expect(throws: KadMessageError.unknownKind(7)) { try KadMessage(decoding: ByteBuffer(bytes: [8, 7])) }
        #expect(throws: KadMessageError.messageTooLong(4 << 20 + 1)) {
            try KadMessage(decoding: ByteBuffer(repeating: 0, count: 4 << 20 + 1))
        }
        // Five hundred peers, written by hand, since the encoder would not.
        var generator = SeededGenerator(seed: 3)
        var writer = ProtobufWriter()
        writer.varint(1, 4)
        for _ in 0..<500 {
            let peer = TestSwarm.peer(&generator)
            writer.message(8) { $0.bytes(1, peer.bytes) }
        }
        let many = try decode(writer.bytes)
        #expect(many.closerPeers.count == 200)
        // Addresses beyond 8 KiB of one peer.
        let address = try Multiaddr("/dns4/" + String(repeating: "a", count: 200) + "/tcp/1")
        let fat = try decode(
            bytes(KadMessage(.findNode, closerPeers: [KadPeer(peer, .init(repeating: address, count: 100))])))
        let size = fat.closerPeers[0].addresses.reduce(0) { $0 + $1.bytes.count + 3 }
        #expect(size <= 8192 && size > 7900)
    }

    @Test("Random changes of good bytes never trap")
    func mutations() throws {
        let seed: UInt64 = 21
        var generator = SeededGenerator(seed: seed)
        let address = try Multiaddr("/ip4/1.2.3.4/udp/4001/p2p/\(peer)/p2p-circuit")
        let good = bytes(
            KadMessage(
                .getProviders, key: content, record: KadRecord(key: [1], value: [2], timeReceived: "x"),
                closerPeers: [KadPeer(peer, [address])],
                providerPeers: [KadPeer(peer, [address], connection: .canConnect)]))
        var readable = 0
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int(1 + generator.next() % 4) {
                bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: generator.next())
            }
            guard let message = try? KadMessage(decoding: ByteBuffer(bytes: bytes)) else { continue }
            readable += 1
            let again = try KadMessage(decoding: message.encode())
            #expect(again == message, "seed \(seed)")
        }
        #expect(readable > 1000)
    }

    // MARK: Datagrams

    private func answer(closer: Int, providers: Int) throws -> KadMessage {
        var generator = SeededGenerator(seed: 5)
        func peers(_ count: Int) throws -> [KadPeer] {
            try (0..<count).map { index in
                let tcp = try Multiaddr("/ip4/10.0.0.\(index)/tcp/4001")
                let udp = try Multiaddr("/ip4/10.0.0.\(index)/udp/4001")
                let six = try Multiaddr("/ip6/2001:4860::\(index + 1)/udp/4001")
                var key = [UInt8]([0x08, 0x01, 0x12, 0x20])
                key += (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                return KadPeer(try PeerID(multihash: .identity(key)), [tcp, six, udp], connection: .connected)
            }
        }
        return KadMessage(.getProviders, closerPeers: try peers(closer), providerPeers: try peers(providers))
    }

    @Test("In a datagram a peer has one address a family, and as many peers fit as its specification says")
    func fitting() throws {
        let message = try answer(closer: 20, providers: 0)
        let (bytes, isWhole) = message.encode(fitting: 1132)
        #expect(bytes.readableBytes <= 1132 && !isWhole)
        let back = try KadMessage(decoding: bytes)
        #expect(back.closerPeers.count == 14)
        #expect(back.closerPeers.map(\.id) == message.closerPeers.prefix(14).map(\.id))
        let shown = back.closerPeers[0].addresses.map(\.description)
        #expect(shown == ["/ip4/10.0.0.0/udp/4001", "/ip6/2001:4860::1/udp/4001"])
        #expect(back.closerPeers[0].connection == .notConnected)
    }

    @Test("The rest follows from where the first part ended", arguments: [200, 500, 1132])
    func offsets(room: Int) throws {
        let message = try answer(closer: 20, providers: 30)
        var providers: [PeerID] = []
        var closer: [PeerID] = []
        var sent = 0
        for _ in 0..<60 {
            let (bytes, isWhole) = message.encode(fitting: room, dropping: sent)
            #expect(bytes.readableBytes <= room)
            let part = try KadMessage(decoding: bytes)
            providers += part.providerPeers.map(\.id)
            closer += part.closerPeers.map(\.id)
            sent += part.peerCount
            if isWhole { break }
        }
        #expect(providers == message.providerPeers.map(\.id))
        #expect(closer == message.closerPeers.map(\.id))
        let (first, _) = message.encode(fitting: 1132)
        let part = try KadMessage(decoding: first)
        #expect(abs(part.providerPeers.count - part.closerPeers.count) <= 1)
    }

    @Test("A record that does not fit stays out and says so")
    func fittingRecord() throws {
        let record = KadRecord(key: [1], value: .init(repeating: 7, count: 2000))
        let message = KadMessage(.getValue, key: [1], record: record)
        let (bytes, isWhole) = message.encode(fitting: 1132)
        #expect(!isWhole)
        let back = try KadMessage(decoding: bytes)
        #expect(back == KadMessage(.getValue, key: [1]))
        #expect(message.encode(fitting: 3000).isWhole)
    }
}
