import Catalog
import PeerNode

extension API {
    static let edgeCommands = [
        edge("follow", .follow, true), edge("unfollow", .follow, false), edge("save", .save, true),
        edge("unsave", .save, false), edge("repost", .repost, true), edge("unrepost", .repost, false),
        edge("subscribe", .subscribe, true), edge("unsubscribe", .subscribe, false),
    ]

    private static func edge(_ name: String, _ relation: EdgeBody.Relation, _ isOn: Bool) -> RPCCommand {
        RPCCommand(name) { api, request in try await api.setEdges(relation, isOn, request) }
    }

    private func setEdges(
        _ relation: EdgeBody.Relation, _ isOn: Bool, _ request: RPCRequest
    ) async throws -> RPCReply {
        let isOfAuthor = relation == .follow || relation == .subscribe
        _ = try request.parameters.argument(0, isOfAuthor ? "author" : "content")
        let author = try await signer(request)
        // All are looked up before the first is signed.
        var targets: [(Reference, name: String)] = []
        for text in request.parameters.arguments {
            let target = try await isOfAuthor ? authorReference(text) : itemReference(text)
            guard relation == .save || target.0.author != author else {
                throw RPCError.usage("nobody can \(relation.rawValue) what is their own: '\(text)' is \(author)'s")
            }
            if !targets.contains(where: { $0.0 == target.0 }) { targets.append(target) }
        }
        let all = targets
        return .events { sink in
            for (target, name) in all {
                let update = try await self.sign(
                    .edge(EdgeBody(relation, target, isOn: isOn)), as: author, request)
                try await sink.event([
                    "relation": .string(relation.rawValue), "on": .bool(isOn), "id": JSON(EntityID(target)),
                    "name": .string(name), "cid": JSON(update.cid),
                ])
            }
        }
    }

    private func authorReference(_ text: String) async throws -> (Reference, name: String) {
        let author = try await targetAuthor(text)
        let reader = node.catalog.reader
        let row = try await node.plane.blocking { try reader.user(author) }
        return (.author(author), row?.name ?? author.short)
    }

    private func itemReference(_ text: String) async throws -> (Reference, name: String) {
        switch try await target(text) {
        case .content(let row) where !row.isDeleted: return (.content(row.entity), row.title)
        case .list(let row) where !row.isDeleted: return (.list(row.entity), row.name)
        default: throw RPCError(.notFound, "'\(text)' is neither digital content nor a list")
        }
    }
}
