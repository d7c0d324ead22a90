import DHT
import Multiformats
import PeerNode
import Storage

/// The files of a node: from its disk, else from whoever has them.
struct NodeMedia: CatalogMedia {
    let node: Node
    private let finder = ProviderFinder()

    init(node: Node) { self.node = node }

    func open(_ cid: CID) async throws -> MediaFile {
        let session = node.fetchSession()
        return try await MediaFile(cid, node.reader(session)) { [node] in
            // It is here in whole now: others may have it from us, also when its author is gone.
            if session.received.blocks > 0 { await node.provideRoot(cid) }
        }
    }

    func holder(of files: [CID]) async throws -> PeerID? {
        guard !files.isEmpty else { return nil }
        let (blocks, plane) = (node.blocks, node.plane)
        let isHere = try await plane.blocking { try files.allSatisfy { try blocks.has($0) } }
        return isHere ? node.peerID : nil
    }

    func providers(of file: CID) async -> [PeerID] {
        await finder.providers(of: file) { [node] found in
            // Offline, or with a network that fails meanwhile, what came so far is all.
            guard let events = try? node.findProviders(of: file, limit: ProviderFinder.maximumProviders) else { return }
            do {
                for try await event in events {
                    if case .provider(let peer) = event { found(peer.id) }
                }
            } catch {}
        }
    }
}
