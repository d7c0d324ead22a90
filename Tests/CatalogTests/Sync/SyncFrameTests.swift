import Catalog
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import Testing

/// The bytes of a session, so that a second implementation can be written from the page alone.
@Suite struct SyncFrameTests {
    /// Three updates that the initiator has and the responder does not, byte by byte.
    @Test func bytesOfASession() {
        let samples = [1_000, 1_000, 70_000].enumerated().map { SyncSample(time: $1, number: UInt64($0)) }
        let keys = samples.map(\.key).sorted()
        var session = SyncSession(role: .initiator, generator: SeededGenerator(seed: 4), time: SyncSample.time)
        let shelf = SyncShelf(samples)
        var effects: [SyncSession.Effect] = []
        session.handle(.open, set: shelf.tree, now: .zero, into: &effects)
        var generator = SeededGenerator(seed: 4)
        let word = generator.next()
        let salt = (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        let hello = [10, 1] + salt + [3]
        let list =
            [2 << 6, 0, 3] + Varint.bytes(1_000) + keys[0].digest.bytes.prefix(16) + [0]
            + keys[1].digest.bytes.prefix(16) + Varint.bytes(69_000) + keys[2].digest.bytes.prefix(16)
        #expect(SyncFrameTests.bytes(effects) == hello + [UInt8(list.count + 1), 3] + list)

        // The responder has nothing: hello, then a want of all three; nothing is asked, so a plan of none and done.
        effects = []
        let want = [3 << 6] + list.dropFirst()
        let answer = [2, 1, 0] + [UInt8(want.count + 1), 3] + want + [2, 4, 0] + [2, 7, 0]
        session.handle(.received(ByteBuffer(bytes: answer)), set: shelf.tree, now: .zero, into: &effects)
        #expect(SyncFrameTests.bytes(effects) == [2, 4, 3])
        guard case .read(let names)? = effects.last else {
            Issue.record("nothing read")
            return
        }
        #expect(names == keys.map(\.digest))
        effects = []
        let blocks = [shelf.blocks[names[0]], nil, shelf.blocks[names[2]]]
        session.handle(.blocks(blocks), set: shelf.tree, now: .zero, into: &effects)
        let updates = [0, 2].flatMap { SyncVictim.bytes(of: blocks[$0] ?? samples[0].block) }
        let absent = [1] + Varint.bytes(1_000) + keys[1].digest.bytes.prefix(16)
        #expect(
            SyncFrameTests.bytes(effects) == [UInt8(updates.count + 1), 5] + updates
                + [UInt8(absent.count + 1), 6] + absent + [2, 7, 0])
        guard case .finished(let outcome)? = effects.last else {
            Issue.record("not over")
            return
        }
        #expect(outcome.result == .whole && outcome.figures.updatesSent == 2)
    }

    /// The fingerprint of a range: the first 8 bytes of SHA-256 over salt, sum and count; bounds as short as can be.
    @Test func bytesOfAFingerprint() {
        let samples = (0..<16).map { SyncSample(time: 5_000 + 100 * $0, number: $0) }
        let shelf = SyncShelf(samples)
        let session = SyncSession(role: .responder, generator: SeededGenerator(seed: 4), time: SyncSample.time)
        var copy = session
        var effects: [SyncSession.Effect] = []
        let salt: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        let frames = [10, 1] + salt + [0] + [11, 3, 1 << 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        copy.handle(.received(ByteBuffer(bytes: frames)), set: shelf.tree, now: .zero, into: &effects)
        let keys = samples.map(\.key)
        var expected: [UInt8] = []
        var time: UInt64 = 0
        for part in 0..<4 {
            let digests = keys[part * 4..<part * 4 + 4].map(\.digest.bytes)
            var sum = [UInt8](repeating: 0, count: 32)
            for digest in digests {
                var carry = 0
                for index in (0..<32).reversed() {
                    carry += Int(sum[index]) + Int(digest[index])
                    sum[index] = UInt8(truncatingIfNeeded: carry)
                    carry >>= 8
                }
            }
            let print = ContentHash.sha256(salt + sum + [0, 0, 0, 0, 0, 0, 0, 4]).digest.prefix(8)
            let bound = part == 3 ? 0 : keys[part * 4 + 4].time
            expected += [1 << 6] + Varint.bytes(part == 3 ? 0 : bound - time + 1) + print
            time = bound
        }
        #expect(SyncFrameTests.bytes(effects) == [2, 1, 16] + [UInt8(expected.count + 1), 3] + expected)
    }

    /// The time is found in headers as they are signed, and in nothing else.
    @Test func timeOfAHeader() throws {
        let header = DAGValue.map([
            DAGEntry("v", .integer(1)), DAGEntry("key", .bytes([UInt8](repeating: 3, count: 32))),
            DAGEntry("seq", .integer(8_589_934_592)), DAGEntry("for", .map([DAGEntry("time", .integer(4))])),
            DAGEntry("kind", .string("time")), DAGEntry("prev", .list([.integer(9)])),
            DAGEntry("time", .integer(1_700_000_000_123)), DAGEntry("author", .bytes([1, 2])),
        ])
        let bytes = try DagCBOR.encode(header)
        #expect(UpdateKey.time(ofHeader: ByteBuffer(bytes: bytes)) == 1_700_000_000_123)
        for length in 0..<bytes.count {
            let time = UpdateKey.time(ofHeader: ByteBuffer(bytes: bytes.prefix(length)))
            #expect(time == nil || time == 1_700_000_000_123)
        }
        var generator = SeededGenerator(seed: 61)
        for _ in 0..<20_000 {
            var broken = bytes
            for _ in 0..<3 {
                broken[Int.random(in: 0..<40, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
            }
            _ = UpdateKey.time(ofHeader: ByteBuffer(bytes: broken))
        }
        #expect(UpdateKey.time(ofHeader: ByteBuffer(bytes: [0xa1, 0x61, 0x76, 0x01])) == nil)
    }

    private static func bytes(_ effects: [SyncSession.Effect]) -> [UInt8] {
        effects.flatMap { effect in
            if case .send(let bytes) = effect { return Array(bytes.readableBytesView) }
            return []
        }
    }
}
