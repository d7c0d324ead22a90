import Catalog
import Foundation
package import Media
import MerkleDAG
import Multiformats
import NIOCore
import Storage

/// Publishes files and folders: their blocks are stored, verified on the disk and kept; then each is described in one
/// update, and an album in a list.
///
/// Whatever ends it in between, a second try with the same files goes on where it was: blocks that are here cost
/// little, and the ids of content and lists follow from what they hold, so that the catalog itself says what is done.
package struct Publisher: Sendable {
    private let node: Node
    private let request: PublishRequest
    private let helper: TagHelper?
    private let tell: @Sendable (PublishEvent) -> Void

    /// - Parameters:
    ///   - helper: runs TagLib in a process of its own.
    ///   - tell: told how far it is, on any thread; must be quick.
    package init(
        _ request: PublishRequest, node: Node, helper: TagHelper? = nil,
        tell: @escaping @Sendable (PublishEvent) -> Void = { _ in }
    ) {
        self.request = request
        self.node = node
        self.helper = helper
        self.tell = tell
    }

    /// A track whose blocks are here.
    struct Stored: Sendable {
        let track: AlbumTrack
        let cid: CID
        let size: UInt64
    }

    /// Publishes all of it. Throws `MediaError`, `PublishError`, and what storing and signing throw.
    package func run() async throws {
        guard let author = try request.author ?? node.catalog.currentAuthor() else {
            throw CatalogServiceError.noAuthor
        }
        // Whatever can be refused is, before files are read and stored for minutes.
        try request.check()
        let name = request.profile ?? node.configuration.content.profile
        guard let profile = ImportProfile(named: name) else { throw PublishError.badProfile(name) }
        let key = try await node.catalog.signingKey(of: author, passphrase: request.passphrase)
        let (request, helper) = (request, helper)
        let (album, cover) = try await node.plane.blocking { () throws -> (AlbumFolder, CoverImage?) in
            let album = try AlbumFolder.read(request.paths.map(Self.resolved), as: request.form, helper: helper)
            return (album, try request.cover.map { try CoverImage.read(path: $0) } ?? album.cover)
        }
        tell(
            .found(
                files: album.tracks.count, bytes: album.tracks.reduce(0) { $0 + $1.size }, skipped: album.skipped))
        let (tracks, artwork) = try await store(album, cover, profile)
        let desk = PublishDesk(node.catalog, author: author, key: key, request, tell: tell)
        // One after another: two that say the same at once would each find that nothing is said yet.
        try await node.catalog.publishing.withTurn {
            try await desk.publish(tracks, of: album, artwork: artwork)
        }
    }

    /// Symlinks that the user names are followed, in the whole path.
    private static func resolved(_ path: String) -> String {
        URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    }

    // MARK: Blocks

    /// Stores everything, reads it back from the disk, and keeps it.
    private func store(
        _ album: AlbumFolder, _ cover: CoverImage?, _ profile: ImportProfile
    ) async throws -> ([Stored], artwork: CID?) {
        try await node.withImport { session in
            let put: BlockPut = { try await session.put($0) }
            var tracks: [Stored] = []
            for track in album.tracks { tracks.append(try await add(track, profile, put)) }
            var artwork: CID?
            if let cover {
                artwork = try await Importer(profile: profile).add(ByteBuffer(bytes: cover.bytes), put: put).cid
            }
            try await session.finish()
            try await verify(tracks, artwork)
            for root in tracks.map(\.cid) + [artwork].compactMap({ $0 }) { try await keep(root) }
            return (tracks, artwork)
        }
    }

    private func add(_ track: AlbumTrack, _ profile: ImportProfile, _ put: @escaping BlockPut) async throws -> Stored {
        let (tell, path) = (tell, track.path)
        let node = try await FolderImporter(profile: profile, includesHidden: true).add(path: path, put: put) {
            if case .bytes(_, let count) = $0 { tell(.bytes(path: path, count: count)) }
        }
        // Its tags and its length were read before.
        guard node.fileSize == UInt64(track.size) else { throw PublishError.changed(path: path) }
        tell(.stored(path: path, node.cid, size: node.fileSize))
        return Stored(track: track, cid: node.cid, size: node.fileSize)
    }

    /// Reads every block from the disk, which checks its hash.
    private func verify(_ tracks: [Stored], _ artwork: CID?) async throws {
        var count = 0
        let (blocks, plane) = (node.blocks, node.plane)
        var roots = tracks.map { (cid: $0.cid, path: $0.track.path) }
        if let artwork { roots.append((cid: artwork, path: "cover")) }
        for (root, path) in roots {
            let walk = DAGWalker(roots: [root], window: 8) { cid in
                guard let block = try await plane.blocking({ try blocks.get(cid) }) else {
                    throw PublishError.lost(cid, path: path)
                }
                return block
            }
            for try await _ in walk { count += 1 }
        }
        tell(.verified(blocks: count))
    }

    private func keep(_ root: CID) async throws {
        let blocks = node.blocks
        try await node.plane.blocking { try blocks.pin(root, kind: .recursive, name: "") }
        await node.provideRoot(root)
    }
}
