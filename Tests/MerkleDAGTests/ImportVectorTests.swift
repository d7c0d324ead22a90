import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import TestSupport
import Testing

/// The rows of `unixfs/import-vectors.json`: known CIDs of known content.
struct ImportVectors: Decodable {
    struct Input: Decodable {
        var kind: String
        var text: String?
        var seed: String?
        var length: Int?
        var sha256: String?
        var files: Int?
        var nameLen: Int?
        var lastNameLen: Int?
        var firstName: String?
        var lastName: String?
    }
    struct Row: Decodable, CustomTestStringConvertible {
        var profile: String
        var label: String
        var input: Input?
        var cid: String
        var cidv1: String?
        var rootBlockSize: Int?
        var dagTsize: UInt64?
        var testDescription: String { "\(profile): \(label)" }
    }
    var alphabet: String
    var vectors: [Row]

    static let all: ImportVectors? = try? Vectors.json("unixfs/import-vectors.json")

    /// 1 GiB rows take seconds each; they run with MERKLEDAG_LARGE=1.
    static var rows: [Row] {
        let large = ProcessInfo.processInfo.environment["MERKLEDAG_LARGE"] != nil
        return (all?.vectors ?? []).filter { large || ($0.input?.length ?? 0) < 1 << 30 }
    }
}

/// The ChaCha20 keystream of a seed, made on the fly in buffers of 64 KiB.
struct KeyStream: AsyncSequence, AsyncIteratorProtocol {
    private var cipher: ChaCha20Stream
    private var left: Int

    init(seed: String, length: Int) {
        cipher = ChaCha20Stream(key: ContentHash.sha256(Array(seed.utf8)).digest)
        left = length
    }

    func makeAsyncIterator() -> KeyStream { self }

    mutating func next() async throws -> ByteBuffer? {
        guard left > 0 else { return nil }
        let count = Swift.min(left, 64 << 10)
        left -= count
        return cipher.take(count)
    }
}

/// ChaCha20 with a zero nonce, for test content that other implementations define by its seed.
struct ChaCha20Stream {
    private var state: [UInt32]
    private var rest = ByteBuffer()

    init(key: [UInt8]) {
        state = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]
        for word in 0..<8 {
            state.append((0..<4).reduce(UInt32(0)) { $0 | UInt32(key[word * 4 + $1]) << UInt32(8 * $1) })
        }
        state += [0, 0, 0, 0]
    }

    mutating func take(_ count: Int) -> ByteBuffer {
        if rest.readableBytes < count {
            rest.discardReadBytes()
            rest.reserveCapacity(count + 64)
            while rest.readableBytes < count { block() }
        }
        return rest.readSlice(length: count)!
    }

    private mutating func block() {
        typealias Four = SIMD4<UInt32>
        func rotate(_ v: Four, _ n: UInt32) -> Four { v &<< Four(repeating: n) | v &>> Four(repeating: 32 - n) }
        let a0 = Four(state[0], state[1], state[2], state[3])
        let b0 = Four(state[4], state[5], state[6], state[7])
        let c0 = Four(state[8], state[9], state[10], state[11])
        let d0 = Four(state[12], state[13], state[14], state[15])
        var (a, b, c, d) = (a0, b0, c0, d0)
        func round() {
            a = a &+ b; d = rotate(d ^ a, 16)
            c = c &+ d; b = rotate(b ^ c, 12)
            a = a &+ b; d = rotate(d ^ a, 8)
            c = c &+ d; b = rotate(b ^ c, 7)
        }
        for _ in 0..<10 {
            round()
            b = Four(b[1], b[2], b[3], b[0]); c = Four(c[2], c[3], c[0], c[1]); d = Four(d[3], d[0], d[1], d[2])
            round()
            b = Four(b[3], b[0], b[1], b[2]); c = Four(c[2], c[3], c[0], c[1]); d = Four(d[1], d[2], d[3], d[0])
        }
        for vector in [a &+ a0, b &+ b0, c &+ c0, d &+ d0] {
            rest.writeMultipleIntegers(vector[0], vector[1], vector[2], vector[3], endianness: .little)
        }
        state[12] &+= 1
    }
}

