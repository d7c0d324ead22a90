import Catalog

/// Feeds, searches of everything, and what a page's path leads to.
enum V1Feed {
    static let summary = "What those whom a user follows published and reposted, each item once, latest first"

    static let routes: [V1Route] = [
        V1Route(
            pattern: "feed", name: "getFeed", summary: summary,
            parameters: [.owner, .filter, .limit, .offset, .cursor], answer: .pages(of: .named("Activity")),
            action: .query { call in
                guard let viewer = try call.viewer() else {
                    throw V1Problem.badParameter("user_id", "the id of the user whose feed it is")
                }
                return try feed(call, of: viewer.id)
            }),
        .one(
            "search/full", "search", "Everything by words", results,
            [.query, .kind, .genre, .onlyDownloadable, .limit, .offset]
        ) {
            try search($0, limit: V1Call.defaultLimit)
        },
        .one(
            "search/autocomplete", "searchAutocomplete", "A few of everything, for completing what is typed", results,
            [.query, .kind, .genre, .onlyDownloadable, .limit, .offset]
        ) { try search($0, limit: 3) },
        .one(
            "resolve", "resolve", "What the path of a page leads to: a user, digital content, or an array with a list",
            .any, [.url]
        ) { try resolve($0) },
        .pages(
            "nodes", "getNodes", "Nodes that were announced within 24 hours, latest first", of: .named("Node")
        ) { call in call.result(try call.reader.nodes(now: call.now, try call.page()), NodeShape.shape) },
    ]

    static func feed(_ call: V1Call, of id: EntityID) throws -> V1Result {
        let filters = FeedFilter.allCases.map { ($0.rawValue, $0) }
        let filter = try call.query.choice("filter", filters) ?? .all
        return call.result(
            try call.reader.feed(
                of: id, filter: filter, now: call.now, try call.page(),
                viewer: try call.viewer() ?? Viewer(id, showsFollowees: call.match.isFull)))
    }

    // MARK: Search

    private static let results = ValueType.object([
        ("users", .list(.named("User"))), ("followed_users", .list(.named("User"))),
        ("tracks", .list(.named("DigitalContent"))), ("saved_tracks", .list(.named("DigitalContent"))),
        ("playlists", .list(.named("ContentList"))), ("saved_playlists", .list(.named("ContentList"))),
        ("albums", .list(.named("ContentList"))), ("saved_albums", .list(.named("ContentList"))),
    ])

    private static func search(_ call: V1Call, limit: Int) throws -> V1Result {
        let (words, kind, filter) = (try call.words(), try call.kind(), try call.filter())
        let (page, viewer) = (try call.page(limit: limit), try call.viewer())
        var users: [UserRow] = []
        var contents: [ContentRow] = []
        var lists: [ListRow] = []
        var albums: [ListRow] = []
        switch kind {
        case .all:
            let found = try call.reader.search(words, filter: filter, page, viewer: viewer)
            (users, contents) = (found.users.rows, found.contents.rows)
            (lists, albums) = (found.lists.rows, found.albums.rows)
        case .users: users = try call.reader.searchUsers(words, page, viewer: viewer).rows
        case .contents: contents = try call.reader.searchContents(words, filter: filter, page, viewer: viewer).rows
        case .lists: lists = try call.reader.searchLists(words, albums: false, page, viewer: viewer).rows
        case .albums: albums = try call.reader.searchLists(words, albums: true, page, viewer: viewer).rows
        }
        let saved = { (rows: [ListRow]) in Page(rows.filter { $0.marks?.isSaved ?? false }) }
        return V1Result([
            "users": call.result(Page(users)).data,
            "followed_users": call.result(Page(users.filter { $0.marks?.isFollowed ?? false })).data,
            "tracks": call.result(Page(contents)).data,
            "saved_tracks": call.result(Page(contents.filter { $0.marks?.isSaved ?? false })).data,
            "playlists": call.result(Page(lists)).data, "saved_playlists": call.result(saved(lists)).data,
            "albums": call.result(Page(albums)).data, "saved_albums": call.result(saved(albums)).data,
        ])
    }

    // MARK: Pages

    private static func resolve(_ call: V1Call) throws -> V1Result {
        guard let url = call.query.text("url"), url.utf8.count <= V1Call.maximumText else {
            throw V1Problem.badParameter("url", "the path of a page, at most \(V1Call.maximumText) bytes long")
        }
        var result: V1Result
        switch try call.reader.resolve(url, viewer: try call.viewer()) {
        case nil: throw V1Problem.notFound("page")
        case .user(let row):
            result = V1Result(UserShape.shape.json(row, call.context))
            result.location = "/v1/users/\(row.id)"
            result.others = [.init("kind", "user")]
        case .users(let rows):
            // Nobody can say whose page it is: all who claim the handle.
            result = call.result(Page(rows))
            result.others = [.init("kind", "users")]
        case .content(let row):
            result = V1Result(ContentShape.shape.json(row, call.context))
            result.location = "/v1/digital_contents/\(row.id)"
            result.others = [.init("kind", "digital_content")]
        case .list(let row):
            result = try V1ContentLists.one(call, row)
            result.location = "/v1/content_lists/\(row.id)"
            result.others = [.init("kind", "content_list")]
        }
        return result
    }
}
