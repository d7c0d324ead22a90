import Gossip
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import TestSupport
import Testing

@Suite("Gossip frames") struct GossipRPCTests {
    private func decode(_ bytes: [UInt8]) throws -> GossipRPC {
        let rpc = try GossipRPC(decoding: ByteBuffer(bytes: bytes))
        return rpc
    }

    /// The one frame of an RPC without its length, which must be right.
    private func payload(_ rpc: GossipRPC) throws -> [UInt8] {
        var frames = rpc.frames()
        #expect(frames.count == 1)
        let length = try frames[0].readVarint()
        #expect(length == UInt64(frames[0].readableBytes))
        return Array(frames[0].readableBytesView)
    }

    /// Each is written out by hand from the protobuf definition.
    @Test("Hand-made bytes, both ways")
    func worked() throws {
        var subscribe = GossipRPC()
        subscribe.subscriptions = [.init(Topic("ab"), isSubscribed: true), .init(Topic("c"), isSubscribed: false)]
        var graft = GossipRPC()
        graft.graft = [Topic("ab")]
        var prune = GossipRPC()
        prune.prune = [
            .init(
                Topic("ab"),
                peers: [
                    PeerHint(ByteBuffer(bytes: [1, 2]), record: ByteBuffer(bytes: [9])),
                    PeerHint(ByteBuffer(bytes: [3])),
                ], backoff: 60)
        ]
        var ihave = GossipRPC()
        ihave.ihave = [.init(Topic("ab"), [MessageID([0xff, 0x00]), MessageID([0x80])])]
        var iwant = GossipRPC()
        iwant.iwant = [MessageID([0xff, 0x00])]
        var idontwant = GossipRPC()
        idontwant.idontwant = [MessageID([0xff, 0x00])]
        var publish = GossipRPC()
        publish.messages = [GossipMessage(ByteBuffer(string: "hi"), in: Topic("ab"))]
        let examples: [(GossipRPC, String)] = [
            (subscribe, "0a06 0801 1202 6162   0a05 0800 1201 63"),
            (graft, "1a06 1a04 0a02 6162"),
            (prune, "1a16 2214 0a02 6162 1207 0a02 0102 1201 09 1203 0a01 03 183c"),
            (ihave, "1a0d 0a0b 0a02 6162 1202 ff00 1201 80"),
            (iwant, "1a06 1204 0a02 ff00"),
            (idontwant, "1a06 2a04 0a02 ff00"),
            (publish, "1208 1202 6869 2202 6162"),
        ]
        for (rpc, text) in examples {
            let bytes = hex(text)
            let written = try payload(rpc)
            #expect(written == bytes, "\(text) against \(written.hexText)")
            let read = try decode(bytes)
            #expect(read == rpc)
        }
    }

    @Test("Everything in one frame comes back, and what is unknown is skipped")
    func together() throws {
        var rpc = GossipRPC()
        rpc.subscriptions = [.init(Topic("t"), isSubscribed: true)]
        rpc.messages = [GossipMessage(ByteBuffer(repeating: 7, count: 300), in: Topic("t"))]
        rpc.ihave = [.init(Topic("t"), [MessageID([1])]), .init(Topic("u"), [MessageID([2]), MessageID([3])])]
        rpc.iwant = [MessageID([4])]
        rpc.graft = [Topic("t"), Topic("u")]
        rpc.prune = [.init(Topic("v"), backoff: 10), .init(Topic("w"))]
        rpc.idontwant = [MessageID(Array(0..<200))]
        let bytes = try payload(rpc)
        let same = try decode(bytes)
        #expect(same == rpc)
        // Unknown fields of every type at the top, in a subscription (1.3 has such), in control (extensions).
        let odd = hex("a206 03 010203  f801 05  e901 0102030405060708  ed01 01020304")
        let more = try decode(odd + bytes + odd + hex("0a0a 0801 1202 6162 1801 2001  1a04 3202 0801"))
        var expected = rpc
        expected.subscriptions.append(.init(Topic("ab"), isSubscribed: true))
        #expect(more == expected)
        // Later implementations may send several control messages.
        let twice = try decode(hex("1a06 1a04 0a02 6162 1a06 1a04 0a02 6364"))
        #expect(twice.graft == [Topic("ab"), Topic("cd")])
    }

    @Test("No bytes are a frame that says nothing")
    func empty() throws {
        let rpc = try decode([])
        #expect(rpc.isEmpty && rpc.frames().isEmpty)
        let hollow = try decode(hex("0a00 1a00 1a02 0a00 1a02 1a00 1a02 2200"))
        #expect(hollow.isEmpty)
    }

    @Test(
        "Nonsense is refused",
        arguments: [
            "0a", "0a05", "0aff", "07", "0b", "00", "0a 02 0801 12", "1a 02 0a 05", "12 02 0a 05",
            "0affffffffffffffffff01", "0affffffffffffffffffff01", "08 01", "1a 02 08 01", "12 02 08 01",
            "0a 02 1001", "09 0102", "0d 01",
        ])
    func nonsense(_ text: String) {
        #expect(throws: GossipRPCError.malformed) { try decode(hex(text)) }
    }

    @Test("Ids are bytes: of any value, and all lengths up to the limit come back")
    func ids() throws {
        var generator = SeededGenerator(seed: 11)
        var rpc = GossipRPC()
        for length in 1...MessageID.maximumLength {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let id = MessageID(bytes)
            #expect(id.bytes == bytes && id.count == length)
            rpc.iwant.append(id)
        }
        let back = try decode(try payload(rpc))
        #expect(back.iwant == rpc.iwant)
        #expect(Set(back.iwant).count == MessageID.maximumLength)
        // A zero at the end is a byte like others.
        #expect(MessageID([1]) != MessageID([1, 0]))
        let hash = ContentHash.sha256([1, 2, 3])
        #expect(MessageID(sha256: hash).bytes == hash.digest)
        // Empty and endless ones are left out, the rest is taken.
        let long = [0x0a, 0x81, 0x02] + [UInt8](repeating: 1, count: 257)
        let odd = try decode([0x1a, 0x8c, 0x02, 0x12, 0x89, 0x02] + hex("0a00") + long + hex("0a01 07"))
        #expect(odd.iwant == [MessageID([7])])
    }
}
