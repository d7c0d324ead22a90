import Catalog
import PeerNode

extension API {
    static let catalogContentCommands = [
        RPCCommand("content/ls") { api, request in try await api.listContents(request) },
        RPCCommand("content/show") { api, request in
            let row = try await api.targetContent(try request.parameters.argument(0, "content"))
            return .value(CatalogJSON.content(row))
        },
        RPCCommand("content/edit") { api, request in try await api.editContent(request) },
        RPCCommand("content/rm") { api, request in try await api.removeContents(request) },
        RPCCommand("comment") { api, request in try await api.addComment(request) },
        RPCCommand("comment/ls") { api, request in
            let row = try await api.targetContent(try request.parameters.argument(0, "content"))
            let (reader, wanted) = (api.node.catalog.reader, try API.page(request))
            let found = try await api.node.plane.blocking { try reader.comments(on: row.id, wanted) }
            return reply(found, CatalogJSON.comment)
        },
    ]

    /// Of an author, unlisted content too when it is one of this node's.
    private func listContents(_ request: RPCRequest) async throws -> RPCReply {
        let author: AuthorID
        if let text = request.parameters.arguments.first {
            author = try await targetAuthor(text)
        } else {
            author = try await signer(request)
        }
        let (catalog, page) = (node.catalog, try Self.page(request, limit: 100))
        let found = try await node.plane.blocking {
            let isOwner = try catalog.authors.list().contains { $0.id == author }
            return try catalog.reader.contents(by: EntityID(.author, author), isOwner: isOwner, page)
        }
        return Self.reply(found, CatalogJSON.content)
    }

    private func editContent(_ request: RPCRequest) async throws -> RPCReply {
        try Self.checkCleared(
            request, ["description", "genre", "mood", "tags", "license", "isrc", "release-date", "cover"])
        let row = try await targetContent(try request.parameters.argument(0, "content"))
        let author = try await signer(request)
        try Self.check(row.entity.author, is: author)
        let empty = ContentBody(id: row.entity.id)
        var body = empty
        body.title = Self.patch(request, "title")
        body.description = Self.patch(request, "description")
        body.genre = Self.patch(request, "genre")
        body.mood = Self.patch(request, "mood")
        body.license = Self.patch(request, "license")
        body.isrc = Self.patch(request, "isrc")
        body.releaseDate = Self.patch(request, "release-date")
        switch Self.patch(request, "tags") {
        case .unchanged: break
        case .cleared: body.tags = .cleared
        case .set(let text): body.tags = .set(Self.words(text))
        }
        body.artwork = try await picture(request, "cover")
        if request.parameters.text("unlisted") != nil {
            body.unlisted = .set(try request.parameters.flag("unlisted"))
        }
        if let count = try request.parameters.count("replicas") {
            body.replicas = .set(min(UInt64(count), UpdateLimits.number))
        }
        guard body != empty else { throw RPCError.usage("say what to change, such as title or genre") }
        _ = try await sign(.content(body), as: author, request)
        let (reader, id) = (node.catalog.reader, row.id)
        let changed = try await node.plane.blocking { try reader.content(id) }
        return .value(CatalogJSON.content(changed ?? row))
    }

    private func removeContents(_ request: RPCRequest) async throws -> RPCReply {
        _ = try request.parameters.argument(0, "content")
        let author = try await signer(request)
        // All are looked up before the first goes.
        var rows: [ContentRow] = []
        for text in request.parameters.arguments {
            let row = try await targetContent(text)
            try Self.check(row.entity.author, is: author)
            rows.append(row)
        }
        let all = rows
        return .events { sink in
            for row in all {
                _ = try await self.sign(.contentDelete(DeleteBody(id: row.entity.id)), as: author, request)
                try await sink.event(["id": JSON(row.id), "title": .string(row.title)])
            }
        }
    }

    private func addComment(_ request: RPCRequest) async throws -> RPCReply {
        let row = try await targetContent(try request.parameters.argument(0, "content"))
        let text = try request.parameters.argument(1, "text")
        guard text.unicodeScalars.count <= UpdateLimits.comment, text.contains(where: { !$0.isWhitespace }) else {
            throw RPCError.usage("a comment has 1 to \(UpdateLimits.comment) characters, and not only spaces")
        }
        let author = try await signer(request)
        let id = Self.newID()
        var parent: EntityRef?
        if let answered = request.parameters.text("parent") {
            let (reader, wanted) = (node.catalog.reader, PageRequest(limit: PageRequest.maximumLimit))
            let comments = try await node.plane.blocking { try reader.comments(on: row.id, wanted).rows }
            guard let found = comments.first(where: { $0.id.description == answered }) else {
                throw RPCError(.notFound, "there is no comment '\(answered)' among the latest of that content")
            }
            parent = found.entity
        }
        let body = CommentBody(id: id, on: row.entity, parent: parent, text: text)
        let update = try await sign(.comment(body), as: author, request)
        return .value([
            "id": JSON(EntityID(.comment, author, id)), "content": JSON(row.id), "text": .string(text),
            "cid": JSON(update.cid),
        ])
    }

    /// Only what is one's own can be changed.
    static func check(_ owner: AuthorID, is author: AuthorID) throws(RPCError) {
        guard owner == author else {
            throw RPCError(
                .forbidden, "it belongs to \(owner), and not to \(author): if both are yours, add --author NAME")
        }
    }
}