@Suite(.enabled(if: Vectors.present, "\(Vectors.skipped)"))
struct ImportVectorTests {
    /// The profile that a row's text describes.
    func profile(_ text: String) -> ImportProfile {
        var profile = ImportProfile.v0_2015
        switch text {
        case "unixfs-v1-2025": return .v1_2025
        case "cidv1, rawLeaves=false", "cidv1 raw-leaves=false", "any v1": profile.cidVersion = 1
        case "cidv1 raw, sha2-512":
            profile.cidVersion = 1
            profile.rawLeaves = true
            profile.hash = .sha2_512
        case "unixfs-v0-2015, sharding forced off": profile.shardingThreshold = nil
        case "unixfs-v0-2015, sharding forced on (threshold 1 byte)": profile.shardingThreshold = 1
        case "v0 raw-leaves": profile.rawLeaves = true
        case "cidv1 raw-leaves":
            profile.cidVersion = 1
            profile.rawLeaves = true
        default: break
        }
        return profile
    }

    func folder(_ profile: ImportProfile, _ store: MemoryStore, _ files: [(String, ImportedNode)]) async throws
        -> ImportedNode
    {
        var builder = try DirectoryBuilder(profile: profile)
        for (name, node) in files { try builder.add(name: Array(name.utf8), node) }
        return try await builder.finish(put: { store.put($0) })
    }

    func names(_ input: ImportVectors.Input) -> [String] {
        let alphabet = Array(ImportVectors.all!.alphabet)
        var stream = ChaCha20Stream(key: ContentHash.sha256(Array(input.seed!.utf8)).digest)
        return (0..<input.files!).map { index in
            let length = index == input.files! - 1 ? input.lastNameLen! : input.nameLen!
            return String(stream.take(length).readableBytesView.map { alphabet[Int($0) % 39] })
        }
    }

    /// Builds the content that a row names and returns its root.
    func build(_ row: ImportVectors.Row, _ store: MemoryStore) async throws -> ImportedNode {
        let profile = profile(row.profile)
        let importer = try Importer(profile: profile)
        func file(_ text: String) async throws -> ImportedNode {
            try await importer.add(ByteBuffer(string: text), put: { store.put($0) })
        }
        if let input = row.input {
            switch input.kind {
            case "utf8": return try await file(input.text!)
            case "chacha":
                return try await importer.add(
                    KeyStream(seed: input.seed!, length: input.length!), put: { store.put($0) })
            default:
                let names = names(input)
                #expect(names.first == input.firstName && names.last == input.lastName)
                let node = try await file("x")
                return try await folder(profile, store, names.map { ($0, node) })
            }
        }
        switch row.label.prefix(7) {
        case "t0260: ":
            var files: [(String, ImportedNode)] = []
            for index in 1...2000 { files.append(("file\(index)", try await file("\(index)\n"))) }
            return try await folder(profile, store, files)
        case "planets":
            return try await folder(
                profile, store,
                [("venus.txt", try await file("Hello Venus!\n")), ("mars.txt", try await file("Hello Mars!\n"))])
        case "empty d": return try await folder(profile, store, [])
        case "moons/j": return try await folder(profile, store, [("europa.txt", try await file("Hello Europa!\n"))])
        case "moons/s": return try await folder(profile, store, [("titan.txt", try await file("Hello Titan!\n"))])
        case "moons =":
            let jupiter = try await folder(profile, store, [("europa.txt", try await file("Hello Europa!\n"))])
            let saturn = try await folder(profile, store, [("titan.txt", try await file("Hello Titan!\n"))])
            let mercury = try await file("hey you are no moon!\n")
            return try await folder(
                profile, store, [("mercury.txt", mercury), ("saturn", saturn), ("jupiter", jupiter)])
        case "zero-le":
            let data = DagPB.Node().encoded()
            let cid = CID(codec: .dagPB, multihash: ContentHash.sha256(data))
            #expect(cid.description == row.cidv1)
            return ImportedNode(cid: cid.v0!, tsize: 0, fileSize: 0)
        default:
            Issue.record("no such content is known here: \(row.label)")
            throw CancellationError()
        }
    }

    @Test(arguments: ImportVectors.rows)
    func contentHasTheKnownCID(_ row: ImportVectors.Row) async throws {
        let large = (row.input?.length ?? 0) >= 1 << 30
        let store = MemoryStore(keeps: !large)
        let root = try await build(row, store)
        #expect(root.cid.description == row.cid)
        if let tsize = row.dagTsize { #expect(root.tsize == tsize) }
        if let size = row.rootBlockSize { #expect(try store.get(root.cid).readableBytes == size) }
        if let length = row.input?.length { #expect(root.fileSize == UInt64(length)) }
    }

    @Test func everyRowIsKnown() throws {
        #expect(ImportVectors.all?.vectors.count == 34)
        #expect(ImportVectors.rows.count >= 32)
    }
}
