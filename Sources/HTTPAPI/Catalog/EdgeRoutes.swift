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

    /// What an edge leads to, and whether it is set already; nil when that is not known.
    private struct Target {
        let reference: Reference
        let name: String
        let isOn: Bool?
    }

    /// Says what was not said yet: doing it twice is doing it once.
    private func setEdges(
        _ relation: EdgeBody.Relation, _ isOn: Bool, _ request: RPCRequest
    ) async throws -> RPCReply {
        let isOfAuthor = relation == .follow || relation == .subscribe
        _ = try request.parameters.argument(0, isOfAuthor ? "author" : "content")
        let author = try await signer(request)
        // All are looked up before the first is signed.
        var targets: [Target] = []
        for text in request.parameters.arguments {
            let target =
                try await isOfAuthor
                ? authorTarget(text, relation, of: author)
                : itemTarget(text, relation, of: author, takesDeleted: !isOn)
            guard relation == .save || target.reference.author != author else {
                throw RPCError.usage("nobody can \(relation.rawValue) what is their own: '\(text)' is \(author)'s")
            }
            if !targets.contains(where: { $0.reference == target.reference }) { targets.append(target) }
        }
        let all = targets
        return .events { sink in
            for target in all {
                var cid = JSON.null
                if target.isOn != isOn {
                    let body = EdgeBody(relation, target.reference, isOn: isOn)
                    cid = JSON(try await self.sign(.edge(body), as: author, request).cid)
                }
                try await sink.event([
                    "relation": .string(relation.rawValue), "on": .bool(isOn), "id": JSON(EntityID(target.reference)),
                    "name": .string(target.name), "new": .bool(cid != .null), "cid": cid,
                ])
            }
        }
    }

    private func authorTarget(
        _ text: String, _ relation: EdgeBody.Relation, of viewer: AuthorID
    ) async throws -> Target {
        let author = try await targetAuthor(text)
        let reader = node.catalog.reader
        let row = try await node.plane.blocking {
            try reader.user(author, viewer: Viewer(EntityID(.author, viewer)))
        }
        let isOn = relation == .follow ? row?.marks?.isFollowed : row?.marks?.isSubscribed
        return Target(reference: .author(author), name: row?.name ?? author.short, isOn: isOn)
    }

    /// What was deleted can only be let go.
    private func itemTarget(
        _ text: String, _ relation: EdgeBody.Relation, of viewer: AuthorID, takesDeleted: Bool
    ) async throws -> Target {
        func isOn(_ marks: ItemMarks?) -> Bool? { relation == .save ? marks?.isSaved : marks?.isReposted }
        switch try await target(text, viewer: Viewer(EntityID(.author, viewer))) {
        case .content(let row) where takesDeleted || !row.isDeleted:
            return Target(reference: .content(row.entity), name: row.title, isOn: isOn(row.marks))
        case .list(let row) where takesDeleted || !row.isDeleted:
            return Target(reference: .list(row.entity), name: row.name, isOn: isOn(row.marks))
        default: throw RPCError(.notFound, "'\(text)' is neither digital content nor a list")
        }
    }
}
