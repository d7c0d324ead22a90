import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// Every file tree of every CAR in the vectors, read by us, against what an independent reader found.
@Suite(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct ReaderVectorTests {
    static let paths = CARContents.all.filter { path, car in
        !(car.tree ?? [:]).isEmpty && car.carVersion != nil && !CARTests.badPaths.contains(path)
    }.keys.sorted()

    func store(_ path: String) async throws -> (MemoryStore, CARHeader) {
        let (header, blocks) = try await readCAR(try Vectors.bytes(path))
        let store = MemoryStore()
        store.put(blocks)
        return (store, header)
    }

    @Test(arguments: paths)
    func treesAreReadAsOthersReadThem(_ path: String) async throws {
        let car = CARContents.all[path]!
        let (store, header) = try await store(path)
        let reader = DAGReader { try store.get($0) }
        var checked = 0
        for (place, node) in car.tree ?? [:] where !place.contains("/../") {
            // With several roots the first component names one.
            var segments = place.split(separator: "/").map { Array($0.utf8) }
            var root = header.roots.first
            if header.roots.count > 1, let first = segments.first, let named = try? CID(EntryName.text(first)) {
                root = named
                segments.removeFirst()
            }
            guard let root else { continue }
            if node.type == "MISSING" { continue }
            let found = try await reader.resolve(DAGPath(root: root, segments: segments))
            #expect(found.cid.description == node.cid && found.remainder.isEmpty, "\(place)")
            guard found.cid.codec == .raw || found.cid.codec == .dagPB else { continue }
            try await check(found.cid, node, reader, place)
            checked += 1
        }
        #expect(
            checked > 0 || (car.tree ?? [:]).values.allSatisfy { $0.type.hasPrefix("codec-") || $0.type == "MISSING" })
    }

    private func check(_ cid: CID, _ node: CARContents.Node, _ reader: DAGReader, _ place: String) async throws {
        if node.type == "dag-pb" {
            #expect(try await reader.block(cid).readableBytes == node.blockSize)
            return
        }
        let summary = try await reader.summary(of: cid)
        #expect(summary.blockSize == node.blockSize, "\(place)")
        switch node.type {
        case "dir": #expect(summary.kind == .folder && !summary.isSharded)
        case "hamt": #expect(summary.kind == .folder && summary.isSharded)
        case "symlink":
            #expect(summary.kind == .symlink && EntryName.text(summary.target) == node.target)
        default:
            #expect(summary.kind == .file)
            if node.content == "incomplete" { return }
            #expect(summary.size == node.size)
            var hasher = SHA256Hasher()
            for try await bytes in reader.bytes(of: cid) { hasher.update(bytes) }
            #expect(hasher.finish().digest.hexText == node.sha256, "\(place)")
        }
        if let mode = node.mode { #expect(summary.attributes.mode == UInt32(mode.dropFirst(2), radix: 8)) }
        if let mtime = node.mtime { #expect(summary.attributes.modified?.seconds == mtime) }
    }

    /// The CAR holds a sharded folder's blocks, each as a file; its shards are found again here.
    @Test func aLargeShardedFolderIsListedWhole() async throws {
        let (store, header) = try await store("unixfs/hamt/kubo-TestGatewayHAMTDirectory.car")
        let reader = DAGReader { try store.get($0) }
        var shards: Set<CID> = []
        var children: Set<CID> = []
        for try await entry in reader.entries(of: header.roots[0]) {
            let block = try store.get(entry.cid)
            guard let node = try? DagPB.Node(block), let message = try? UnixFS(node), message.kind == .hamtShard else {
                continue
            }
            shards.insert(CID(codec: .dagPB, multihash: entry.cid.multihash))
            children.formUnion(node.links.filter { $0.name?.count == 2 }.map(\.cid))
        }
        let roots = shards.subtracting(children)
        #expect(roots.count == 1)
        let folder = try #require(roots.first)
        #expect(try await reader.summary(of: folder).isSharded)
        var names: [[UInt8]] = []
        for try await entry in reader.entries(of: folder) { names.append(entry.name) }
        #expect(names.count == 10_100 && Set(names).count == 10_100)
        // Lookup needs only the shards on the way.
        let before = store.gets
        for name in names.prefix(50) { #expect(try await reader.lookup(name, in: folder) != nil) }
        #expect(store.gets - before <= 50 * 4)
        #expect(try await reader.lookup(Array("no such name".utf8), in: folder) == nil)
    }

    @Test func rangesOfAFileAreThoseBytes() async throws {
        let (store, header) = try await store("car/go-car/sample-rw-bs-v2.car")
        let reader = DAGReader { try store.get($0) }
        let cid = header.roots[2]  // "barreleye"
        for (range, text) in [(0..<9, "barreleye"), (3..<6, "rel"), (8..<100, "e"), (9..<20, ""), (4..<4, "")] {
            var got = ""
            for try await bytes in reader.bytes(of: cid, range: UInt64(range.lowerBound)..<UInt64(range.upperBound)) {
                got += String(buffer: bytes)
            }
            #expect(got == text)
        }
    }

    @Test func dagStatCountsAsKuboDoes() async throws {
        for name in ["TestDagStat", "TestDagStatCARv2"] {
            let (store, header) = try await store("car/kubo/\(name).car")
            let expected = try Vectors.text("car/kubo/TestDagStatExpectedOutput.txt")
            let root = try DagCBOR.decode(try store.get(header.roots[0]))
            let stat = try await DagStat(of: root.links, get: { try store.get($0) })
            for root in stat.roots {
                #expect(expected.contains("\(root.cid)\t\(root.blocks)              \t\(root.size)\n"))
            }
            #expect(stat.roots.count == 2)
            #expect(expected.contains("Total Size: \(stat.totalSize) "))
            #expect(expected.contains("Unique Blocks: \(stat.uniqueBlocks)\n"))
            #expect(expected.contains("Shared Size: \(stat.sharedSize) "))
            #expect(expected.contains("Ratio: \(String(format: "%.6f", stat.ratio))\n"))
            #expect(stat.text == expected)
        }
    }

    @Test func murmurHashesAreTheNetworks() throws {
        struct File: Decodable {
            struct Row: Decodable { var name: String; var hash: String }
            var vectors: [Row]
        }
        let file: File = try Vectors.json("unixfs/hamt/murmur3-x64-64.json")
        for row in file.vectors {
            let hash = HAMTShard.hash(of: Array(row.name.utf8))
            #expect(String(hash, radix: 16) == String(row.hash.drop { $0 == "0" }) || (hash == 0 && row.name.isEmpty))
        }
    }
}
