import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

@Suite(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct DagPBTests {
    struct Negative: Decodable {
        var name: String
        var hex: String
    }

    static var fixtures: [String] {
        let folder = Vectors.folder.appendingPathComponent("dag-codec/fixtures")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasPrefix("dagpb_") }.sorted()
    }

    /// The fixture's file of that extension, and the CID in its name.
    func file(_ fixture: String, _ kind: String) throws -> (CID, [UInt8]) {
        let folder = "dag-codec/fixtures/\(fixture)"
        let names = try FileManager.default.contentsOfDirectory(
            atPath: Vectors.folder.appendingPathComponent(folder).path)
        let name = try #require(names.first { $0.hasSuffix("." + kind) })
        return (try CID(String(name.dropLast(kind.utf8.count + 1))), try Vectors.bytes("\(folder)/\(name)"))
    }

    @Test(arguments: fixtures)
    func fixturesReadAndWriteTheSame(_ fixture: String) throws {
        let (cid, bytes) = try file(fixture, "dag-pb")
        let node = try DagPB.Node(ByteBuffer(bytes: bytes))
        #expect(node.encoded() == ByteBuffer(bytes: bytes))
        #expect(ContentHash.verify(node.encoded(), matches: cid))
        // The same value in the other codecs.
        let (_, json) = try file(fixture, "dag-json")
        #expect(try DagJSON.encode(node.value()) == json)
        #expect(try DagPB.Node(try DagJSON.decode(json)) == node)
        let (_, cbor) = try file(fixture, "dag-cbor")
        #expect(try DagCBOR.encode(node.value()) == cbor)
    }

    @Test func thereAreFixtures() { #expect(Self.fixtures.count == 17) }

    @Test func whatMustNotDecodeDoesNot() throws {
        let rows: [Negative] = try Vectors.json("dag-codec/negative-fixtures/dag-pb/decode/edges.json")
        #expect(rows.count == 9)
        for row in rows {
            #expect(throws: DAGFormatError.self, "\(row.name)") { try DagPB.Node(ByteBuffer(bytes: hex(row.hex))) }
        }
    }

    @Test(arguments: ["basic-datamodel-kinds", "invalid-forms"])
    func whatMustNotEncodeDoesNot(_ name: String) throws {
        let text = try Vectors.bytes("dag-codec/negative-fixtures/dag-pb/encode/\(name).json")
        // The rows are themselves dag-json values, but the file is pretty-printed JSON.
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [[String: Any]])
        #expect(rows.count > 5)
        for row in rows {
            let form = try JSONSerialization.data(
                withJSONObject: try #require(row["dag-json"]),
                options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes])
            // Either the JSON is no dag-json, or the value is no node.
            #expect(throws: (any Error).self, "\(row["name"] ?? "")") {
                try DagPB.Node(try DagJSON.decode([UInt8](form)))
            }
        }
    }

    @Test func aBlockOfKuboReads() throws {
        let bytes = try Vectors.bytes("dag-codec/kubo-testPut.pb")
        let node = try DagPB.Node(ByteBuffer(bytes: bytes))
        #expect(node.links.isEmpty && node.data.map { String(buffer: $0) } == "test json for sharness test")
        #expect(node.encoded() == ByteBuffer(bytes: bytes))
    }

    @Test(arguments: ["file.txt.unixfs", "raw.unixfs", "directory.unixfs", "symlink.txt.unixfs"])
    func unixFSMessagesOfOthersReadAndWriteTheSame(_ name: String) throws {
        let bytes = ByteBuffer(bytes: try Vectors.bytes("unixfs/js/\(name)"))
        let message = try UnixFS(bytes)
        #expect(message.encoded() == bytes)
        switch name {
        case "directory.unixfs": #expect(message.kind == .directory && message.data == nil)
        case "symlink.txt.unixfs": #expect(message.kind == .symlink && message.data == ByteBuffer(string: "file.txt"))
        default:
            #expect(message.kind == .file && message.fileSize == 13)
            #expect(try message.data == ByteBuffer(bytes: Vectors.bytes("unixfs/js/file.txt")))
        }
    }
}

/// The same formats by rules of their own, without foreign files.
struct NodeFormTests {
    let cid = CID(codec: .raw, multihash: ContentHash.sha256([1]))

    @Test func emptyFilesAndFoldersHaveTheirKnownBytes() async throws {
        #expect(UnixFS(.directory).encoded() == ByteBuffer(bytes: hex("0801")))
        #expect(UnixFS(.file, fileSize: 0).encoded() == ByteBuffer(bytes: hex("08021800")))
        let store = MemoryStore()
        let file = try await Importer(profile: .v0_2015).add(ByteBuffer(), put: { store.put($0) })
        #expect(file.cid.description == "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH")
        let folder = try await DirectoryBuilder(profile: .v1_2025).finish(put: { store.put($0) })
        #expect(folder.cid.description == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354")
    }

