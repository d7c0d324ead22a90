import Foundation
import Multiformats
import NIOCore
import TestSupport
import Testing

/// The IPLD codec fixtures: one value in each codec, under the CID of its bytes.
@Suite(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct DAGFixtureTests {
    private func files(_ folder: String, suffix: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Vectors.folder.appendingPathComponent(folder).path)
            .filter { $0.hasSuffix(suffix) }.sorted().map { "\(folder)/\($0)" }
    }

    /// Each fixture decodes, encodes to the same bytes, and converts to the other codec's bytes. The dag-pb
    /// files beside them are MerkleDAG's part; their dag-cbor and dag-json forms are tested here.
    @Test func fixtures() throws {
        let folders = try files("dag-codec/fixtures", suffix: "")
        #expect(folders.count == 128)
        for folder in folders {
            let cborFile = try #require(try files(folder, suffix: ".dag-cbor").first)
            let jsonFile = try #require(try files(folder, suffix: ".dag-json").first)
            let (cbor, json) = (try Vectors.bytes(cborFile), try Vectors.bytes(jsonFile))
            let fromCBOR = try DagCBOR.decode(cbor, mode: .strict)
            #expect(try DagCBOR.encode(fromCBOR) == cbor, "\(folder)")
            let fromJSON = try DagJSON.decode(json)
            #expect(try DagJSON.encode(fromJSON) == json, "\(folder)")
            #expect(try DagJSON.encode(fromCBOR) == json, "\(folder)")
            #expect(try DagCBOR.encode(fromJSON) == cbor, "\(folder)")
            #expect(try DagCBOR.links(cbor) == fromCBOR.links)
            #expect(Set(fromJSON.links) == Set(fromCBOR.links))
            // The name is the CID; hashing is tested where hashes are made.
            let name = try #require(cborFile.split(separator: "/").last?.split(separator: ".").first)
            #expect(try CID(String(name)).codec == .dagCBOR)
        }
    }

    struct Negative: Decodable {
        let name: String
        let hex: String?
    }

    @Test func negativeFixtures() throws {
        for codec in ["dag-cbor", "dag-json"] {
            for file in try files("dag-codec/negative-fixtures/\(codec)/decode", suffix: ".json") {
                for row in try Vectors.json(file, as: [Negative].self) {
                    let bytes = hex(try #require(row.hex))
                    #expect(throws: DAGError.duplicateKey("foo"), "\(row.name)") {
                        try codec == "dag-cbor" ? DagCBOR.decode(bytes) : DagJSON.decode(bytes)
                    }
                    if codec == "dag-cbor" {
                        #expect(throws: DAGError.self) { try DagCBOR.decode(bytes, mode: .strict) }
                    }
                }
            }
        }
    }

    /// A block of older software whose keys are in the wrong order: readable, and canonical when written again.
    @Test func nonCanonicalBlock() throws {
        let bytes = try Vectors.bytes("dag-codec/kubo-non-canon.cbor")
        #expect(throws: DAGError.notCanonical) { try DagCBOR.decode(bytes, mode: .strict) }
        let value = try DagCBOR.decode(bytes)
        let again = try DagCBOR.encode(value)
        #expect(again != bytes && again.count == bytes.count)
        #expect(try DagCBOR.decode(again, mode: .strict)["arr"] == .list([]))
        #expect(value.links.map(\.description) == ["bafyreidfszipyncdzelefaci57c3urky3sddlfeybjm7lsz4jwcim7tnge"])
    }

    /// Kubo's dag-cbor files are canonical, and each has a dag-json sibling of the same value. The dag-jose
    /// files are dag-cbor underneath; that they are JOSE is nobody's business here.
    @Test func kuboPairs() throws {
        let json = try files("dag-codec/kubo-dag-jose/dag-json", suffix: "").map { try Vectors.bytes($0) }
        let cbor = try files("dag-codec/kubo-dag-jose/dag-cbor", suffix: "").map { try Vectors.bytes($0) }
        #expect(json.count == 3 && cbor.count == 3)
        let converted = try cbor.map { try DagJSON.encode(DagCBOR.decode($0, mode: .strict)) }
        #expect(Set(converted) == Set(json))
        for bytes in json { #expect(try DagJSON.encode(DagJSON.decode(bytes)) == bytes) }
        let jose = try files("dag-codec/kubo-dag-jose/dag-jose", suffix: "")
        #expect(jose.count == 9)
        for file in jose {
            let bytes = try Vectors.bytes(file)
            #expect(try DagCBOR.encode(DagCBOR.decode(bytes)).count == bytes.count, "\(file)")
        }
    }
}
