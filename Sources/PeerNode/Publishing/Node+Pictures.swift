import Media
import MerkleDAG
package import Multiformats
import NIOCore
import Storage

extension Node {
    /// Stores and keeps a picture of this machine, for a profile or a list, and gives its CID.
    ///
    /// Throws `MediaError.badPicture` for what is none that may be published.
    package func addPicture(at path: String) async throws -> CID {
        let picture = try await plane.blocking { try CoverImage.read(path: path) }
        guard let profile = ImportProfile(named: configuration.content.profile) else {
            throw PublishError.badProfile(configuration.content.profile)
        }
        return try await withImport { session in
            let put: BlockPut = { try await session.put($0) }
            let cid = try await Importer(profile: profile).add(ByteBuffer(bytes: picture.bytes), put: put).cid
            try await session.finish()
            let blocks = blocks
            try await plane.blocking { try blocks.pin(cid, kind: .recursive, name: "") }
            await provideRoot(cid)
            return cid
        }
    }
}
