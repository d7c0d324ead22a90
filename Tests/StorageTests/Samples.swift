import Foundation
import Multiformats
import NIOCore
import PeerCrypto
import Storage
import TestSupport

/// SplitMix64, so that a printed seed repeats a run.
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Bytes that `seed` determines.
func noise(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var dice = Dice(seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: dice.next()) { bytes.append(contentsOf: $0) } }
    return Array(bytes.prefix(count))
}

extension Block {
    init(_ bytes: [UInt8], codec: Codec = .raw) {
        let data = ByteBuffer(bytes: bytes)
        self.init(cid: CID(codec: codec, multihash: ContentHash.sha256(data)), data: data)
    }

    /// A block of `count` bytes that `seed` determines.
    static func sample(_ count: Int, _ seed: UInt64) -> Block { Block(noise(count, seed)) }

    /// A node that links to others: their CIDs, one a line.
    static func node(_ children: [CID], _ salt: String = "") -> Block {
        Block(Array(([salt] + children.map(\.description)).joined(separator: "\n").utf8), codec: .dagPB)
    }
}

/// The links of a block made by `node`.
func sampleLinks(_ cid: CID, _ data: ByteBuffer) throws -> [CID] {
    try String(buffer: data).split(separator: "\n", omittingEmptySubsequences: false).dropFirst().map {
        try CID(String($0))
    }
}

/// Options that make everything happen early and that depend on no clock.
func smallOptions(packLimit: Int64 = 1 << 20) -> RepositoryOptions {
    var options = RepositoryOptions()
    options.packLimit = packLimit
    options.smallPackLimit = packLimit
    options.graceSeconds = 0
    options.now = { 1_800_000_000 }
    return options
}

/// A repository in a folder of its own, closed and removed afterwards.
func withRepository<R>(
    _ options: RepositoryOptions = smallOptions(), _ body: (Repository, String) async throws -> R
) async throws -> R {
    try await withFolder { folder in
        let repository = try Repository.open(at: folder, options: options)
        let result = try await body(repository, folder)
        try repository.close()
        return result
    }
}

/// A folder for `body`, in memory where that can be had: these tests sync thousands of times.
func withFolder<R>(_ body: (String) async throws -> R) async throws -> R {
    let memory = "/dev/shm"
    let base = FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
    let folder = base + "/coliving-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

/// A copy of a repository's folder as the disk holds it at this moment.
func copyFolder(_ source: String, _ target: String) throws {
    try? FileManager.default.removeItem(atPath: target)
    try FileManager.default.copyItem(atPath: source, toPath: target)
}

/// The pack files of a repository, the latest last.
func packFiles(_ folder: String, _ kind: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder + "/packs").filter { $0.hasPrefix(kind) }.sorted {
        $0.suffix(13) < $1.suffix(13)
    }.map { folder + "/packs/" + $0 }
}

/// Changes bytes of a file in place.
func patch(_ path: String, at offset: Int, _ change: (inout UInt8) -> Void) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    defer { try? file.close() }
    try file.seek(toOffset: UInt64(offset))
    var byte = try file.read(upToCount: 1)?.first ?? 0
    change(&byte)
    try file.seek(toOffset: UInt64(offset))
    try file.write(contentsOf: Data([byte]))
}

func fileLength(_ path: String) -> Int {
    ((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? nil) ?? 0
}
