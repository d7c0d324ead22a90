import Multiformats
import NIOCore
import SansIO
import TestSupport
import Testing

/// Varints: the shortest form only, at most nine bytes, from arrays and buffers alike.
@Suite struct VarintTests {
    struct File: Decodable {
        struct Invalid: Decodable {
            let hex: String
            let why: String
        }
        enum Cell: Decodable {
            case number(UInt64)
            case text(String)
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let number = try? container.decode(UInt64.self) {
                    self = .number(number)
                } else {
                    self = .text(try container.decode(String.self))
                }
            }
        }
        let valid: [[Cell]]
        let invalid: [Invalid]
    }

    private func both(_ bytes: [UInt8]) throws -> UInt64? {
        var index = 0
        let value = try Varint.read(bytes, at: &index)
        #expect(index == bytes.count)
        var buffer = ByteBuffer(bytes: bytes)
        #expect(try buffer.readVarint() == value)
        #expect(buffer.readableBytes == 0)
        return value
    }

    @Test(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
    func vectors() throws {
        let file = try Vectors.json("multiformats/uvarint-vectors.json", as: File.self)
        #expect(file.valid.count == 7)
        for row in file.valid {
            guard case .number(let number) = row[0], case .text(let text) = row[1] else {
                Issue.record("odd row \(row)")
                continue
            }
            #expect(Varint.bytes(number).hexText == text)
            #expect(Varint.length(of: number) == text.count / 2)
            #expect(try both(hex(text)) == number)
        }
        for row in file.invalid {
            var index = 0
            #expect(throws: VarintError.self, "\(row.why)") { try Varint.read(hex(row.hex), at: &index) }
            #expect(index == 0)
        }
    }

    @Test func edges() throws {
        for value: UInt64 in [0, 1, 127, 128, 16_383, 16_384, 1 << 56 - 1, 1 << 56, 1 << 63 - 1] {
            #expect(try both(Varint.bytes(value)) == value)
            #expect(Varint.bytes(value).count == Varint.length(of: value))
        }
        // 2^63 needs ten bytes: it can be written (protobuf does) but not be read as a multiformat.
        var index = 0
        #expect(throws: VarintError.tooLong) { try Varint.read(Varint.bytes(1 << 63), at: &index) }
    }

    /// Every cut-off number wants more bytes and leaves the buffer alone; a bomb is refused, not waited for.
    @Test func truncationAndBombs() throws {
        let long = Varint.bytes(1 << 62)
        for length in 0..<long.count {
            var buffer = ByteBuffer(bytes: long[..<length])
            #expect(try buffer.readVarint() == nil)
            #expect(buffer.readableBytes == length)
            var index = 0
            #expect(throws: VarintError.truncated) { try Varint.read(Array(long[..<length]), at: &index) }
        }
        for count in [9, 10, 1000] {
            var buffer = ByteBuffer(repeating: 0xff, count: count)
            #expect(throws: VarintError.tooLong) { try buffer.readVarint() }
        }
        var padded = ByteBuffer(bytes: [0x80, 0x00])
        #expect(throws: VarintError.notMinimal) { try padded.readVarint() }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            let value = random.next() >> (1 + random.next() % 63)
            #expect(try both(Varint.bytes(value)) == value)
            var buffer = ByteBuffer()
            #expect(buffer.writeVarint(value) == Varint.length(of: value))
            #expect(Array(buffer.readableBytesView) == Varint.bytes(value))
        }
    }
}
