import Gossip
import Multiformats
import NIOCore
import SansIO
import TestSupport
import Testing

/// What frames may hold at most, in both directions.
@Suite("Limits of gossip frames") struct FrameLimitTests {
    private func decode(_ bytes: [UInt8]) throws -> GossipRPC {
        let rpc = try GossipRPC(decoding: ByteBuffer(bytes: bytes))
        return rpc
    }

    /// A megabyte of the same few bytes, at some depth of the frame.
    private func flood(_ unit: [UInt8], in tags: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count + unit.count < (1 << 20) - 16 { bytes += unit }
        for tag in tags {
            var head = ByteBuffer(bytes: [tag])
            var length = bytes.count
            while length >= 0x80 {
                head.writeInteger(UInt8(truncatingIfNeeded: length) | 0x80)
                length >>= 7
            }
            head.writeInteger(UInt8(length))
            bytes = Array(head.readableBytesView) + bytes
        }
        return bytes
    }

    /// CVE-2026-86040: a frame of millions of empty repeated fields burnt the reader's time.
    @Test(
        "A megabyte of empty fields is refused at the first that is too many",
        arguments: [
            ("0a00", ""), ("1200", ""), ("1a00", ""), ("2200", ""), ("1800", "0a 1a"), ("1200", "0a 1a"),
            ("0a00", "1a"), ("1200", "1a"), ("1a00", "1a"), ("2200", "1a"), ("2a00", "1a"), ("0a00", "12 1a"),
            ("0a00", "2a 1a"), ("1200", "22 1a"), ("1a00", "1a"), ("0a00", "1a 1a"), ("0a00", "12"), ("3a00", "12"),
        ])
    func emptyFields(_ unit: String, _ tags: String) {
        let bytes = flood(hex(unit), in: hex(tags))
        #expect(throws: GossipRPCError.tooManyElements, "\(unit) in \(tags)") { try decode(bytes) }
    }

    @Test("A full frame of the smallest ids, grafts and subscriptions ends within its caps")
    func caps() throws {
        let limits = GossipRPC.Limits()
        // 3 bytes an id or 5 a graft are a third of the elements each, all of which are looked at.
        var few = ByteBuffer()
        for _ in 0..<20_000 { few.writeBytes([0x0a, 0x01, 0x07]) }
        let ids = Array(few.readableBytesView)
        let wants = try decode(hex("1ae4d403 12e0d403") + ids)
        #expect(wants.iwant.count == limits.ids)
        let nots = try decode(hex("1ae4d403 2ae0d403") + ids)
        #expect(nots.idontwant.count == limits.ids)
        let grafts = flood(hex("1a03 0a01 61"), in: [0x1a])
        #expect(throws: GossipRPCError.tooManyElements) { try decode(grafts) }
        let some = try decode(Array(repeating: hex("0a05 0801 1201 61"), count: 9000).flatMap { $0 })
        #expect(some.subscriptions.count == limits.topics)
        // A prune that names a thousand peers.
        let hint: [UInt8] = hex("1203 0a01 07")
        let prune = try decode(
            hex("1a8e27 228b27 0a0161") + Array(repeating: hint, count: 1000).flatMap { $0 })
        #expect(prune.prune.first?.peers.count == limits.hints)
        #expect(throws: GossipRPCError.tooLong((1 << 20) + 1)) {
            try decode([UInt8](repeating: 0, count: (1 << 20) + 1))
        }
        let messages = Array(repeating: hex("1203 1201 61"), count: limits.messages).flatMap { $0 }
        let most = try decode(messages)
        #expect(most.messages.count == limits.messages)
        #expect(throws: GossipRPCError.tooManyElements) { try decode(messages + hex("1203 1201 61")) }
    }

    @Test("Topics that are too long are left out")
    func longTopics() throws {
        var rpc = GossipRPC()
        let fits = Topic(String(repeating: "x", count: Topic.maximumLength))
        let long = Topic(String(repeating: "x", count: Topic.maximumLength + 1))
        rpc.subscriptions = [.init(long, isSubscribed: true), .init(fits, isSubscribed: true)]
        rpc.graft = [long, fits]
        rpc.prune = [.init(long), .init(fits)]
        rpc.ihave = [.init(long, [MessageID([1])]), .init(fits, [MessageID([1])])]
        var frame = rpc.frames()[0]
        _ = try frame.readVarint()
        let read = try GossipRPC(decoding: frame)
        #expect(read.subscriptions.map(\.topic) == [fits] && read.graft == [fits])
        #expect(read.prune.map(\.topic) == [fits] && read.ihave.map(\.topic) == [fits])
    }

    @Test("What does not fit in a frame goes in several, in order and complete", arguments: 0..<40)
    func splitting(_ round: UInt64) throws {
        let seed = 4_000 + round
        var generator = SeededGenerator(seed: seed)
        func number(_ below: Int) -> Int { Int(generator.next() % UInt64(below)) }
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) } }
        func ids(_ count: Int) -> [MessageID] { (0..<number(count)).map { _ in MessageID(bytes(1 + number(60))) } }
        func topic() -> Topic { Topic(String(repeating: "t", count: 1 + number(40))) }
        var rpc = GossipRPC()
        rpc.subscriptions = (0..<number(40)).map { _ in .init(topic(), isSubscribed: number(2) == 0) }
        rpc.messages = (0..<number(40)).map { _ in
            GossipMessage(ByteBuffer(bytes: bytes(number(600))), in: topic())
        }
        rpc.ihave = (0..<number(5)).map { _ in .init(topic(), ids(60)) }.filter { !$0.ids.isEmpty }
        rpc.iwant = ids(80)
        rpc.idontwant = ids(80)
        rpc.graft = (0..<number(30)).map { _ in topic() }
        rpc.prune = (0..<number(30)).map { _ in
            .init(topic(), peers: (0..<number(4)).map { _ in PeerHint(ByteBuffer(bytes: bytes(36))) }, backoff: 60)
        }
        let limit = 700 + number(3000)
        var together = GossipRPC()
        for var frame in rpc.frames(limit: limit) {
            let length = try frame.readVarint()
            #expect(length == UInt64(frame.readableBytes), "seed \(seed)")
            #expect(frame.readableBytes <= limit, "seed \(seed)")
            let part = try GossipRPC(decoding: frame)
            together.subscriptions += part.subscriptions
            together.messages += part.messages
            for ihave in part.ihave {
                // A list that was cut is one list again.
                if let last = together.ihave.last, last.topic == ihave.topic, !rpc.ihave.contains(last) {
                    together.ihave[together.ihave.count - 1].ids += ihave.ids
                } else {
                    together.ihave.append(ihave)
                }
            }
            together.iwant += part.iwant
            together.idontwant += part.idontwant
            together.graft += part.graft
            together.prune += part.prune
        }
        #expect(together == rpc, "seed \(seed)")
    }

    @Test("Twenty thousand ids are as few frames as hold them, none above a megabyte")
    func manyIDs() throws {
        var rpc = GossipRPC()
        rpc.iwant = (0..<40_000).map { number in
            MessageID((0..<46).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 3))) })
        }
        let frames = rpc.frames()
        #expect(frames.count == 2)
        #expect(frames.allSatisfy { $0.readableBytes <= (1 << 20) + 4 })
        // A message that is too long alone still goes alone.
        var large = GossipRPC()
        large.messages = (0..<3).map { _ in GossipMessage(ByteBuffer(repeating: 1, count: 900_000), in: Topic("t")) }
        #expect(large.frames().count == 3)
        #expect(large.frames(limit: 1000).count == 3)
    }
}
