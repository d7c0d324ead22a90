import Multiformats
import NIOCore
import SansIO
import TestSupport
import Testing

/// Protobuf fields in and out, and messages of the wire protocols byte by byte.
@Suite struct ProtobufTests {
    private let peer = hex("0024080112209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d")
    private let key = hex("1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe")

    private func message(_ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        body(&writer)
        return writer.bytes
    }

    /// The message behind its length, as it goes over a stream.
    private func framed(_ body: (inout ProtobufWriter) -> Void) -> String {
        let bytes = message(body)
        return (Varint.bytes(UInt64(bytes.count)) + bytes).hexText
    }

    /// Messages whose bytes were worked out from the specifications by hand.
    @Test func workedBytes() throws {
        #expect(
            framed {
                $0.varint(1, 4); $0.bytes(2, peer)
            } == "2a0804122600240801" + "12209e3b433cbd31c2b8a6ebbdca998bd0f4c2141c9c9af5422e976051b1e63af14d")
        #expect(
            framed {
                $0.varint(1, 3); $0.bytes(2, key)
            } == "260803" + "12221220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe")
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        #expect(
            framed {
                $0.varint(1, 2)
                $0.bytes(2, key)
                $0.message(3 + 3) {
                    $0.bytes(1, peer); $0.bytes(2, address.bytes); $0.varint(3, 1)
                }
            }.hasPrefix("5c080212221220e536"))
        let cid = CID(codec: .raw, multihash: try Multihash(key))
        #expect(
            framed {
                $0.message(1) {
                    $0.message(1) {
                        $0.cid(1, cid); $0.varint(2, 1); $0.varint(4, 1); $0.varint(5, 1)
                    }
                    $0.varint(2, 1)
                }
            }
                == "320a300a2c0a2401551220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe1001200128011001"
        )
        let tail = "0a2401551220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe"
        #expect(
            framed {
                $0.message(1) { _ in }; $0.message(4) { $0.cid(1, cid) }
            } == "2a0a002226" + tail)
        #expect(
            framed {
                $0.message(1) { _ in };
                $0.message(4) {
                    $0.cid(1, cid); $0.varint(2, 1)
                }
            } == "2c0a002228" + tail + "1001")
        #expect(
            framed {
                $0.message(1) { _ in };
                $0.message(3) {
                    $0.bytes(1, hex("01551220")); $0.string(2, "hello world")
                }
            }
                == "170a001a130a0401551220120b68656c6c6f20776f726c64")
        #expect(
            framed {
                $0.message(1) {
                    $0.bool(1, true); $0.string(2, "test-topic")
                }
            } == "100a0e0801120a746573742d746f706963")
        #expect(
            framed { $0.message(3) { $0.message(3) { $0.string(1, "test-topic") } } }
                == "101a0e1a0c0a0a746573742d746f706963")
        #expect(framed { $0.varint(1, 0) } == "020800")
        #expect(framed { $0.varint(1, 300) } == "0308ac02")
        #expect(framed { $0.fixed64(1, 0x1122_3344_5566_7788) } == "09098877665544332211")
        #expect(
            message {
                $0.varint(1, 2); $0.varint(3, 0)
            }.hexText == "08021800")
        #expect(message { $0.varint(1, 1) }.hexText == "0801")
        #expect((Varint.bytes(20) + Array("/ipfs/kad/1.0.0\n".utf8)).count == 17)
        for (text, bytes) in [
            ("/multistream/1.0.0\n", "132f6d756c746973747265616d2f312e302e300a"), ("na\n", "036e610a"),
        ] {
            #expect((Varint.bytes(UInt64(text.utf8.count)) + Array(text.utf8)).hexText == bytes)
        }
    }

    /// A nested message has the same bytes whether or not it had to make room for its length.
    @Test(arguments: [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000])
    func nestedLengths(length: Int) throws {
        let content = [UInt8](repeating: 7, count: length)
        let inner = message {
            $0.bytes(1, content); $0.varint(2, 5)
        }
        let nested = message {
            $0.string(9, "before")
            $0.message(3) {
                $0.message(4) {
                    $0.bytes(1, content); $0.varint(2, 5)
                }
            }
            $0.string(9, "after")
        }
        let middle = message { $0.bytes(4, inner) }
        #expect(
            nested
                == message {
                    $0.string(9, "before"); $0.bytes(3, middle); $0.string(9, "after")
                })
    }

    @Test func everyType() throws {
        let bytes = message {
            $0.varint(1, .max)
            $0.int32(2, -1)
            $0.bool(3, true)
            $0.fixed64(4, 1 << 40)
            $0.fixed32(5, 77)
            $0.string(6, "ü")
            $0.bytes(536_870_911, ByteBuffer(bytes: [1, 2, 3]))
        }
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        #expect(try reader.next()?.uint64() == .max)
        #expect(try reader.next()?.int32() == -1)
        #expect(try reader.next()?.bool() == true)
        guard case .fixed64(1 << 40)? = try reader.next()?.value else { Issue.record("fixed64"); return }
        guard case .fixed32(77)? = try reader.next()?.value else { Issue.record("fixed32"); return }
        #expect(try reader.next()?.string() == "ü")
        let last = try #require(try reader.next())
        #expect(last.number == 536_870_911)
        #expect(try last.array() == [1, 2, 3])
        #expect(throws: ProtobufError.wrongWireType(field: 536_870_911)) { try last.uint64() }
        #expect(try reader.next() == nil)
    }

    private func walk(_ bytes: [UInt8]) throws -> Int {
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        var count = 0
        while try reader.next() != nil { count += 1 }
        return count
    }

    @Test func refusals() throws {
        #expect(throws: ProtobufError.invalidTag) { try walk([0x00, 0x00]) }
        #expect(throws: ProtobufError.unsupportedWireType(3)) { try walk([0x0b, 0x0c]) }
        #expect(throws: ProtobufError.unsupportedWireType(7)) { try walk([0x0f]) }
        #expect(throws: ProtobufError.truncated) { try walk([0x0a, 0x05, 0x01]) }
        #expect(throws: ProtobufError.truncated) { try walk([0x09, 1, 2, 3, 4, 5, 6, 7]) }
        #expect(throws: ProtobufError.truncated) { try walk([0x08]) }
        // A length that would overflow any signed number.
        #expect(throws: ProtobufError.truncated) { try walk([0x0a] + [UInt8](repeating: 0xff, count: 9) + [0x01]) }
        #expect(throws: ProtobufError.varintTooLong) { try walk([UInt8](repeating: 0x80, count: 11)) }
        // Longer forms of a number are legal in protobuf, also with bits above the 64th, which are dropped.
        #expect(try walk([0x88, 0x00, 0x81, 0x00]) == 1)
        #expect(try walk([0x08] + [UInt8](repeating: 0xff, count: 9) + [0x7f]) == 1)
        var reader = ProtobufReader(ByteBuffer(bytes: [0x0a, 2, 0xc3, 0x28]))
        #expect(throws: ProtobufError.invalidUTF8) { try reader.next()?.string() }
    }

    /// A mebibyte of empty fields costs no more than the cap allows.
    @Test func manyEmptyFields() {
        let bomb = (0..<1 << 20).map { $0 % 2 == 0 ? 0x0a : 0x00 as UInt8 }
        #expect(throws: ProtobufError.tooManyFields) { try walk(bomb) }
        var reader = ProtobufReader(ByteBuffer(bytes: bomb), maximumFields: 3)
        #expect(throws: ProtobufError.tooManyFields) { for _ in 0..<4 { _ = try reader.next() } }
    }

    /// What a reader yields, written again with the shortest numbers, is read as the same fields.
    @Test(arguments: [31, 32] as [UInt64])
    func mutations(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let base = message {
            $0.message(1) {
                $0.message(1) {
                    $0.bytes(1, peer); $0.varint(2, 300)
                }
            }
            $0.fixed32(3, 9)
            $0.fixed64(2, 8)
            $0.string(5, "text")
        }
        var readable = 0
        for _ in 0..<4000 {
            let bytes = mutated(base, using: &random)
            guard let first = try? fields(bytes) else { continue }
            readable += 1
            let again = message { for field in first { write(field, to: &$0) } }
            let second = try fields(again)
            #expect(message { for field in second { write(field, to: &$0) } } == again)
        }
        #expect(readable > 100)
    }

    private func fields(_ bytes: [UInt8]) throws -> [ProtobufField] {
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        var result: [ProtobufField] = []
        while let field = try reader.next() { result.append(field) }
        return result
    }

    private func write(_ field: ProtobufField, to writer: inout ProtobufWriter) {
        switch field.value {
        case .varint(let value): writer.varint(field.number, value)
        case .fixed64(let value): writer.fixed64(field.number, value)
        case .fixed32(let value): writer.fixed32(field.number, value)
        case .bytes(let value): writer.bytes(field.number, value)
        }
    }

    @Test func truncation() {
        let bytes = message {
            $0.bytes(1, peer); $0.fixed64(2, 8); $0.varint(3, .max)
        }
        let whole = [0, 40, 49, 60]
        for length in 0..<bytes.count where !whole.contains(length) {
            #expect(throws: ProtobufError.self, "\(length)") { try walk(Array(bytes[..<length])) }
        }
    }
}
