import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import Synchronization
import TestSupport
import Testing

/// A generator of the same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}

/// What lies on a disk, for comparing: for each relative path its kind and content.
func snapshot(_ folder: URL) throws -> [String: String] {
    var result: [String: String] = [:]
    let manager = FileManager.default
    for name in try manager.subpathsOfDirectory(atPath: folder.path) {
        let path = folder.appendingPathComponent(name).path
        let type = try manager.attributesOfItem(atPath: path)[.type] as? FileAttributeType
        switch type {
        case .typeSymbolicLink: result[name] = "-> " + (try manager.destinationOfSymbolicLink(atPath: path))
        case .typeDirectory: result[name] = "folder"
        default:
            result[name] = ContentHash.sha256([UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))).digest.hexText
        }
    }
    return result
}

struct TreeTests {
    /// Fills `folder` with files of all sizes, folders, symlinks and names in several scripts.
    func plant(_ folder: URL, _ random: inout Seeded, depth: Int = 0) throws {
        let manager = FileManager.default
        try manager.createDirectory(at: folder, withIntermediateDirectories: true)
        let names = [
            "a.txt", "ünïcode", "日本語.md", "спутник", "mit leerzeichen", "קובץ", "🦆", "UPPER", "percent%20", "new\nline",
            "back\\slash",
        ]
        for name in names.shuffled(using: &random).prefix(Int.random(in: 0...8, using: &random)) {
            let place = folder.appendingPathComponent(name)
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where depth < 4: try plant(place, &random, depth: depth + 1)
            case 1:
                try manager.createSymbolicLink(
                    atPath: place.path,
                    withDestinationPath: ["../x", "/etc/passwd", "a.txt", "🦆"].randomElement(using: &random)!)
            default:
                let size = [0, 1, 100, 4096, 262_144, 262_145, 1_100_000].randomElement(using: &random)!
                var bytes = [UInt8](repeating: 0, count: size)
                for index in stride(from: 0, to: size, by: 61) {
                    bytes[index] = UInt8.random(in: 0...255, using: &random)
                }
                try Data(bytes).write(to: place)
            }
        }
    }

    static let profiles: [ImportProfile] = {
        var narrow = ImportProfile.v0_2015
        (narrow.chunkSize, narrow.maximumLinks, narrow.shardingThreshold, narrow.fanout) = (1000, 3, 60, 8)
        var wide = ImportProfile.v1_2025
        (wide.chunkSize, wide.shardingThreshold, wide.fanout, wide.rawLeaves) = (70_000, 0, 1024, false)
        return [.v0_2015, .v1_2025, narrow, wide]
    }()

    @Test(arguments: 0..<8)
    func whatIsAddedComesBackTheSame(_ seed: Int) async throws {
        print("seed \(seed)")
        var random = Seeded(UInt64(seed))
        try await withTemporaryFolder { folder in
            let source = folder.appendingPathComponent("source")
            try plant(source, &random)
            try FileManager.default.createDirectory(
                at: source.appendingPathComponent("empty"), withIntermediateDirectories: true)
            let before = try snapshot(source)
            let store = MemoryStore()
            let importer = try FolderImporter(profile: Self.profiles[seed % 4], includesHidden: true)
            let told = Mutex<(bytes: Int, added: Int)>((0, 0))
            let root = try await importer.add(path: source.path, put: { store.put($0) }) { progress in
                told.withLock {
                    switch progress {
                    case .bytes(_, let count): $0.bytes += count
                    case .added: $0.added += 1
                    }
                }
            }
            #expect(told.withLock { $0.added } == before.count + 1)
            let reader = DAGReader { try store.get($0) }
            let direct = folder.appendingPathComponent("direct")
            try await Unpacker.unpack(root.cid, from: reader, to: direct.path)
            #expect(try snapshot(direct) == before)
            // Through a tar stream, cut anywhere.
            let tar = TarStream(root.cid, from: reader, rootName: Array("root".utf8))
            let packed = folder.appendingPathComponent("packed")
            var bytes: [UInt8] = []
            for try await buffer in tar { bytes += buffer.readableBytesView }
            try await Unpacker.unpack(tar: Pieces(bytes, 777), to: packed.path, rootName: [])
            #expect(try snapshot(packed) == before)
            // The walk finds what the import stored, once each.
            var walked: [Multihash] = []
            for try await block in DAGWalker(roots: [root.cid], get: { try store.get($0) }) {
                walked.append(block.cid.multihash)
            }
            #expect(walked.count == Set(walked).count && Set(walked) == store.hashes)
            let named = DAGWalker(roots: [root.cid], fetchesLeaves: false, get: { try store.get($0) })
            var count = 0
            for try await _ in named { count += 1 }
            #expect(count == walked.count)
        }
    }

    @Test func anotherTarReadsOurs() async throws {
        try await withTemporaryFolder { folder in
            let source = folder.appendingPathComponent("source")
            var random = Seeded(99)
            try plant(source, &random)
            let long = source.appendingPathComponent(String(repeating: "long-", count: 30)).appendingPathComponent(
                String(repeating: "y", count: 120))
            try FileManager.default.createDirectory(at: long, withIntermediateDirectories: true)
            try Data("deep".utf8).write(to: long.appendingPathComponent("file"))
            let store = MemoryStore()
            let root = try await FolderImporter().add(path: source.path, put: { store.put($0) })
            var bytes: [UInt8] = []
            for try await buffer in TarStream(
                root.cid, from: DAGReader { try store.get($0) }, rootName: Array("out".utf8))
            {
                bytes += buffer.readableBytesView
            }
            let archive = folder.appendingPathComponent("x.tar")
            try Data(bytes).write(to: archive)
            func tar(_ arguments: [String]) throws -> Int32 {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = ["tar"] + arguments
                process.currentDirectoryURL = folder
                try process.run()
                process.waitUntilExit()
                return process.terminationStatus
            }
            #expect(try tar(["-xf", archive.path]) == 0)
            #expect(try snapshot(folder.appendingPathComponent("out")) == snapshot(source))
            // And we read theirs, in both of its formats.
            for format in ["gnu", "pax"] {
                #expect(try tar(["-cf", archive.path, "--format=\(format)", "source"]) == 0)
                let target = folder.appendingPathComponent(format)
                try await Unpacker.unpack(
                    tar: Pieces([UInt8](try Data(contentsOf: archive)), 1000), to: target.path, rootName: [])
                #expect(try snapshot(target) == snapshot(source))
            }
        }
    }

    @Test func everyRangeOfAFileIsRight() async throws {
        var random = Seeded(5)
        let content = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
        var profile = ImportProfile.v0_2015
        (profile.chunkSize, profile.maximumLinks) = (100, 3)
        let store = MemoryStore()
        let root = try await Importer(profile: profile).add(Pieces(content, 37), put: { store.put($0) })
        for window in [1, 3, 16] {
            var limits = DAGLimits()
            limits.window = window
            let reader = DAGReader(limits: limits) { try store.get($0) }
            for _ in 0..<40 {
                let low = Int.random(in: 0...5000, using: &random)
                let high = Int.random(in: low...5100, using: &random)
                var got: [UInt8] = []
                let before = store.gets
                for try await bytes in reader.bytes(of: root.cid, range: UInt64(low)..<UInt64(high)) {
                    got += bytes.readableBytesView
                }
                #expect(got == Array(content[low..<min(high, 5000)]))
                // Leaves of the range and the nodes above them; nothing else.
                #expect(store.gets - before <= (high - low) / 100 + 2 + (high - low) / 200 + 2 * 5)
            }
        }
    }

    @Test func fetchesGoAheadButNotFar() async throws {
        var profile = ImportProfile.v1_2025
        profile.chunkSize = 100
        let store = MemoryStore()
        let root = try await Importer(profile: profile).add(
            ByteBuffer(repeating: 7, count: 10_000), put: { store.put($0) })
        let flight = Mutex<(now: Int, most: Int)>((0, 0))
        var limits = DAGLimits()
        limits.window = 8
        let reader = DAGReader(limits: limits) { cid in
            flight.withLock {
                $0.now += 1; $0.most = max($0.most, $0.now)
            }
            for _ in 0..<20 { await Task.yield() }
            flight.withLock { $0.now -= 1 }
            return try store.get(cid)
        }
        var total = 0
        for try await bytes in reader.bytes(of: root.cid) { total += bytes.readableBytes }
        #expect(total == 10_000)
        #expect(flight.withLock { $0.most } <= 9 && flight.withLock { $0.most } > 1)
    }

    @Test func aMissingBlockEndsTheReading() async throws {
        let store = MemoryStore()
        var profile = ImportProfile.v1_2025
        profile.chunkSize = 10
        let root = try await Importer(profile: profile).add(Pieces(Array(0..<200), 200), put: { store.put($0) })
        let gone = CID(codec: .raw, multihash: ContentHash.sha256(Array(100..<110)))
        store.remove(gone)
        let reader = DAGReader { try store.get($0) }
        var got: [UInt8] = []
        await #expect(throws: MemoryStore.Missing.self) {
            for try await bytes in reader.bytes(of: root.cid) { got += bytes.readableBytesView }
        }
        #expect(got == Array(0..<100))
        // What lies elsewhere is still readable.
        var rest: [UInt8] = []
        for try await bytes in reader.bytes(of: root.cid, range: 110..<200) { rest += bytes.readableBytesView }
        #expect(rest == Array(110..<200))
    }

    @Test func aReaderThatStopsEndsItsFetches() async throws {
        let store = MemoryStore()
        var profile = ImportProfile.v1_2025
        profile.chunkSize = 10
        let root = try await Importer(profile: profile).add(
            ByteBuffer(repeating: 1, count: 1000), put: { store.put($0) })
        let reading = Task {
            let reader = DAGReader { cid in
                // Leaves never come: this ends only when it is cancelled.
                if cid.codec == .raw { for await _ in AsyncStream<Never>.makeStream().stream {} }
                return try store.get(cid)
            }
            for try await _ in reader.bytes(of: root.cid) {}
        }
        reading.cancel()
        await #expect(throws: (any Error).self) { try await reading.value }
    }

    @Test func theImporterHoldsAFewChunksOnly() async throws {
        // Bytes handed over and not yet stored never pass the window, two batches and what is being gathered.
        let handed = Mutex(0)
        let stored = Mutex(0)
        let most = Mutex(0)
        struct Source: AsyncSequence, AsyncIteratorProtocol {
            var left: Int
            let hand: @Sendable (Int) -> Void
            func makeAsyncIterator() -> Source { self }
            mutating func next() async throws -> ByteBuffer? {
                guard left > 0 else { return nil }
                left -= 1
                hand(65_536)
                return ByteBuffer(repeating: UInt8(left & 255), count: 65_536)
            }
        }
        let total = 96 << 20
        let source = Source(left: total / 65_536) { count in
            let sum = handed.withLock {
                $0 += count; return $0
            }
            let outside = sum - stored.withLock { $0 }
            most.withLock { $0 = max($0, outside) }
        }
        let node = try await Importer().add(
            source,
            put: { blocks in
                for _ in 0..<50 { await Task.yield() }
                stored.withLock { $0 += blocks.reduce(0) { $0 + $1.data.readableBytes } }
            })
        #expect(node.fileSize == UInt64(total))
        #expect(most.withLock { $0 } <= 2 * BlockSink.batchBytes + (Importer.hashersInFlight + 3) << 20)
    }

    /// Chunks that come whole, with room around them, are stored from where they lie.
    @Test(arguments: [ImportProfile.v1_2025, .v0_2015])
    func wholeChunksAreNotCopied(_ profile: ImportProfile) async throws {
        final class Addresses: Sendable {
            let all = Mutex<Set<Int>>([])
            func add(_ buffer: ByteBuffer) {
                buffer.withUnsafeReadableBytes { bytes in
                    _ = all.withLock { $0.insert(Int(bitPattern: bytes.baseAddress)) }
                }
            }
        }
        struct Source: AsyncSequence, AsyncIteratorProtocol {
            var left = 8
            let size: Int
            let addresses: Addresses
            func makeAsyncIterator() -> Source { self }
            mutating func next() async throws -> ByteBuffer? {
                guard left > 0 else { return nil }
                left -= 1
                var buffer = ByteBufferAllocator().buffer(capacity: size + 64)
                buffer.moveWriterIndex(to: 32)
                buffer.moveReaderIndex(to: 32)
                buffer.writeRepeatingByte(UInt8(left), count: size)
                addresses.add(buffer)
                return buffer
            }
        }
        let addresses = Addresses()
        let same = Mutex(0)
        _ = try await Importer(profile: profile).add(
            Source(size: profile.chunkSize, addresses: addresses),
            put: { blocks in
                for block in blocks where block.data.readableBytes >= profile.chunkSize {
                    block.data.withUnsafeReadableBytes { bytes in
                        let start =
                            Int(bitPattern: bytes.baseAddress)
                            + (profile.rawLeaves ? 0 : bytes.count - profile.chunkSize - 4)
                        if addresses.all.withLock({ $0.contains(start) }) { same.withLock { $0 += 1 } }
                    }
                }
            })
        #expect(same.withLock { $0 } == 8)
    }

    @Test func aStoreThatFailsEndsTheImport() async throws {
        struct Full: Error {}
        await #expect(throws: Full.self) {
            try await Importer().add(ByteBuffer(repeating: 0, count: 12 << 20), put: { _ in throw Full() })
        }
    }

    @Test func oddThingsOnDiskAreRefusedClearly() async throws {
        try await withTemporaryFolder { folder in
            let pipe = folder.appendingPathComponent("pipe").path
            #expect(mkfifo(pipe, 0o600) == 0)
            let importer = try FolderImporter()
            await #expect(throws: ImportError.notAFileOrFolder(path: pipe, kind: "pipe")) {
                try await importer.add(path: folder.path, put: { _ in })
            }
            await #expect(throws: FileSystemError.self) {
                try await importer.add(path: folder.appendingPathComponent("nothing").path, put: { _ in })
            }
        }
    }

    @Test func hiddenFilesAreAddedOnlyWhenAsked() async throws {
        try await withTemporaryFolder { folder in
            let source = folder.appendingPathComponent(".root")
            try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
            for name in [".hidden", "seen"] { try Data("x".utf8).write(to: source.appendingPathComponent(name)) }
            for (hidden, expected) in [(false, ["seen"]), (true, [".hidden", "seen"])] {
                let store = MemoryStore()
                let root = try await FolderImporter(includesHidden: hidden).add(
                    path: source.path + "/", put: { store.put($0) })
                var names: [String] = []
                for try await entry in DAGReader(get: { try store.get($0) }).entries(of: root.cid) {
                    names.append(entry.nameText)
                }
                #expect(names == expected)
            }
        }
    }
}
