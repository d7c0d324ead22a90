import Catalog
import Multiformats
import PeerNode

extension API {
    static let catalogListCommands = [
        RPCCommand("list/new") { api, request in try await api.newList(request) },
        RPCCommand("list/add") { api, request in try await api.addToList(request) },
        RPCCommand("list/remove") { api, request in try await api.removeFromList(request) },
        RPCCommand("list/move") { api, request in try await api.moveInList(request) },
        RPCCommand("list/show") { api, request in try await api.showList(request) },
        RPCCommand("list/ls") { api, request in try await api.lists(request) },
        RPCCommand("list/rm") { api, request in try await api.deleteList(request) },
    ]

    private func newList(_ request: RPCRequest) async throws -> RPCReply {
        let name = try request.parameters.argument(0, "name")
        let author = try await signer(request)
        var body = ListBody(id: Self.newID())
        body.name = .set(name)
        body.description = Self.patch(request, "description")
        body.artwork = try await picture(request, "cover")
        if try request.parameters.flag("album") { body.isAlbum = .set(true) }
        let update = try await sign(.list(body), as: author, request)
        return .value([
            "id": JSON(EntityID(.list, author, body.id)), "name": .string(name), "cid": JSON(update.cid),
        ])
    }

    private func addToList(_ request: RPCRequest) async throws -> RPCReply {
        let (author, list) = try await ownList(request)
        _ = try request.parameters.argument(1, "content")
        var contents: [ContentRow] = []
        for text in request.parameters.arguments.dropFirst() { contents.append(try await targetContent(text)) }
        let (all, last) = (contents, list.items.last?.position)
        return .events { sink in
            var last = last
            for content in all {
                guard let position = ListPosition.between(last, nil) else {
                    throw RPCError(.failure, "the list '\(list.name)' has no room left")
                }
                let body = ListItemBody(list: list.entity.id, .add(content.entity, position))
                let update = try await self.sign(.listItem(body), as: author, request)
                last = position
                try await sink.event([
                    "list": JSON(list.id), "content": JSON(content.id), "title": .string(content.title),
                    "tag": JSON(update.id),
                ])
            }
        }
    }

    private func removeFromList(_ request: RPCRequest) async throws -> RPCReply {
        let (author, list) = try await ownList(request)
        _ = try request.parameters.argument(1, "item")
        var tags: [UpdateID] = []
        for text in request.parameters.arguments.dropFirst() {
            tags += try await items(text, in: list).map { list.items[$0].tag }
        }
        for start in stride(from: 0, to: tags.count, by: UpdateLimits.removedTags) {
            let some = Array(tags[start..<min(start + UpdateLimits.removedTags, tags.count)])
            _ = try await sign(.listItem(ListItemBody(list: list.entity.id, .remove(some))), as: author, request)
        }
        return .value(["list": JSON(list.id), "removed": .int(tags.count)])
    }

    /// Moves an item to a place, counted from 1.
    private func moveInList(_ request: RPCRequest) async throws -> RPCReply {
        let (author, list) = try await ownList(request)
        let item = try request.parameters.argument(1, "item")
        let text = try request.parameters.argument(2, "place")
        guard let place = Int(text), (1...max(1, list.items.count)).contains(place) else {
            throw RPCError.usage("the place must be a number from 1 to \(list.items.count), not '\(text)'")
        }
        guard let index = try await items(item, in: list).first else {
            throw RPCError(.notFound, "the list has no item '\(item)'")
        }
        var rest = list.items
        let moved = rest.remove(at: index)
        let lower = place > 1 ? rest[place - 2].position : nil
        let upper = place - 1 < rest.count ? rest[place - 1].position : nil
        guard let position = ListPosition.between(lower, upper) else {
            throw RPCError(.conflict, "there is no room between these two items: move the others first")
        }
        let body = ListItemBody(list: list.entity.id, .move(tag: moved.tag, position))
        _ = try await sign(.listItem(body), as: author, request)
        return .value(["list": JSON(list.id), "content": JSON(moved.content), "place": .int(place)])
    }

    private func showList(_ request: RPCRequest) async throws -> RPCReply {
        let author = try await signerIfAny(request)
        let row = try await targetList(try request.parameters.argument(0, "list"), of: author)
        let reader = node.catalog.reader
        let contents = try await node.plane.blocking { try reader.contents(row.items.map(\.content)) }
        let titles = Dictionary(contents.map { ($0.id, $0) }) { first, _ in first }
        let items: [JSON] = row.items.enumerated().map { index, item in
            let content = titles[item.content]
            return [
                "place": .int(index + 1), "tag": JSON(item.tag), "id": JSON(item.content),
                "title": CatalogJSON.maybe(content?.title), "user": CatalogJSON.maybe(content?.user.name),
                "duration_ms": .int(Int(clamping: content?.fields.duration ?? 0)),
                "cid": CatalogJSON.maybe(content?.streamed?.cid.description), "added": CatalogJSON.time(item.added),
            ]
        }
        let members = CatalogJSON.list(row).members.filter { $0.name != "items" }
        return .value(.object(members + [.init("items", .array(items))]))
    }

    private func lists(_ request: RPCRequest) async throws -> RPCReply {
        let author: AuthorID
        if let text = request.parameters.arguments.first {
            author = try await targetAuthor(text)
        } else {
            author = try await signer(request)
        }
        let (reader, page) = (node.catalog.reader, try Self.page(request, limit: 100))
        let found = try await node.plane.blocking { try reader.lists(by: EntityID(.author, author), page) }
        return Self.reply(found, CatalogJSON.list)
    }

    private func deleteList(_ request: RPCRequest) async throws -> RPCReply {
        let (author, list) = try await ownList(request)
        _ = try await sign(.listDelete(DeleteBody(id: list.entity.id)), as: author, request)
        return .value(["id": JSON(list.id), "name": .string(list.name)])
    }

    // MARK: What is meant

    private func ownList(_ request: RPCRequest) async throws -> (AuthorID, ListRow) {
        let author = try await signer(request)
        let row = try await targetList(try request.parameters.argument(0, "list"), of: author)
        try Self.check(row.entity.author, is: author)
        return (author, row)
    }

    /// Where in a list what `text` names stands: a place counted from 1, a tag, or content, which may occur twice.
    private func items(_ text: String, in list: ListRow) async throws -> [Int] {
        if let place = Int(text), text.utf8.count < 6 {
            guard (1...max(1, list.items.count)).contains(place), !list.items.isEmpty else {
                throw RPCError(.notFound, "the list has \(list.items.count) items, and no number \(place)")
            }
            return [place - 1]
        }
        if let index = list.items.firstIndex(where: { $0.tag.description == text }) { return [index] }
        let id: EntityID
        if let given = EntityID(text) { id = given } else { id = try await targetContent(text).id }
        let found = list.items.indices.filter { list.items[$0].content == id }
        guard !found.isEmpty else { throw RPCError(.notFound, "the list has no item '\(text)'") }
        return found
    }
}
