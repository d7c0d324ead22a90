import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// Bytes in pieces of one length, as a stream.
struct Pieces: AsyncSequence, AsyncIteratorProtocol {
    var rest: ByteBuffer
    let length: Int

    init(_ bytes: [UInt8], _ length: Int) {
        rest = ByteBuffer(bytes: bytes)
        self.length = length
    }

    func makeAsyncIterator() -> Pieces { self }

    mutating func next() async throws -> ByteBuffer? {
        rest.readableBytes == 0 ? nil : rest.readSlice(length: Swift.min(length, rest.readableBytes))
    }
}

/// Reads a CAR in one go.
func readCAR(_ bytes: [UInt8], piece: Int = 64 << 10, options: CARParser.Options = .init()) async throws
    -> (header: CARHeader, blocks: [Block])
{
    var reader = CARReader(Pieces(bytes, piece), options: options)
    let header = try await reader.readHeader()
    var blocks: [Block] = []
    while let block = try await reader.next() { blocks.append(block) }
    return (header, blocks)
}

@Suite(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct CARTests {
    /// Files that a strict reader must refuse, and after how many good blocks.
    static let bad: [(String, Int)] = [
        ("badheaderlength", 0), ("badsectionlength", 0), ("sample-corrupt-pragma", 0), ("sample-rootless-v42", 0),
        ("sample-v1-tailing-corrupt-section", 1042), ("sample-v2-corrupt-data-and-index", 0),
        ("sample-v1-with-zero-len-section", 1043), ("sample-v1-with-zero-len-section2", 20),
    ]
    static let badPaths = Set(bad.map { "car/go-car/\($0.0).car" })
    static let goodPaths = CARContents.all.keys.filter { !badPaths.contains($0) }.sorted()

    @Test(arguments: goodPaths)
    func goodFilesHaveTheKnownBlocks(_ path: String) async throws {
        let expected = CARContents.all[path]!
        let bytes = try Vectors.bytes(path)
        for piece in [bytes.count, 1000] {
            let (header, blocks) = try await readCAR(bytes, piece: piece)
            #expect(header.version == expected.carVersion)
            #expect(header.roots.map(\.description) == expected.roots)
            // go-car's samples have six identity sections, which are not blocks.
            let identities = expected.sections == 1049 ? 6 : 0
            #expect(blocks.count + identities == expected.sections)
            #expect(Set(blocks.map(\.cid.multihash)).count + identities == expected.uniqueMultihashes)
        }
    }

    @Test(arguments: bad)
    func badFilesAreRefused(_ name: String, goodBlocks: Int) async throws {
        let bytes = try Vectors.bytes("car/go-car/\(name).car")
        var reader = CARReader(Pieces(bytes, 4096))
        var count = 0
        await #expect(throws: CARError.self) {
            while try await reader.next() != nil { count += 1 }
        }
        #expect(count >= goodBlocks)
    }

    @Test(arguments: [("sample-v1-with-zero-len-section", 1043), ("sample-v1-with-zero-len-section2", 20)])
    func zeroLengthEndsAFileWhenAskedTo(_ name: String, count: Int) async throws {
        let bytes = try Vectors.bytes("car/go-car/\(name).car")
        let (_, blocks) = try await readCAR(bytes, options: .init(zeroLengthEndsFile: true))
        #expect(blocks.count == count)
    }

    @Test func sectionsStartWhereTheSpecificationSays() throws {
        struct Fixture: Decodable {
            struct Item: Decodable { var offset: UInt64 }
            struct Header: Decodable { var dataOffset: UInt64? }
            var blocks: [Item]
            var header: Header
        }
        for name in ["carv1-basic", "carv2-basic"] {
            let fixture: Fixture = try Vectors.json("car/ipld-spec/\(name).json")
            var parser = CARParser()
            parser.append(ByteBuffer(bytes: try Vectors.bytes("car/ipld-spec/\(name).car")))
            var offsets: [UInt64] = []
            while let section = try parser.next() { offsets.append(section.offset + (fixture.header.dataOffset ?? 0)) }
            #expect(offsets == fixture.blocks.map(\.offset))
        }
    }

    @Test(arguments: ["sample-index", "sample-multihash-index-sorted"])
    func indexesFindEveryBlock(_ name: String) throws {
        let index = try #require(CARIndex(ByteBuffer(bytes: try Vectors.bytes("car/go-car/\(name).carindex"))))
        var parser = CARParser()
        parser.append(ByteBuffer(bytes: try Vectors.bytes("car/go-car/sample-v1.car")))
        var count = 0
        while let section = try parser.next() {
            #expect(index.offsets(of: section.block.cid.multihash).contains(section.offset))
            count += 1
        }
        #expect(index.count >= count)
        #expect(index.offsets(of: ContentHash.sha256([1, 2, 3])) == [])
    }

    @Test func anIndexInAFileIsReadFromItsOffset() async throws {
        let bytes = try Vectors.bytes("car/go-car/sample-wrapped-v2.car")
        let (header, blocks) = try await readCAR(bytes)
        let index = try #require(CARIndex(ByteBuffer(bytes: bytes[Int(header.indexOffset!)...])))
        #expect(blocks.allSatisfy { !index.offsets(of: $0.cid.multihash).isEmpty })
    }

    @Test func anUnknownIndexIsNone() async throws {
        let bytes = try Vectors.bytes("car/ipld-spec/carv2-basic.car")
        let (header, blocks) = try await readCAR(bytes)
        #expect(blocks.count == 5)
        #expect(CARIndex(ByteBuffer(bytes: bytes[Int(header.indexOffset!)...])) == nil)
    }

    @Test func whatIsExportedReadsBackTheSame() async throws {
        let (header, blocks) = try await readCAR(try Vectors.bytes("car/go-car/simple-unixfs.car"))
        let store = MemoryStore()
        store.put(blocks)
        var bytes: [UInt8] = []
        for try await buffer in CARWriter.export(roots: header.roots, get: { try store.get($0) }) {
            bytes += buffer.readableBytesView
        }
        let again = try await readCAR(bytes, piece: 7)
        #expect(again.header.roots == header.roots)
        #expect(Set(again.blocks) == Set(blocks) && again.blocks.count == blocks.count)
        #expect(again.blocks.first?.cid == header.roots.first)
    }

    @Test func theHeaderIsCanonical() throws {
        // From a recording of Kubo: one raw root.
        let cid = try CID("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am")
        let expected =
            hex("3a a2 65") + Array("roots".utf8) + hex("81 d82a 5825 00") + cid.bytes + hex("67")
            + Array("version".utf8)
            + [1]
        #expect(Array(CARWriter.header(roots: [cid]).readableBytesView) == expected)
    }

    @Test func cutFilesAreNeverTakenForWhole() async throws {
        for name in [
            "car/ipld-spec/carv1-basic.car", "car/ipld-spec/carv2-basic.car", "car/go-car/sample-rw-bs-v2.car",
        ] {
            let bytes = try Vectors.bytes(name)
            let (header, all) = try await readCAR(bytes)
            let payloadEnd = header.version == 1 ? bytes.count : Int(header.indexOffset ?? UInt64(bytes.count))
            var boundaries = 0
            for length in 0..<payloadEnd {
                do {
                    let (_, blocks) = try await readCAR(Array(bytes[..<length]))
                    // A version 1 file that ends between two sections is whole, by its format.
                    #expect(header.version == 1 && blocks.count < all.count)
                    boundaries += 1
                } catch is CARError {}
            }
            #expect(boundaries <= all.count)
        }
    }

    @Test func bombsAreRefusedBeforeTheyAreBuffered() {
        func error(_ bytes: [UInt8]) -> CARError? {
            var parser = CARParser()
            parser.append(ByteBuffer(bytes: bytes))
            do {
                while try parser.next() != nil {}
                return nil
            } catch { return error }
        }
        let header = Array(CARWriter.header(roots: []).readableBytesView)
        #expect(error(Varint.bytes(1 << 20 + 1)) == .headerTooLong(1 << 20 + 1))
        #expect(error(Varint.bytes(UInt64(Int64.max))) == .headerTooLong(UInt64(Int64.max)))
        #expect(error([UInt8](repeating: 0xff, count: 12)) == .invalidLength(.tooLong))
        #expect(error(header + Varint.bytes(UInt64(Int64.max))) == .sectionTooLong(UInt64(Int64.max)))
        #expect(error(header + Varint.bytes(UInt64(CARParser.maximumSection) + 1)) != nil)
        #expect(error(header + [0x80, 0x00]) == .invalidLength(.notMinimal))
        // A version 2 payload that claims to start near the end of the number space, and to be empty there.
        let pragma = hex("0aa16776657273696f6e02") + [UInt8](repeating: 0, count: 16)
        #expect(error(pragma + [UInt8](repeating: 0xff, count: 24)) == nil)
        #expect(error(pragma + [UInt8](repeating: 0, count: 24)) != nil)
    }

    @Test func blocksWithAnotherHashAreRefused() async throws {
        var bytes = try Vectors.bytes("car/ipld-spec/carv1-basic.car")
        bytes[bytes.count - 1] ^= 1
        await #expect(throws: CARError.self) { try await readCAR(bytes) }
    }
}
