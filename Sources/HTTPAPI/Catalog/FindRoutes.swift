import Catalog
import PeerNode

extension API {
    static let findCommands = [
        RPCCommand("feed") { api, request in try await api.feed(request) },
        RPCCommand("search") { api, request in try await api.search(request) },
        RPCCommand("trending") { api, request in try await api.trending(request) },
        RPCCommand("resolve") { api, request in
            switch try await api.target(try request.parameters.argument(0, "name")) {
            case .user(let row): return .value(CatalogJSON.user(row))
            case .content(let row): return .value(CatalogJSON.content(row))
            case .list(let row): return .value(CatalogJSON.list(row))
            case .users(let rows): return .value(["items": .array(rows.map(CatalogJSON.user))])
            }
        },
    ]

    private func feed(_ request: RPCRequest) async throws -> RPCReply {
        let author = try await signer(request)
        let name = request.parameters.text("filter") ?? FeedFilter.all.rawValue
        guard let filter = FeedFilter(rawValue: name) else {
            throw RPCError.usage("option 'filter' must be all, repost or original, not '\(name)'")
        }
        let (catalog, page) = (node.catalog, try Self.page(request))
        let (found, actors) = try await node.plane.blocking {
            let found = try catalog.reader.feed(
                of: EntityID(.author, author), filter: filter, now: catalog.store.now(), page)
            return (found, try catalog.reader.users(found.rows.compactMap(\.actor)))
        }
        let names = Dictionary(actors.map { ($0.id, $0.name) }) { first, _ in first }
        return Self.reply(found) { row in
            JSON.object(
                [
                    JSON.Member("time", CatalogJSON.time(row.time)),
                    JSON.Member("reposted_by", CatalogJSON.maybe(row.actor.map { names[$0] ?? $0.description })),
                ] + CatalogJSON.item(row.item).members)
        }
    }

    /// All sorts at once, or one of them; the best first.
    private func search(_ request: RPCRequest) async throws -> RPCReply {
        let text = try request.parameters.argument(0, "query")
        let (reader, page) = (node.catalog.reader, try Self.page(request))
        let filter = try Self.filter(request)
        let kind = request.parameters.text("kind") ?? "all"
        let found: JSON = try await node.plane.blocking {
            switch kind {
            case "all":
                let found = try reader.search(text, filter: filter, page)
                let items =
                    found.contents.rows.map(CatalogJSON.content) + found.albums.rows.map(CatalogJSON.list)
                    + found.lists.rows.map(CatalogJSON.list) + found.users.rows.map(CatalogJSON.user)
                return ["items": .array(items), "next": .null]
            case "users": return Self.items(try reader.searchUsers(text, page), CatalogJSON.user)
            case "contents":
                return Self.items(try reader.searchContents(text, filter: filter, page), CatalogJSON.content)
            case "lists": return Self.items(try reader.searchLists(text, albums: false, page), CatalogJSON.list)
            case "albums": return Self.items(try reader.searchLists(text, albums: true, page), CatalogJSON.list)
            default:
                throw RPCError.usage("option 'kind' must be all, contents, albums, lists or users, not '\(kind)'")
            }
        }
        return .value(found)
    }

    private func trending(_ request: RPCRequest) async throws -> RPCReply {
        let name = request.parameters.text("time") ?? "week"
        guard let span = Span(name) else {
            throw RPCError.usage("option 'time' must be week, month, year or allTime, not '\(name)'")
        }
        let (reader, page) = (node.catalog.reader, try Self.page(request))
        let filter = try Self.filter(request)
        let kind = request.parameters.text("kind") ?? "contents"
        // A node that runs ranks by itself; the commands of an open repo ask for it.
        if !node.isOnline { try await node.catalog.rank() }
        let found: JSON = try await node.plane.blocking {
            switch kind {
            case "contents": return Self.items(try reader.trending(span, filter: filter, page), CatalogJSON.content)
            case "lists": return Self.items(try reader.trendingLists(span, albums: false, page), CatalogJSON.list)
            case "albums": return Self.items(try reader.trendingLists(span, albums: true, page), CatalogJSON.list)
            default: throw RPCError.usage("option 'kind' must be contents, albums or lists, not '\(kind)'")
            }
        }
        return .value(found)
    }

    private static func filter(_ request: RPCRequest) throws -> ContentFilter {
        ContentFilter(
            genres: words(request.parameters.text("genre") ?? ""),
            onlyDownloadable: try request.parameters.flag("only-downloadable"))
    }
}
