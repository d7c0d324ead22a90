import Foundation
import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto
import Synchronization
import TestSupport
import Testing

/// How fast a large file is imported, against the speed of hashing alone in the same run. Prints; asserts only
/// what does not depend on the machine's load. Runs with MERKLEDAG_LARGE=1.
@Suite(
    .serialized, .enabled(if: ProcessInfo.processInfo.environment["MERKLEDAG_LARGE"] != nil, "set MERKLEDAG_LARGE=1"))
struct ImportSpeedTests {
    static let size = 1 << 30

    /// Appends blocks to a file in memory, as a pack does.
    final class Pack: Sendable {
        let descriptor: Int32
        init(_ path: String) { descriptor = open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600) }
        deinit { close(descriptor) }
        func put(_ blocks: [Block]) {
            for block in blocks {
                block.data.withUnsafeReadableBytes {
                    precondition(write(descriptor, $0.baseAddress, $0.count) == $0.count)
                }
            }
        }
    }

    func cpuSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    @Test(arguments: [ImportProfile.v1_2025, .v0_2015])
    func oneGibibyte(_ profile: ImportProfile) async throws {
        let folder = URL(
            fileURLWithPath: FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        )
        .appendingPathComponent("import-speed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let source = folder.appendingPathComponent("source")
        var stream = ChaCha20Stream(key: ContentHash.sha256([1]).digest)
        let part = stream.take(16 << 20)
        let writer = Pack(source.path)
        for _ in 0..<Self.size >> 24 {
            writer.put([Block(cid: CID(codec: .raw, multihash: .identity([])), data: part)])
        }

        let watch = ContinuousClock()
        let hashTime = watch.measure { for _ in 0..<16 { _ = ContentHash.sha256(part) } } / 16 * 64
        let pack = Pack(folder.appendingPathComponent("pack").path)
        let batches = Mutex(0)
        let importer = try FolderImporter(profile: profile)
        let before = cpuSeconds()
        var node: ImportedNode?
        let time = try await watch.measure {
            node = try await importer.add(
                path: source.path,
                put: { blocks in
                    batches.withLock { $0 += 1 }
                    pack.put(blocks)
                })
        }
        let cpu = cpuSeconds() - before
        let rate = hashTime / time
        print(
            "import of 1 GiB, \(profile.name): \(time), \(cpu) CPU s; hashing alone \(hashTime); \(Int(rate * 100)) % of one core's SHA-256 rate"
        )
        #expect(node?.fileSize == UInt64(Self.size))
        #expect(batches.withLock { $0 } >= Self.size / BlockSink.batchBytes / 2)
        // Nothing is copied and nothing waits in line: three times the hashing's CPU would mean that it does.
        #expect(cpu < 3 * Double(hashTime.components.seconds) + 3)
    }
}
