import MerkleDAG
import Multiformats
import NIOCore
import PeerCrypto

/// Builds files and folders out of parts that name their paths. Used by the task of one request.
///
/// Files are stored as they come; folders when everything is there, the deepest first, as Kubo does.
final class AddTree {
    /// Something without a folder above it.
    struct Root {
        let name: String
        let node: ImportedNode
        let part: Part?
    }

    private final class Folder {
        var part: Part?
        var folders: [(name: String, folder: Folder)] = []
        var indices: [String: Int] = [:]
        var entries: [(name: String, node: ImportedNode)] = []

        /// The folder called `name` in here, made if it is not there.
        func folder(_ name: String) -> Folder {
            if let index = indices[name] { return folders[index].folder }
            let folder = Folder()
            indices[name] = folders.count
            folders.append((name, folder))
            return folder
        }
    }

    /// How deep folders may lie.
    private static let maximumDepth = 256
    /// Files of up to this many bytes are hashed where they are read.
    private static let smallFile = 64 << 10

    private let profile: ImportProfile
    private let importer: Importer
    private let wraps: Bool
    private let put: BlockPut
    /// Where small blocks gather, so that a thousand small files are one batch.
    private let sink: BlockSink
    private let report: AddReport
    private let top = Folder()
    private var files: [Root] = []

    init(profile: ImportProfile, wraps: Bool, put: @escaping BlockPut, report: AddReport) throws {
        self.profile = profile
        importer = try Importer(profile: profile)
        self.wraps = wraps
        self.put = put
        sink = BlockSink(put: put)
        self.report = report
    }

    /// Takes one part, and its content from `content`.
    func add(_ part: Part, from content: any PartReader) async throws {
        let names = part.path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard names.count <= Self.maximumDepth, names.allSatisfy({ EntryName.isComponent(Array($0.utf8)) }) else {
            throw RPCError.usage("'\(part.path)' cannot be a name in a folder")
        }
        if part.kind == .folder {
            var folder = top
            for name in names { folder = folder.folder(name) }
            folder.part = part
            return
        }
        let node =
            part.kind == .file ? try await file(part, content) : try await symlink(content)
        guard let name = names.last else {
            files.append(Root(name: wraps ? node.cid.description : "", node: node, part: part))
            return
        }
        if names.count == 1, !wraps {
            files.append(Root(name: name, node: node, part: part))
            return
        }
        var folder = top
        for name in names.dropLast() { folder = folder.folder(name) }
        folder.entries.append((name, node))
        try await report.added(part.path, node, part)
    }

    /// Makes the folders. The roots are for the caller to report, once everything is durable.
    func finish() async throws -> [Root] {
        var roots = files
        if wraps {
            top.entries += files.map { ($0.name, $0.node) }
            roots = [Root(name: "", node: try await make(top, path: ""), part: nil)]
        } else {
            for (name, folder) in top.folders {
                roots.append(Root(name: name, node: try await make(folder, path: name), part: folder.part))
            }
        }
        try await sink.finish()
        return roots
    }

    /// Gives up, after an error.
    func abandon() async { await sink.abandon() }

    private func make(_ folder: Folder, path: String) async throws -> ImportedNode {
        var builder = try DirectoryBuilder(profile: profile)
        for (name, child) in folder.folders {
            let below = path.isEmpty ? name : path + "/" + name
            let node = try await make(child, path: below)
            try await report.added(below, node, child.part)
            try builder.add(name: Array(name.utf8), node)
        }
        for (name, node) in folder.entries { try builder.add(name: Array(name.utf8), node) }
        return try await builder.finish(into: sink)
    }

    private func file(_ part: Part, _ content: any PartReader) async throws -> ImportedNode {
        // A file of one raw block needs no pipeline of hashers.
        var start = ByteBuffer()
        if profile.rawLeaves {
            let limit = min(profile.chunkSize, Self.smallFile)
            while start.readableBytes <= limit {
                guard let bytes = try await content.nextChunk() else { return try await leaf(start) }
                if start.readableBytes == 0 { start = bytes } else { start.writeImmutableBuffer(bytes) }
            }
        }
        let pieces = PartBytes(content: content, start: start) { try await self.report.bytes(part.path, $0) }
        return try await importer.add(pieces, put: put)
    }

    private func leaf(_ data: ByteBuffer) async throws -> ImportedNode {
        let cid = try cid(.raw, of: data)
        try await sink.append(Block(cid: cid, data: data))
        let size = UInt64(data.readableBytes)
        return ImportedNode(cid: cid, tsize: size, fileSize: size)
    }

    private func cid(_ codec: Codec, of data: ByteBuffer) throws -> CID {
        guard let multihash = ContentHash.hash(data, code: profile.hash) else {
            throw RPCError.usage("this hash function is not offered")
        }
        let cid = CID(codec: codec, multihash: multihash)
        return profile.cidVersion == 0 ? cid.v0 ?? cid : cid
    }

    private func symlink(_ content: any PartReader) async throws -> ImportedNode {
        let target = try await content.collect(limit: 4096)
        let message = UnixFS(.symlink, data: target)
        let data = DagPB.Node(data: message.encoded()).encoded()
        let cid = try cid(.dagPB, of: data)
        try await sink.append(Block(cid: cid, data: data))
        return ImportedNode(cid: cid, tsize: UInt64(data.readableBytes), fileSize: 0)
    }
}
