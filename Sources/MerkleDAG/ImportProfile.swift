package import Multiformats

/// Everything that decides which CID some content gets.
///
/// Two nodes agree on a CID only when all of these are the same; the two named profiles are those that
/// other implementations know.
/// Source: https://specs.ipfs.tech/ipips/ipip-0499/
package struct ImportProfile: Hashable, Sendable {
    /// How a folder's size is measured against the threshold above which it is sharded.
    package enum ShardingRule: Hashable, Sendable {
        /// The lengths of names and CIDs, as Kubo has always counted.
        case links
        /// The exact length of the folder's block.
        case block
    }

    /// For people; not part of what decides the CID.
    package var name: String
    /// 0 or 1.
    package var cidVersion: UInt8
    package var hash: HashCode
    /// Whether a file's chunks are stored as they are, or each wrapped in a dag-pb node.
    package var rawLeaves: Bool
    /// The length of every chunk of a file but the last, in bytes.
    package var chunkSize: Int
    /// The most links of a file's inner node.
    package var maximumLinks: Int
    /// Folders measuring more than this many bytes are sharded; `nil` shards none.
    package var shardingThreshold: Int?
    package var shardingRule: ShardingRule
    /// The width of a shard: a power of two from 8 to 1024.
    package var fanout: Int

    /// What Kubo does unless told otherwise: version 0 CIDs, 256 KiB chunks wrapped in dag-pb.
    package static let v0_2015 = ImportProfile(
        name: "unixfs-v0-2015", cidVersion: 0, hash: .sha2_256, rawLeaves: false, chunkSize: 256 << 10,
        maximumLinks: 174, shardingThreshold: 256 << 10, shardingRule: .links, fanout: 256)

    /// The profile for new content: version 1 CIDs, raw 1 MiB chunks.
    package static let v1_2025 = ImportProfile(
        name: "unixfs-v1-2025", cidVersion: 1, hash: .sha2_256, rawLeaves: true, chunkSize: 1 << 20,
        maximumLinks: 1024, shardingThreshold: 256 << 10, shardingRule: .block, fanout: 256)

    /// The profiles that have names.
    package static let named = [v1_2025, v0_2015]

    /// The chunk sizes that fit into a block with what a dag-pb leaf adds, in bytes.
    package static let chunkSizes = 1...(Block.maximumLength - 64)

    /// The profile of that name; `nil` when there is none.
    package init?(named name: String) {
        guard let profile = ImportProfile.named.first(where: { $0.name == name }) else { return nil }
        self = profile
    }

    package init(
        name: String, cidVersion: UInt8, hash: HashCode, rawLeaves: Bool, chunkSize: Int, maximumLinks: Int,
        shardingThreshold: Int?, shardingRule: ShardingRule, fanout: Int
    ) {
        self.name = name
        self.cidVersion = cidVersion
        self.hash = hash
        self.rawLeaves = rawLeaves
        self.chunkSize = chunkSize
        self.maximumLinks = maximumLinks
        self.shardingThreshold = shardingThreshold
        self.shardingRule = shardingRule
        self.fanout = fanout
    }

    /// Throws when no content could be imported with these settings.
    package func validate() throws(ImportError) {
        guard cidVersion <= 1 else { throw .invalidProfile("CID version \(cidVersion)") }
        guard cidVersion == 1 || hash == .sha2_256 else {
            throw .invalidProfile("version 0 CIDs are SHA-256 only; take version 1")
        }
        guard ImportProfile.chunkSizes.contains(chunkSize) else {
            throw .invalidProfile("a chunk size of \(chunkSize), outside \(ImportProfile.chunkSizes)")
        }
        guard (2...8192).contains(maximumLinks) else {
            throw .invalidProfile("\(maximumLinks) links per node, outside 2...8192")
        }
        guard HAMTShard.isValid(fanout: UInt64(clamping: fanout)) else {
            throw .invalidProfile("a fanout of \(fanout)")
        }
    }

    /// The CID that a block with `multihash` gets under this profile.
    func cid(_ codec: Codec, _ multihash: Multihash) -> CID {
        if cidVersion == 0, codec == .dagPB, let cid = CID(v0: multihash) { return cid }
        return CID(codec: codec, multihash: multihash)
    }
}

/// Why something could not be imported.
package enum ImportError: Error, Hashable, Sendable {
    case invalidProfile(String)
    case unsupportedHash(HashCode)
    case invalidName(String)
    case duplicateName(String)
    /// Two names with the same 64-bit hash, or a folder that fits no block and may not be sharded.
    case folderTooLarge(String)
    case tooDeep(String)
    case notAFileOrFolder(path: String, kind: String)
}

extension ImportError: CustomStringConvertible {
    /// What is wrong, in words for a user.
    package var description: String {
        switch self {
        case .invalidProfile(let reason): "these import settings cannot work: \(reason)"
        case .unsupportedHash(let code): "hash function 0x\(String(code.rawValue, radix: 16)) is not available"
        case .invalidName(let name): "'\(name)' cannot be a name in a folder"
        case .duplicateName(let name): "the folder has two entries called '\(name)'"
        case .folderTooLarge(let reason): "the folder cannot be stored: \(reason)"
        case .tooDeep(let path): "'\(path)' lies too deep"
        case .notAFileOrFolder(let path, let kind):
            "'\(path)' is a \(kind); only files, folders and symlinks can be added"
        }
    }
}
