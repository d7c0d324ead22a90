import Catalog
import Multiformats

/// Who has the files of a piece of digital content.
enum V1Holders {
    static func answer(_ call: V1Call) async throws -> V1Answer {
        let (row, own) = try await call.api.onThread {
            let row = try call.content()
            return (row, try call.reader.nodes(of: row.user.id, now: call.now))
        }
        let isLocal = try call.query.flag("local")
        var found: [(peer: PeerID, source: Holder.Source)] = []
        func add(_ peer: PeerID, _ source: Holder.Source) {
            if !found.contains(where: { $0.peer == peer }) { found.append((peer, source)) }
        }
        if let here = try await call.api.media.holder(of: row.fields.media.map(\.cid)) { add(here, .disk) }
        if !isLocal, !row.isDeleted, let file = row.streamed {
            for peer in await call.api.media.providers(of: file.cid) { add(peer, .network) }
        }
        for node in own { add(node.body.peer, .author) }
        let peers = found.map(\.peer)
        let announced = try await call.api.onThread { try call.reader.nodes(peers, now: call.now) }
        let holders = found.map { entry in
            let node = announced.first { $0.body.peer == entry.peer }
            return Holder(
                peer: entry.peer.description, source: entry.source, endpoint: node?.body.endpoint,
                roles: node?.body.roles ?? [], user: node?.user)
        }
        return call.api.answer(call.result(Page(holders), HolderShape.shape), to: call)
    }
}
