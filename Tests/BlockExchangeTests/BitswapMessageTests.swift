import BlockExchange
import Multiformats
import NIOCore
import PeerCrypto
import SansIO
import TestSupport
import Testing

/// The bytes of Bitswap messages.
@Suite struct BitswapMessageTests {
    private static let cidHex = "01551220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe"
    private let cid: CID

    init() throws {
        cid = try CID(hex(Self.cidHex))
    }

    private func framedHex(_ message: BitswapMessage, _ version: BitswapVersion = .v1_2) -> String {
        message.framed(version).map { $0.readableBytesView.hexText }.joined()
    }

    private func decode(_ text: String) throws -> BitswapMessage {
        try BitswapMessage(decoding: ByteBuffer(bytes: hex(text)))
    }

    /// A full want list with one WANT-HAVE, as in the worked bytes of other implementations.
    @Test func wantHave() throws {
        var message = BitswapMessage()
        message.full = true
        message.entries = [.init(cid: cid, priority: 1, type: .have, sendDontHave: true)]
        let expected = "320a300a2c0a24\(Self.cidHex)1001200128011001"
        #expect(framedHex(message) == expected)
        #expect(try decode(String(expected.dropFirst(2))) == message)
    }

    /// HAVE and DONT_HAVE, with the empty want list that old peers need.
    @Test func presences() throws {
        var message = BitswapMessage()
        message.presences = [.init(cid: cid, has: true)]
        #expect(framedHex(message) == "2a0a0022260a24\(Self.cidHex)")
        #expect(try decode("0a0022260a24\(Self.cidHex)") == message)
        message.presences = [.init(cid: cid, has: false)]
        #expect(framedHex(message) == "2c0a0022280a24\(Self.cidHex)1001")
        #expect(try decode("0a0022280a24\(Self.cidHex)1001") == message)
    }

    /// The block "hello world"; hashing gives its CID.
    @Test func block() throws {
        let data = ByteBuffer(string: "hello world")
        let block = Block(cid: CID(codec: .raw, multihash: ContentHash.sha256(data)), data: data)
        var message = BitswapMessage()
        message.blocks = [ReceivedBlock(block)]
        let expected = "170a001a130a0401551220120b68656c6c6f20776f726c64"
        #expect(framedHex(message) == expected)
        let decoded = try decode(String(expected.dropFirst(2)))
        #expect(decoded == message)
        #expect(decoded.blocks[0].hashed() == block)
    }

    /// Old versions get only what they know, and version 0 blocks without a prefix.
    @Test func oldVersions() throws {
        let data = ByteBuffer(string: "hello world")
        let hash = ContentHash.sha256(data)
        let v0 = Block(cid: try #require(CID(v0: hash)), data: data)
        let raw = Block(cid: CID(codec: .raw, multihash: hash), data: data)
        var message = BitswapMessage()
        message.entries = [
            .init(cid: cid, priority: 5, type: .block, sendDontHave: true), .init(cid: cid, type: .have),
            .init(cid: cid, priority: 0, cancel: true),
        ]
        message.blocks = [ReceivedBlock(v0), ReceivedBlock(raw)]
        message.presences = [.init(cid: cid, has: true)]
        message.pendingBytes = 9
        let one = try BitswapMessage(decoding: message.encoded(.v1_1))
        #expect(one.entries == [.init(cid: cid, priority: 5), .init(cid: cid, priority: 0, cancel: true)])
        #expect(one.blocks == message.blocks)
        #expect(one.presences.isEmpty && one.pendingBytes == 0)
        for version in [BitswapVersion.v1_0, .unversioned] {
            let zero = try BitswapMessage(decoding: message.encoded(version))
            #expect(zero.entries == one.entries)
            #expect(zero.blocks.map { $0.hashed() } == [v0])
        }
        var haves = BitswapMessage()
        haves.entries = [.init(cid: cid, type: .have)]
        #expect(haves.isEmpty(in: .v1_1) && !haves.isEmpty(in: .v1_2))
    }

    @Test func versionNames() {
        #expect(
            BitswapVersion.protocolIDs == [
                "/ipfs/bitswap/1.2.0", "/ipfs/bitswap/1.1.0", "/ipfs/bitswap/1.0.0", "/ipfs/bitswap",
            ])
        for version in BitswapVersion.allCases { #expect(BitswapVersion(protocolID: version.protocolID) == version) }
        #expect(BitswapVersion(protocolID: "/ipfs/bitswap/2.0.0") == nil)
    }

    /// Negative priorities and every field survive; the length computed beforehand is the length written.
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let message = randomMessage(&generator)
        let bytes = message.encoded(.v1_2)
        #expect(try BitswapMessage(decoding: bytes) == message, "seed \(seed)")
        var framed = ByteBuffer()
        for var piece in message.framed(.v1_2) { framed.writeBuffer(&piece) }
        #expect(try framed.readVarint() == UInt64(bytes.readableBytes), "seed \(seed)")
        #expect(framed == bytes, "seed \(seed)")
    }

