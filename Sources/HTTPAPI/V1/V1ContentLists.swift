import Catalog

/// Routes about content lists: playlists and albums.
enum V1ContentLists {
    /// What the full answer about one list holds of its contents.
    private static let shownContents = 500

    static let routes: [V1Route] = [
        .one(
            "content_lists", "getContentLists", "Content lists by ids or by the paths of pages",
            .list(.named("ContentList")), [.ids, .permalinks]
        ) { call in
            let viewer = try call.viewer()
            if let ids = try call.ids() { return call.result(Page(try call.reader.lists(ids, viewer: viewer))) }
            guard let links = try call.permalinks() else {
                throw V1Problem.badParameter("id", "the ids of content lists")
            }
            let rows = try links.compactMap { link -> ListRow? in
                guard case .list(let row) = try call.reader.resolve(link, viewer: viewer) else { return nil }
                return row
            }
            return call.result(Page(rows))
        },
        .one(
            "content_lists/{id}", "getContentList", "One content list: an array with it, as in the original",
            .list(.named("ContentList"))
        ) { try one($0, try $0.list()) },
        .one(
            "content_lists/by_permalink/{handle}/{slug}", "getContentListByPermalink",
            "One content list by the last two parts of its page's path", .list(.named("ContentList"))
        ) { call in
            let path = "/\(call.match.values["handle"] ?? "")/playlist/\(call.match.values["slug"] ?? "")"
            guard path.utf8.count <= V1Call.maximumText,
                case .list(let row) = try call.reader.resolve(path, viewer: try call.viewer())
            else { throw V1Problem.notFound("content list") }
            return try one(call, row)
        },
        .pages(
            "content_lists/{id}/digital_contents", "getContentListContents", "What a list holds, in its order",
            of: .named("DigitalContent")
        ) { call in
            let id = try call.list().id
            // Clients of the original expect the whole list.
            let page = try call.page(limit: 200)
            return call.result(try call.reader.contents(ofList: id, page, viewer: try call.viewer()))
        },
        .pages(
            "content_lists/{id}/favorites", "getContentListFavorites", "Who saved it, latest first", of: .named("User")
        ) { call in
            let id = try call.list().id
            return call.result(try call.reader.favorites(ofList: id, try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "content_lists/{id}/reposts", "getContentListReposts", "Who reposted it, latest first", of: .named("User")
        ) { call in
            let id = try call.list().id
            return call.result(try call.reader.reposts(ofList: id, try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "content_lists/search", "searchContentLists", "Content lists by name", of: .named("ContentList"),
            [.query, .listKind]
        ) { call in
            call.result(
                try call.reader.searchLists(
                    try call.words(), albums: try call.albums(), try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "content_lists/trending", "getTrendingContentLists", "Content lists that are trending",
            of: .named("ContentList"), [.time, .listKind]
        ) { call in
            call.result(
                try call.reader.trendingLists(
                    try call.span(), albums: try call.albums(), try call.page(), viewer: try call.viewer()))
        },
        .pages(
            "content_lists/latest", "getLatestContentLists", "Everybody's content lists, latest first",
            of: .named("ContentList"), [.listKind]
        ) { call in
            call.result(
                try call.reader.latestLists(
                    albums: try call.albums(), now: call.now, try call.page(), viewer: try call.viewer()))
        },
    ]

    /// One list, with what it holds in the full answer.
    static func one(_ call: V1Call, _ row: ListRow) throws -> V1Result {
        var view = ListView(row: row)
        if call.match.isFull, !row.isDeleted {
            let page = PageRequest(limit: shownContents)
            view.contents = try call.reader.contents(ofList: row.id, page, viewer: try call.viewer()).rows
        }
        return V1Result([ListShape.shape.json(view, call.context)])
    }
}
