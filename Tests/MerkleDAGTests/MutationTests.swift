import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// Damaged and invented bytes: every decoder answers with a value or an error, and never traps.
@Suite(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct MutationTests {
    static let rounds = 20_000

    /// One to four small damages: bits, bytes, cuts, repeats, large numbers.
    func mutate(_ bytes: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var result = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !result.isEmpty {
            let at = Int.random(in: 0..<result.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: result[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: result[at] = UInt8.random(in: 0...255, using: &random)
            case 2: result.removeSubrange(at..<min(result.count, at + Int.random(in: 1...8, using: &random)))
            case 3:
                result.insert(
                    contentsOf: [UInt8](repeating: 0xff, count: Int.random(in: 1...9, using: &random)), at: at)
            case 4: result.insert(contentsOf: result[at..<min(result.count, at + 40)], at: at)
            default: result.removeLast(result.count - at)
            }
        }
        return result
    }

    /// Blocks of every kind that the vectors hold, small enough to be damaged often.
    func corpus() async throws -> [Block] {
        var blocks: [Block] = []
        for path in [
            "unixfs/hamt/directory-with-multilayer-hamt-and-multiblock-files.car",
            "unixfs/unixfs-dir-with-mode-mtime.car",
            "car/go-car/simple-unixfs.car", "unixfs/dir-special-chars.car",
        ] {
            blocks += try await readCAR(try Vectors.bytes(path)).blocks.filter { $0.cid.codec == .dagPB }
        }
        return blocks
    }

    @Test func damagedNodesNeverTrap() async throws {
        let seed: UInt64 = 0x5eed
        print("seed \(seed)")
        var random = Seeded(seed)
        let corpus = try await corpus()
        var good = 0
        for _ in 0..<Self.rounds {
            let bytes = mutate(Array(corpus.randomElement(using: &random)!.data.readableBytesView), &random)
            let buffer = ByteBuffer(bytes: bytes)
            guard let node = try? DagPB.Node(buffer) else { continue }
            _ = try? node.value()
            // What was read can be written and read again, and stays the same from there on.
            let again = try DagPB.Node(node.encoded())
            #expect(again.encoded() == node.encoded())
            guard let message = try? UnixFS(node) else { continue }
            _ = try UnixFS(message.encoded())
            if let shard = try? HAMTShard(node, message) {
                _ = try? shard.slot(for: random.next(), depth: Int.random(in: 0..<9, using: &random))
            }
            good += 1
        }
        #expect(good > 100)
    }

    @Test func damagedTreesNeverTrapAReader() async throws {
        let seed: UInt64 = 0xd46
        print("seed \(seed)")
        var random = Seeded(seed)
        let corpus = try await corpus()
        for _ in 0..<Self.rounds / 10 {
            let store = MemoryStore()
            store.put(corpus)
            let damaged = mutate(Array(corpus.randomElement(using: &random)!.data.readableBytesView), &random)
            let cid = store.add(.dagPB, ByteBuffer(bytes: damaged))
            var limits = DAGLimits()
            limits.bytes = 1 << 20
            let reader = DAGReader(limits: limits) { try store.get($0) }
            do { for try await _ in reader.tree(cid) {} } catch {}
            do { for try await _ in reader.bytes(of: cid) {} } catch {}
            do { for try await _ in reader.entries(of: cid) {} } catch {}
            _ = try? await reader.summary(of: cid)
        }
    }

    @Test(arguments: [
        "car/ipld-spec/carv1-basic.car", "car/ipld-spec/carv2-basic.car", "car/go-car/sample-rw-bs-v2.car",
    ])
    func damagedCARFilesNeverTrap(_ path: String) throws {
        let seed: UInt64 = 0xca4
        print("seed \(seed)")
        var random = Seeded(seed)
        let bytes = try Vectors.bytes(path)
        for _ in 0..<Self.rounds / 3 {
            let damaged = mutate(bytes, &random)
            var parser = CARParser(options: .init(zeroLengthEndsFile: Bool.random(using: &random)))
            var rest = damaged[...]
            do {
                while !rest.isEmpty {
                    let count = Int.random(in: 1...400, using: &random)
                    parser.append(ByteBuffer(bytes: rest.prefix(count)))
                    rest = rest.dropFirst(count)
                    while let section = try parser.next() {
                        #expect(ContentHash.verify(section.block.data, matches: section.block.cid))
                    }
                }
                try parser.finish()
            } catch {}
            _ = CARIndex(ByteBuffer(bytes: damaged.suffix(Int.random(in: 0...damaged.count, using: &random))))
        }
    }

    @Test func damagedIndexesNeverTrap() throws {
        let seed: UInt64 = 0x1d8
        print("seed \(seed)")
        var random = Seeded(seed)
        for name in ["sample-index", "sample-multihash-index-sorted"] {
            let bytes = Array(try Vectors.bytes("car/go-car/\(name).carindex").prefix(400))
            for _ in 0..<Self.rounds / 10 {
                let index = CARIndex(ByteBuffer(bytes: mutate(bytes, &random)))
                _ = index?.offsets(of: ContentHash.sha256([1]))
            }
        }
    }

    @Test func damagedTarStreamsNeverTrap() async throws {
        let seed: UInt64 = 0x7a4
        print("seed \(seed)")
        var random = Seeded(seed)
        var writer = TarWriter(rootName: Array("root".utf8))
        var output: [ByteBuffer] = []
        try writer.write(.folder(path: [], NodeAttributes()), to: &output)
        let long = [UInt8](repeating: 0x6c, count: 200)
        try writer.write(
            .file(path: [long], size: 700, NodeAttributes(mode: 0o640), data: ByteBuffer(repeating: 1, count: 700)),
            to: &output)
        try writer.write(.symlink(path: [Array("é".utf8)], target: long, NodeAttributes()), to: &output)
        output.append(try writer.end())
        let bytes = output.flatMap { Array($0.readableBytesView) }
        for _ in 0..<Self.rounds / 2 {
            var reader = TarReader()
            reader.append(ByteBuffer(bytes: mutate(bytes, &random)))
            do {
                while let event = try reader.next() {
                    guard case .file(let path, _, _, _) = event else { continue }
                    #expect(path.allSatisfy { EntryName.isSafe($0) })
                }
                try reader.finish()
            } catch {}
        }
    }

    @Test func everyCutOfANodeIsAnError() async throws {
        for block in try await corpus().prefix(20) {
            let bytes = Array(block.data.readableBytesView)
            for length in 1..<bytes.count {
                // A cut between two fields leaves a shorter node, which is one by its format.
                if let node = try? DagPB.Node(ByteBuffer(bytes: bytes[..<length])) {
                    #expect(node.encoded().readableBytes == length)
                }
            }
        }
    }
}