    /// Large blocks are passed on as they are; nothing copies them.
    @Test func largeBlocksTravelAlone() {
        let blocks = makeBlocks(3, size: 100_000)
        var message = BitswapMessage()
        message.blocks = blocks.map(ReceivedBlock.init)
        let pieces = message.framed(.v1_2)
        #expect(pieces.count == 6)
        #expect(pieces.filter { piece in blocks.contains { $0.data == piece } }.count == 3)
    }

    /// Digest lengths of 0 and -1 mean the function's own.
    @Test(arguments: ["01551200", "015512ffffffffffffffffff01", "01551220"])
    func prefixLengths(prefix: String) throws {
        let length = prefix.count / 2
        let inner = "0a" + [UInt8(length)].hexText + prefix + "1202" + "6869"
        let message = try decode("1a" + [UInt8(inner.count / 2)].hexText + inner)
        let expected = CID(codec: .raw, multihash: ContentHash.sha256(ByteBuffer(string: "hi")))
        #expect(message.blocks.first?.hashed()?.cid == expected)
    }

    /// Prefixes that make no CID give no block: identity, unknown functions, too short digests, odd versions.
    @Test(arguments: ["01550002", "01559f0120", "01551210", "01551221", "00551220", "00701214", "02551220"])
    func badPrefixes(prefix: String) throws {
        let inner = "0a" + [UInt8(prefix.count / 2)].hexText + prefix + "12026869"
        let message = try decode("1a" + [UInt8(inner.count / 2)].hexText + inner)
        #expect(message.blocks.count == 1)
        #expect(message.blocks[0].hashed() == nil)
    }

    /// A CID that is odd, too long, or an identity, costs only its own entry.
    @Test func badEntriesAreSkipped() throws {
        var message = BitswapMessage()
        message.entries = [
            .init(cid: CID(codec: .raw, multihash: .identity([1, 2, 3]))),
            .init(cid: CID(codec: .raw, multihash: Multihash(code: .sha2_256, digest: [1, 2, 3]))),
            .init(
                cid: CID(
                    codec: Codec(rawValue: 1 << 62),
                    multihash: Multihash(code: .sha2_512, digest: .init(repeating: 1, count: 128)))),
            .init(
                cid: CID(
                    codec: .raw,
                    multihash: Multihash(code: HashCode(rawValue: 0x9999), digest: .init(repeating: 1, count: 32)))),
            .init(cid: cid),
        ]
        message.presences = [.init(cid: CID(codec: .raw, multihash: .identity([])), has: true)]
        let decoded = try BitswapMessage(decoding: message.encoded(.v1_2))
        // A codec that nobody knows is no reason: its block can be hashed like any other.
        #expect(decoded.entries.map(\.cid) == [message.entries[2].cid, cid])
        #expect(decoded.presences.isEmpty)
        #expect(decoded.skipped == 4)
    }