    @Test func sizesMayBePacked() throws {
        let plain = try UnixFS(ByteBuffer(bytes: hex("0802 1805 2002 2003")))
        let packed = try UnixFS(ByteBuffer(bytes: hex("0802 1805 2202 0203")))
        #expect(plain == packed && plain.blockSizes == [2, 3])
    }

    @Test func modeAndTimeSurvive() throws {
        var message = UnixFS(.directory)
        message.mode = 0o755
        message.modified = UnixFS.Time(seconds: -5, nanoseconds: 7)
        #expect(try UnixFS(message.encoded()) == message)
        #expect(throws: DAGFormatError.self) { try UnixFS(ByteBuffer(bytes: hex("0801 4205 15ffffffff"))) }
    }

    @Test func absentAndEmptyAreNotTheSame() throws {
        for (name, tsize, data) in [(nil, nil, nil), ([], 0, ByteBuffer())] as [([UInt8]?, UInt64?, ByteBuffer?)] {
            let node = DagPB.Node(links: [.init(cid: cid, name: name, tsize: tsize)], data: data)
            #expect(try DagPB.Node(node.encoded()) == node)
        }
    }

    @Test func linksAreWrittenInByteOrderAndStable() throws {
        let names = ["b", "a", "B", "é", "e\u{301}", "a"]
        let links = names.enumerated().map {
            DagPB.Link(cid: cid, name: Array($1.utf8), tsize: UInt64($0))
        }
        let read = try DagPB.Node(DagPB.Node(links: links).encoded()).links
        #expect(
            read.map { EntryName.text($0.name!) }.map { Array($0.utf8) }
                == ["B", "a", "a", "b", "e\u{301}", "é"].map { Array($0.utf8) })
        #expect(read[1].tsize == 1 && read[2].tsize == 5)
    }

    @Test func fieldsOutOfOrderAreRefused() {
        let link = "0a24" + cid.bytes.hexText
        func node(_ parts: String...) -> ByteBuffer {
            ByteBuffer(
                bytes: parts.flatMap { part -> [UInt8] in
                    let bytes = hex(part)
                    return [0x12, UInt8(bytes.count)] + bytes
                })
        }
        #expect(throws: Never.self) { try DagPB.Node(node(link + "1200" + "1801")) }
        #expect(throws: DAGFormatError.fieldOrder(2)) { try DagPB.Node(node(link + "1801" + "1200")) }
        #expect(throws: DAGFormatError.fieldOrder(1)) { try DagPB.Node(node("1200" + link)) }
        #expect(throws: DAGFormatError.repeatedField(1)) { try DagPB.Node(node(link + link)) }
        #expect(throws: DAGFormatError.repeatedField(2)) { try DagPB.Node(node(link + "12001200")) }
        #expect(throws: DAGFormatError.unknownField(4)) { try DagPB.Node(node(link + "2001")) }
        #expect(throws: DAGFormatError.unknownField(3)) { try DagPB.Node(ByteBuffer(bytes: hex("1801"))) }
        #expect(throws: DAGFormatError.repeatedField(1)) { try DagPB.Node(ByteBuffer(bytes: hex("0a000a00"))) }
    }

    @Test func fileNodesThatContradictThemselvesAreRefused() async throws {
        let store = MemoryStore()
        let leaf = store.add(.raw, ByteBuffer(string: "12345"))
        let reader = DAGReader { try store.get($0) }
        func read(_ links: [DagPB.Link], _ message: UnixFS) async throws -> String {
            let cid = store.add(.dagPB, DagPB.Node(links: links, data: message.encoded()).encoded())
            var text = ""
            for try await bytes in reader.bytes(of: cid) { text += String(buffer: bytes) }
            return text
        }
        let link = DagPB.Link(cid: leaf, name: [], tsize: 5)
        #expect(try await read([link, link], UnixFS(.file, fileSize: 10, blockSizes: [5, 5])) == "1234512345")
        let inline = UnixFS(.file, data: ByteBuffer(string: "ab"), fileSize: 7, blockSizes: [5])
        #expect(try await read([link], inline) == "ab12345")
        for message in [
            UnixFS(.file, fileSize: 10, blockSizes: [5]), UnixFS(.file, fileSize: 5, blockSizes: [5, 0]),
            UnixFS(.file, fileSize: 4, blockSizes: [4]), UnixFS(.file, fileSize: 6, blockSizes: [6]),
            UnixFS(.file, fileSize: 5, blockSizes: []), UnixFS(.file, fileSize: .max, blockSizes: [.max]),
            UnixFS(.directory), UnixFS(.symlink, data: ByteBuffer(string: "x")),
        ] {
            await #expect(throws: DAGReadError.self) { try await read([link], message) }
        }
        await #expect(throws: DAGReadError.self) {
            try await read([link, link], UnixFS(.file, fileSize: 4, blockSizes: [.max, 5]))
        }
        var named = link
        named.name = [0x61]
        await #expect(throws: DAGReadError.self) {
            try await read([named], UnixFS(.file, fileSize: 5, blockSizes: [5]))
        }
    }
}
