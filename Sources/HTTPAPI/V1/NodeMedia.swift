import Multiformats
import PeerNode
import Storage

/// The files of a node: from its disk, else from whoever has them.
struct NodeMedia: CatalogMedia {
    let node: Node

    func open(_ cid: CID) async throws -> MediaFile {
        let session = node.fetchSession()
        return try await MediaFile(cid, node.reader(session)) { [node] in
            // It is here in whole now: others may have it from us, also when its author is gone.
            if session.received.blocks > 0 { await node.provideRoot(cid) }
        }
    }

    func holders(of files: [CID]) async throws -> [PeerID] {
        let (blocks, plane) = (node.blocks, node.plane)
        let isHere = try await plane.blocking { try files.allSatisfy { try blocks.has($0) } }
        return isHere && !files.isEmpty ? [node.peerID] : []
    }
}