    /// A block above 2 MiB is left out; a message above 4 MiB is refused.
    @Test func sizes() throws {
        let cid = self.cid
        var message = BitswapMessage()
        let tooLarge = ByteBuffer(repeating: 0, count: Block.maximumLength + 1)
        message.blocks = [
            ReceivedBlock(Block(cid: cid, data: tooLarge)),
            ReceivedBlock(Block(cid: cid, data: ByteBuffer(repeating: 0, count: Block.maximumLength))),
        ]
        message.blocks[0].data = ByteBuffer(repeating: 0, count: Block.maximumLength - 100)
        #expect(try BitswapMessage(decoding: message.encoded(.v1_2)).blocks.count == 2)
        message.blocks.remove(at: 0)
        message.blocks[0].data = tooLarge
        let decoded = try BitswapMessage(decoding: message.encoded(.v1_2))
        #expect(decoded.blocks.isEmpty && decoded.skipped == 1)
        message.blocks.append(message.blocks[0])
        #expect(throws: BitswapError.self) { try BitswapMessage(decoding: message.encoded(.v1_2)) }
    }

    /// Millions of empty elements are refused before they cost anything.
    @Test(arguments: ["0a00", "1a00", "2200", "3a00"])
    func emptyElements(element: String) {
        let two = hex(element)
        var flood = ByteBuffer()
        for _ in 0..<(1 << 19) { flood.writeBytes(two) }
        let took = ContinuousClock().measure {
            #expect(throws: BitswapError.tooManyElements) { try BitswapMessage(decoding: flood) }
        }
        #expect(took < .milliseconds(100))
        var inner = ByteBuffer()
        inner.writeBytes([0x0a])
        inner.writeVarint(UInt64(flood.readableBytes))
        inner.writeImmutableBuffer(flood)
        #expect(throws: BitswapError.tooManyElements) { try BitswapMessage(decoding: inner) }
    }

    /// Whatever bytes come, decoding ends with a message within its bounds or an error, and what it accepts
    /// can be written and read again.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func mutations(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<2_500 {
            var bytes = Array(randomMessage(&generator, small: true).encoded(.v1_2).readableBytesView)
            for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: bytes.removeSubrange(index...)
                case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                default:
                    bytes.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], at: index)
                }
            }
            guard let message = try? BitswapMessage(decoding: ByteBuffer(bytes: bytes)) else { continue }
            for block in message.blocks { _ = block.hashed() }
            var again = try BitswapMessage(decoding: message.encoded(.v1_2))
            again.skipped = message.skipped
            #expect(again.entries == message.entries, "seed \(seed)")
            #expect(again.presences == message.presences, "seed \(seed)")
            #expect(again.blocks.map(\.data) == message.blocks.map(\.data), "seed \(seed)")
        }
    }

    /// A message cut at any offset is an error or a shorter message, never a trap.
    @Test func cutAnywhere() {
        var generator = SeededGenerator(seed: 3)
        let bytes = randomMessage(&generator).encoded(.v1_2)
        for length in 0..<min(bytes.readableBytes, 2_000) {
            _ = try? BitswapMessage(decoding: bytes.getSlice(at: bytes.readerIndex, length: length) ?? ByteBuffer())
        }
    }

    private func randomMessage(_ generator: inout SeededGenerator, small: Bool = false) -> BitswapMessage {
        var message = BitswapMessage()
        message.full = Bool.random(using: &generator)
        for _ in 0..<Int.random(in: 0...6, using: &generator) {
            message.entries.append(
                .init(
                    cid: missingCID(Int.random(in: 0...1_000, using: &generator)),
                    priority: Int32(truncatingIfNeeded: generator.next())
                        >> Int32.random(in: 0...31, using: &generator),
                    cancel: Bool.random(using: &generator), type: Bool.random(using: &generator) ? .block : .have,
                    sendDontHave: Bool.random(using: &generator)))
        }
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            message.presences.append(
                .init(cid: missingCID(Int.random(in: 0...9, using: &generator)), has: Bool.random(using: &generator)))
        }
        let sizes = small ? [0, 1, 30] : [0, 1, 127, 128, 4_095, 4_096, 70_000]
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            let size = sizes.randomElement(using: &generator) ?? 0
            message.blocks.append(ReceivedBlock(makeBlocks(1, size: size, seed: generator.next())[0]))
        }
        message.pendingBytes = Int32(truncatingIfNeeded: generator.next()) >> 4
        return message
    }
}
